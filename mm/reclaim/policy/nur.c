/* SPDX-License-Identifier: MIT */
/*
 * Not used recently: four classes by reference bit R and modify bit M, and the victim is the page that has been
 * longest in the lowest class that is not empty. A modified page that was not used goes before a clean one that was.
 *
 *   class 0: R=0 M=0    class 1: R=0 M=1    class 2: R=1 M=0    class 3: R=1 M=1
 *
 * A class is a list. R is set when a page comes and when it is seen to be used. A clock ticks each time a
 * quarter of the pages has been evicted; at each tick a hand sets out over the pages whose R is set by then,
 * clears it, and forgets what their accessed bits say. M is what the dirty bits say whenever a page is
 * looked at.
 * Source: Tanenbaum, Modern Operating Systems, 3.4.2 (page by page here: there, a clock interrupt clears all R bits).
 */
#include <mm/policy.h>

enum { CLASS = LRU_FIRST_LIST, M = 1, R = 2, NR_CLASSES = 4 };

/* words[SINCE_TICK]: evictions. words[list], of classes 2 and 3: pages at the cold end that the hand has before it. */
enum { SINCE_TICK };

static unsigned class_of(bool is_used, bool is_dirty) { return CLASS + (is_used ? R : 0) + (is_dirty ? M : 0); }
static bool is_recent(unsigned list) { return (list - CLASS) & R; }

static unsigned add(struct lru *l, struct frame *f, const struct refault *r) { return class_of(true, frame_flags(f) & FRAME_DIRTY); }

static bool touch_fast(struct frame *f, bool first) { return is_recent(lru_list_of(f)); }

static void touch(struct lru *l, struct frame *f)
{
	unsigned list = lru_list_of(f);
	if (!is_recent(list))
		lru_move(l, f, list + R);
}

static struct frame *select(struct lru *l)
{
	struct frame *f = NULL;
	for (unsigned i = 0; i < NR_CLASSES && !f; i++)
		f = lru_coldest(l, CLASS + i);
	return f;
}

static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	bool is_dirty = used & USED_DIRTY;
	if (!is_recent(from) && used & USED_MAPPED)
		return class_of(true, is_dirty);
	return is_dirty && from == class_of(is_recent(from), false) ? from + M : LRU_EVICT;
}

static struct frame *age(struct lru *l)
{
	for (unsigned list = CLASS + R; list < CLASS + NR_CLASSES; list++) {
		struct frame *f = l->words[list] ? lru_coldest(l, list) : NULL;
		if (f) {
			l->words[list]--;
			return f;
		}
		l->words[list] = 0;
	}
	return NULL;
}

static unsigned aged(struct lru *l, struct frame *f, unsigned from, unsigned used) { return class_of(false, used & USED_DIRTY); }

static unsigned evict(struct lru *l, struct frame *f)
{
	u64 nr = 0;
	for (unsigned i = 0; i < NR_CLASSES; i++)
		nr += l->nr[CLASS + i];
	if (++l->words[SINCE_TICK] > nr / 4) {
		l->words[SINCE_TICK] = 0;
		for (unsigned list = CLASS + R; list < CLASS + NR_CLASSES; list++)
			l->words[list] = l->nr[list];
	}
	return 0;
}

const struct policy policy_nur = {
	.name = "nur",
	.active_lists = 3ull << (CLASS + R),
	.add = add,
	.touch = touch,
	.touch_fast = touch_fast,
	.select = select,
	.judge = judge,
	.age = age,
	.aged = aged,
	.evict = evict,
};
