/* SPDX-License-Identifier: MIT */
/* Replacement lists and what is remembered of evicted pages, as the files of mm/reclaim/ see them. */
#ifndef MM_RECLAIM_INTERNAL_H
#define MM_RECLAIM_INTERNAL_H

#include <mm/lru.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

void lru_init(void);
/* Both types of every group; calls do not overlap. */
void lru_switch_all(const struct policy *p);

void policy_init(void);
unsigned policy_number(const struct policy *p);

/* ---- workingset.c ---- */

/* The table, sized to the machine's RAM. Without memory for it nothing is remembered. */
void workingset_init(void);
/* A page comes to l: was it evicted lately? Forgets it. */
bool workingset_refault(struct lru *l, const struct frame *f, struct refault *out);
/* Policy p evicts a page of l that knows its place still. Allocates nothing. */
void workingset_remember(struct lru *l, const struct frame *f, const struct policy *p, unsigned word);

#endif
