/* SPDX-License-Identifier: MIT */
/* Calls on descriptors: dup, fcntl, flock, pipe. */
#include "../internal.h"

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)
#ifndef F_LINUX_SPECIFIC_BASE
#define F_LINUX_SPECIFIC_BASE 1024
#endif

SYSCALL1(dup, fd)
{
	struct file *f = fd_get_path((int)fd);
	return f ? fd_install(f, 0, false) : -EBADF;
}

SYSCALL2(dup2, oldfd, newfd)
{
	if ((int)oldfd == (int)newfd) {
		struct file *f = fd_get_path((int)oldfd);
		if (!f)
			return -EBADF;
		file_put(f);
		return (int)newfd;
	}
	return fd_dup_to((int)oldfd, (int)newfd, 0);
}

SYSCALL3(dup3, oldfd, newfd, flags)
{
	if (((u32)flags & ~(u32)O_CLOEXEC) || (int)oldfd == (int)newfd)
		return -EINVAL;
	return fd_dup_to((int)oldfd, (int)newfd, (u32)flags);
}

/* pipe. */

static long do_pipe(uaddr_t ufds, u32 flags)
{
	struct file *ends[2];
	int fds[2];
	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	int err = pipe_make(ends, flags);
	if (err)
		return err;
	fds[0] = fd_reserve(0, flags & O_CLOEXEC);
	fds[1] = fds[0] < 0 ? fds[0] : fd_reserve(0, flags & O_CLOEXEC);
	err = fds[1] < 0 ? fds[1] : copy_to_user(ufds, fds, sizeof(fds)) ? -EFAULT : 0;
	if (!err) {
		fd_publish(fds[0], ends[0]);
		fd_publish(fds[1], ends[1]);
		return 0;
	}
	if (fds[0] >= 0)
		fd_unreserve(fds[0]);
	if (fds[1] >= 0)
		fd_unreserve(fds[1]);
	file_put(ends[0]);
	file_put(ends[1]);
	return err;
}

SYSCALL1(pipe, ufds) { return do_pipe(ufds, 0); }
SYSCALL2(pipe2, ufds, flags) { return do_pipe(ufds, (u32)flags); }

/* fcntl. */

static long dup_from(struct file *f, u64 from, bool cloexec)
{
	if (from >= fd_limit())
		return -EINVAL;
	file_get(f);
	return fd_install(f, (int)from, cloexec);
}

static long set_flags(struct file *f, u32 flags)
{
	if ((flags & O_NOATIME) && !(f->flags & O_NOATIME) && !inode_owner_or_capable(f->inode))
		return -EPERM;
	if (((flags ^ f->flags) & O_APPEND) && (f->inode->flags & INODE_APPEND))
		return -EPERM;
	if ((flags & O_DIRECT) && S_ISREG(f->inode->mode) && !f->inode->mapping.store)
		return -EINVAL;
	f->flags = (f->flags & ~(u32)SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
	return 0;
}

static long set_owner_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex o;
	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP)
		return -EINVAL;
	f->owner_pid = o.type == F_OWNER_PGRP ? -o.pid : o.pid;
	return 0;
}

static long get_owner_ex(struct file *f, uaddr_t arg)
{
	struct f_owner_ex o = { f->owner_pid < 0 ? F_OWNER_PGRP : F_OWNER_PID, f->owner_pid < 0 ? -f->owner_pid : f->owner_pid };
	return put_user(o, arg);
}

static long set_owner(struct file *f, s32 who)
{
	if (who == (s32)0x80000000)
		return -EINVAL;
	f->owner_pid = who;
	return 0;
}

static long fcntl_file(struct file *f, int fd, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, (u32)arg);
	case F_GETLK: case F_SETLK: case F_SETLKW:
	case F_OFD_GETLK: case F_OFD_SETLK: case F_OFD_SETLKW:
		return locks_fcntl(f, cmd, arg);
	case F_SETOWN:
		return set_owner(f, (s32)arg);
	case F_GETOWN:
		return f->owner_pid;
	case F_SETOWN_EX:
		return set_owner_ex(f, arg);
	case F_GETOWN_EX:
		return get_owner_ex(f, arg);
	case F_SETSIG:
		if (arg > 64)
			return -EINVAL;
		f->owner_sig = (u32)arg;
		return 0;
	case F_GETSIG:
		return (long)f->owner_sig;
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE:
		return (int)arg == F_UNLCK ? -EAGAIN : -EINVAL;
	case F_SETPIPE_SZ:
		return pipe_set_size(f, (u32)arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_ADD_SEALS:
		return seals_add(f, (u32)arg);
	case F_GET_SEALS:
		return seals_get(f);
	default:
		return -EINVAL;
	}
}

SYSCALL3(fcntl, fd, cmd, arg)
{
	struct file *f = fd_get_path((int)fd);
	long ret;
	if (!f)
		return -EBADF;
	switch ((u32)cmd) {
	case F_DUPFD:
		ret = dup_from(f, (u32)arg, false);
		break;
	case F_DUPFD_CLOEXEC:
		ret = dup_from(f, (u32)arg, true);
		break;
	case F_GETFD:
		ret = fd_get_cloexec((int)fd) ? FD_CLOEXEC : 0;
		break;
	case F_SETFD:
		ret = fd_set_cloexec((int)fd, arg & FD_CLOEXEC);
		break;
	case F_GETFL:
		ret = (long)f->flags;
		break;
	default:
		ret = f->flags & O_PATH ? -EBADF : fcntl_file(f, (int)fd, (u32)cmd, arg);
	}
	file_put(f);
	return ret;
}

SYSCALL2(flock, fd, op)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long ret = locks_flock(f, (u32)op);
	file_put(f);
	return ret;
}
