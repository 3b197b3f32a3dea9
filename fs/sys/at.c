/* SPDX-License-Identifier: MIT */
/* The object that a system call names: by path, by descriptor, or by either (AT_EMPTY_PATH). */
#include "../path/path.h"

int target_from_fd(struct target *t, int fd, bool allow_path)
{
	struct file *f = allow_path ? fd_get_path(fd) : fd_get(fd);
	if (!f)
		return -EBADF;
	t->path = (struct path){ f->node, f->mount };
	if (f->node)
		path_get(&t->path);
	t->inode = f->inode;
	inode_get(t->inode);
	file_put(f);
	return 0;
}

int target_get(struct target *t, int dirfd, uaddr_t uname, u32 at_flags, bool follow)
{
	if (uname && (at_flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD) {
		char first;
		if (get_user(first, uname))
			return -EFAULT;
		if (!first)
			return target_from_fd(t, dirfd, true);
	}
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	int err = vfs_lookup(dirfd, name, (follow ? LOOKUP_FOLLOW : 0) | (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &t->path);
	user_path_put(name);
	if (err)
		return err;
	t->inode = t->path.node->inode;
	inode_get(t->inode);
	return 0;
}

void target_put(struct target *t)
{
	inode_put(t->inode);
	if (t->path.node)
		path_put(&t->path);
}

int target_want_write(const struct target *t)
{
	return t->path.node ? mount_want_write(&t->path) : 0;
}
