/* SPDX-License-Identifier: MIT */
/* ioctl: what holds for every file; the rest goes to the file's own operation. */
#include "../internal.h"
#include <asm/ioctls.h>

static long set_flag(struct file *f, u32 flag, uaddr_t arg)
{
	int on;
	if (get_user(on, arg))
		return -EFAULT;
	f->flags = on ? f->flags | flag : f->flags & ~flag;
	return 0;
}

static long regular_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct inode *i = f->inode;
	switch (cmd) {
	case FIONREAD:
		return put_user((int)(i->size - f->pos), arg);
	case FIGETBSZ:
		return put_user((int)(i->super->block_size ? i->super->block_size : PAGE_SIZE), arg);
	case FIBMAP:
		return fs_capable(CAP_SYS_RAWIO) ? -EINVAL : -EPERM;
	default:
		return f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
	}
}

long file_ioctl(struct file *f, unsigned fd, u32 cmd, u64 arg)
{
	switch (cmd) {
	case FIOCLEX:
		return fd_set_cloexec((int)fd, true);
	case FIONCLEX:
		return fd_set_cloexec((int)fd, false);
	case FIONBIO:
		return set_flag(f, O_NONBLOCK, arg);
	case FIOASYNC:
		return set_flag(f, FASYNC, arg);
	case FIOQSIZE:
		if (S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) || S_ISLNK(f->inode->mode))
			return put_user((s64)f->inode->size, arg);
		return -ENOTTY;
	}
	if (S_ISREG(f->inode->mode))
		return regular_ioctl(f, cmd, arg);
	return f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
}

SYSCALL3(ioctl, fd, cmd, arg)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long ret = file_ioctl(f, (unsigned)fd, (u32)cmd, arg);
	file_put(f);
	return ret;
}
