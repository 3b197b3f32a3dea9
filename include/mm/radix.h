/* SPDX-License-Identifier: MIT */
/*
 * Radix tree from u64 to a non-NULL pointer, 64 ways per node, as high as its largest index needs:
 * an index 0 alone costs no node. The caller locks. Nodes come from a slab cache and are allocated
 * beforehand, so that inserting under a spin lock cannot fail.
 */
#ifndef MM_RADIX_H
#define MM_RADIX_H

#include <hal/types.h>

struct radix_tree {
	void *top;       /* height 0: the item of index 0 itself */
	unsigned height; /* levels of nodes */
};

static inline void radix_init(struct radix_tree *t) { t->top = NULL; t->height = 0; }

/* Nodes set aside for one insertion. */
struct radix_reserve {
	void *nodes[12];
	unsigned nr;
};

/* Reserves enough for one insertion at `index` into t as it is now or as it may become (worst case).
 * 0 or -ENOMEM. alloc: ALLOC_* bits. */
int radix_reserve(struct radix_reserve *r, const struct radix_tree *t, u64 index, unsigned alloc);
void radix_release(struct radix_reserve *r); /* gives back what was not used */

/* -EEXIST when taken. Never fails otherwise. */
int radix_insert(struct radix_tree *t, u64 index, void *item, struct radix_reserve *r);
void *radix_lookup(const struct radix_tree *t, u64 index);
void *radix_remove(struct radix_tree *t, u64 index); /* what was there, or NULL; frees empty nodes */

/* The first item with *index >= the given one: sets *index, returns it; NULL when there is none. */
void *radix_next(const struct radix_tree *t, u64 *index);

void radix_init_cache(void); /* once, after slab_init */

#endif
