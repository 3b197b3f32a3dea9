/* SPDX-License-Identifier: MIT */
/* read, write and their vector and positioned forms; lseek. */
#include "../internal.h"
#include <hal/mmu.h>
#include <linux/fs.h>

static bool range_ok(uaddr_t at, u64 len) { return len <= HAL_USER_END && at <= HAL_USER_END - len; }

/* For /proc/PID/io. */
static inline void count_io(long n, bool write)
{
	struct task *t = current;
	u64 bytes = n > 0 ? (u64)n : 0;
	if (write) {
		t->io_write_bytes += bytes;
		t->io_write_calls++;
	} else {
		t->io_read_bytes += bytes;
		t->io_read_calls++;
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
	} else if (unlikely(!range_ok(ubuf, count))) {
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
	} else if (unlikely(!range_ok(ubuf, count))) {
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
	else if (unlikely(!range_ok(ubuf, count)))
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

struct vector {
	struct iovec_k few[8], *vec;
	struct iov iov;
};

static void vector_free(struct vector *v)
{
	if (v->vec != v->few)
		kfree(v->vec);
}

/* Reads nr pieces; the total is cut at FS_MAX_RW as Linux cuts it. */
static int vector_get(struct vector *v, uaddr_t uvec, u64 nr)
{
	u64 total = 0;
	v->vec = v->few;
	if (nr > FS_IOV_MAX)
		return -EINVAL;
	if (nr > ARRAY_SIZE(v->few) && !(v->vec = kmalloc(nr * sizeof(*v->vec), ALLOC_KERNEL)))
		return -ENOMEM;
	int err = copy_from_user(v->vec, uvec, nr * sizeof(*v->vec)) ? -EFAULT : 0;
	for (u64 n = 0; n < nr && !err; n++) {
		struct iovec_k *p = &v->vec[n];
		if ((s64)p->len < 0)
			err = -EINVAL;
		else if (!range_ok(p->base, p->len))
			err = -EFAULT;
		p->len = min(p->len, FS_MAX_RW - total);
		total += p->len;
	}
	if (err)
		vector_free(v);
	else
		v->iov = (struct iov){ .vec = v->vec, .nr = (unsigned)nr, .left = total };
	return err;
}

static long positioned(u64 fd, struct iov *iov, s64 pos, bool write)
{
	if (pos < 0)
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long n = !f->ops->seek ? -ESPIPE : write ? file_pwrite(f, iov, (u64)pos) : file_pread(f, iov, (u64)pos);
	file_put(f);
	return n;
}

static long streamed(u64 fd, struct iov *iov, bool write)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long n = write ? file_write(f, iov) : file_read(f, iov);
	file_put(f);
	return n;
}

/* pos NULL: at the file's own position. */
static long vectored(u64 fd, uaddr_t uvec, u64 nr, const s64 *pos, bool write)
{
	struct vector v;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	file_put(f);
	int err = vector_get(&v, uvec, nr);
	if (err)
		return err;
	long n = pos ? positioned(fd, &v.iov, *pos, write) : streamed(fd, &v.iov, write);
	count_io(n, write);
	vector_free(&v);
	return n;
}

SYSCALL3(readv, fd, uvec, nr) { return vectored(fd, uvec, nr, NULL, false); }
SYSCALL3(writev, fd, uvec, nr) { return vectored(fd, uvec, nr, NULL, true); }

SYSCALL5(preadv, fd, uvec, nr, low, high)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, &pos, false);
}

SYSCALL5(pwritev, fd, uvec, nr, low, high)
{
	s64 pos = (s64)low;
	return vectored(fd, uvec, nr, &pos, true);
}

/* RWF_HIPRI, RWF_DSYNC and RWF_SYNC ask for nothing that is not the case anyway. */
static int check_rwf(u64 flags)
{
	return flags & ~(u64)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND) ? -EOPNOTSUPP : 0;
}

/* RWF_APPEND: at the end whatever pos says. */
static long append(u64 fd, uaddr_t uvec, u64 nr, const s64 *pos)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	s64 end = (s64)READ_ONCE(f->inode->size);
	bool regular = S_ISREG(f->inode->mode);
	long n = vectored(fd, uvec, nr, regular ? &end : pos, true);
	if (n > 0 && regular && !pos) {
		mutex_lock(&f->pos_lock);
		f->pos = (u64)(end + n);
		mutex_unlock(&f->pos_lock);
	}
	file_put(f);
	return n;
}

SYSCALL6(preadv2, fd, uvec, nr, low, high, flags)
{
	s64 pos = (s64)low;
	int err = check_rwf(flags);
	return err ? err : vectored(fd, uvec, nr, pos == -1 ? NULL : &pos, false);
}

SYSCALL6(pwritev2, fd, uvec, nr, low, high, flags)
{
	s64 pos = (s64)low;
	int err = check_rwf(flags);
	if (err)
		return err;
	if (flags & RWF_APPEND)
		return append(fd, uvec, nr, pos == -1 ? NULL : &pos);
	return vectored(fd, uvec, nr, pos == -1 ? NULL : &pos, true);
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
