/* SPDX-License-Identifier: MIT */
/* The invariants of the free lists, checked one by one (buddy.c, frame.c). */
#include "internal.h"

static const char *validate_block(const struct node *n, const struct frame *f, unsigned order)
{
	pfn_t pfn = frame_pfn(f);
	if (f->kind != FRAME_FREE || f->order != order)
		return "buddy: a listed block is not free or has another order";
	if (pfn & ((1ul << order) - 1))
		return "buddy: block not aligned to its size";
	for (u64 i = 1; i < 1ul << order; i++)
		if (f[i].kind != FRAME_FREE_TAIL)
			return "buddy: inside a free block stands a frame that is not";
	pfn_t buddy = pfn ^ (1ul << order);
	if (order < FRAME_MAX_ORDER && buddy >= n->start && buddy + (1ul << order) <= n->end &&
	    pfn_frame(buddy)->kind == FRAME_FREE && pfn_frame(buddy)->order == order)
		return "buddy: two free buddies were not joined";
	return NULL;
}

static const char *validate_node(struct node *n)
{
	u64 pages = 0;
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++) {
		u64 blocks = 0;
		struct frame *f;
		list_for_each_entry(f, &n->free[o], list) {
			const char *broken = validate_block(n, f, o);
			if (broken)
				return broken;
			blocks++;
		}
		if (blocks != n->nr_blocks[o])
			return "node: nr_blocks is not the length of the list";
		pages += blocks << o;
	}
	return pages == n->free_pages ? NULL : "node: free_pages is not the sum of the lists";
}

const char *frame_validate(void)
{
	for (unsigned i = 0; i < frame_node_count; i++) {
		const char *broken = validate_node(&frame_nodes[i]);
		if (broken)
			return broken;
	}
	u64 on_lists = 0;
	for (unsigned c = 0; c < HAL_MAX_CPUS; c++) {
		u32 nr = 0;
		for (struct frame *f = frame_pcps[c].top; f; f = f->next_free) {
			if (f->kind != FRAME_PCP)
				return "pcp: a listed frame is in use";
			if (++nr > frame_pcps[c].nr)
				break;
		}
		if (nr != frame_pcps[c].nr)
			return "pcp: nr is not the length of the list";
		on_lists += nr;
	}
	return on_lists == frame_nr_of_kind(FRAME_PCP) ? NULL : "pcp: a frame is on no list";
}
