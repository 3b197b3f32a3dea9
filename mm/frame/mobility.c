/* SPDX-License-Identifier: MIT */
/*
 * Grouping by mobility: memory is divided into page blocks of 2 MiB, each meant for allocations that stay
 * where they are, for such as can be migrated, or for such as can be reclaimed together. So the few frames
 * that cannot move lie close together, and the rest can be compacted into free blocks.
 *
 * A page block is a preference: when the free lists of one kind are empty, memory is taken from another.
 * Who cannot move takes the largest free block there is and the page block around it with all that is free
 * there, so that the next such allocations find their place in the same one. Who can move does so only where
 * half of the page block is free or movable; else it takes the smallest hole and leaves the page block alone.
 * Page blocks go back when they are wholly free.
 * Source: Gorman and Whitcroft, "The What, The Why and the Where To of Anti-Fragmentation" (OLS 2006); the
 * rules of stealing as documented for Linux (Documentation/mm/page_allocation and the book "Understanding the
 * Linux Virtual Memory Manager").
 *
 * B3  All frames of a page block (but RESERVED ones) have the same mobility; a free block is on the lists of
 *     its frames' mobility. Two page blocks that are one free block have the same.
 */
#include "internal.h"
#include <lib/string.h>

#define HALF_PAGE_BLOCK (FRAME_BLOCK_PAGES / 2)
#define LARGE_ORDER     (FRAME_BLOCK_ORDER / 2) /* a hole of this size is worth the page block to a movable page */

/* Whose page blocks to turn to, in this order. */
static const u8 fall_backs[FRAME_NR_MOBILITIES][2] = {
	[FRAME_UNMOVABLE] = { FRAME_RECLAIMABLE, FRAME_MOVABLE },
	[FRAME_MOVABLE] = { FRAME_RECLAIMABLE, FRAME_UNMOVABLE },
	[FRAME_RECLAIMABLE] = { FRAME_UNMOVABLE, FRAME_MOVABLE },
};

static pfn_t page_block_start(const struct frame *f) { return frame_pfn(f) & ~(FRAME_BLOCK_PAGES - 1); }

/* Descriptors of RESERVED frames may be of addresses without RAM, which can only be read. */
static void set_mobility(struct frame *f, u64 nr, enum frame_mobility m)
{
	for (struct frame *end = f + nr; f < end; f++)
		if (READ_ONCE(f->kind) != FRAME_RESERVED)
			WRITE_ONCE(f->mobility, (u8)m); /* who frees one looks without the lock */
}

void page_block_retype(struct node *n, struct frame *f, enum frame_mobility m)
{
	pfn_t start = max(page_block_start(f), n->start), end = min(page_block_start(f) + FRAME_BLOCK_PAGES, n->end);
	for (pfn_t pfn = start; pfn < end;) {
		struct frame *at = pfn_frame(pfn);
		bool is_free = READ_ONCE(at->kind) == FRAME_FREE;
		u64 nr = is_free ? 1ul << at->order : 1;
		if (is_free)
			buddy_remove(n, at, at->order);
		set_mobility(at, nr, m);
		if (is_free)
			buddy_insert(n, at, at->order);
		pfn += nr;
	}
}

/* Frames of f's page block that are free or can be migrated. */
static u64 count_alike(const struct node *n, const struct frame *f)
{
	pfn_t start = max(page_block_start(f), n->start), end = min(page_block_start(f) + FRAME_BLOCK_PAGES, n->end);
	u64 nr = 0;
	for (pfn_t pfn = start; pfn < end; pfn++) {
		enum frame_kind kind = READ_ONCE(pfn_frame(pfn)->kind);
		nr += kind == FRAME_FREE || kind == FRAME_FREE_TAIL || kind == FRAME_ANON || kind == FRAME_CACHE;
	}
	return nr;
}

/* The largest (step -1) or smallest (1) order in [order, FRAME_MAX_ORDER] with a block for m to take. */
static unsigned find(const struct node *n, unsigned order, enum frame_mobility m, int step, enum frame_mobility *from)
{
	for (unsigned o = step < 0 ? FRAME_MAX_ORDER : order; o >= order && o <= FRAME_MAX_ORDER; o += (unsigned)step) {
		for (unsigned i = 0; i < ARRAY_SIZE(fall_backs[m]); i++) {
			*from = fall_backs[m][i];
			if (!list_is_empty(&n->free[*from][o]))
				return o;
		}
		if (o == 0 && step < 0)
			break;
	}
	return FRAME_MAX_ORDER + 1;
}

unsigned mobility_fall_back(struct node *n, unsigned order, enum frame_mobility m, enum frame_mobility *from)
{
	unsigned o = find(n, order, m, -1, from);
	if (o > FRAME_MAX_ORDER)
		return o;
	struct frame *f = list_first_entry(&n->free[*from][o], struct frame, list);
	if (m == FRAME_MOVABLE && o < FRAME_BLOCK_ORDER && (o < LARGE_ORDER || count_alike(n, f) < HALF_PAGE_BLOCK))
		return find(n, order, m, 1, from);
	if (o > FRAME_BLOCK_ORDER && order <= FRAME_BLOCK_ORDER) { /* one page block is enough */
		buddy_remove(n, f, o);
		while (o > FRAME_BLOCK_ORDER) {
			o--;
			buddy_insert(n, f + (1ul << o), o);
		}
		buddy_insert(n, f, o);
	}
	page_block_retype(n, f, m);
	*from = m;
	return o;
}

void mobility_of_new(pfn_t start, pfn_t end)
{
	for (pfn_t pfn = start; pfn < end;) {
		pfn_t block = pfn & ~(FRAME_BLOCK_PAGES - 1), next = min(block + FRAME_BLOCK_PAGES, end);
		enum frame_mobility m = FRAME_MOVABLE;
		for (pfn_t p = block; p < block + FRAME_BLOCK_PAGES && p < frame_max_pfn(); p++)
			if (READ_ONCE(pfn_frame(p)->kind) != FRAME_RESERVED) {
				m = pfn_frame(p)->mobility;
				break;
			}
		for (; pfn < next; pfn++)
			pfn_frame(pfn)->mobility = (u8)m;
	}
}

void frame_mobility_stat(unsigned node, struct frame_mobility_stat *out)
{
	struct node *n = &frame_nodes[node];
	*out = (struct frame_mobility_stat){ 0 };
	spin_lock(&n->lock);
	memcpy(out->nr_free_blocks, n->nr_blocks, sizeof(out->nr_free_blocks));
	spin_unlock(&n->lock);
	for (pfn_t pfn = n->start & ~(FRAME_BLOCK_PAGES - 1); pfn < n->end; pfn += FRAME_BLOCK_PAGES)
		for (pfn_t p = max(pfn, n->start); p < min(pfn + FRAME_BLOCK_PAGES, n->end); p++)
			if (READ_ONCE(pfn_frame(p)->kind) != FRAME_RESERVED) {
				out->nr_page_blocks[READ_ONCE(pfn_frame(p)->mobility)]++;
				break;
			}
}
