/* SPDX-License-Identifier: MIT */
/*
 * Changing directories: make, link, unlink, rename. Each call walks to the parent, locks it, looks the
 * name up again and asks the file system; the name cache follows under the same lock, so cache and
 * directory never disagree.
 *
 * rename across directories runs under namespace_lock, which keeps the shape of the tree still while
 * ancestry is checked; the two directories are then locked in the order of their addresses.
 */
#include "path.h"
#include <linux/magic.h>

int may_create(struct path *dir)
{
	int err = mount_want_write(dir);
	return err ? err : inode_permission(dir->node->inode, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct inode *victim, bool is_dir)
{
	int err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (dir->flags & INODE_APPEND)
		return -EPERM;
	if ((dir->mode & S_ISVTX) && cred_fsuid() != victim->uid && cred_fsuid() != dir->uid && !fs_capable(CAP_FOWNER))
		return -EPERM;
	if (victim->flags & (INODE_APPEND | INODE_IMMUTABLE | INODE_SWAP))
		return -EPERM;
	if (is_dir != S_ISDIR(victim->mode))
		return is_dir ? -ENOTDIR : -EISDIR;
	return 0;
}

/* In the locked directory: asks for rights, makes the file and its name. */
int create_node(struct path_node *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct path_node **out)
{
	struct inode *d = dir->inode, *i;
	/* In /proc a name that is not there cannot come to be: Linux's lookup already says so. */
	if (!d->nlink || (!d->ops->create && d->super->magic == PROC_SUPER_MAGIC))
		return -ENOENT;
	int err = inode_permission(d, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (((S_ISCHR(mode) && rdev) || S_ISBLK(mode)) && !fs_capable(CAP_MKNOD)) /* 0:0 is a whiteout, which is no device */
		return -EPERM;
	if (!d->ops->create)
		return S_ISREG(mode) ? -EACCES : -EPERM;
	struct path_node *n = node_prepare(dir, name, len); /* first: no file is made without its name */
	if (!n)
		return -ENOMEM;
	err = d->ops->create(d, name, len, mode, rdev, target, &i);
	if (err) {
		node_put(n);
		return err;
	}
	node_complete(n, i);
	*out = n;
	return 0;
}

static int make_at(int dirfd, const char *name, u32 mode, u64 rdev, const char *target)
{
	struct walk w;
	struct path_node *made = NULL;
	int err = vfs_lookup_parent(&w, dirfd, name, 0);
	if (err)
		return err;
	struct path_node *dir = w.at.node;
	if (w.last_type != LAST_NORM) {
		walk_end(&w);
		return -EEXIST;
	}
	mutex_lock(&dir->inode->lock);
	struct path_node *n = lookup_child_locked(dir, w.last, w.last_len);
	if (!IS_ERR(n)) {
		node_put(n);
		err = -EEXIST;
	} else if (PTR_ERR(n) != -ENOENT) {
		err = (int)PTR_ERR(n);
	} else if (w.slash && !S_ISDIR(mode)) {
		err = -ENOENT;
	} else if (!(err = mount_want_write(&w.at))) {
		err = create_node(dir, w.last, w.last_len, mode, rdev, target, &made);
	}
	mutex_unlock(&dir->inode->lock);
	if (made)
		node_put(made);
	walk_end(&w);
	return err;
}

int vfs_mkdir(int dirfd, const char *name, u32 mode)
{
	return make_at(dirfd, name, S_IFDIR | (mode & 01777 & ~fs_umask()), 0, NULL);
}

int vfs_mknod(int dirfd, const char *name, u32 mode, u64 rdev)
{
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	u32 type = mode & S_IFMT;
	if (type == S_IFDIR)
		return -EPERM;
	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK)
		return -EINVAL;
	return make_at(dirfd, name, type | (mode & 07777 & ~fs_umask()), rdev, NULL);
}

int vfs_symlink(const char *target, int dirfd, const char *name)
{
	if (IS_ERR(target))
		return (int)PTR_ERR(target);
	return *target ? make_at(dirfd, name, S_IFLNK | 0777, 0, target) : -ENOENT;
}

/* Hard links. */

static int link_locked(struct walk *w, struct path *old)
{
	struct path_node *dir = w->at.node;
	struct inode *d = dir->inode, *i = old->node->inode;
	struct path_node *n = lookup_child_locked(dir, w->last, w->last_len);
	if (!IS_ERR(n)) {
		node_put(n);
		return -EEXIST;
	}
	if (PTR_ERR(n) != -ENOENT)
		return (int)PTR_ERR(n);
	if (w->slash)
		return -ENOENT;
	if (old->mount != w->at.mount)
		return -EXDEV;
	int err = may_create(&w->at);
	if (err)
		return err;
	if (i->flags & (INODE_APPEND | INODE_IMMUTABLE))
		return -EPERM;
	if (S_ISDIR(i->mode))
		return -EPERM;
	if (!d->ops->link)
		return -EPERM;
	if (!d->nlink)
		return -ENOENT;
	err = d->ops->link(d, w->last, w->last_len, i);
	if (err)
		return err;
	inode_get(i);
	n = node_add(dir, w->last, w->last_len, i);
	if (n)
		node_put(n);
	return 0;
}

int vfs_link(int olddir, const char *oldname, int newdir, const char *newname, u32 flags)
{
	struct path old;
	struct walk w;
	u32 lookup = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && !fs_capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	int err = vfs_lookup(olddir, oldname, lookup, &old);
	if (err)
		return err;
	err = vfs_lookup_parent(&w, newdir, newname, 0);
	if (!err) {
		if (w.last_type != LAST_NORM) {
			err = -EEXIST;
		} else {
			mutex_lock(&w.at.node->inode->lock);
			err = link_locked(&w, &old);
			mutex_unlock(&w.at.node->inode->lock);
		}
		walk_end(&w);
	}
	path_put(&old);
	return err;
}

/* Unlink and rmdir. */

static int unlink_locked(struct walk *w, bool is_rmdir, struct path_node *n)
{
	struct inode *dir = w->at.node->inode, *victim = n->inode;
	if (w->slash && !is_rmdir)
		return S_ISDIR(victim->mode) ? -EISDIR : -ENOTDIR;
	int err = may_delete(dir, victim, is_rmdir);
	if (err)
		return err;
	if (READ_ONCE(n->nr_mounts))
		return -EBUSY;
	if (!dir->ops->unlink)
		return -EPERM;
	err = dir->ops->unlink(dir, w->last, w->last_len, victim);
	if (!err)
		node_delete(n);
	return err;
}

int vfs_unlink(int dirfd, const char *name, bool is_rmdir)
{
	struct walk w;
	int err = vfs_lookup_parent(&w, dirfd, name, 0);
	if (err)
		return err;
	if (w.last_type != LAST_NORM) {
		err = !is_rmdir                    ? -EISDIR
		      : w.last_type == LAST_DOT    ? -EINVAL
		      : w.last_type == LAST_DOTDOT ? -ENOTEMPTY
		                                   : -EBUSY;
		walk_end(&w);
		return err;
	}
	err = mount_want_write(&w.at);
	if (err) {
		walk_end(&w);
		return err;
	}
	struct inode *dir = w.at.node->inode;
	mutex_lock(&dir->lock);
	struct path_node *n = lookup_child_locked(w.at.node, w.last, w.last_len);
	err = IS_ERR(n) ? (int)PTR_ERR(n) : unlink_locked(&w, is_rmdir, n);
	mutex_unlock(&dir->lock);
	if (!IS_ERR(n))
		node_put(n);
	walk_end(&w);
	return err;
}

/* Rename. */

static void lock_two(struct inode *a, struct inode *b)
{
	if (a > b) {
		struct inode *t = a;
		a = b;
		b = t;
	}
	mutex_lock(&a->lock);
	if (a != b)
		mutex_lock(&b->lock);
}

static void unlock_two(struct inode *a, struct inode *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

/* Rights and shapes; target may be NULL. */
static int check_rename(struct walk *o, struct walk *n, struct path_node *old, struct path_node *target, u32 flags)
{
	struct inode *od = o->at.node->inode, *nd = n->at.node->inode, *i = old->inode;
	bool is_dir = S_ISDIR(i->mode), exchange = flags & RENAME_EXCHANGE;
	if (!target && exchange)
		return -ENOENT;
	if (target && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	bool t_is_dir = target && S_ISDIR(target->inode->mode);
	if ((!is_dir && o->slash) || (!is_dir && !exchange && n->slash) || (exchange && n->slash && !t_is_dir))
		return -ENOTDIR;
	if (node_is_ancestor(old, n->at.node))
		return -EINVAL;
	if (target && node_is_ancestor(target, o->at.node))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (target && target->inode == i)
		return 1; /* two names of one file: nothing happens */
	int err = may_delete(od, i, is_dir);
	if (!err)
		err = target ? may_delete(nd, target->inode, exchange ? t_is_dir : is_dir) : inode_permission(nd, MAY_WRITE | MAY_EXEC);
	if (!err && od != nd && is_dir)
		err = inode_permission(i, MAY_WRITE);
	if (!err && od != nd && exchange && t_is_dir)
		err = inode_permission(target->inode, MAY_WRITE);
	if (err)
		return err;
	if (!nd->nlink)
		return -ENOENT;
	if (READ_ONCE(old->nr_mounts) || (target && READ_ONCE(target->nr_mounts)))
		return -EBUSY;
	return od->ops->rename ? 0 : -EPERM;
}

static int rename_nodes(struct walk *o, struct walk *n, struct path_node *old, struct path_node *target, u32 flags)
{
	char *name1, *name2 = NULL;
	int err = check_rename(o, n, old, target, flags);
	if (err)
		return err > 0 ? 0 : err;
	err = node_prepare_name(n->last, n->last_len, &name1);
	if (!err && (flags & RENAME_EXCHANGE))
		err = node_prepare_name(o->last, o->last_len, &name2);
	if (!err) {
		struct inode *od = o->at.node->inode;
		err = od->ops->rename(od, o->last, o->last_len, n->at.node->inode, n->last, n->last_len, old->inode,
		                      target ? target->inode : NULL, flags);
	}
	if (err) {
		kfree(name1);
		kfree(name2);
		return err;
	}
	node_move(old, n->at.node, n->last, n->last_len, name1, target, flags & RENAME_EXCHANGE, name2);
	return 0;
}

static int rename_locked(struct walk *o, struct walk *n, u32 flags)
{
	struct path_node *old = lookup_child_locked(o->at.node, o->last, o->last_len);
	if (IS_ERR(old))
		return (int)PTR_ERR(old);
	struct path_node *target = lookup_child_locked(n->at.node, n->last, n->last_len);
	int err = 0;
	if (IS_ERR(target)) {
		err = PTR_ERR(target) == -ENOENT ? 0 : (int)PTR_ERR(target);
		target = NULL;
	}
	if (!err)
		err = rename_nodes(o, n, old, target, flags);
	if (target)
		node_put(target);
	node_put(old);
	return err;
}

int vfs_rename(int od, const char *on, int nd, const char *nn, u32 flags)
{
	struct walk o, n;
	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	int err = vfs_lookup_parent(&o, od, on, 0);
	if (err)
		return err;
	err = vfs_lookup_parent(&n, nd, nn, 0);
	if (err) {
		walk_end(&o);
		return err;
	}
	if (o.at.mount != n.at.mount)
		err = -EXDEV;
	else if (o.last_type != LAST_NORM)
		err = -EBUSY;
	else if (n.last_type != LAST_NORM)
		err = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	else
		err = mount_want_write(&o.at);
	if (!err) {
		struct inode *a = o.at.node->inode, *b = n.at.node->inode;
		if (a != b)
			mutex_lock(&namespace_lock);
		lock_two(a, b);
		err = rename_locked(&o, &n, flags);
		unlock_two(a, b);
		if (a != b)
			mutex_unlock(&namespace_lock);
	}
	walk_end(&n);
	walk_end(&o);
	return err;
}
