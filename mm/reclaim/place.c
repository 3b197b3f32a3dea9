/* SPDX-License-Identifier: MIT */
/* Where a page is on its replacement list: for people (/proc/PID/explain). */
#include "internal.h"
#include <mm/explain.h>
#include <mm/lru.h>

/* How many pages the list has behind f, towards its cold end. */
static u64 count_before(struct lru *l, unsigned list, struct frame *f, bool *is_beyond)
{
	u64 before = 0;
	struct list_head *at = f->lru.next;
	for (; at != &l->lists[list] && before < EXPLAIN_MAX_BEFORE; at = at->next)
		before++;
	*is_beyond = at != &l->lists[list];
	return before;
}

bool explain_place(struct frame *f, struct explained_place *out)
{
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	u32 flags = frame_flags(f);
	bool is_on = flags & FRAME_LRU;
	if (is_on) {
		unsigned list = lru_place_of(l, f);
		*out = (struct explained_place){
			.policy = l->policy->name,
			.list = list,
			.bits = (flags & LRU_POLICY_MASK) >> LRU_POLICY_SHIFT,
			.is_active = lru_list_is_active(l, list),
			.is_anon = l->type == LRU_ANON,
			.length = l->nr[list],
		};
		out->before = count_before(l, list, f, &out->is_beyond);
	}
	spin_unlock(&l->lock);
	return is_on;
}
