/* SPDX-License-Identifier: MIT */
/* Replacement lists and what is remembered of evicted pages, as the files of mm/reclaim/ see them. */
#ifndef MM_RECLAIM_INTERNAL_H
#define MM_RECLAIM_INTERNAL_H

#include <mm/group.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

/* Both types of every group; calls do not overlap. */
void lru_switch_all(const struct policy *p);

/* The list of f, which has FRAME_LRU. The lock of l is held. */
unsigned lru_place_of(const struct lru *l, const struct frame *f);

void policy_init(void);
unsigned policy_number(const struct policy *p);

/* ---- balance.c ---- */

#define SCAN_PRIORITIES 12u /* from the 4,096th part of the lists to all of it */

struct scan_balance {
	u64 size[LRU_NR_TYPES];   /* pages on the lists */
	u64 weight[LRU_NR_TYPES]; /* in what proportion they are looked at */
};
/* For the lists of g; is_global: the machine is short of memory, not the group. */
void balance_begin(struct scan_balance *b, struct mem_group *g, bool may_swap, bool is_global);
/* Pages of one type to look at in the round of this priority (SCAN_PRIORITIES .. 0). */
u64 balance_target(const struct scan_balance *b, enum lru_type t, unsigned priority);

/* ---- workingset.c ---- */

/* The table, sized to the machine's RAM. Without memory for it nothing is remembered. */
void workingset_init(void);
/* How many are remembered, roughly; atomic. Who looks while one is being remembered may miss it. */
extern s64 workingset_nr_ghosts;
/* A page comes to l: was it evicted lately? Forgets it. */
bool workingset_refault(struct lru *l, const struct frame *f, struct refault *out);
/* Policy p evicts a page of l that knows its place still. Allocates nothing. */
void workingset_remember(struct lru *l, const struct frame *f, const struct policy *p, unsigned word);

#endif
