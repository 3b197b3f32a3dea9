/* SPDX-License-Identifier: MIT */
/*
 * Radix tree from u64 to a non-NULL pointer, 64 ways per node, as high as its largest index needs:
 * an index 0 alone costs no node. The caller locks. Nodes come from a slab cache and are allocated
 * beforehand, so that inserting under a spin lock cannot fail.
 */
#ifndef MM_RADIX_H
#define MM_RADIX_H

#include <hal/types.h>

#define RADIX_WAYS 64u /* neighbours in one node: those whose indexes differ in the lower 6 bits only */

/* Marks that an item can carry; a node knows which of its children have one below. */
enum radix_tag { RADIX_DIRTY, RADIX_WRITEBACK, RADIX_NR_TAGS };

struct radix_tree {
	void *top;       /* height 0: the item of index 0 itself */
	u8 height;       /* levels of nodes */
	u8 top_tags;     /* height 0: the item's, one bit each */
};

static inline void radix_init(struct radix_tree *t) { *t = (struct radix_tree){ 0 }; }

/* Nodes set aside for one insertion. */
struct radix_reserve {
	void *nodes[24];
	unsigned nr;
};

/* How many nodes an insertion at `index` needs as the tree is now. */
unsigned radix_missing(const struct radix_tree *t, u64 index);
/* Allocates them, without the caller's lock: 0 or -ENOMEM. alloc: ALLOC_* bits. */
int radix_reserve(struct radix_reserve *r, unsigned nr_nodes, unsigned alloc);
void radix_release(struct radix_reserve *r); /* gives back what was not used */

/* 0; -EEXIST when taken; -EAGAIN when the tree changed and r holds too few nodes (nothing was done). */
int radix_insert(struct radix_tree *t, u64 index, void *item, struct radix_reserve *r);
void *radix_lookup(const struct radix_tree *t, u64 index);
/* Puts another item at index, where one is; the tags stay. */
void radix_replace(struct radix_tree *t, u64 index, void *item);
void *radix_remove(struct radix_tree *t, u64 index); /* what was there, or NULL; frees empty nodes */

/* The first item with *index >= the given one: sets *index, returns it; NULL when there is none. */
void *radix_next(const struct radix_tree *t, u64 *index);

/* Sets or clears a tag of the item at index, which is there. Returns whether it was set. */
bool radix_tag(struct radix_tree *t, u64 index, enum radix_tag tag, bool set);
bool radix_is_tagged(const struct radix_tree *t, u64 index, enum radix_tag tag);
/* As radix_next, of items with the tag. */
void *radix_next_tagged(const struct radix_tree *t, u64 *index, enum radix_tag tag);

/* Of neighbours that lie in one node. Finds the first item with *index >= the given one that has the tag: sets
 * *index. Bit i of the result: the item of *index + i has it too, and stands at (*items)[i]. 0: none. */
u64 radix_next_tagged_many(const struct radix_tree *t, u64 *index, enum radix_tag tag, void *const **items);
/* Sets or clears a tag of the items index + i for each bit i of `which`; all are there, in one node or more. Returns
 * those for which that was a change. */
u64 radix_tag_many(struct radix_tree *t, u64 index, u64 which, enum radix_tag tag, bool set);
/* Inserts neighbours, as many of the nr as find their node and an empty place there; how many. */
unsigned radix_insert_many(struct radix_tree *t, u64 index, void *const *items, unsigned nr);

/* Neighbours at once: how many of the indexes [index, index + max) lie in one node (at least 1), and
 * where their items stand there (some NULL); *items = NULL when none of them has one. */
unsigned radix_stretch(const struct radix_tree *t, u64 index, unsigned max, void *const **items);

void radix_init_cache(void); /* once, after slab_init */

#endif
