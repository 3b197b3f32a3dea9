/* SPDX-License-Identifier: MIT */
/*
 * O_DIRECT: past the cache, by copy through pages of the kernel's own (user pages are never pinned). Many
 * pages go to the device as one request.
 */
#include "internal.h"

#define MAX_PAGES 64

struct transfer {
	struct block_request request;
	struct block_segment segments[MAX_PAGES];
	struct completion done;
};

static void transfer_done(struct block_request *r) { completion_done(&container_of(r, struct transfer, request)->done); }

/* Pages for up to len bytes; how many bytes they hold, 0: no memory. */
static u32 get_pages(struct transfer *t, const struct block_device *d, u64 len)
{
	u32 max = min(min(d->max_segments, d->max_sectors / (u32)(PAGE_SIZE / SECTOR_SIZE)), (u32)MAX_PAGES), bytes = 0;
	t->request.nr_segments = 0;
	while (bytes < len && t->request.nr_segments < max) {
		struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
		if (!f)
			break;
		u16 part = (u16)min(len - bytes, (u64)PAGE_SIZE);
		t->segments[t->request.nr_segments++] = (struct block_segment){ .frame = f, .len = part };
		bytes += part;
	}
	return bytes;
}

static void put_pages(struct transfer *t)
{
	for (u32 i = 0; i < t->request.nr_segments; i++)
		frame_put(t->segments[i].frame);
}

/* Bytes copied between the caller and the pages; short: bad user memory. */
static u32 copy(struct transfer *t, enum block_op op, struct iov *iov)
{
	u32 done = 0;
	for (u32 i = 0; i < t->request.nr_segments; i++) {
		struct block_segment *s = &t->segments[i];
		void *page = frame_ptr(s->frame);
		size_t n = op == BLOCK_READ ? iov_copy_to(iov, page, s->len) : iov_copy_from(iov, page, s->len);
		done += (u32)n;
		if (n < s->len)
			break;
	}
	return done;
}

static int run(struct transfer *t, struct block_device *d)
{
	completion_init(&t->done);
	block_submit(d, &t->request);
	completion_wait_io(&t->done);
	return t->request.err;
}

/* One request's worth. Bytes moved or -errno. */
static long move_some(struct transfer *t, struct block_device *d, enum block_op op, u64 pos, u64 len, struct iov *iov)
{
	u32 bytes = get_pages(t, d, len);
	u32 block = d->logical_block;
	long ret = -ENOMEM;
	t->request.op = op;
	t->request.sector = pos >> SECTOR_SHIFT;
	t->request.segments = t->segments;
	t->request.done = transfer_done;
	if (bytes >= block && bytes % block == 0) {
		ret = op == BLOCK_WRITE && copy(t, op, iov) < bytes ? -EFAULT : run(t, d);
		if (!ret)
			ret = op == BLOCK_READ ? (long)copy(t, op, iov) : (long)bytes;
		if (op == BLOCK_WRITE && ret > 0)
			host_count_io(HOST_IO_WRITE, (u64)ret);
		if (!ret)
			ret = -EFAULT;
	}
	put_pages(t);
	return ret;
}

long blkdev_direct(struct blkdev *b, enum block_op op, u64 pos, u64 len, struct iov *iov)
{
	struct transfer *t = kmalloc(sizeof(*t), ALLOC_KERNEL);
	long done = 0, n = 0;
	if (!t)
		return -ENOMEM;
	while ((u64)done < len) {
		n = move_some(t, b->dev, op, pos + (u64)done, len - (u64)done, iov);
		if (n <= 0)
			break;
		done += n;
		if (n % b->dev->logical_block) /* the caller's memory ended */
			break;
		cond_resched();
	}
	kfree(t);
	return done ? done : n;
}
