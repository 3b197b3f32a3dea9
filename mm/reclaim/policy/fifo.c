/* SPDX-License-Identifier: MIT */
/* First in, first out: the page that came first goes first, used or not. Shows Belady's anomaly. */
#include <mm/policy.h>

enum { QUEUE = LRU_FIRST_LIST };

static unsigned add(struct lru *l, struct frame *f, const struct refault *r) { return QUEUE; }
static bool touch_fast(struct frame *f, bool first) { return true; }
static struct frame *select(struct lru *l) { return lru_coldest(l, QUEUE); }
static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used) { return LRU_EVICT; }

const struct policy policy_fifo = { .name = "fifo", .add = add, .touch_fast = touch_fast, .select = select, .judge = judge };
