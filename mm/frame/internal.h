/* SPDX-License-Identifier: MIT */
/* Nodes and their free lists, as the files of mm/frame/ see them. */
#ifndef MM_FRAME_INTERNAL_H
#define MM_FRAME_INTERNAL_H

#include <hal/lock.h>
#include <lib/list.h>
#include <mm/frame.h>

struct node {
	struct spinlock lock; /* RANK_BUDDY */
	struct list_head free[FRAME_MAX_ORDER + 1];
	u64 nr_blocks[FRAME_MAX_ORDER + 1];
	u64 free_pages;                 /* in the lists above */
	pfn_t start, end;               /* span; may hold holes */
	u64 managed;                    /* pages handed to the allocator */
	u64 wmark_min, wmark_low, wmark_high;
};

#define PCP_ORDER 4 /* refilled with blocks of up to this order */
#define PCP_BATCH (1u << PCP_ORDER)

struct pcp { /* one CPU's stack of free single frames; only that CPU touches it */
	struct frame *top; /* NULL: empty */
	u32 nr;
} __attribute__((aligned(64)));

extern struct node frame_nodes[FRAME_MAX_NODES];
extern unsigned frame_node_count;
extern struct pcp frame_pcps[HAL_MAX_CPUS];

/* buddy.c; node->lock held. NULL: nothing of this order or above. */
struct frame *buddy_take(struct node *n, unsigned order);
/* The smallest block there is, but 2^*order pages at most; *order = its order. */
struct frame *buddy_take_small(struct node *n, unsigned *order);
void buddy_give(struct node *n, struct frame *f, unsigned order);

/* watermark.c */
void watermark_init(void);
extern u32 frame_pcp_high; /* frames that a CPU's stack holds at most */
/* Is a node below its low watermark? A guess, without locks. */
bool watermark_is_low(void);
bool watermark_ok(const struct node *n, unsigned order, unsigned alloc);

#endif
