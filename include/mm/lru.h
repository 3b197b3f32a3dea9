/* SPDX-License-Identifier: MIT */
/* Replacement lists as reclaim and tests see them; policies see mm/policy.h, everybody else mm/reclaim.h. */
#ifndef MM_LRU_H
#define MM_LRU_H

#include <mm/policy.h>

/* The pages of one memory group; number 0 is for all that belong to none. */
struct lru_group {
	struct lru lru[LRU_NR_TYPES];
	u64 clock; /* atomic: evictions, and what policies count besides */
	u64 nr_refaults[LRU_NR_TYPES]; /* atomic: evicted pages that came back */
	u64 nr_swapped; /* atomic: pages that were written to swap */
	u64 cost[LRU_NR_TYPES], seen[LRU_NR_TYPES]; /* (the lock of lru[0]) what balance.c has learnt from those */
	u32 number;
	u32 serial; /* of all groups that ever were: what is remembered of one is not taken for another's */
	/* Reads and clears what is known of a page's use, USED_*; lru_harvest, or a test's own. */
	unsigned (*harvest)(struct frame *f);
};

void lru_group_init(struct lru_group *g, u32 number, const struct policy *p);

/* The lists on which f is, or would be. */
struct lru *lru_of(const struct frame *f);
/* Those of no group. */
struct lru *lru_of_type(enum lru_type type);
/* Does the list count as active in /proc/meminfo? */
bool lru_list_is_active(const struct lru *l, unsigned list);
/* The pages on its lists that reclaim could look at. */
u64 lru_nr_evictable(const struct lru *l);
/* They are being written to swap. */
void lru_count_swapped(struct frame *const *frames, unsigned nr);

/* A round of selection: pages may be taken from whose turn it is; and what it looked at. */
struct lru_look {
	bool takes_protected;
	unsigned nr_selected, nr_aged;
};

/* Up to nr (at most LRU_BATCH) pages that should go, isolated, each with a reference. Each must be removed or
 * put back. None, with nothing looked at: the lists are empty. Takes page-table locks. */
unsigned lru_select(struct lru *l, struct frame **out, unsigned nr, struct lru_look *look);
#define LRU_BATCH 32u

/* Takes one page off its list, with a reference. False: it is on none, or isolated already. */
bool lru_isolate(struct frame *f);
/* An isolated page stays after all, if it is still on the list. The reference remains the caller's. */
void lru_putback(struct frame *f);

/* The isolated page goes, for lack of memory; it knows its place still: remembered for when it comes back. */
void lru_evict(struct frame *f);

/* As lru_add and policy_switch, on given lists. */
void lru_insert(struct lru *l, struct frame *f);
void lru_switch(struct lru *l, const struct policy *p);

unsigned lru_harvest(struct frame *f);

/* NULL, or what is broken. */
const char *lru_validate_lists(struct lru *l);

#endif
