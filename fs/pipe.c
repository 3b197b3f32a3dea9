/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: a ring of page buffers between writers and readers.
 *
 * The ring has a power of two of slots (16 at first: 64 KiB, F_SETPIPE_SZ changes it). A page is
 * allocated when a write needs it and freed when it was read, but for one spare. A write that fits
 * behind the last bytes of the newest buffer is put there; so a write of at most PIPE_BUF bytes needs
 * one free slot at most, and is done whole or not at all.
 *
 * tail <= head, head - tail slots are in use, counted without wrapping. All fields are guarded by
 * `lock` (sleeping, held while user memory is copied); conditions of sleepers read them without.
 *
 * A FIFO's pipe is made by its first open and freed by its last close (nr_files, under inode->lock).
 */
#include "internal.h"
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <kernel/signal.h>
#include <kernel/wait.h>
#include <linux/limits.h>

#define DEFAULT_SLOTS 16u
#define MAX_UNPRIVILEGED (1u << 20) /* bytes: pipe-max-size */

struct pipe_buffer {
	u8 *page;
	u16 offset, len; /* bytes [offset, offset + len) are to be read */
	bool is_packet;  /* written with O_DIRECT: never joined, read at most once */
};

struct pipe {
	struct mutex lock; /* RANK_PIPE */
	struct host_waitq data_wait, room_wait; /* readers, writers */
	struct pipe_buffer *slots;
	u32 nr_slots, head, tail;
	u32 readers, writers;
	u32 reader_opens, writer_opens; /* count up with each open: what a FIFO's open waits for */
	u32 nr_files;                   /* (inode->lock) */
	u8 *spare;
};

static struct slab_cache *pipe_cache;

void pipe_init(void)
{
	pipe_cache = slab_cache_create("pipe", sizeof(struct pipe), 0, 0);
	ASSERT(pipe_cache);
}

/* Pages and slots. */

static u8 *page_new(struct pipe *p)
{
	u8 *page = p->spare;
	if (page) {
		p->spare = NULL;
		return page;
	}
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	return f ? frame_ptr(f) : NULL;
}

static void page_drop(struct pipe *p, u8 *page)
{
	if (!p->spare)
		p->spare = page;
	else
		frame_free(ptr_frame(page), 0);
}

static inline u32 nr_used(const struct pipe *p) { return READ_ONCE(p->head) - READ_ONCE(p->tail); }
static inline bool is_empty(const struct pipe *p) { return READ_ONCE(p->head) == READ_ONCE(p->tail); }
static inline bool is_full(const struct pipe *p) { return nr_used(p) >= p->nr_slots; }
static inline struct pipe_buffer *slot(struct pipe *p, u32 at) { return &p->slots[at & (p->nr_slots - 1)]; }

static struct pipe *pipe_new(void)
{
	struct pipe *p = slab_alloc(pipe_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!p)
		return NULL;
	p->slots = kzalloc(DEFAULT_SLOTS * sizeof(*p->slots), ALLOC_KERNEL);
	if (!p->slots) {
		slab_free(pipe_cache, p);
		return NULL;
	}
	p->nr_slots = DEFAULT_SLOTS;
	mutex_init(&p->lock, RANK_PIPE);
	host_waitq_init(&p->data_wait);
	host_waitq_init(&p->room_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (; p->tail != p->head; p->tail++)
		frame_free(ptr_frame(slot(p, p->tail)->page), 0);
	if (p->spare)
		frame_free(ptr_frame(p->spare), 0);
	kfree(p->slots);
	slab_free(pipe_cache, p);
}

void pipe_inode_evict(struct inode *i)
{
	pipe_free(i->special);
	i->special = NULL;
}

/* Reading. */

/* Moves what is there to the caller; bytes, or -EFAULT when nothing was moved. */
static long take_data(struct pipe *p, struct iov *iov)
{
	long done = 0;
	while (iov->left && !is_empty(p)) {
		struct pipe_buffer *b = slot(p, p->tail);
		size_t n = min((size_t)b->len, (size_t)iov->left);
		size_t moved = iov_copy_to(iov, b->page + b->offset, n);
		bool packet = b->is_packet;
		done += (long)moved;
		b->offset += (u16)moved;
		b->len -= (u16)moved;
		if (!b->len || (packet && moved == n)) {
			page_drop(p, b->page);
			p->tail++;
		}
		if (moved < n)
			return done ? done : -EFAULT;
		if (packet)
			break;
	}
	return done;
}

static long pipe_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct pipe *p = f->priv;
	if (!iov->left)
		return 0;
	for (;;) {
		mutex_lock(&p->lock);
		bool was_full = is_full(p);
		long n = take_data(p, iov);
		bool has_writers = p->writers != 0, wake = was_full && !is_full(p);
		mutex_unlock(&p->lock);
		if (wake)
			wake_all(&p->room_wait);
		if (n || !has_writers)
			return n;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = wait_event_interruptible(&p->data_wait, !is_empty(p) || !READ_ONCE(p->writers));
		if (err)
			return err;
	}
}

/* Writing. */

/* Appends to the newest buffer when all of `n` bytes fit there. False: needs a slot. */
static bool join_last(struct pipe *p, struct iov *iov, size_t n, long *done)
{
	if (is_empty(p) || !n)
		return false;
	struct pipe_buffer *b = slot(p, p->head - 1);
	size_t end = b->offset + b->len;
	if (b->is_packet || end + n > PAGE_SIZE)
		return false;
	size_t moved = iov_copy_from(iov, b->page + end, n);
	b->len += (u16)moved;
	*done = moved ? (long)moved : -EFAULT;
	return true;
}

/* Fills the next free slot; bytes or -errno. */
static long fill_slot(struct pipe *p, struct iov *iov, bool packet)
{
	u8 *page = page_new(p);
	if (!page)
		return -ENOMEM;
	size_t n = min(PAGE_SIZE, (size_t)iov->left), moved = iov_copy_from(iov, page, n);
	if (!moved) {
		page_drop(p, page);
		return -EFAULT;
	}
	*slot(p, p->head) = (struct pipe_buffer){ .page = page, .len = (u16)moved, .is_packet = packet };
	WRITE_ONCE(p->head, p->head + 1);
	return (long)moved;
}

/* Moves what fits; bytes, 0 when full, or -errno. `first`: nothing of this write is in yet. */
static long put_data(struct pipe *p, struct iov *iov, bool packet, bool first)
{
	long done = 0, n;
	if (first && !packet && join_last(p, iov, iov->left & (PAGE_SIZE - 1), &n)) {
		if (n < 0)
			return n;
		done = n;
	}
	while (iov->left && !is_full(p)) {
		size_t want = min(PAGE_SIZE, (size_t)iov->left);
		n = fill_slot(p, iov, packet);
		if (n < 0)
			return done ? done : n;
		done += n;
		if ((size_t)n < want)
			break;
	}
	return done;
}

static long broken_pipe(void)
{
	signal_send_task(current, SIGPIPE, NULL);
	return -EPIPE;
}

static long pipe_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct pipe *p = f->priv;
	bool packet = f->flags & O_DIRECT;
	long done = 0;
	if (!iov->left)
		return 0;
	for (;;) {
		mutex_lock(&p->lock);
		bool has_readers = p->readers != 0;
		long n = has_readers ? put_data(p, iov, packet, !done) : 0;
		bool faulted = n > 0 && iov->left && !is_full(p);
		mutex_unlock(&p->lock);
		if (n > 0)
			wake_all(&p->data_wait); /* each write, not only the first: an edge for epoll */
		if (!has_readers)
			return done ? done : broken_pipe();
		if (n < 0)
			return done ? done : n;
		done += n;
		if (!iov->left || faulted)
			return done;
		if (f->flags & O_NONBLOCK)
			return done ? done : -EAGAIN;
		int err = wait_event_interruptible(&p->room_wait, !is_full(p) || !READ_ONCE(p->readers));
		if (err)
			return done ? done : err;
	}
}

/* For splice and tee: see internal.h. */

static size_t bytes_inside(struct pipe *p)
{
	size_t n = 0;
	mutex_lock(&p->lock);
	for (u32 at = p->tail; at != p->head; at++)
		n += slot(p, at)->len;
	mutex_unlock(&p->lock);
	return n;
}

long pipe_wait_data(struct file *f, bool nonblock)
{
	struct pipe *p = f->priv;
	if (is_empty(p) && READ_ONCE(p->writers)) {
		if (nonblock)
			return -EAGAIN;
		int err = wait_event_interruptible(&p->data_wait, !is_empty(p) || !READ_ONCE(p->writers));
		if (err)
			return err;
	}
	return (long)bytes_inside(p);
}

long pipe_wait_room(struct file *f, bool nonblock)
{
	struct pipe *p = f->priv;
	if (!READ_ONCE(p->readers))
		return broken_pipe();
	if (is_full(p)) {
		if (nonblock)
			return -EAGAIN;
		int err = wait_event_interruptible(&p->room_wait, !is_full(p) || !READ_ONCE(p->readers));
		if (err)
			return err;
		if (!READ_ONCE(p->readers))
			return broken_pipe();
	}
	return (long)((p->nr_slots - nr_used(p)) * PAGE_SIZE);
}

size_t pipe_peek(struct file *f, size_t skip, void *buf, size_t len)
{
	struct pipe *p = f->priv;
	size_t done = 0;
	mutex_lock(&p->lock);
	for (u32 at = p->tail; at != p->head && done < len; at++) {
		struct pipe_buffer *b = slot(p, at);
		if (skip >= b->len) {
			skip -= b->len;
			continue;
		}
		size_t n = min((size_t)b->len - skip, len - done);
		memcpy((u8 *)buf + done, b->page + b->offset + skip, n);
		done += n;
		skip = 0;
	}
	mutex_unlock(&p->lock);
	return done;
}

void pipe_consume(struct file *f, size_t len)
{
	struct pipe *p = f->priv;
	mutex_lock(&p->lock);
	while (len && !is_empty(p)) {
		struct pipe_buffer *b = slot(p, p->tail);
		size_t n = min((size_t)b->len, len);
		b->offset += (u16)n;
		b->len -= (u16)n;
		len -= n;
		if (!b->len) {
			page_drop(p, b->page);
			p->tail++;
		}
	}
	mutex_unlock(&p->lock);
	wake_all(&p->room_wait);
}

/* Readiness, size. */

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->priv;
	u32 mask = 0;
	if (FMODE_CAN_READ(f))
		poll_add(pt, &p->data_wait);
	if (FMODE_CAN_WRITE(f))
		poll_add(pt, &p->room_wait);
	if (FMODE_CAN_READ(f)) {
		if (!is_empty(p))
			mask |= POLLIN | POLLRDNORM;
		if (!READ_ONCE(p->writers) && (u32)f->version != READ_ONCE(p->writer_opens))
			mask |= POLLHUP;
	}
	if (FMODE_CAN_WRITE(f)) {
		if (!is_full(p))
			mask |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			mask |= POLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	if (cmd != FIONREAD)
		return -ENOTTY;
	return put_user((int)bytes_inside(f->priv), arg);
}

long pipe_get_size(struct file *f)
{
	return f->ops == &pipe_ops ? (long)(((struct pipe *)f->priv)->nr_slots * PAGE_SIZE) : -EBADF;
}

static int resize(struct pipe *p, u32 nr_slots)
{
	if (nr_slots < nr_used(p))
		return -EBUSY;
	struct pipe_buffer *slots = kzalloc(nr_slots * sizeof(*slots), ALLOC_KERNEL);
	if (!slots)
		return -ENOMEM;
	u32 n = 0;
	for (u32 at = p->tail; at != p->head; at++)
		slots[n++] = *slot(p, at);
	kfree(p->slots);
	p->slots = slots;
	p->nr_slots = nr_slots;
	p->tail = 0;
	p->head = n;
	return 0;
}

long pipe_set_size(struct file *f, u64 bytes)
{
	struct pipe *p = f->priv;
	u32 nr_slots = 1;
	if (f->ops != &pipe_ops)
		return -EBADF;
	if (bytes > 1u << 31)
		return -EINVAL;
	while (nr_slots * PAGE_SIZE < bytes)
		nr_slots *= 2;
	if (nr_slots > p->nr_slots && nr_slots * PAGE_SIZE > MAX_UNPRIVILEGED && !fs_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	mutex_lock(&p->lock);
	int err = resize(p, nr_slots);
	mutex_unlock(&p->lock);
	if (err)
		return err;
	wake_all(&p->room_wait);
	return (long)(nr_slots * PAGE_SIZE);
}

/* Opening and closing. */

static void count_open(struct pipe *p, const struct file *f, int step)
{
	mutex_lock(&p->lock);
	if (FMODE_CAN_READ(f)) {
		p->readers += (u32)step;
		p->reader_opens += step > 0;
	}
	if (FMODE_CAN_WRITE(f)) {
		p->writers += (u32)step;
		p->writer_opens += step > 0;
	}
	mutex_unlock(&p->lock);
	wake_all(&p->data_wait);
	wake_all(&p->room_wait);
}

static void leave(struct inode *i, struct pipe *p)
{
	mutex_lock(&i->lock);
	bool last = --p->nr_files == 0;
	if (last)
		i->special = NULL;
	mutex_unlock(&i->lock);
	if (last)
		pipe_free(p);
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;
	count_open(p, f, -1);
	leave(f->inode, p);
}

const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.name = "pipe",
};

static struct pipe *enter(struct inode *i)
{
	mutex_lock(&i->lock);
	struct pipe *p = i->special;
	if (!p)
		p = i->special = pipe_new();
	if (p)
		p->nr_files++;
	mutex_unlock(&i->lock);
	return p;
}

/* Waits for the other side to open. */
static int wait_partner(struct pipe *p, const struct file *f)
{
	if (FMODE_CAN_READ(f)) {
		u32 seen = p->writer_opens;
		return wait_event_interruptible(&p->data_wait, READ_ONCE(p->writers) || READ_ONCE(p->writer_opens) != seen);
	}
	u32 seen = p->reader_opens;
	return wait_event_interruptible(&p->room_wait, READ_ONCE(p->readers) || READ_ONCE(p->reader_opens) != seen);
}

int fifo_open(struct inode *i, struct file *f)
{
	/* A pipe opened again through /proc/PID/fd waits for nobody. */
	bool both = (FMODE_CAN_READ(f) && FMODE_CAN_WRITE(f)) || i->super == anon_super, nonblock = f->flags & O_NONBLOCK;
	struct pipe *p = enter(i);
	int err = 0;
	if (!p)
		return -ENOMEM;
	if (nonblock && !both && FMODE_CAN_WRITE(f) && !READ_ONCE(p->readers)) {
		leave(i, p);
		return -ENXIO;
	}
	f->priv = p;
	f->version = ~0u; /* HUP shows as soon as no writer is left ... */
	count_open(p, f, 1);
	if (!both && FMODE_CAN_READ(f) && !READ_ONCE(p->writers)) {
		if (nonblock)
			f->version = p->writer_opens; /* ... but not before the first came */
		else
			err = wait_partner(p, f);
	} else if (!both && FMODE_CAN_WRITE(f) && !READ_ONCE(p->readers)) {
		err = wait_partner(p, f);
	}
	if (err) {
		count_open(p, f, -1);
		leave(i, p);
		return err;
	}
	f->ops = &pipe_ops;
	return 0;
}

int pipe_make(struct file *ends[2], u32 flags)
{
	struct inode *i = inode_new_anon(S_IFIFO | 0600, "pipe");
	struct pipe *p = i ? pipe_new() : NULL;
	if (!p) {
		if (i)
			inode_put(i);
		return -ENOMEM;
	}
	i->special = p;
	ends[0] = file_new(&pipe_ops, i, O_RDONLY | (flags & O_NONBLOCK));
	ends[1] = IS_ERR(ends[0]) ? ends[0] : file_new(&pipe_ops, i, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (IS_ERR(ends[1])) {
		if (IS_ERR(ends[0])) {
			inode_put(i);
		} else {
			ends[0]->ops = &no_file_ops;
			file_put(ends[0]); /* the inode goes, and the pipe with it */
		}
		return (int)PTR_ERR(ends[1]);
	}
	inode_get(i);
	p->readers = p->writers = 1;
	p->reader_opens = p->writer_opens = 1;
	p->nr_files = 2;
	ends[0]->priv = ends[1]->priv = p;
	ends[0]->version = ~0u;
	return 0;
}
