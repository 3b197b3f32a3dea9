/* SPDX-License-Identifier: MIT */
/*
 * The machinery of generated trees. Inodes are made at each lookup and hold only what they are about;
 * names are never cached, so a process's directory ends with the process.
 *
 * A file's text is generated when it is read from the start, into a buffer that belongs to the open
 * file; a reader that goes on gets the rest of that same text, one that seeks back to 0 gets it anew.
 * Long files (maps) come in pieces: the buffer holds the piece that covers the position.
 */
#include "proc.h"
#include <asm/poll.h>
#include <lib/parse.h>
#include <lib/hash.h>
#include <linux/magic.h>

#define WRITE_MAX PAGE_SIZE

/* ---- open files ---- */

struct reader {
	struct mutex lock; /* preads may run side by side */
	struct seq seq;    /* text of [base, base + seq.len) */
	u64 base, cursor;
	bool is_started, is_complete;
	u64 nr_changes; /* when it was read last */
};

static void restart(struct reader *r)
{
	r->base = r->cursor = 0;
	r->seq.len = 0;
	r->seq.failed = false;
	r->is_started = r->is_complete = false;
}

/* Generates the first or next piece. */
static int generate(struct reader *r, struct pseudo_node *n)
{
	const struct pseudo_entry *e = n->entry;
	int ret;
	r->base += r->seq.len;
	r->seq.len = 0;
	r->is_started = true;
	if (e->piece) {
		ret = e->piece(&r->seq, n, &r->cursor);
		r->is_complete = ret <= 0;
	} else {
		ret = e->show(&r->seq, n);
		r->is_complete = true;
	}
	if (r->seq.failed)
		ret = -ENOMEM;
	if (ret < 0)
		restart(r);
	return ret < 0 ? ret : 0;
}

/* Makes the text at pos present; 0 also at the end. */
static int generate_to(struct reader *r, struct pseudo_node *n, u64 pos)
{
	if (pos == 0 || pos < r->base)
		restart(r);
	if (!r->is_started && n->entry->changes)
		n->entry->changes(n, &r->nr_changes);
	while (!r->is_started || (pos >= r->base + r->seq.len && !r->is_complete)) {
		int err = generate(r, n);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static long text_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct reader *r = f->priv;
	struct pseudo_node *n = pseudo_node_of(f->inode);
	long done = 0, err = 0;
	if (!n->entry->show && !n->entry->piece)
		return -EIO;
	mutex_lock(&r->lock);
	while (iov->left) {
		err = generate_to(r, n, *pos);
		if (err || *pos >= r->base + r->seq.len)
			break;
		size_t at = *pos - r->base, want = min(r->seq.len - at, (size_t)iov->left);
		size_t moved = iov_copy_to(iov, r->seq.buf + at, want);
		done += (long)moved;
		*pos += moved;
		if (moved < want) {
			err = -EFAULT;
			break;
		}
		if (r->is_complete)
			break;
	}
	mutex_unlock(&r->lock);
	return done ? done : err;
}

static long text_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	size_t len = iov->left;
	bool is_proc = f->inode->super->magic == PROC_SUPER_MAGIC; /* the others are kernfs on Linux */
	if (!n->entry->store)
		return is_proc ? -EIO : -EINVAL;
	if (!len && !is_proc)
		return 0;
	if (len >= WRITE_MAX)
		return -EINVAL;
	char small[64], *text = len < sizeof(small) ? small : kmalloc(len + 1, ALLOC_KERNEL); /* values are short */
	if (!text)
		return -ENOMEM;
	long err = 0;
	if (iov_copy_from(iov, text, len) != len)
		err = -EFAULT;
	text[len] = 0;
	if (!err)
		err = n->entry->store(n, text, len);
	if (text != small)
		kfree(text);
	if (err)
		return err;
	*pos += len;
	return (long)len;
}

static void text_release(struct file *f)
{
	struct reader *r = f->priv;
	kfree(r->seq.buf);
	kfree(r);
}

static u32 text_poll(struct file *f, struct poll_table *pt)
{
	struct reader *r = f->priv;
	struct pseudo_node *n = pseudo_node_of(f->inode);
	u64 now = r->nr_changes;
	struct host_waitq *q = n->entry->changes ? n->entry->changes(n, &now) : NULL;
	if (q)
		poll_add(pt, q);
	return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | (now != r->nr_changes ? POLLERR | POLLPRI : 0);
}

static s64 text_seek(struct file *f, s64 offset, int whence) { return file_seek_unbounded(f, offset, whence); }

static const struct file_ops text_fops = {
	.read = text_read, .write = text_write, .seek = text_seek, .poll = text_poll, .release = text_release, .name = "generated text",
};

static int node_open(struct inode *i, struct file *f)
{
	struct pseudo_node *n = pseudo_node_of(i);
	const struct pseudo_entry *e = n->entry;
	if (S_ISDIR(i->mode))
		return 0;
	if (e->flags & PSEUDO_INSPECT) {
		struct task *t = node_task(n);
		bool allowed = t && may_inspect(t);
		if (!t)
			return -ESRCH;
		task_put(t);
		if (!allowed)
			return -EACCES;
	}
	if (e->open)
		return e->open(i, f);
	if (e->fops) {
		f->ops = e->fops;
		return 0;
	}
	struct reader *r = kzalloc(sizeof(*r), ALLOC_KERNEL);
	if (!r)
		return -ENOMEM;
	mutex_init(&r->lock, RANK_INODE);
	if (e->changes)
		e->changes(n, &r->nr_changes);
	f->priv = r;
	f->ops = &text_fops;
	return 0;
}

/* ---- directories ---- */

static int node_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	const struct pseudo_entry *e = n->entry;
	for (u32 i = 0; i < e->nr_children; i++) {
		const struct pseudo_entry *c = &e->children[i];
		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return pseudo_inode_new(dir->super, c, n->process, n->tid, n->arg, out);
	}
	return e->lookup ? e->lookup(dir, name, len, out) : -ENOENT;
}

static u32 dirent_type(u32 mode) { return (mode & S_IFMT) >> 12; }

int pseudo_readdir(struct file *f, struct dir_emit *e)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	const struct pseudo_entry *d = n->entry;
	u64 ino = f->inode->ino;
	if (f->pos == 0) {
		if (!e->emit(e, ".", 1, ino, 4, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!e->emit(e, "..", 2, ino, 4, 2))
			return 0;
		f->pos = 2;
	}
	while (f->pos < PSEUDO_DYNAMIC && f->pos - 2 < d->nr_children) {
		const struct pseudo_entry *c = &d->children[f->pos - 2];
		if (!e->emit(e, c->name, strlen(c->name), pseudo_ino(c, n->process ? n->process->pid : 0, n->arg ^ n->tid), dirent_type(c->mode), f->pos + 1))
			return 0;
		f->pos++;
	}
	if (!d->list)
		return 0;
	if (f->pos < PSEUDO_DYNAMIC)
		f->pos = PSEUDO_DYNAMIC;
	return d->list(f, e);
}

static const struct file_ops dir_fops = { .readdir = pseudo_readdir, .seek = text_seek, .name = "generated directory" };

/* ---- inodes ---- */

static void node_evict(struct inode *i)
{
	struct pseudo_node *n = pseudo_node_of(i);
	if (n->process)
		process_put(n->process);
	kfree(n);
}

static long node_readlink(struct inode *i, char *buf, size_t size)
{
	const struct pseudo_entry *e = pseudo_node_of(i)->entry;
	return e->readlink ? e->readlink(i, buf, size) : -EINVAL;
}

static int node_follow(struct inode *i, struct path *out) { return pseudo_node_of(i)->entry->follow(i, out); }

/* chmod and the like are accepted on no generated file; only truncation to nothing, which > does. */
static int node_setattr(struct inode *i, const struct attr *a)
{
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static int node_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	const struct pseudo_entry *e = pseudo_node_of(dir)->entry;
	if (!S_ISDIR(mode))
		return S_ISREG(mode) ? -EACCES : -EPERM;
	return e->mkdir(dir, name, len, out);
}

static int node_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	const struct pseudo_entry *e = pseudo_node_of(victim)->entry;
	return S_ISDIR(victim->mode) && e->rmdir ? e->rmdir(victim) : -EPERM;
}

static const struct inode_ops node_ops = {
	.lookup = node_lookup, .open = node_open, .evict = node_evict, .setattr = node_setattr, .no_cache = true,
};
/* A directory where others can be made and removed. */
static const struct inode_ops tree_ops = {
	.lookup = node_lookup, .open = node_open, .evict = node_evict, .setattr = node_setattr, .no_cache = true,
	.create = node_create, .unlink = node_unlink,
};
static const struct inode_ops link_ops = { .readlink = node_readlink, .evict = node_evict };
static const struct inode_ops magic_ops = { .readlink = node_readlink, .follow = node_follow, .evict = node_evict };

u64 pseudo_ino(const struct pseudo_entry *e, u32 pid, u64 arg)
{
	u64 parts[3] = { (u64)e, pid, arg };
	return hash_bytes(parts, sizeof(parts)) >> 16 | 1;
}

/* Files of a process belong to its user, unless its insides are closed to him. */
static void set_owner(struct inode *i, struct process *p)
{
	spin_lock(&tasklist_lock);
	if (p->leader && (p->dumpable || i->mode == (S_IFDIR | 0555))) {
		i->uid = p->leader->cred->euid;
		i->gid = p->leader->cred->egid;
	}
	spin_unlock(&tasklist_lock);
}

int pseudo_inode_new(struct super *s, const struct pseudo_entry *e, struct process *process, u32 tid, u64 arg, struct inode **out)
{
	struct pseudo_node *n = kmalloc(sizeof(*n), ALLOC_KERNEL);
	struct inode *i = n ? inode_new(s, e->mode) : NULL;
	if (!i) {
		kfree(n);
		return -ENOMEM;
	}
	*n = (struct pseudo_node){ .entry = e, .process = process, .tid = tid, .arg = arg };
	i->priv = n;
	i->ino = pseudo_ino(e, process ? process->pid : 0, arg ^ tid);
	i->ops = S_ISLNK(e->mode) ? (e->follow ? &magic_ops : &link_ops) : e->mkdir ? &tree_ops : &node_ops;
	i->fops = S_ISDIR(e->mode) ? &dir_fops : &text_fops;
	if (S_ISDIR(e->mode)) {
		i->nlink = 2;
		for (u32 c = 0; c < e->nr_children; c++)
			i->nlink += S_ISDIR(e->children[c].mode);
	}
	if (process) {
		process_get(process);
		set_owner(i, process);
	}
	*out = i;
	return 0;
}

struct super *pseudo_super_new(const char *type, u32 magic, const struct pseudo_entry *root)
{
	struct super *s = super_new(NULL, type, magic);
	ASSERT(s && pseudo_inode_new(s, root, NULL, 0, 0, &s->root) == 0);
	return s;
}

int pseudo_mount(struct super *s, struct super **out)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	*out = s;
	return 0;
}

/* ---- numbers ---- */

bool pseudo_parse_number(const char *name, size_t len, u32 *out)
{
	u64 v = 0;
	if (!len || len > 9 || (name[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		v = v * 10 + (u64)(name[i] - '0');
	}
	*out = (u32)v;
	return true;
}

int pseudo_parse_value(const char *text, s64 *out)
{
	const char *end;
	bool negative = false;
	u64 v;
	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	if (*text == '-' || *text == '+')
		negative = *text++ == '-';
	if (!parse_u64(text, 0, &v, &end) || v > INT64_MAX)
		return -EINVAL;
	while (*end == ' ' || *end == '\t' || *end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	*out = negative ? -(s64)v : (s64)v;
	return 0;
}
