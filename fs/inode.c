/* SPDX-License-Identifier: MIT */
/*
 * Inodes: life cycle, attributes, permission.
 *
 * References are held by names in the cache, by directory contents of tmpfs (one per link), by open
 * files and by calls in progress. The last inode_put frees it; it may run under a space's lock, so it
 * takes no inode lock: nobody else can reach the inode any more.
 */
#include "internal.h"
#include "path/path.h"
#include <asm/resource.h>
#include <asm/stat.h>
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <mm/shmem.h>

#define NSEC 1000000000ll

struct spinlock vfs_lock = SPINLOCK_INIT(RANK_VFS);
struct super *anon_super;
static struct slab_cache *inode_cache;
static struct list_head supers = LIST_HEAD_INIT(supers); /* (vfs_lock) */
static struct host_waitq walkers_wait;
static const struct inode_ops no_inode_ops;

void inode_init_cache(void)
{
	list_init(&supers);
	host_waitq_init(&walkers_wait);
	inode_cache = slab_cache_create("inode_cache", sizeof(struct inode), 0, SLAB_RECLAIMABLE);
	anon_super = super_new(NULL, "anon_inodefs", 0x09041934);
	ASSERT(inode_cache && anon_super);
}

/* Supers. */

u64 vfs_new_dev(void)
{
	static u32 next = 1;
	return dev_make(0, __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED));
}

struct super *super_new(const struct super_ops *ops, const char *type, u32 magic)
{
	struct super *s = kzalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return NULL;
	s->ops = ops;
	s->type = type;
	s->magic = magic;
	s->dev = vfs_new_dev();
	s->next_ino = 1;
	s->refs = 1;
	list_init(&s->unused_names);
	spin_lock(&vfs_lock);
	list_add_tail(&s->link, &supers);
	spin_unlock(&vfs_lock);
	return s;
}

static bool super_get_if_used(struct super *s)
{
	s32 refs = READ_ONCE(s->refs);
	while (refs && !__atomic_compare_exchange_n(&s->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		;
	return refs != 0;
}

int super_find(u64 dev, struct super **out)
{
	struct super *s;
	int err = 0;
	*out = NULL;
	spin_lock(&vfs_lock);
	list_for_each_entry(s, &supers, link) {
		if (s->dev != dev)
			continue;
		if (super_get_if_used(s))
			*out = s;
		else
			err = -EBUSY;
		break;
	}
	spin_unlock(&vfs_lock);
	return err;
}

/* Walkers keep a super's memory, not the super: it may be unmounted as soon as the last has gone on. */
struct super *super_next(struct super *after)
{
	struct super *s, *found = NULL;
	bool pass = !after;
	spin_lock(&vfs_lock);
	list_for_each_entry(s, &supers, link) {
		if (pass && READ_ONCE(s->refs) > 0) {
			found = s;
			__atomic_fetch_add(&s->nr_walkers, 1, __ATOMIC_RELAXED);
			break;
		}
		pass |= s == after;
	}
	if (after)
		__atomic_fetch_sub(&after->nr_walkers, 1, __ATOMIC_RELEASE);
	spin_unlock(&vfs_lock);
	host_wake_all(&walkers_wait);
	return found;
}

static bool has_no_walkers(void *arg) { return __atomic_load_n(&((struct super *)arg)->nr_walkers, __ATOMIC_ACQUIRE) == 0; }

/* No references are left: nobody begins to walk over it any more; waits for those who do. */
static void wait_for_walkers(struct super *s)
{
	spin_lock(&vfs_lock);
	spin_unlock(&vfs_lock);
	host_wait(&walkers_wait, has_no_walkers, s, 0);
}

void super_put(struct super *s)
{
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	wait_for_walkers(s);
	if (s->ops && s->ops->unmount)
		s->ops->unmount(s);
	if (s->root)
		inode_put(s->root);
	icache_destroy(s);
	spin_lock(&vfs_lock);
	list_del(&s->link);
	spin_unlock(&vfs_lock);
	kfree(s);
}

/* Life cycle. */

/* Rounded down, also before 1970. */
static s64 seconds_of(s64 ns) { return ns / NSEC - (ns % NSEC < 0); }

s64 inode_now(void) { return clock_realtime_ns(); }

s64 inode_time(const struct inode *i, s64 ns)
{
	if (!i->super->has_seconds)
		return ns;
	return max(min(seconds_of(ns), 0x7fffffffll), -0x80000000ll) * NSEC;
}

struct inode *inode_new(struct super *s, u32 mode)
{
	struct inode *i = slab_alloc(inode_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!i)
		return NULL;
	i->refs = 1;
	i->mode = mode;
	i->nlink = 1;
	i->super = s;
	i->ops = &no_inode_ops;
	i->fops = &no_file_ops;
	i->ino = __atomic_fetch_add(&s->next_ino, 1, __ATOMIC_RELAXED);
	i->atime_ns = i->mtime_ns = i->ctime_ns = inode_time(i, inode_now());
	list_init(&i->unused_link);
	i->seals = F_SEAL_SEAL;
	mutex_init(&i->lock, RANK_INODE);
	mapping_init(&i->mapping, &inode_mapping_ops, 0);
	list_init(&i->nodes);
	host_waitq_init(&i->waitq);
	return i;
}

struct inode *inode_new_anon(u32 mode, const char *name)
{
	struct inode *i = inode_new(anon_super, mode);
	if (!i)
		return NULL;
	i->uid = cred_fsuid();
	i->gid = cred_fsgid();
	i->anon_name = name;
	return i;
}

void inode_get(struct inode *i) { __atomic_fetch_add(&i->refs, 1, __ATOMIC_RELAXED); }

void inode_clear(struct inode *i)
{
	if (i->ops->evict)
		i->ops->evict(i);
	if (S_ISFIFO(i->mode) && i->special)
		pipe_inode_evict(i);
	if (i->flocks)
		locks_free(i);
	mapping_destroy(&i->mapping);
}

void inode_free(struct inode *i) { slab_free(inode_cache, i); }

void inode_put(struct inode *i)
{
	s32 refs = READ_ONCE(i->refs);
	while (refs > 1)
		if (__atomic_compare_exchange_n(&i->refs, &refs, refs - 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
	if (i->super->icache && icache_put(i))
		return;
	if (__atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL))
		return;
	inode_clear(i);
	inode_free(i);
}

void inode_init_owner(struct inode *i, const struct inode *dir, u32 mode)
{
	i->uid = cred_fsuid();
	i->gid = cred_fsgid();
	if (dir && (dir->mode & S_ISGID)) {
		i->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !cred_in_group(i->gid) && !fs_capable(CAP_FSETID))
			mode &= ~S_ISGID;
	}
	i->mode = mode;
}

/* Writers against executors: positive counts writers, negative executors. */

static int count_away_from_zero(s32 *count, s32 step)
{
	s32 old = READ_ONCE(*count);
	do {
		if (old * step < 0)
			return -ETXTBSY;
	} while (!__atomic_compare_exchange_n(count, &old, old + step, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return 0;
}

int inode_get_write(struct inode *i) { return count_away_from_zero(&i->writers, 1); }
int inode_deny_write(struct inode *i) { return count_away_from_zero(&i->writers, -1); }

/* Rights. */

bool fs_capable(unsigned cap) { return !current->cred || capable(cap); }

bool cred_in_group(u32 gid)
{
	const struct cred *c = cred_acting();
	return !c || c->fsgid == gid || cred_has_group(c, gid);
}

bool inode_owner_or_capable(const struct inode *i)
{
	return cred_fsuid() == i->uid || fs_capable(CAP_FOWNER);
}

int inode_permission(struct inode *i, u32 mask)
{
	if (i->ops->permission)
		return i->ops->permission(i, mask);
	u32 mode = i->mode;
	if ((mask & MAY_WRITE) && (i->flags & INODE_IMMUTABLE))
		return -EPERM;
	if (cred_fsuid() == i->uid)
		mode >>= 6;
	else if ((mode & 077) != ((mode >> 3) & 7) * 011 && cred_in_group(i->gid))
		mode >>= 3;
	if (!(mask & ~mode & 7))
		return 0;
	if (S_ISDIR(i->mode)) {
		if (!(mask & MAY_WRITE) && fs_capable(CAP_DAC_READ_SEARCH))
			return 0;
		return fs_capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == MAY_READ && fs_capable(CAP_DAC_READ_SEARCH))
		return 0;
	if (!(mask & MAY_EXEC) || (i->mode & 0111))
		return fs_capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	return -EACCES;
}

/* Attributes. */

static inline void split_time(s64 ns, u64 *seconds, u64 *rest)
{
	s64 s = ns / NSEC, r = ns % NSEC;
	*seconds = (u64)(s - (r < 0));
	*rest = (u64)(r < 0 ? r + NSEC : r);
}

void inode_stat(struct inode *i, struct stat *st)
{
	if (i->ops->getattr) {
		i->ops->getattr(i, st);
		return;
	}
	st->st_dev = i->super->dev;
	st->st_ino = i->ino;
	st->st_mode = i->mode;
	st->st_nlink = i->nlink;
	st->st_uid = i->uid;
	st->st_gid = i->gid;
	st->st_rdev = i->rdev;
	st->st_size = (s64)READ_ONCE(i->size);
	st->st_blksize = i->super->block_size ? i->super->block_size : PAGE_SIZE;
	st->st_blocks = (s64)(i->mapping.flags & MAPPING_SHMEM ? shmem_nr_pages(&i->mapping) * (PAGE_SIZE / 512) : i->blocks);
	split_time(READ_ONCE(i->atime_ns), &st->st_atime, &st->st_atime_nsec);
	split_time(READ_ONCE(i->mtime_ns), &st->st_mtime, &st->st_mtime_nsec);
	split_time(READ_ONCE(i->ctime_ns), &st->st_ctime, &st->st_ctime_nsec);
	st->__pad0 = 0;
	st->__unused[0] = st->__unused[1] = st->__unused[2] = 0;
}

/* relatime: at most once a day unless the file changed since. Whether a day has passed is looked at in the
 * first and then each 64th read of an open file: the clock costs more than a short read. */
void inode_touch_atime(struct file *f)
{
	struct inode *i = f->inode;
	if (!f->mount)
		return;
	u32 flags = f->mount->flags | i->super->flags;
	s64 atime = READ_ONCE(i->atime_ns);
	bool is_newer = atime > READ_ONCE(i->mtime_ns) && atime > READ_ONCE(i->ctime_ns) && !(flags & MS_STRICTATIME);
	if (is_newer && (f->nr_reads++ & 63))
		return;
	if ((f->flags & O_NOATIME) || (flags & (MS_NOATIME | MS_RDONLY)))
		return;
	if ((flags & MS_NODIRATIME) && S_ISDIR(i->mode))
		return;
	s64 now = inode_time(i, inode_now());
	if (now == atime || (i->flags & INODE_NOATIME) || (is_newer && now - atime < 86400 * NSEC))
		return;
	WRITE_ONCE(i->atime_ns, now);
	inode_dirty(i, true);
}

void inode_touch_mtime(struct inode *i)
{
	s64 now = inode_time(i, inode_now());
	if (READ_ONCE(i->mtime_ns) == now && READ_ONCE(i->ctime_ns) == now)
		return;
	WRITE_ONCE(i->mtime_ns, now);
	WRITE_ONCE(i->ctime_ns, now);
	inode_dirty(i, true);
}

void inode_touch_ctime(struct inode *i)
{
	WRITE_ONCE(i->ctime_ns, inode_time(i, inode_now()));
	inode_dirty(i, true);
}

void inode_drop_setid(struct inode *i)
{
	u32 kill = i->mode & S_ISUID;
	if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		kill |= S_ISGID;
	if (kill && S_ISREG(i->mode) && !fs_capable(CAP_FSETID)) {
		i->mode &= ~kill;
		inode_dirty(i, false);
	}
}

static int check_chown(const struct inode *i, const struct attr *a)
{
	bool owner = cred_fsuid() == i->uid;
	if ((a->valid & ATTR_UID) && !(owner && a->uid == i->uid) && !fs_capable(CAP_CHOWN))
		return -EPERM;
	if ((a->valid & ATTR_GID) && !(owner && (a->gid == i->gid || cred_in_group(a->gid))) && !fs_capable(CAP_CHOWN))
		return -EPERM;
	return 0;
}

static int check_attr(const struct inode *i, const struct attr *a)
{
	if (i->flags & (INODE_IMMUTABLE | INODE_APPEND))
		return -EPERM;
	if (a->valid & (ATTR_UID | ATTR_GID)) {
		int err = check_chown(i, a);
		if (err)
			return err;
	}
	if ((a->valid & ATTR_MODE) && !inode_owner_or_capable(i))
		return -EPERM;
	return 0;
}

static void apply_attr(struct inode *i, const struct attr *a)
{
	if (a->valid & ATTR_UID)
		WRITE_ONCE(i->uid, a->uid);
	if (a->valid & ATTR_GID)
		WRITE_ONCE(i->gid, a->gid);
	if (a->valid & ATTR_MODE)
		WRITE_ONCE(i->mode, (i->mode & S_IFMT) | (a->mode & 07777));
	if (a->valid & ATTR_ATIME)
		WRITE_ONCE(i->atime_ns, inode_time(i, a->atime_ns));
	if (a->valid & ATTR_MTIME)
		WRITE_ONCE(i->mtime_ns, inode_time(i, a->mtime_ns));
	WRITE_ONCE(i->ctime_ns, inode_time(i, a->ctime_ns));
	inode_dirty(i, false);
}

int inode_setattr(struct inode *i, struct attr *a, bool forced)
{
	mutex_lock(&i->lock);
	int err = forced ? 0 : check_attr(i, a);
	if (!err) {
		a->ctime_ns = inode_now();
		if ((a->valid & (ATTR_UID | ATTR_GID)) && !(a->valid & ATTR_MODE) && !S_ISDIR(i->mode) && (i->mode & SETID_MASK)) {
			a->valid |= ATTR_MODE;
			a->mode = i->mode & ~S_ISUID;
			if (i->mode & S_IXGRP)
				a->mode &= ~S_ISGID;
		} else if ((a->valid & ATTR_MODE) && !cred_in_group(a->valid & ATTR_GID ? a->gid : i->gid) && !fs_capable(CAP_FSETID)) {
			a->mode &= ~S_ISGID;
		}
		if (i->ops->setattr)
			err = i->ops->setattr(i, a);
		if (!err)
			apply_attr(i, a);
	}
	mutex_unlock(&i->lock);
	return err;
}

int inode_truncate(struct inode *i, u64 size)
{
	struct attr a = { .valid = ATTR_SIZE, .size = size };
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode) || !i->ops->setattr)
		return -EINVAL;
	if (i->super->max_bytes && size > i->super->max_bytes)
		return -EFBIG;
	if (size > READ_ONCE(i->size) && size > current->process->rlimits[RLIMIT_FSIZE].cur) {
		signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	mutex_lock(&i->lock);
	int err = i->flags & (INODE_IMMUTABLE | INODE_APPEND) ? -EPERM : 0;
	if ((size < i->size && (i->seals & F_SEAL_SHRINK)) || (size > i->size && (i->seals & F_SEAL_GROW)))
		err = -EPERM;
	if (!err && size <= i->size && (i->flags & INODE_SWAP))
		err = -ETXTBSY;
	if (!err)
		err = i->ops->setattr(i, &a);
	if (!err) {
		inode_drop_setid(i);
		inode_touch_mtime(i);
	}
	mutex_unlock(&i->lock);
	return err;
}
