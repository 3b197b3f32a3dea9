/* SPDX-License-Identifier: MIT */
/*
 * Buddy system: free blocks of 2^k pages, aligned to their size, in one list per order and mobility
 * (mobility.c). A block is split in halves until it fits; a freed block joins its buddy while that is free
 * and whole.
 * Source: Knuth, TAOCP vol. 1, 2.5, algorithms R and S.
 *
 * B1  A free block's first frame has kind FRAME_FREE and the order, the others FRAME_FREE_TAIL.
 * B2  A free block and its buddy are never both free at the same order (below the maximum).
 */
#include "internal.h"

static inline struct frame *buddy_of(struct frame *f, unsigned order)
{
	return pfn_frame(frame_pfn(f) ^ (1ul << order));
}

void buddy_insert(struct node *n, struct frame *f, unsigned order)
{
	f->order = (u8)order;
	WRITE_ONCE(f->kind, FRAME_FREE);
	list_add(&f->list, &n->free[f->mobility][order]);
	n->nr_blocks[f->mobility][order]++;
}

void buddy_remove(struct node *n, struct frame *f, unsigned order)
{
	list_del(&f->list);
	n->nr_blocks[f->mobility][order]--;
}

/* Takes a block of order `o` from a list and cuts it down to `order`. */
static struct frame *take_cut(struct node *n, enum frame_mobility m, unsigned o, unsigned order)
{
	struct frame *f = list_first_entry(&n->free[m][o], struct frame, list);
	buddy_remove(n, f, o);
	while (o > order) {
		o--;
		buddy_insert(n, f + (1ul << o), o);
	}
	WRITE_ONCE(n->free_pages, n->free_pages - (1ul << order)); /* others look without the lock */
	WRITE_ONCE(f->kind, FRAME_PCP); /* before the lock goes: it is nobody's free buddy any more */
	return f;
}

/* The order of the smallest block of at least `order`, of m if there is one, else of the *m that takes its
 * place. Above FRAME_MAX_ORDER: none. */
static unsigned smallest_order(struct node *n, unsigned order, enum frame_mobility *m)
{
	for (unsigned o = order; o <= FRAME_MAX_ORDER; o++)
		if (!list_is_empty(&n->free[*m][o]))
			return o;
	return mobility_fall_back(n, order, *m, m);
}

struct frame *buddy_take(struct node *n, unsigned order, enum frame_mobility m)
{
	unsigned o = smallest_order(n, order, &m);
	return o <= FRAME_MAX_ORDER ? take_cut(n, m, o, order) : NULL;
}

struct frame *buddy_take_small(struct node *n, unsigned *order, enum frame_mobility m)
{
	unsigned o = smallest_order(n, 0, &m);
	if (o > FRAME_MAX_ORDER)
		return NULL;
	*order = min(o, *order);
	return take_cut(n, m, o, *order);
}

static bool is_free_buddy(const struct node *n, const struct frame *b, unsigned order)
{
	pfn_t pfn = frame_pfn(b);
	/* The buddy may be in use and change its kind at any time, but not to or from FREE: that takes the lock. */
	return pfn >= n->start && pfn + (1ul << order) <= n->end && READ_ONCE(b->kind) == FRAME_FREE && b->order == order;
}

void buddy_give(struct node *n, struct frame *f, unsigned order)
{
	WRITE_ONCE(n->free_pages, n->free_pages + (1ul << order));
	for (u64 i = 0; i < 1ul << order; i++)
		WRITE_ONCE(f[i].kind, FRAME_FREE_TAIL);
	while (order < FRAME_MAX_ORDER) {
		struct frame *b = buddy_of(f, order);
		if (!is_free_buddy(n, b, order))
			break;
		buddy_remove(n, b, order);
		WRITE_ONCE(b->kind, FRAME_FREE_TAIL);
		if (unlikely(b->mobility != f->mobility)) /* two page blocks, both free: one of them changes sides */
			page_block_retype(n, b->mobility == FRAME_MOVABLE ? f : b, b->mobility == FRAME_MOVABLE ? FRAME_MOVABLE : f->mobility);
		f = f < b ? f : b;
		order++;
	}
	buddy_insert(n, f, order);
}
