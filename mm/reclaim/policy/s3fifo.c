/* SPDX-License-Identifier: MIT */
/*
 * S3-FIFO: a small queue for what is new, a main queue for what was used again, and the memory of what
 * went from the small one, which is the table of ghosts here. Most pages that are used once leave by the small
 * queue, a tenth of all, before they can push out anything. A use changes two bits of the page and
 * nothing else, so that read(2) needs no lock.
 *
 * Adapted to accessed bits: a bit tells of one use or of many, and the fault that brought the page in set it.
 * So a page of the small queue whose bit is set counts one use, goes round once more, and moves to the main
 * queue if the bit is set again: the original asks for two uses as well.
 * Source: Yang, Zhang, Qiu, Yue, Rashmi, FIFO queues are all you need for cache eviction, SOSP 2023.
 */
#include <mm/policy.h>

enum { SMALL = LRU_FIRST_LIST, MAIN };

enum { USES_BITS = 2, USES_MOST = 3 };
#define FROM_SMALL 1u /* remembered of a page */

static u64 nr_pages(const struct lru *l) { return l->nr[SMALL] + l->nr[MAIN]; }

static unsigned add(struct lru *l, struct frame *f, const struct refault *r)
{
	return r && r->word == FROM_SMALL && r->distance <= nr_pages(l) ? MAIN : SMALL;
}

static bool touch_fast(struct frame *f, bool first)
{
	lru_bits_add(f, 0, USES_BITS, USES_MOST);
	return true;
}

static struct frame *select(struct lru *l)
{
	struct frame *small = lru_coldest(l, SMALL), *main = lru_coldest(l, MAIN);
	return small && (!main || l->nr[SMALL] * 10 >= nr_pages(l)) ? small : main;
}

static void remember_queue(struct frame *f, unsigned from)
{
	lru_bits_set(f, USES_BITS, 1, from == SMALL ? FROM_SMALL : 0);
}

static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	bool is_used = used & USED_MAPPED;
	unsigned uses = min(lru_bits_get(f, 0, USES_BITS) + is_used, (unsigned)USES_MOST);
	if (from == SMALL && uses > 1) {
		lru_bits_set(f, 0, USES_BITS, 0);
		return MAIN;
	}
	if (from == SMALL && is_used) {
		lru_bits_set(f, 0, USES_BITS, uses);
		return SMALL;
	}
	if (from == MAIN && uses) {
		lru_bits_set(f, 0, USES_BITS, uses - 1);
		return MAIN;
	}
	remember_queue(f, from);
	return LRU_EVICT;
}

static unsigned evict(struct lru *l, struct frame *f) { return lru_bits_get(f, USES_BITS, 1); }

const struct policy policy_s3fifo = {
	.name = "s3fifo",
	.active_lists = 1ull << MAIN,
	.add = add,
	.touch_fast = touch_fast,
	.select = select,
	.judge = judge,
	.evict = evict,
};
