/* SPDX-License-Identifier: MIT */
/* read, write and their vector and positioned forms; lseek. */
#include "../internal.h"
#include <linux/fs.h>

/* For /proc/PID/io. */
static inline void count_io(long n, bool write)
{
	struct io_figures *io = &current->io;
	u64 bytes = n > 0 ? (u64)n : 0;
	if (write) {
		io->write_chars += bytes;
		io->write_calls++;
	} else {
		io->read_chars += bytes;
		io->read_calls++;
	}
}

/* One buffer. */

SYSCALL3(read, fd, ubuf, count)
{
	struct iovec_k one;
	struct iov iov;
	struct file *f = fd_get((int)fd);
	if (unlikely(!f))
		return -EBADF;
	long n;
	if (unlikely(!FMODE_CAN_READ(f))) {
		n = -EBADF;
	} else if (unlikely(!user_range_ok(ubuf, count))) {
		n = -EFAULT;
	} else {
		iov_init_user(&iov, &one, ubuf, min(count, FS_MAX_RW));
		n = file_read(f, &iov);
	}
	count_io(n, false);
	file_put(f);
	return n;
}

SYSCALL3(write, fd, ubuf, count)
{
	struct iovec_k one;
	struct iov iov;
	struct file *f = fd_get((int)fd);
	if (unlikely(!f))
		return -EBADF;
	long n;
	if (unlikely(!FMODE_CAN_WRITE(f))) {
		n = -EBADF;
	} else if (unlikely(!user_range_ok(ubuf, count))) {
		n = -EFAULT;
	} else {
		iov_init_user(&iov, &one, ubuf, min(count, FS_MAX_RW));
		n = file_write(f, &iov);
	}
	count_io(n, true);
	file_put(f);
	return n;
}

/* One buffer at a position. */
static inline __attribute__((always_inline)) long positioned_one(u64 fd, uaddr_t ubuf, u64 count, u64 pos, bool write)
{
	if (unlikely((s64)pos < 0))
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (unlikely(!f))
		return -EBADF;
	struct iovec_k one = { ubuf, min(count, FS_MAX_RW) };
	struct iov iov = { .vec = &one, .nr = 1, .left = one.len };
	long n;
	if (unlikely(!f->ops->seek))
		n = -ESPIPE;
	else if (unlikely(!(write ? FMODE_CAN_WRITE(f) : FMODE_CAN_READ(f))))
		n = -EBADF;
	else if (unlikely(!user_range_ok(ubuf, count)))
		n = -EFAULT;
	else if (unlikely(!(write ? f->ops->write : f->ops->read)))
		n = write ? file_pwrite(f, &iov, pos) : file_pread(f, &iov, pos); /* the right error */
	else
		n = write ? f->ops->write(f, &iov, &pos) : f->ops->read(f, &iov, &pos);
	count_io(n, write);
	file_put(f);
	return n;
}

SYSCALL4(pread64, fd, ubuf, count, pos) { return positioned_one(fd, ubuf, count, pos, false); }
SYSCALL4(pwrite64, fd, ubuf, count, pos) { return positioned_one(fd, ubuf, count, pos, true); }

/* Vectors. */

/* RWF_HIPRI, RWF_DSYNC and RWF_SYNC ask for nothing that is not the case anyway. */
static int check_rwf(u32 flags)
{
	return flags & ~(u32)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND) ? -EOPNOTSUPP : 0;
}

/* RWF_APPEND: at the end whatever pos says. */
static long append(struct file *f, struct iov *iov, const s64 *pos)
{
	s64 end = (s64)READ_ONCE(f->inode->size);
	long n = file_pwrite(f, iov, (u64)end);
	if (n > 0 && !pos) {
		mutex_lock(&f->pos_lock);
		f->pos = (u64)(end + n);
		mutex_unlock(&f->pos_lock);
	}
	return n;
}

/* pos NULL: at the file's own position. */
static long transfer(struct file *f, struct iov *iov, const s64 *pos, u32 flags, bool write)
{
	if (!(write ? FMODE_CAN_WRITE(f) : FMODE_CAN_READ(f)))
		return -EBADF;
	int err = iov->left && (write ? f->ops->write : f->ops->read) ? check_rwf(flags) : 0;
	if (err)
		return err;
	if (write && (flags & RWF_APPEND) && S_ISREG(f->inode->mode))
		return append(f, iov, pos);
	if (pos)
		return write ? file_pwrite(f, iov, (u64)*pos) : file_pread(f, iov, (u64)*pos);
	return write ? file_write(f, iov) : file_read(f, iov);
}

/* pos NULL: at the file's own position. */
static long vectored(u64 fd, uaddr_t uvec, u64 nr, const s64 *pos, u32 flags, bool write)
{
	struct iov_vector v;
	if (pos && *pos < 0)
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long n = pos && !f->ops->seek ? -ESPIPE : iov_vector_get(&v, uvec, nr);
	if (!n) {
		n = transfer(f, &v.iov, pos, flags, write);
		iov_vector_free(&v);
	}
	count_io(n, write);
	file_put(f);
	return n;
}

SYSCALL3(readv, fd, uvec, nr) { return vectored(fd, uvec, nr, NULL, 0, false); }
SYSCALL3(writev, fd, uvec, nr) { return vectored(fd, uvec, nr, NULL, 0, true); }

/* A position is one argument here; the next holds the upper half only where longs are short. */
SYSCALL5(preadv, fd, uvec, nr, low, high)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, &pos, 0, false);
}

SYSCALL5(pwritev, fd, uvec, nr, low, high)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, &pos, 0, true);
}

SYSCALL6(preadv2, fd, uvec, nr, low, high, flags)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, pos == -1 ? NULL : &pos, (u32)flags, false);
}

SYSCALL6(pwritev2, fd, uvec, nr, low, high, flags)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, pos == -1 ? NULL : &pos, (u32)flags, true);
}

SYSCALL3(lseek, fd, offset, whence)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	s64 ret = -EINVAL;
	if ((u32)whence <= SEEK_MAX) {
		ret = -ESPIPE;
		if (f->ops->seek) {
			mutex_lock(&f->pos_lock);
			ret = f->ops->seek(f, (s64)offset, (int)whence);
			mutex_unlock(&f->pos_lock);
		}
	}
	file_put(f);
	return ret;
}
