/* SPDX-License-Identifier: MIT */
/*
 * open(2): from a string to an open description.
 *
 * Without O_CREAT it is a lookup followed by open_path. With it the walk stops at the directory; under
 * the directory's lock the name is looked up and, if absent, made, so that O_EXCL is decided once. A
 * symbolic link found there is followed by going on with the walk.
 */
#include "path.h"
#include <mm/trace.h>

static int access_mask(u32 flags)
{
	static const u8 masks[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	u32 mask = masks[flags & O_ACCMODE];
	if (flags & O_TRUNC)
		mask |= MAY_WRITE;
	return (int)mask;
}

static int check_open(const struct path *p, u32 flags, bool created)
{
	struct inode *i = p->node->inode;
	u32 mask = (u32)access_mask(flags);
	int err;
	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (S_ISDIR(i->mode) && ((mask & MAY_WRITE) || (flags & O_CREAT)))
		return -EISDIR;
	if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) && (p->mount->flags & MS_NODEV))
		return -EACCES;
	if ((mask & MAY_WRITE) && (S_ISREG(i->mode) || S_ISDIR(i->mode)) && (err = mount_want_write(p)) != 0)
		return err;
	if (!created && (err = inode_permission(i, mask)) != 0)
		return err;
	if ((flags & O_NOATIME) && !inode_owner_or_capable(i))
		return -EPERM;
	if ((i->flags & INODE_APPEND) && (((mask & MAY_WRITE) && !(flags & O_APPEND)) || (flags & O_TRUNC)))
		return -EPERM;
	return 0;
}

/* What is behind the inode: its own open, a FIFO, a device. */
static int open_inode(struct inode *i, struct file *f)
{
	if (i->ops->open)
		return i->ops->open(i, f);
	if (S_ISREG(i->mode) || S_ISDIR(i->mode))
		return 0;
	return special_open(i, f);
}

/* Which file a number of the record is: the end of its name. */
static __attribute__((noinline)) void trace_open(const struct path *p, const struct inode *i)
{
	u64 text[3] = { 0 };
	spin_lock(&vfs_lock);
	size_t len = strlen(p->node->name);
	memcpy(text, p->node->name + (len > sizeof(text) ? len - sizeof(text) : 0), min(len, sizeof(text)));
	spin_unlock(&vfs_lock);
	trace_write(TRACE_OPEN, i->mapping.id, text[0], text[1], text[2]);
}

/* Makes the blank file f (of file_new, without an inode) one of p. */
static void file_of_path(struct file *f, const struct path *p, u32 flags)
{
	struct inode *i = p->node->inode;
	f->ops = flags & O_PATH ? &path_file_ops : i->fops;
	f->inode = i;
	f->mapping = &i->mapping;
	f->flags = flags;
	inode_get(i);
	f->node = p->node;
	f->mount = p->mount;
	path_get((struct path *)p);
	if (trace_is_on(TRACE_OPEN))
		trace_open(p, i);
}

static int check_path(const struct path *p, u32 flags, bool created)
{
	struct inode *i = p->node->inode;
	if (flags & O_PATH)
		return (flags & O_DIRECTORY) && !S_ISDIR(i->mode) ? -ENOTDIR : 0;
	int err = check_open(p, flags, created);
	if (!err && (flags & O_DIRECT) && S_ISREG(i->mode) && !i->mapping.store)
		err = -EINVAL; /* nothing but memory behind it */
	return err;
}

/* Opens p with the blank file f, which is used up either way: what creates a file has its own before. */
static struct file *open_with(struct file *f, const struct path *p, u32 flags, bool created)
{
	struct inode *i = p->node->inode;
	int err = check_path(p, flags, created);
	if (err) {
		file_discard(f);
		return ERR_PTR(err);
	}
	file_of_path(f, p, flags);
	if (flags & O_PATH)
		return f;
	if (S_ISREG(i->mode) && (access_mask(flags) & MAY_WRITE)) {
		err = inode_get_write(i);
		if (!err) {
			f->state |= FILE_WRITER;
			__atomic_fetch_add(&i->super->nr_writers, 1, __ATOMIC_SEQ_CST);
			err = mount_want_write(p); /* it may have become read-only since it was asked */
		}
	}
	if (!err) {
		err = open_inode(i, f);
		if (err)
			f->ops = &no_file_ops; /* nothing to release */
	}
	if (!err && (flags & O_TRUNC) && S_ISREG(i->mode) && !created && i->ops->setattr)
		err = inode_truncate(i, 0);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	f->flags &= ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	return f;
}

struct file *open_path(const struct path *p, u32 flags, bool created)
{
	struct file *f = file_new(NULL, NULL, flags);
	return IS_ERR(f) ? f : open_with(f, p, flags, created);
}

/* The last component for O_CREAT, in the locked directory: found or made. */
static int find_or_create(struct walk *w, u32 flags, u32 mode, struct path *out, bool *created)
{
	struct path_node *dir = w->at.node, *n;
	mutex_lock(&dir->inode->lock);
	n = lookup_child_locked(dir, w->last, w->last_len);
	int err = IS_ERR(n) ? (int)PTR_ERR(n) : 0;
	*created = false;
	if (err == -ENOENT) {
		err = mount_want_write(&w->at);
		if (!err)
			err = create_node(dir, w->last, w->last_len, S_IFREG | (mode & 07777 & ~fs_umask()), 0, NULL, &n);
		*created = !err;
	} else if (!err && (flags & O_EXCL)) {
		node_put(n);
		err = -EEXIST;
	}
	mutex_unlock(&dir->inode->lock);
	if (err)
		return err;
	*out = (struct path){ n, w->at.mount };
	mount_get(out->mount);
	mount_cross(out);
	return 0;
}

/* Walks to a file that exists or was just made. */
static int walk_create(struct walk *w, u32 flags, u32 mode, struct path *out, bool *created)
{
	for (;;) {
		int err = walk_run(w);
		if (err)
			return err;
		if (w->last_type != LAST_NORM)
			return flags & O_EXCL ? -EEXIST : -EISDIR;
		if (w->slash)
			return -EISDIR;
		err = find_or_create(w, flags, mode, out, created);
		if (err)
			return err;
		struct inode *i = out->node->inode;
		if (!S_ISLNK(i->mode) || (flags & O_NOFOLLOW))
			return 0;
		bool magic = i->ops->follow != NULL;
		err = walk_follow(w, out);
		if (err)
			return err;
		if (magic) {
			*out = w->at;
			path_get(out);
			return 0;
		}
	}
}

static struct file *open_create(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup_flags)
{
	struct walk w;
	struct path p;
	bool created = false;
	struct file *f = file_new(NULL, NULL, flags); /* first: no file is made that then cannot be opened */
	if (IS_ERR(f))
		return f;
	int err = walk_begin(&w, dirfd, name, lookup_flags | LOOKUP_PARENT);
	if (!err) {
		err = walk_create(&w, flags, mode, &p, &created);
		walk_end(&w);
	}
	if (err) {
		file_discard(f);
		return ERR_PTR(err);
	}
	f = open_with(f, &p, created ? flags & ~O_EXCL : flags, created);
	path_put(&p);
	return f;
}

/* O_TMPFILE: name is the directory. */
static struct file *open_tmpfile(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup_flags)
{
	struct path dir;
	struct inode *i;
	int err = vfs_lookup(dirfd, name, lookup_flags | LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dir);
	if (err)
		return ERR_PTR(err);
	struct inode *d = dir.node->inode;
	err = mount_want_write(&dir);
	if (!err)
		err = inode_permission(d, MAY_WRITE | MAY_EXEC);
	if (!err)
		err = d->ops->tmpfile ? d->ops->tmpfile(d, S_IFREG | (mode & 07777 & ~fs_umask()), &i) : -EOPNOTSUPP;
	struct file *f = ERR_PTR(err);
	if (!err) {
		char text[24];
		size_t len = (size_t)snprintf(text, sizeof(text), "#%llu", (unsigned long long)i->ino);
		struct path p = { node_add_deleted(dir.node, text, len, i), dir.mount };
		f = ERR_PTR(-ENOMEM);
		if (p.node) {
			mount_get(p.mount);
			f = open_path(&p, flags & ~(O_DIRECTORY | O_TMPFILE | O_CREAT), true);
			path_put(&p);
		}
	}
	path_put(&dir);
	return f;
}

struct file *open_at(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup_flags)
{
	struct path p;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	else if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(dirfd, name, flags, mode, lookup_flags);
	else if (flags & O_CREAT)
		return open_create(dirfd, name, flags, mode, lookup_flags);
	if (!(flags & O_NOFOLLOW))
		lookup_flags |= LOOKUP_FOLLOW;
	if (flags & O_DIRECTORY)
		lookup_flags |= LOOKUP_DIRECTORY;
	int err = vfs_lookup(dirfd, name, lookup_flags, &p);
	if (err)
		return ERR_PTR(err);
	struct file *f = open_path(&p, flags, false);
	path_put(&p);
	return f;
}

struct file *vfs_open(int dirfd, const char *name, u32 flags, u32 mode)
{
	return open_at(dirfd, name, flags, mode, 0);
}

/* Execution. */

struct file *vfs_open_exec(int dirfd, const char *name, u32 lookup_flags)
{
	struct path p;
	int err = vfs_lookup(dirfd, name, lookup_flags, &p);
	if (err)
		return ERR_PTR(err);
	struct inode *i = p.node->inode;
	struct file *f = NULL;
	if (S_ISLNK(i->mode))
		err = -ELOOP;
	else if (!S_ISREG(i->mode) || (p.mount->flags & MS_NOEXEC))
		err = -EACCES;
	else
		err = inode_permission(i, MAY_EXEC);
	if (!err)
		err = inode_deny_write(i);
	if (!err) {
		f = file_new(NULL, NULL, O_RDONLY | O_LARGEFILE);
		if (IS_ERR(f)) {
			err = (int)PTR_ERR(f);
			f = NULL;
			inode_allow_write(i);
		} else {
			file_of_path(f, &p, O_RDONLY | O_LARGEFILE);
			err = i->ops->open ? i->ops->open(i, f) : 0;
			f->state |= FILE_EXEC_DENY;
		}
	}
	if (err && f) {
		f->ops = &no_file_ops;
		file_put(f);
	}
	path_put(&p);
	return err ? ERR_PTR(err) : f;
}

void vfs_allow_write(struct file *f)
{
	if (__atomic_fetch_and(&f->state, ~FILE_EXEC_DENY, __ATOMIC_ACQ_REL) & FILE_EXEC_DENY)
		inode_allow_write(f->inode);
}
