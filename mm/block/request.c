/* SPDX-License-Identifier: MIT */
/*
 * Requests: checked, shifted from partition to whole device, counted, passed to the driver.
 *
 * A request that fails its check ends at once and is not counted. One that was passed on counts for its
 * partition and for the whole device, whatever its end; a flush, which has no place, for the whole one only.
 */
#include <asm/errno.h>
#include <hal/log.h>
#include <hal/time.h>
#include <mm/block.h>
#include <mm/stat.h>
#include "internal.h"

static u32 sum_sectors(const struct block_request *r)
{
	u32 bytes = 0;
	for (u32 i = 0; i < r->nr_segments; i++)
		bytes += r->segments[i].len;
	return bytes >> SECTOR_SHIFT;
}

static int check(const struct block_device *d, const struct block_request *r)
{
	const struct block_device *whole = d->parent ? d->parent : d;
	u64 size = READ_ONCE(d->nr_sectors);
	u32 block = d->logical_block >> SECTOR_SHIFT;
	if (r->op == BLOCK_FLUSH)
		return 0;
	if (!r->nr_sectors || ((r->sector | r->nr_sectors) & (block - 1)))
		return -EINVAL;
	if (r->sector >= size || r->nr_sectors > size - r->sector)
		return -ENXIO;
	if (r->op == BLOCK_WRITE && (READ_ONCE(d->is_read_only) || READ_ONCE(whole->is_read_only)))
		return -EROFS;
	return 0;
}

void block_submit(struct block_device *d, struct block_request *r)
{
	struct block_device *whole = block_whole(d);
	r->dev = d;
	r->nr_sectors = sum_sectors(r);
	ASSERT(r->nr_segments <= d->max_segments && r->nr_sectors <= d->max_sectors);
	int err = check(d, r);
	if (err) {
		r->err = err;
		r->done(r);
		return;
	}
	if (r->op == BLOCK_READ) /* a write is whoever made the page dirty */
		host_count_io(HOST_IO_READ, (u64)r->nr_sectors << SECTOR_SHIFT);
	r->start_ns = hal_clock_ns();
	block_count_start(whole, r->op, r->start_ns);
	if (d != whole && r->op != BLOCK_FLUSH) {
		block_count_start(d, r->op, r->start_ns);
		r->sector += d->start_sector;
	}
	whole->ops->submit(whole, r);
}

/* The counters are in KiB: of two halves the second counts. */
static void count_paging(enum block_op op, u64 sectors_before, u32 nr_sectors)
{
	if (op != BLOCK_FLUSH)
		stat_add(op == BLOCK_READ ? STAT_PGPGIN : STAT_PGPGOUT, (s64)((sectors_before + nr_sectors) / 2 - sectors_before / 2));
}

void block_done(struct block_request *r, int err)
{
	struct block_device *d = r->dev, *whole = block_whole(d);
	u64 now = hal_clock_ns();
	count_paging(r->op, block_count_end(whole, r->op, r->nr_sectors, r->start_ns, now), r->nr_sectors);
	if (d != whole && r->op != BLOCK_FLUSH) {
		block_count_end(d, r->op, r->nr_sectors, r->start_ns, now);
		r->sector -= d->start_sector;
	}
	r->err = err;
	r->done(r);
}

/* ---- waiting for one ---- */

/* Waiters share queues that live for ever: the request is gone as soon as the waiter saw its end. */
#define NR_QUEUES 16

static struct host_waitq queues[NR_QUEUES];
static u8 queues_ready;

static struct host_waitq *queue_of(const void *p)
{
	if (unlikely(!__atomic_load_n(&queues_ready, __ATOMIC_ACQUIRE))) {
		static u8 lock;
		byte_lock(&lock, RANK_SLAB);
		if (!queues_ready)
			for (unsigned i = 0; i < NR_QUEUES; i++)
				host_waitq_init(&queues[i]);
		__atomic_store_n(&queues_ready, 1, __ATOMIC_RELEASE);
		byte_unlock(&lock, RANK_SLAB);
	}
	return &queues[(u64)p / 64 % NR_QUEUES];
}

struct waiter {
	struct block_request request;
	bool is_done;
};

static void wake_waiter(struct block_request *r)
{
	struct waiter *w = container_of(r, struct waiter, request);
	struct host_waitq *q = queue_of(w);
	__atomic_store_n(&w->is_done, true, __ATOMIC_RELEASE);
	host_wake_all(q);
}

static bool is_done(void *arg) { return __atomic_load_n(&((struct waiter *)arg)->is_done, __ATOMIC_ACQUIRE); }

static int submit_and_wait(struct block_device *d, struct waiter *w)
{
	struct host_waitq *q = queue_of(w);
	w->request.done = wake_waiter;
	block_submit(d, &w->request);
	host_wait_io(q, is_done, w, 0);
	return w->request.err;
}

int block_rw(struct block_device *d, enum block_op op, u64 sector, struct frame *f, u32 offset, u32 len)
{
	struct block_segment s = { .frame = f, .offset = (u16)offset, .len = (u16)len };
	struct waiter w = { .request = { .op = op, .nr_segments = 1, .sector = sector, .segments = &s } };
	ASSERT(offset + len <= PAGE_SIZE && !((offset | len) & (SECTOR_SIZE - 1)));
	return submit_and_wait(d, &w);
}

int block_flush(struct block_device *d)
{
	struct waiter w = { .request = { .op = BLOCK_FLUSH } };
	return submit_and_wait(d, &w);
}
