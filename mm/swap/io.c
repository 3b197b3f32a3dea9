/* SPDX-License-Identifier: MIT */
/*
 * Swap I/O: pages whose slots are neighbours on the device go in one request. Requests come from a fixed
 * pool, so that writing out, which is what frees memory, never asks for any.
 */
#include "internal.h"
#include <hal/log.h>
#include <mm/lru.h>
#include <mm/reclaim.h>
#include <mm/shmem.h>
#include <mm/slab.h>
#include <mm/trace.h>

#define NR_IO 32u

struct swap_io {
	struct block_request r; /* op says which way */
	struct swap_io *next;   /* (pool_queue.lock) free ones */
	u32 nr;
	struct frame *frames[SWAP_BATCH];
	struct block_segment segments[SWAP_BATCH];
};

static struct swap_io *pool;
static struct swap_io *free_ios; /* (pool_queue.lock) */
static u32 nr_free_ios;          /* (pool_queue.lock) */
static struct host_waitq pool_queue;

void swap_io_init(void)
{
	host_waitq_init(&pool_queue);
	pool = free_ios = NULL;
}

int swap_io_begin(void)
{
	if (pool)
		return 0;
	struct swap_io *all = kzalloc(NR_IO * sizeof(*all), ALLOC_KERNEL);
	if (!all)
		return -ENOMEM;
	for (unsigned i = 0; i < NR_IO; i++) {
		all[i].next = free_ios;
		free_ios = &all[i];
	}
	nr_free_ios = NR_IO;
	pool = all;
	return 0;
}

static bool all_are_free(void *arg) { return nr_free_ios == NR_IO; }

void swap_io_end(void)
{
	host_wait(&pool_queue, all_are_free, NULL, 0); /* who has done his pages may not be through yet */
	kfree(pool);
	pool = free_ios = NULL;
}

/* Called under the queue's lock. */
static bool take_io(void *arg)
{
	struct swap_io **out = arg;
	if (!*out && free_ios) {
		*out = free_ios;
		free_ios = free_ios->next;
		nr_free_ios--;
	}
	return *out;
}

static struct swap_io *io_get(void)
{
	struct swap_io *io = NULL;
	host_wait_io(&pool_queue, take_io, &io, 0);
	io->nr = 0;
	return io;
}

static void io_put(struct swap_io *io)
{
	unsigned long flags = spin_lock_irq(&pool_queue.lock);
	io->next = free_ios;
	free_ios = io;
	nr_free_ios++;
	spin_unlock_irq(&pool_queue.lock, flags);
	host_wake_all(&pool_queue);
}

static void end_read(struct frame *f, int err)
{
	if (!err)
		frame_set_flags(f, FRAME_UPTODATE);
	else if (f->kind == FRAME_ANON)
		swap_cache_remove(f); /* the slot stays: whoever touches the page tries again */
	else
		shmem_read_failed(f);
	frame_busy_unlock(f);
	frame_put_user(f);
}

static void end_write(struct frame *f, int err)
{
	if (err)
		frame_set_flags(f, FRAME_DIRTY);
	stat_add(STAT_NR_WRITEBACK, -1);
	frame_end_writeback(f);
	bool is_dropped = false;
	if (!err && frame_busy_trylock(f)) {
		is_dropped = f->kind == FRAME_ANON ? swap_cache_drop(f) : shmem_drop(f);
		frame_busy_unlock(f);
	}
	if (!is_dropped)
		lru_putback(f);
	frame_put(f);
}

static void io_done(struct block_request *r)
{
	struct swap_io *io = container_of(r, struct swap_io, r);
	bool is_write = r->op == BLOCK_WRITE;
	if (r->err)
		hal_log(LOG_ERR, "swap: %s error %d on %s, sector %lu, %u pages", is_write ? "write" : "read", r->err, r->dev->name,
		        (unsigned long)r->sector, io->nr);
	for (u32 i = 0; i < io->nr; i++) {
		if (is_write)
			end_write(io->frames[i], r->err);
		else
			end_read(io->frames[i], r->err);
	}
	io_put(io);
	if (is_write)
		reclaim_progress();
}

/* Pages from `i` on that go into one request. */
static unsigned run_length(struct frame *const *frames, unsigned nr, unsigned i, struct swap_area *a, u64 *sector)
{
	u64 entry = frame_swap_entry(frames[i]), room;
	*sector = area_sector(a, swap_entry_slot(entry), &room);
	u32 limit = min(min(a->config.dev->max_segments, a->config.dev->max_sectors >> (PAGE_SHIFT - SECTOR_SHIFT)), (u32)SWAP_BATCH);
	unsigned n = 1;
	while (i + n < nr && n < room && n < limit && frame_swap_entry(frames[i + n]) == entry + n)
		n++;
	return n;
}

static void transfer(struct frame *const *frames, unsigned nr, enum block_op op)
{
	for (unsigned i = 0, n; i < nr; i += n) {
		struct swap_area *a = &swap_areas[swap_entry_area(frame_swap_entry(frames[i]))];
		u64 sector;
		n = run_length(frames, nr, i, a, &sector);
		struct swap_io *io = io_get();
		io->nr = n;
		for (unsigned k = 0; k < n; k++) {
			io->frames[k] = frames[i + k];
			io->segments[k] = (struct block_segment){ .frame = frames[i + k], .len = PAGE_SIZE };
		}
		io->r = (struct block_request){ .op = op, .nr_segments = n, .sector = sector, .segments = io->segments, .done = io_done };
		block_submit(a->config.dev, &io->r);
	}
}

void swap_read(struct frame *const *frames, unsigned nr)
{
	trace_point(TRACE_SWAP_IN, frame_swap_entry(frames[0]), frame_pfn(frames[0]), nr, 0);
	bool stalls = frame_flags(frames[0]) & FRAME_REFAULT && host_stall_begin();
	stat_add(STAT_PSWPIN, nr);
	transfer(frames, nr, BLOCK_READ);
	host_stall_end(stalls);
}

void swap_write(struct frame *const *frames, unsigned nr)
{
	stat_add(STAT_PSWPOUT, nr);
	for (unsigned i = 0; i < nr; i++)
		trace_point(TRACE_SWAP_OUT, frame_swap_entry(frames[i]), frame_pfn(frames[i]), 0, 0);
	lru_count_swapped(frames, nr);
	stat_add(STAT_NR_WRITEBACK, nr);
	transfer(frames, nr, BLOCK_WRITE);
}
