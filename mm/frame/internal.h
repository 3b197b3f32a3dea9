/* SPDX-License-Identifier: MIT */
/* Nodes and their free lists, as the files of mm/frame/ see them. */
#ifndef MM_FRAME_INTERNAL_H
#define MM_FRAME_INTERNAL_H

#include <hal/lock.h>
#include <lib/list.h>
#include <mm/frame.h>

struct node {
	struct spinlock lock; /* RANK_BUDDY */
	struct list_head free[FRAME_NR_MOBILITIES][FRAME_MAX_ORDER + 1];
	u64 nr_blocks[FRAME_NR_MOBILITIES][FRAME_MAX_ORDER + 1];
	u64 free_pages;                 /* in the lists above */
	pfn_t start, end;               /* span; may hold holes */
	u64 managed;                    /* pages handed to the allocator */
	u64 wmark_min, wmark_low, wmark_high;
};

#define PCP_ORDER 4 /* refilled with blocks of up to this order */
#define PCP_BATCH (1u << PCP_ORDER)

struct pcp { /* a stack of free single frames */
	struct frame *top; /* NULL: empty */
	u32 nr;
};
struct cpu_pcps { /* only that CPU touches them: one for each kind of page block, so that the groups stay apart */
	struct pcp of[FRAME_NR_MOBILITIES];
} __attribute__((aligned(64)));

extern struct node frame_nodes[FRAME_MAX_NODES];
extern unsigned frame_node_count;
extern struct cpu_pcps frame_pcps[HAL_MAX_CPUS];

#define ALLOC_ANY (1u << 15) /* what every allocation has, to frame_long_way */
extern unsigned frame_long_way;

/* buddy.c; node->lock held. A block for m, from another kind of page block when there is none; NULL: nothing
 * of this order or above. */
struct frame *buddy_take(struct node *n, unsigned order, enum frame_mobility m);
/* The smallest block there is, but 2^*order pages at most; *order = its order. */
struct frame *buddy_take_small(struct node *n, unsigned *order, enum frame_mobility m);
void buddy_give(struct node *n, struct frame *f, unsigned order);
/* Onto the list of its frame's mobility, and off it. */
void buddy_insert(struct node *n, struct frame *f, unsigned order);
void buddy_remove(struct node *n, struct frame *f, unsigned order);

/* mobility.c; node->lock held. */
/* The whole page block that f is in is for m from now on, its free blocks included. */
void page_block_retype(struct node *n, struct frame *f, enum frame_mobility m);
/* The order (at least `order`) of a block on the lists of *from != m that m may take a frame out of, after
 * whole page blocks were taken over if that is better; FRAME_MAX_ORDER + 1: nothing is free. */
unsigned mobility_fall_back(struct node *n, unsigned order, enum frame_mobility m, enum frame_mobility *from);
/* New frames [start, end): for whatever the rest of their page blocks is for. */
void mobility_of_new(pfn_t start, pfn_t end);

/* A free frame becomes one in use, with one reference. */
static inline void frame_prepare(struct frame *f, unsigned order, enum frame_kind kind)
{
	WRITE_ONCE(f->kind, kind);
	f->order = (u8)order;
	f->flags = 0;
	f->refs = 1;
	f->chain = 0;
}

/* compact.c */
/* Is free memory scattered, rather than missing, for blocks of `order`? */
bool compact_suits(unsigned node, unsigned order);
/* Is so little free that nothing can be moved for one? */
bool compact_lacks(unsigned node, unsigned order);
/* Has the node a free block of `order` that allocations may have? */
bool compact_has_block(struct node *n, unsigned order);
/* Compacts until there is one. False: there is none in the end. */
bool compact_node(struct node *n, unsigned order, bool is_worker);

/* watermark.c */
void watermark_init(void);
extern u32 frame_pcp_high; /* frames that a CPU's stack holds at most */
/* Is a node below its low watermark? A guess, without locks. */
bool watermark_is_low(void);
/* So many pages have to stay in the node. */
u64 watermark_floor(const struct node *n, unsigned alloc);
/* May 2^order pages leave it? */
bool watermark_ok(const struct node *n, unsigned order, unsigned alloc);

#endif
