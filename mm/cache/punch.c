/* SPDX-License-Identifier: MIT */
/*
 * Holes in files with a store. The blocks of a stretch of pages are freed while all its pages are busy, absent ones
 * as empty pages that stand for them:
 *
 *   bytes    |   ...start          |                 |        end...     |
 *   pages    | old | zeros         |  gone           |  zeros   | old    |
 *   blocks   | kept | kept, zeroed |  freed   freed  |  freed   | kept   |
 *
 * So no fault reads a block that is being freed, none gets writable without the file system being asked for
 * blocks again, and no write is under way when a block becomes somebody else's.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/cache.h>
#include <mm/pagetable.h>

#define STRETCH 32u /* pages held busy at a time */

struct hole {
	struct mapping *mapping;
	u64 start, end; /* bytes, whole blocks */
	int (*release)(struct mapping *m, u64 block, u64 end);
};

/* The page at `index`, or an empty one in its place: busy, referenced, not under write-back. */
static int hold_page(struct mapping *m, u64 index, struct frame **out)
{
	for (;;) {
		struct frame *f = mapping_find(m, index);
		if (!f) {
			int err = mapping_insert_busy(m, index, ALLOC_USER, out);
			if (err == -EEXIST)
				continue;
			return err;
		}
		frame_busy_lock(f);
		if (f->mapping == m) {
			frame_wait_writeback(f);
			*out = f;
			return 0;
		}
		frame_busy_unlock(f);
		frame_put(f);
	}
}

/* Zeroes what of a page that stays lies in the hole. Mappings lose W: the next write asks for blocks. */
static void zero_page_part(struct hole *h, struct frame *f)
{
	u64 page = f->index << PAGE_SHIFT, from = max(h->start, page), to = min(h->end, page + PAGE_SIZE);
	memset((char *)frame_ptr(f) + (from - page), 0, to - from);
	if (READ_ONCE(f->nr_slots))
		walk_back_clean(f);
}

static void let_go(struct hole *h, struct frame *f, bool is_punched)
{
	u64 page = f->index << PAGE_SHIFT;
	bool is_whole = page >= h->start && page + PAGE_SIZE <= h->end;
	if (!(frame_flags(f) & FRAME_UPTODATE) || (is_punched && is_whole))
		mapping_remove_busy(h->mapping, f);
	else if (is_punched)
		zero_page_part(h, f);
	frame_busy_unlock(f);
	frame_put(f);
}

/* Pages [first, last), at most STRETCH. */
static int punch_stretch(struct hole *h, u64 first, u64 last)
{
	struct mapping *m = h->mapping;
	struct frame *pages[STRETCH];
	unsigned nr = 0;
	int err = 0;
	while (first + nr < last && !err)
		if (!(err = hold_page(m, first + nr, &pages[nr])))
			nr++;
	bool is_punched = !err;
	if (!err) {
		unsigned shift = m->store->block_shift;
		err = h->release(m, max(h->start, first << PAGE_SHIFT) >> shift, min(h->end, last << PAGE_SHIFT) >> shift);
	}
	for (unsigned n = 0; n < nr; n++)
		let_go(h, pages[n], is_punched);
	return err;
}

/* Stretch by stretch, from block to block that there is: a hole has nothing but zeros to lose. */
static int punch_blocks(struct hole *h)
{
	struct mapping *m = h->mapping;
	unsigned shift = m->store->block_shift;
	u64 block = h->start >> shift, end = h->end >> shift;
	while (block < end) {
		struct block_extent e;
		int err = m->ops->map_blocks(m, block, (u32)min(end - block, (u64)~0u), false, &e);
		if (err)
			return err;
		if (e.device_block == BLOCK_HOLE) {
			block += e.nr;
			continue;
		}
		u64 first = block >> (PAGE_SHIFT - shift), last = min(first + STRETCH, (h->end + PAGE_SIZE - 1) >> PAGE_SHIFT);
		err = punch_stretch(h, first, last);
		if (err)
			return err;
		block = last << (PAGE_SHIFT - shift);
		if (host_current()->is_being_killed)
			return -EINTR;
	}
	return 0;
}

/* Zeroes the part of a block on either side of what can be freed. */
static int zero_ends(struct mapping *m, u64 start, u64 end, u64 *first, u64 *last)
{
	u64 mask = (1u << m->store->block_shift) - 1;
	*first = (start + mask) & ~mask;
	*last = end & ~mask;
	int err = start < *first ? cache_zero_range(m, start, min(*first, end)) : 0;
	if (!err && *last >= *first && *last < end)
		err = cache_zero_range(m, *last, end);
	return err;
}

int cache_punch(struct mapping *m, u64 start, u64 end, int (*release)(struct mapping *m, u64 block, u64 end))
{
	struct hole h = { .mapping = m, .release = release };
	int err = zero_ends(m, start, end, &h.start, &h.end);
	if (err || h.start >= h.end)
		return err;
	mapping_unmap_range(m, (h.start + PAGE_SIZE - 1) >> PAGE_SHIFT, h.end >> PAGE_SHIFT); /* all at once, not page by page */
	return punch_blocks(&h);
}
