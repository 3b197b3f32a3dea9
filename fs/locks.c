/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks: byte ranges of a process (fcntl), of an open description (OFD), and whole files
 * (flock). One list per inode holds all three kinds; the kinds do not see each other, except that OFD
 * and process locks exclude one another.
 *
 * A range is [start, end], end inclusive. An owner's ranges never overlap: setting a range first cuts
 * it out of what the owner had. Cutting one range in the middle needs one more record, so two records are
 * allocated before anything is changed.
 *
 * vfs_lock guards the lists. Waiters sleep on the context's queue and look again after each change. A
 * process that would wait for one that (transitively) waits for it gets EDEADLK; for that each waiter
 * notes what it waits for in `waiting`.
 */
#include "internal.h"
#include <kernel/wait.h>
#include <lib/list.h>

struct lock {
	struct list_head link;
	struct list_head held_link;
	u8 kind;  /* enum lock_kind */
	u8 type;  /* F_RDLCK, F_WRLCK */
	u32 pid;
	void *owner; /* struct files (POSIX) or struct file */
	struct inode *inode;
	const struct file *file; /* it was set through; only to be compared */
	u64 start, end;
};

struct lock_context {
	struct list_head locks;
	struct host_waitq waitq;
};

struct waiter { /* (vfs_lock) one blocked request */
	struct list_head link;
	void *owner, *blocker; /* POSIX; for the others an owner that nobody waits for, and NULL */
	const struct lock *want;
};

static struct list_head waiting = LIST_HEAD_INIT(waiting);
static struct list_head held = LIST_HEAD_INIT(held); /* (vfs_lock) every lock, the newest first */

#define END_OF_FILE 0x7fffffffffffffffull

static struct lock_context *context_of(struct inode *i)
{
	struct lock_context *c = READ_ONCE(i->flocks);
	if (c)
		return c;
	c = kmalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c)
		return NULL;
	list_init(&c->locks);
	host_waitq_init(&c->waitq);
	spin_lock(&vfs_lock);
	bool first = !i->flocks;
	if (first)
		i->flocks = c;
	spin_unlock(&vfs_lock);
	if (!first)
		kfree(c);
	return i->flocks;
}

void locks_free(struct inode *i)
{
	struct lock_context *c = i->flocks;
	struct lock *l, *next;
	list_for_each_entry_safe(l, next, &c->locks, link) {
		spin_lock(&vfs_lock);
		list_del(&l->held_link);
		spin_unlock(&vfs_lock);
		kfree(l);
	}
	kfree(c);
	i->flocks = NULL;
}

static bool same_world(const struct lock *a, const struct lock *b)
{
	return (a->kind == KIND_FLOCK) == (b->kind == KIND_FLOCK);
}

static bool conflicts(const struct lock *have, const struct lock *want)
{
	return same_world(have, want) && (have->owner != want->owner || have->kind != want->kind) && have->start <= want->end &&
	       want->start <= have->end && (have->type == F_WRLCK || want->type == F_WRLCK);
}

static struct lock *find_conflict(struct lock_context *c, const struct lock *want)
{
	struct lock *l;
	list_for_each_entry(l, &c->locks, link)
		if (conflicts(l, want))
			return l;
	return NULL;
}

static void take_out(struct lock *l, struct list_head *freed)
{
	list_del(&l->held_link);
	list_del(&l->link);
	list_add(&l->link, freed);
}

/* Takes [want->start, want->end] out of what the owner has; *spare is used when one is cut in two.
 * Whole records that vanish go to `freed`. */
static void cut_out(struct lock_context *c, const struct lock *want, struct lock **spare, struct list_head *freed)
{
	struct lock *l, *next;
	list_for_each_entry_safe(l, next, &c->locks, link) {
		if (l->owner != want->owner || l->kind != want->kind || l->start > want->end || want->start > l->end)
			continue;
		if (l->start < want->start && l->end > want->end) {
			struct lock *tail = *spare;
			*spare = NULL;
			*tail = *l;
			tail->start = want->end + 1;
			l->end = want->start - 1;
			list_add(&tail->link, &l->link);
			list_add(&tail->held_link, &held);
			return;
		}
		if (l->start < want->start) {
			l->end = want->start - 1;
		} else if (l->end > want->end) {
			l->start = want->end + 1;
		} else {
			take_out(l, freed);
		}
	}
}

/* Joins neighbours of the same type. */
static void merge(struct lock_context *c, struct lock *n, struct list_head *freed)
{
	struct lock *l, *next;
	list_for_each_entry_safe(l, next, &c->locks, link) {
		if (l == n || l->owner != n->owner || l->kind != n->kind || l->type != n->type)
			continue;
		if (l->end + 1 != n->start && n->end + 1 != l->start)
			continue;
		n->start = min(l->start, n->start);
		n->end = max(l->end, n->end);
		take_out(l, freed);
	}
}

static void free_list(struct list_head *freed)
{
	struct lock *l, *next;
	list_for_each_entry_safe(l, next, freed, link)
		kfree(l);
}

/* Would waiting for `blocker` close a circle back to `owner`? vfs_lock is held. */
static bool would_deadlock(void *owner, void *blocker)
{
	for (unsigned depth = 0; depth < 64; depth++) {
		struct waiter *w, *found = NULL;
		if (blocker == owner)
			return true;
		list_for_each_entry(w, &waiting, link)
			if (w->owner == blocker)
				found = w;
		if (!found)
			return false;
		blocker = found->blocker;
	}
	return false;
}

/* One attempt. 0, -EAGAIN (conflict; *blocker tells with whom) or -ENOMEM. */
static int try_set(struct lock_context *c, const struct lock *want, void **blocker)
{
	struct lock *fresh = kmalloc(sizeof(*fresh), ALLOC_KERNEL), *spare = kmalloc(sizeof(*spare), ALLOC_KERNEL);
	struct list_head freed;
	int err = fresh && spare ? 0 : -ENOMEM;
	list_init(&freed);
	if (!err) {
		spin_lock(&vfs_lock);
		struct lock *l = want->type == F_UNLCK ? NULL : find_conflict(c, want);
		if (l) {
			*blocker = l->kind == KIND_POSIX ? l->owner : NULL;
			err = -EAGAIN;
		} else {
			cut_out(c, want, &spare, &freed);
			if (want->type != F_UNLCK) {
				*fresh = *want;
				list_add_tail(&fresh->link, &c->locks);
				list_add(&fresh->held_link, &held);
				merge(c, fresh, &freed);
				fresh = NULL;
			}
		}
		spin_unlock(&vfs_lock);
	}
	free_list(&freed);
	kfree(fresh);
	kfree(spare);
	if (!err)
		wake_all(&c->waitq);
	return err;
}

/* Sets the lock, waiting for others. 0, -EDEADLK, -ERESTARTSYS, -ENOMEM. */
static int set_wait(struct lock_context *c, const struct lock *want)
{
	struct waiter w = { .owner = want->kind == KIND_POSIX ? want->owner : &w, .want = want };
	struct wait_entry e;
	int err, slept = 0;
	wait_entry_init(&e);
	list_init(&w.link);
	for (;;) {
		void *blocker = NULL;
		wait_prepare(&c->waitq, &e, true);
		err = try_set(c, want, &blocker);
		if (err != -EAGAIN)
			break;
		if (slept) {
			err = slept;
			break;
		}
		spin_lock(&vfs_lock);
		w.blocker = blocker;
		bool deadlock = blocker && would_deadlock(w.owner, blocker);
		if (!deadlock && list_is_empty(&w.link))
			list_add(&w.link, &waiting);
		spin_unlock(&vfs_lock);
		if (deadlock) {
			err = -EDEADLK;
			break;
		}
		slept = wait_sleep(true, 0);
	}
	wait_finish(&c->waitq, &e);
	spin_lock(&vfs_lock);
	list_del(&w.link);
	spin_unlock(&vfs_lock);
	return err;
}

/* Drops every lock of an owner. */
static void drop_owner(struct inode *i, const void *owner)
{
	struct lock_context *c = i->flocks;
	struct lock *l, *next;
	struct list_head freed;
	list_init(&freed);
	spin_lock(&vfs_lock);
	list_for_each_entry_safe(l, next, &c->locks, link) {
		if (l->owner != owner)
			continue;
		take_out(l, &freed);
	}
	spin_unlock(&vfs_lock);
	if (list_is_empty(&freed))
		return;
	free_list(&freed);
	wake_all(&c->waitq);
}

void locks_release_owner(struct inode *i, void *owner) { drop_owner(i, owner); }
void locks_release_file(struct file *f) { drop_owner(f->inode, f); }

/* fcntl(2). */

static int range_from_user(struct file *f, const struct flock *u, struct lock *l)
{
	s64 base = u->l_whence == SEEK_SET ? 0 : u->l_whence == SEEK_CUR ? (s64)f->pos : u->l_whence == SEEK_END ? (s64)f->inode->size : -1;
	s64 start, end;
	if (base < 0 || u->l_whence < 0)
		return -EINVAL;
	if (u->l_start > 0 && base > (s64)END_OF_FILE - u->l_start)
		return -EOVERFLOW;
	start = base + u->l_start;
	if (start < 0)
		return -EINVAL;
	if (u->l_len > 0) {
		if (u->l_len - 1 > (s64)END_OF_FILE - start)
			return -EOVERFLOW;
		end = start + u->l_len - 1;
	} else if (u->l_len < 0) {
		end = start - 1;
		start += u->l_len;
		if (start < 0)
			return -EINVAL;
	} else {
		end = (s64)END_OF_FILE;
	}
	if (u->l_type != F_RDLCK && u->l_type != F_WRLCK && u->l_type != F_UNLCK)
		return -EINVAL;
	l->start = (u64)start;
	l->end = (u64)end;
	l->type = (u8)u->l_type;
	return 0;
}

static long get_lock(struct file *f, struct flock *u, struct lock *want, uaddr_t arg)
{
	struct lock_context *c = f->inode->flocks;
	if (u->l_type != F_RDLCK && u->l_type != F_WRLCK)
		return -EINVAL;
	u->l_type = F_UNLCK;
	if (c) {
		spin_lock(&vfs_lock);
		struct lock *l = find_conflict(c, want);
		if (l) {
			u->l_type = l->type;
			u->l_whence = SEEK_SET;
			u->l_start = (s64)l->start;
			u->l_len = l->end == END_OF_FILE ? 0 : (s64)(l->end - l->start + 1);
			u->l_pid = l->kind == KIND_POSIX ? (int)l->pid : -1;
		}
		spin_unlock(&vfs_lock);
	}
	return copy_to_user(arg, u, sizeof(*u)) ? -EFAULT : 0;
}

long locks_fcntl(struct file *f, u32 cmd, uaddr_t arg)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct flock u;
	struct lock want = { .kind = ofd ? KIND_OFD : KIND_POSIX, .owner = ofd ? (void *)f : current->files, .inode = f->inode,
	                     .file = f, .pid = current->process->pid };
	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (ofd && u.l_pid)
		return -EINVAL;
	int err = range_from_user(f, &u, &want);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return get_lock(f, &u, &want, arg);
	if ((want.type == F_RDLCK && !FMODE_CAN_READ(f)) || (want.type == F_WRLCK && !FMODE_CAN_WRITE(f)))
		return -EBADF;
	if (want.type == F_UNLCK && !f->inode->flocks)
		return 0;
	struct lock_context *c = context_of(f->inode);
	void *blocker;
	if (!c)
		return -ENOLCK;
	err = cmd == F_SETLKW || cmd == F_OFD_SETLKW ? set_wait(c, &want) : try_set(c, &want, &blocker);
	return err == -ENOMEM ? -ENOLCK : err;
}

/* flock(2). */

long locks_flock(struct file *f, u32 op)
{
	struct lock want = { .kind = KIND_FLOCK, .owner = f, .inode = f->inode, .file = f, .pid = current->process->pid, .start = 0, .end = END_OF_FILE };
	void *blocker;
	switch (op & ~(u32)LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	if (want.type == F_UNLCK && !f->inode->flocks)
		return 0;
	struct lock_context *c = context_of(f->inode);
	if (!c)
		return -ENOLCK;
	if ((op & LOCK_NB) || want.type == F_UNLCK)
		return try_set(c, &want, &blocker);
	return set_wait(c, &want);
}

/* What is held and what waits, for those who look (vfs_lock). */

static void note(const struct lock *l, bool is_waiting, u32 number, struct lock_view *out)
{
	*out = (struct lock_view){ .kind = l->kind, .is_write = l->type == F_WRLCK, .is_waiting = is_waiting, .number = number,
	                           .pid = l->kind == KIND_OFD ? -1 : (s32)l->pid, .dev = l->inode->super->dev, .ino = l->inode->ino, .start = l->start,
	                           .end = l->end == END_OF_FILE ? ~0ull : l->end };
}

u32 locks_view(const struct file *f, const struct files *table, struct lock_view *out, u32 max)
{
	struct lock *l;
	struct waiter *w;
	u32 nr = 0, number = 0;
	spin_lock(&vfs_lock);
	list_for_each_entry(l, &held, held_link) {
		if (f && (l->file != f || (l->owner != f && l->owner != table)))
			continue;
		number++;
		if (nr < max)
			note(l, false, number, &out[nr]);
		nr++;
		if (f)
			continue;
		list_for_each_entry(w, &waiting, link) {
			if (w->want->inode != l->inode || find_conflict(l->inode->flocks, w->want) != l)
				continue;
			if (nr < max)
				note(w->want, true, number, &out[nr]);
			nr++;
		}
	}
	spin_unlock(&vfs_lock);
	return nr;
}
