/* SPDX-License-Identifier: MIT */
/* Size and space of files. */
#include "../path/path.h"
#include <linux/falloc.h>

SYSCALL2(truncate, uname, len)
{
	struct target t;
	if ((s64)len < 0)
		return -EINVAL;
	int err = target_get(&t, AT_FDCWD, uname, 0, true);
	if (err)
		return err;
	struct inode *i = t.inode;
	if (S_ISDIR(i->mode))
		err = -EISDIR;
	else if (!S_ISREG(i->mode))
		err = -EINVAL;
	if (!err)
		err = target_want_write(&t);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (!err && !(err = inode_get_write(i))) {
		err = inode_truncate(i, len);
		inode_put_write(i);
	}
	target_put(&t);
	return err;
}

SYSCALL2(ftruncate, fd, len)
{
	if ((s64)len < 0)
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long err = !S_ISREG(f->inode->mode) || !FMODE_CAN_WRITE(f) ? -EINVAL : inode_truncate(f->inode, len);
	file_put(f);
	return err;
}

long file_fallocate(struct file *f, u32 mode, s64 offset, s64 len)
{
	u32 mode_type = f->inode->mode;
	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(u32)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE))
		return -EOPNOTSUPP;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (((mode & FALLOC_FL_COLLAPSE_RANGE) && (mode & ~(u32)FALLOC_FL_COLLAPSE_RANGE)) ||
	    ((mode & FALLOC_FL_INSERT_RANGE) && (mode & ~(u32)FALLOC_FL_INSERT_RANGE)) ||
	    ((mode & FALLOC_FL_UNSHARE_RANGE) && (mode & ~(u32)(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE))))
		return -EINVAL;
	if (!FMODE_CAN_WRITE(f))
		return -EBADF;
	if ((f->inode->flags & INODE_IMMUTABLE) || ((f->inode->flags & INODE_APPEND) && (mode & ~(u32)FALLOC_FL_KEEP_SIZE)))
		return -EPERM;
	if (f->inode->flags & INODE_SWAP)
		return -ETXTBSY;
	if (S_ISFIFO(mode_type))
		return -ESPIPE;
	if (S_ISDIR(mode_type))
		return -EISDIR;
	if (!S_ISREG(mode_type) && !S_ISBLK(mode_type))
		return -ENODEV;
	if (offset + (u64)len > FS_MAX_BYTES)
		return -EFBIG;
	return f->ops->fallocate ? f->ops->fallocate(f, mode, (u64)offset, (u64)len) : -EOPNOTSUPP;
}

SYSCALL4(fallocate, fd, mode, offset, len)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long err = file_fallocate(f, (u32)mode, (s64)offset, (s64)len);
	file_put(f);
	return err;
}
