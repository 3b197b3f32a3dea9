/* SPDX-License-Identifier: MIT */
/* The invariants of the free lists, checked one by one (buddy.c, frame.c). */
#include "internal.h"

static const char *validate_block(const struct node *n, const struct frame *f, unsigned order, enum frame_mobility m)
{
	pfn_t pfn = frame_pfn(f);
	if (f->kind != FRAME_FREE || f->order != order)
		return "buddy: a listed block is not free or has another order";
	for (u64 i = 0; i < 1ul << order; i++)
		if (f[i].mobility != m)
			return "buddy: a free frame is on the lists of another mobility";
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

static const char *validate_list(struct node *n, unsigned order, enum frame_mobility m, u64 *pages)
{
	u64 blocks = 0;
	struct frame *f;
	list_for_each_entry(f, &n->free[m][order], list) {
		const char *broken = validate_block(n, f, order, m);
		if (broken)
			return broken;
		blocks++;
	}
	*pages += blocks << order;
	return blocks == n->nr_blocks[m][order] ? NULL : "node: nr_blocks is not the length of the list";
}

static const char *validate_page_blocks(const struct node *n)
{
	int mobility = -1;
	for (pfn_t pfn = n->start; pfn < n->end; pfn++) {
		const struct frame *f = pfn_frame(pfn);
		if (pfn % FRAME_BLOCK_PAGES == 0)
			mobility = -1;
		if (f->kind == FRAME_RESERVED)
			continue;
		if (mobility >= 0 && f->mobility != mobility)
			return "page block: two frames of different mobility";
		mobility = f->mobility;
	}
	return NULL;
}

static const char *validate_node(struct node *n)
{
	u64 pages = 0;
	const char *broken = NULL;
	for (unsigned o = 0; o <= FRAME_MAX_ORDER && !broken; o++)
		for (unsigned m = 0; m < FRAME_NR_MOBILITIES && !broken; m++)
			broken = validate_list(n, o, m, &pages);
	if (!broken && pages != n->free_pages)
		broken = "node: free_pages is not the sum of the lists";
	return broken ? broken : validate_page_blocks(n);
}

/* How many frames a stack holds. */
static const char *validate_pcp(const struct pcp *p, u64 *nr_listed)
{
	u32 nr = 0;
	for (struct frame *f = p->top; f; f = f->next_free) {
		if (f->kind != FRAME_PCP)
			return "pcp: a listed frame is in use";
		if (++nr > p->nr)
			break;
	}
	*nr_listed += nr;
	return nr == p->nr ? NULL : "pcp: nr is not the length of the list";
}

const char *frame_validate(void)
{
	for (unsigned i = 0; i < frame_node_count; i++) {
		const char *broken = validate_node(&frame_nodes[i]);
		if (broken)
			return broken;
	}
	u64 on_lists = 0;
	for (unsigned c = 0; c < HAL_MAX_CPUS; c++)
		for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++) {
			const char *broken = validate_pcp(&frame_pcps[c].of[m], &on_lists);
			if (broken)
				return broken;
		}
	return on_lists == frame_nr_of_kind(FRAME_PCP) ? NULL : "pcp: a frame is on no list";
}
