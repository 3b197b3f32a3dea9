/* SPDX-License-Identifier: MIT */
/* Block devices as objects: life cycle, size, figures. */
#include <hal/log.h>
#include <hal/time.h>
#include <lib/string.h>
#include <mm/block.h>
#include <mm/readahead.h>
#include "internal.h"

static u64 device_size(struct mapping *m)
{
	return READ_ONCE(container_of(m, struct block_device, mapping)->nr_sectors) << SECTOR_SHIFT;
}

/* A device's own pages lie where they are. */
static int device_map_blocks(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	u64 nr = READ_ONCE(container_of(m, struct block_device, mapping)->nr_sectors);
	if (block >= nr)
		*out = (struct block_extent){ .device_block = BLOCK_HOLE, .nr = max };
	else
		*out = (struct block_extent){ .device_block = block, .nr = (u32)min((u64)max, nr - block) };
	return 0;
}

/* Who uses a device keeps it from going away; its pages go with it. */
static bool device_pin(struct mapping *m) { return true; }
static void device_unpin(struct mapping *m) {}

struct mapping_ops block_mapping_ops = {
	.size = device_size,
	.map_blocks = device_map_blocks,
	.pin = device_pin,
	.unpin = device_unpin,
};

void block_device_init(struct block_device *d)
{
	ASSERT(d->ops || d->parent);
	ASSERT(d->max_segments >= 1 && d->max_sectors >= PAGE_SIZE / SECTOR_SIZE);
	ASSERT(d->logical_block >= SECTOR_SIZE && d->logical_block <= d->physical_block);
	memset(&d->stats, 0, sizeof(d->stats));
	d->readahead_pages = READAHEAD_DEFAULT_PAGES;
	mapping_init(&d->mapping, &block_mapping_ops, MAPPING_DEVICE);
	backing_store_init(&d->store, &d->mapping, d, SECTOR_SHIFT);
	host_waitq_init(&d->waitq);
	flusher_init(&d->flusher);
	spin_lock_init(&d->holder_lock, RANK_BLOCK_HOLDER);
	d->write_refused = NULL;
}

void block_device_destroy(struct block_device *d)
{
	if (!d->parent)
		flusher_stop(d);
	ASSERT(block_nr_in_flight(d) == 0);
	mapping_destroy(&d->mapping);
}

void block_set_holder(struct block_device *d, void (*write_refused)(void *holder), void *holder)
{
	spin_lock(&d->holder_lock);
	d->write_refused = write_refused;
	d->holder = holder;
	spin_unlock(&d->holder_lock);
}

bool block_tell_holder(struct block_device *d)
{
	spin_lock(&d->holder_lock);
	bool has_one = d->write_refused;
	if (has_one)
		d->write_refused(d->holder);
	spin_unlock(&d->holder_lock);
	return has_one;
}

void block_set_size(struct block_device *d, u64 nr_sectors)
{
	WRITE_ONCE(d->nr_sectors, nr_sectors);
}

/* ---- figures ---- */

u64 block_nr_in_flight(const struct block_device *d)
{
	u64 sum = 0;
	for (unsigned op = 0; op < ARRAY_SIZE(d->stats.in_flight); op++)
		sum += __atomic_load_n(&d->stats.in_flight[op], __ATOMIC_RELAXED);
	return sum;
}

/* Of those who come at once only one counts the time that has passed. */
static void count_busy(struct block_stats *s, u64 now, bool was_busy)
{
	u64 until = __atomic_load_n(&s->busy_until_ns, __ATOMIC_RELAXED);
	while (now > until)
		if (__atomic_compare_exchange_n(&s->busy_until_ns, &until, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			if (was_busy)
				__atomic_fetch_add(&s->busy_ns, now - until, __ATOMIC_RELAXED);
			return;
		}
}

void block_count_start(struct block_device *d, enum block_op op, u64 now)
{
	count_busy(&d->stats, now, block_nr_in_flight(d) != 0);
	__atomic_fetch_add(&d->stats.in_flight[op], 1, __ATOMIC_RELAXED);
}

u64 block_count_end(struct block_device *d, enum block_op op, u32 nr_sectors, u64 start, u64 now)
{
	struct block_stats *s = &d->stats;
	count_busy(s, now, true);
	__atomic_fetch_sub(&s->in_flight[op], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->requests[op], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->ns[op], now - start, __ATOMIC_RELAXED);
	return __atomic_fetch_add(&s->sectors[op], nr_sectors, __ATOMIC_RELAXED);
}

u64 block_busy_ns(const struct block_device *d)
{
	u64 busy = __atomic_load_n(&d->stats.busy_ns, __ATOMIC_RELAXED), until = __atomic_load_n(&d->stats.busy_until_ns, __ATOMIC_RELAXED);
	u64 now = hal_clock_ns();
	return block_nr_in_flight(d) && now > until ? busy + now - until : busy;
}
