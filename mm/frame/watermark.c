/* SPDX-License-Identifier: MIT */
/*
 * Watermarks: how much of a node stays free. min is for those who may use reserves, low wakes reclaim,
 * high ends it. Formula as Linux's: min_free_kbytes = 4 * sqrt(RAM in KiB) within [128, 262144],
 * shared out by size; from each mark to the next it is min / 4 or watermark_scale_factor / 10000 of the node,
 * whichever is more.
 */
#include "internal.h"

static u64 min_free_kbytes;
static u32 scale_factor = 10;
u32 frame_pcp_high;

static u64 square_root(u64 x)
{
	u64 r = 0;
	for (u64 bit = 1ul << 31; bit; bit >>= 1)
		if ((r + bit) * (r + bit) <= x)
			r += bit;
	return r;
}

static void spread(void)
{
	u64 total = frame_total(), pages = min_free_kbytes >> (PAGE_SHIFT - 10);
	for (unsigned i = 0; i < frame_node_count; i++) {
		struct node *n = &frame_nodes[i];
		n->wmark_min = total ? pages * n->managed / total : 0;
		u64 step = max(n->wmark_min / 4, n->managed * scale_factor / 10000);
		n->wmark_low = n->wmark_min + step;
		n->wmark_high = n->wmark_low + step;
	}
}

void watermark_init(void)
{
	u64 kb = 4 * square_root(frame_total() << (PAGE_SHIFT - 10));
	min_free_kbytes = min(max(kb, 128ul), 262144ul);
	/* Up to 2 MiB, but 1/256 of the RAM at most, may wait in one CPU's stack: fork, exit and the like
	 * then hand the same frames round without the buddy lists. */
	frame_pcp_high = (u32)min(max(frame_total() >> 8, 4ul * PCP_BATCH), 32ul * PCP_BATCH);
	spread();
}

void frame_set_min_free(u64 kbytes)
{
	min_free_kbytes = kbytes;
	spread();
}

u64 frame_min_free(void) { return min_free_kbytes; }

void frame_set_watermark_scale(u32 factor)
{
	scale_factor = factor;
	spread();
}

u32 frame_watermark_scale(void) { return scale_factor; }

u64 watermark_floor(const struct node *n, unsigned alloc)
{
	return alloc & ALLOC_RESERVE ? 0 : alloc & ALLOC_VICTIM ? n->wmark_min / 2 : n->wmark_min;
}

bool watermark_ok(const struct node *n, unsigned order, unsigned alloc)
{
	return READ_ONCE(n->free_pages) >= watermark_floor(n, alloc) + (1ul << order);
}

bool watermark_is_low(void)
{
	for (unsigned i = 0; i < frame_node_count; i++)
		if (READ_ONCE(frame_nodes[i].free_pages) < frame_nodes[i].wmark_low)
			return true;
	return false;
}
