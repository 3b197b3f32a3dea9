/* SPDX-License-Identifier: MIT */
/*
 * Least recently used, as in the textbook: one list, a page that is used goes to its warm end. Exact where
 * every use is seen. Where only accessed bits tell, the page at the cold end is asked when it is its
 * turn, and goes once more round if it was used: the "second chance" algorithm.
 */
#include <mm/policy.h>

enum { LIST = LRU_FIRST_LIST };

static unsigned add(struct lru *l, struct frame *f, const struct refault *r) { return LIST; }
static void touch(struct lru *l, struct frame *f) { lru_move(l, f, LIST); }
static struct frame *select(struct lru *l) { return lru_coldest(l, LIST); }
static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used) { return used & USED_MAPPED ? LIST : LRU_EVICT; }

const struct policy policy_lru_exact = { .name = "lru-exact", .add = add, .touch = touch, .select = select, .judge = judge };
