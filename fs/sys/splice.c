/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes between files inside the kernel: sendfile, copy_file_range, splice, tee, vmsplice. Pages
 * are copied, never moved between owners (user frames are not pinned here), so these calls save system
 * calls, not copies.
 *
 * Nothing is lost when the destination takes less than was read: from files only what was written
 * counts, from pipes bytes are first looked at, then written, then consumed.
 */
#include "../path/path.h"

#define CHUNK (4 * PAGE_SIZE)
#ifndef SPLICE_F_NONBLOCK
#define SPLICE_F_MOVE     1u
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_MORE     4u
#define SPLICE_F_GIFT     8u
#endif
#define SPLICE_F_ALL 15u

/* One side of a transfer: at a position of its own or at the file's. */
struct side {
	struct file *f;
	u64 pos;
	uaddr_t upos; /* where the position came from; 0: the file's own */
};

static int side_open(struct side *s, int fd)
{
	*s = (struct side){ .f = fd_get(fd) };
	return s->f ? 0 : -EBADF;
}

static int sides_open(struct side *in, u64 in_fd, struct side *out, u64 out_fd)
{
	int err = side_open(in, (int)in_fd);
	if (err)
		return err;
	err = side_open(out, (int)out_fd);
	if (err)
		file_put(in->f);
	return err;
}

static void sides_put(struct side *in, struct side *out)
{
	file_put(in->f);
	file_put(out->f);
}

/* Whether the position makes sense is asked later, by side_check. */
static int side_read_pos(struct side *s, uaddr_t upos)
{
	s->upos = upos;
	s->pos = s->f->pos;
	return upos ? get_user(s->pos, upos) : 0;
}

static int side_check(const struct side *s, u64 len)
{
	return (s64)len < 0 || (s64)s->pos < 0 || (s64)(s->pos + len) < 0 ? -EINVAL : 0;
}

static u64 max_bytes(const struct side *s)
{
	u64 max = s->f->inode->super->max_bytes;
	return max ? max : FS_MAX_BYTES;
}

/* Gives the position back. */
static long side_end(struct side *s, long result)
{
	if (s->upos) {
		if (result >= 0 && put_user((s64)s->pos, s->upos))
			result = -EFAULT;
	} else if (s->f->ops->seek) {
		s->f->pos = s->pos;
	}
	file_put(s->f);
	return result;
}

static long side_read(struct side *s, void *buf, size_t len)
{
	struct iov v;
	u64 pos = s->pos;
	iov_init_kernel(&v, buf, len);
	return s->f->ops->read(s->f, &v, s->f->ops->seek ? &pos : NULL);
}

static long side_write(struct side *s, const void *buf, size_t len)
{
	struct iov v;
	iov_init_kernel(&v, (void *)buf, len);
	long n = s->f->ops->write(s->f, &v, s->f->ops->seek ? &s->pos : NULL);
	return n;
}

/* From a file with a position to anything. Bytes or -errno when none. */
static long copy_file(struct side *in, struct side *out, u64 len)
{
	u8 *buf = kmalloc(CHUNK, ALLOC_KERNEL);
	long done = 0, n = 0;
	if (!buf)
		return -ENOMEM;
	while (len) {
		n = side_read(in, buf, min(len, CHUNK));
		if (n <= 0)
			break;
		long want = n;
		n = side_write(out, buf, (size_t)want);
		if (n <= 0)
			break;
		in->pos += (u64)n;
		done += n;
		len -= (u64)n;
		if (n < want || (signal_is_pending() && len))
			break;
		cond_resched();
	}
	kfree(buf);
	return done ? done : n;
}

static bool is_pipe(const struct file *f) { return f->ops == &pipe_ops; }

/* The part of sendfile that has both files; in->pos is set. */
static long send_file(struct side *in, struct side *out, u64 count)
{
	u64 max = min(max_bytes(in), max_bytes(out));
	int err = !FMODE_CAN_WRITE(out->f) ? -EBADF : side_check(out, count);
	if (err)
		return err;
	count = min(count, FS_MAX_RW);
	if (in->pos + count > max) {
		if (in->pos >= max)
			return -EOVERFLOW;
		count = max - in->pos;
	}
	u32 type = in->f->inode->mode & S_IFMT;
	if (!is_pipe(out->f) && ((out->f->flags & O_APPEND) || (type != S_IFREG && type != S_IFBLK)))
		return -EINVAL;
	if (!in->f->ops->seek || !in->f->ops->read || !out->f->ops->write)
		return -EINVAL;
	return copy_file(in, out, count);
}

SYSCALL4(sendfile, out_fd, in_fd, uoffset, count)
{
	struct side in, out;
	u64 first;
	if (uoffset && get_user(first, uoffset))
		return -EFAULT;
	long n = side_open(&in, (int)in_fd);
	if (n)
		return n;
	in.upos = uoffset;
	in.pos = uoffset ? first : in.f->pos;
	n = !FMODE_CAN_READ(in.f) ? -EBADF : uoffset && !in.f->ops->seek ? -ESPIPE : side_check(&in, count);
	if (!n)
		n = side_open(&out, (int)out_fd);
	if (n) {
		file_put(in.f);
		return n;
	}
	side_read_pos(&out, 0);
	n = send_file(&in, &out, count);
	n = side_end(&out, n);
	return side_end(&in, n);
}

static int check_copy_range(const struct side *in, const struct side *out, u64 *len)
{
	struct inode *i = in->f->inode, *o = out->f->inode;
	if (S_ISDIR(i->mode) || S_ISDIR(o->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode) || !S_ISREG(o->mode))
		return -EINVAL;
	if (!FMODE_CAN_READ(in->f) || !FMODE_CAN_WRITE(out->f) || (out->f->flags & O_APPEND))
		return -EBADF;
	if (i->super != o->super)
		return -EXDEV;
	if (o->flags & INODE_IMMUTABLE)
		return -EPERM;
	if ((i->flags | o->flags) & INODE_SWAP)
		return -ETXTBSY;
	if (in->pos + *len < in->pos || out->pos + *len < out->pos)
		return -EOVERFLOW;
	*len = (s64)in->pos >= (s64)i->size ? 0 : min(*len, i->size - in->pos);
	if ((s64)out->pos >= (s64)max_bytes(out))
		return -EFBIG;
	if (i == o && out->pos + *len > in->pos && out->pos < in->pos + *len)
		return -EINVAL;
	int err = side_check(in, *len);
	return err ? err : side_check(out, *len);
}

SYSCALL6(copy_file_range, in_fd, uin, out_fd, uout, len, flags)
{
	struct side in, out;
	u64 count = len;
	long n = sides_open(&in, in_fd, &out, out_fd);
	if (n)
		return n;
	n = side_read_pos(&in, uin);
	if (!n)
		n = side_read_pos(&out, uout);
	if (!n)
		n = (u32)flags ? -EINVAL : check_copy_range(&in, &out, &count);
	if (n) {
		sides_put(&in, &out);
		return n;
	}
	if (count)
		n = copy_file(&in, &out, min(count, FS_MAX_RW));
	n = side_end(&out, n);
	return side_end(&in, n);
}

/* splice. */

/* From a pipe to anything; `keep`: the bytes stay in the pipe (tee). */
static long from_pipe(struct side *in, struct side *out, u64 len, bool nonblock, bool keep)
{
	u8 *buf = kmalloc(CHUNK, ALLOC_KERNEL);
	long done = 0, n = 0;
	if (!buf)
		return -ENOMEM;
	while (len) {
		n = done ? pipe_wait_data(in->f, true) : pipe_wait_data(in->f, nonblock || (in->f->flags & O_NONBLOCK));
		if (n > 0 && is_pipe(out->f)) {
			long room = pipe_wait_room(out->f, nonblock || done);
			if (room < 0)
				n = room;
			else
				len = min(len, (u64)room);
		}
		if (n <= 0)
			break;
		size_t have = pipe_peek(in->f, keep ? (size_t)done : 0, buf, min(len, CHUNK));
		if (!have)
			break;
		n = side_write(out, buf, have);
		if (n <= 0)
			break;
		if (!keep)
			pipe_consume(in->f, (size_t)n);
		done += n;
		len -= (u64)n;
		if ((size_t)n < have)
			break;
	}
	kfree(buf);
	return done ? done : n;
}

/* From anything to a pipe, no more than there is room for. */
static long to_pipe(struct side *in, struct side *out, u64 len, bool nonblock)
{
	long room = pipe_wait_room(out->f, nonblock || (out->f->flags & O_NONBLOCK));
	if (room <= 0)
		return room;
	len = min(len, (u64)room);
	if (in->f->ops->seek)
		return copy_file(in, out, len);
	u8 *buf = kmalloc(CHUNK, ALLOC_KERNEL);
	if (!buf)
		return -ENOMEM;
	long n = side_read(in, buf, min(len, CHUNK));
	if (n > 0)
		n = side_write(out, buf, (size_t)n);
	kfree(buf);
	return n;
}

static long do_splice(struct side *in, struct side *out, u64 len, bool nonblock)
{
	if (!FMODE_CAN_READ(in->f) || !FMODE_CAN_WRITE(out->f))
		return -EBADF;
	if (is_pipe(in->f) && is_pipe(out->f) && in->f->priv == out->f->priv)
		return -EINVAL;
	if (!is_pipe(in->f) && !is_pipe(out->f))
		return -EINVAL;
	if ((in->upos && !in->f->ops->seek) || (out->upos && !out->f->ops->seek) || (!is_pipe(out->f) && (out->f->flags & O_APPEND)))
		return -EINVAL;
	if (side_check(is_pipe(in->f) ? out : in, len) || !in->f->ops->read || !out->f->ops->write)
		return -EINVAL;
	len = min(len, FS_MAX_RW);
	return is_pipe(in->f) ? from_pipe(in, out, len, nonblock, false) : to_pipe(in, out, len, nonblock);
}

SYSCALL6(splice, in_fd, uin, out_fd, uout, len, flags)
{
	struct side in, out;
	if (!len)
		return 0;
	if ((u32)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	long n = sides_open(&in, in_fd, &out, out_fd);
	if (n)
		return n;
	if ((is_pipe(in.f) && uin) || (is_pipe(out.f) && uout))
		n = -ESPIPE;
	else
		n = side_read_pos(&out, uout) || side_read_pos(&in, uin) ? -EFAULT : 0;
	if (n) {
		sides_put(&in, &out);
		return n;
	}
	n = do_splice(&in, &out, len, flags & SPLICE_F_NONBLOCK);
	n = side_end(&out, n);
	return side_end(&in, n);
}

SYSCALL4(tee, in_fd, out_fd, len, flags)
{
	struct side in, out;
	if ((u32)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	long n = sides_open(&in, in_fd, &out, out_fd);
	if (n)
		return n;
	if (!FMODE_CAN_READ(in.f) || !FMODE_CAN_WRITE(out.f))
		n = -EBADF;
	else if (!is_pipe(in.f) || !is_pipe(out.f) || in.f->priv == out.f->priv)
		n = -EINVAL;
	else
		n = from_pipe(&in, &out, len, flags & SPLICE_F_NONBLOCK, true);
	sides_put(&in, &out);
	return n;
}

long sys_readv(u64, u64, u64);
long sys_writev(u64, u64, u64);

SYSCALL4(vmsplice, fd, uvec, nr, flags)
{
	if ((u32)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long n = is_pipe(f) ? 0 : -EBADF;
	bool write = FMODE_CAN_WRITE(f);
	if (!n && write && (flags & SPLICE_F_NONBLOCK) && !(f->flags & O_NONBLOCK)) {
		long room = pipe_wait_room(f, true);
		n = room < 0 ? room : 0;
	}
	file_put(f);
	if (n)
		return n;
	return write ? sys_writev(fd, uvec, nr) : sys_readv(fd, uvec, nr);
}
