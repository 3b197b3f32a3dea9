/* SPDX-License-Identifier: MIT */
/* Names: mkdir, mknod, link, symlink, unlink, rename, readlink. */
#include "../path/path.h"

static long mkdir_at(int dirfd, uaddr_t uname, u32 mode)
{
	char *name = user_path_get(uname); /* an error is reported when the name is looked at */
	long err = vfs_mkdir(dirfd, name, mode);
	user_path_put(name);
	return err;
}

SYSCALL2(mkdir, uname, mode) { return mkdir_at(AT_FDCWD, uname, (u32)mode); }
SYSCALL3(mkdirat, dirfd, uname, mode) { return mkdir_at((int)dirfd, uname, (u32)mode); }

static long mknod_at(int dirfd, uaddr_t uname, u32 mode, u64 rdev)
{
	char *name = user_path_get(uname);
	long err = vfs_mknod(dirfd, name, mode, (u32)rdev);
	user_path_put(name);
	return err;
}

SYSCALL3(mknod, uname, mode, rdev) { return mknod_at(AT_FDCWD, uname, (u32)mode, rdev); }
SYSCALL4(mknodat, dirfd, uname, mode, rdev) { return mknod_at((int)dirfd, uname, (u32)mode, rdev); }

static long unlink_at(int dirfd, uaddr_t uname, bool is_rmdir)
{
	char *name = user_path_get(uname);
	long err = vfs_unlink(dirfd, name, is_rmdir);
	user_path_put(name);
	return err;
}

SYSCALL1(unlink, uname) { return unlink_at(AT_FDCWD, uname, false); }
SYSCALL1(rmdir, uname) { return unlink_at(AT_FDCWD, uname, true); }
SYSCALL3(unlinkat, dirfd, uname, flags)
{
	return (u32)flags & ~(u32)AT_REMOVEDIR ? -EINVAL : unlink_at((int)dirfd, uname, flags & AT_REMOVEDIR);
}

/* Calls with two names. */

static long link_at(int od, uaddr_t uold, int nd, uaddr_t unew, u32 flags)
{
	char *from = user_path_get(uold), *to = user_path_get(unew);
	long err = vfs_link(od, from, nd, to, flags);
	user_path_put(from);
	user_path_put(to);
	return err;
}

SYSCALL2(link, uold, unew) { return link_at(AT_FDCWD, uold, AT_FDCWD, unew, 0); }
SYSCALL5(linkat, od, uold, nd, unew, flags) { return link_at((int)od, uold, (int)nd, unew, (u32)flags); }

static long symlink_at(uaddr_t utarget, int nd, uaddr_t unew)
{
	char *target = user_path_get(utarget), *to = user_path_get(unew);
	long err = vfs_symlink(target, nd, to);
	user_path_put(target);
	user_path_put(to);
	return err;
}

SYSCALL2(symlink, utarget, unew) { return symlink_at(utarget, AT_FDCWD, unew); }
SYSCALL3(symlinkat, utarget, nd, unew) { return symlink_at(utarget, (int)nd, unew); }

static long rename_at(int od, uaddr_t uold, int nd, uaddr_t unew, u32 flags)
{
	char *from = user_path_get(uold), *to = user_path_get(unew);
	long err = vfs_rename(od, from, nd, to, flags);
	user_path_put(from);
	user_path_put(to);
	return err;
}

SYSCALL2(rename, uold, unew) { return rename_at(AT_FDCWD, uold, AT_FDCWD, unew, 0); }
SYSCALL4(renameat, od, uold, nd, unew) { return rename_at((int)od, uold, (int)nd, unew, 0); }
SYSCALL5(renameat2, od, uold, nd, unew, flags) { return rename_at((int)od, uold, (int)nd, unew, (u32)flags); }

/* readlink. */

/* The text of a link; magic links without readlink show the name of what they lead to. */
static long link_text(struct inode *i, char *buf, size_t size)
{
	struct path to;
	if (i->ops->readlink)
		return i->ops->readlink(i, buf, size);
	if (!i->ops->follow)
		return -EINVAL;
	int err = i->ops->follow(i, &to);
	if (err)
		return err;
	long n = path_name(&to, buf, size);
	path_put(&to);
	return n;
}

static long readlink_at(int dirfd, uaddr_t uname, uaddr_t ubuf, u64 size)
{
	struct target t;
	if ((int)size <= 0)
		return -EINVAL;
	char first;
	if (get_user(first, uname))
		return -EFAULT;
	int err = target_get(&t, dirfd, uname, AT_EMPTY_PATH, false);
	if (err)
		return err;
	char *buf = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
	long n = !buf ? -ENOMEM : S_ISLNK(t.inode->mode) ? link_text(t.inode, buf, FS_PATH_MAX) : first ? -EINVAL : -ENOENT;
	if (n >= 0) {
		n = min(n, (long)(int)size);
		if (copy_to_user(ubuf, buf, (size_t)n))
			n = -EFAULT;
	}
	kfree(buf);
	target_put(&t);
	return n;
}

SYSCALL3(readlink, uname, ubuf, size)
{
	return readlink_at(AT_FDCWD, uname, ubuf, size);
}

SYSCALL4(readlinkat, dirfd, uname, ubuf, size) { return readlink_at((int)dirfd, uname, ubuf, size); }
