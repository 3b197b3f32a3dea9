/* SPDX-License-Identifier: MIT */
/*
 * Two lists, as Linux has them: inactive, where new pages come and victims are taken from the cold end, and
 * active, for pages that were used again while inactive. The inactive list is kept as long as the active
 * one (less, the larger they are together), so that what is used once cannot push out what is used.
 *
 * A page of a file becomes active at its second use: a second read(2) or write(2), an accessed bit in two
 * looks in a row or in two mappings at once, or one in a mapping that may be executed. An anonymous page needs one
 * accessed bit. A page that comes back so soon that it would have stayed, had it been active, becomes
 * active at once.
 * Source: Linux 6.1, mm/vmscan.c and mm/workingset.c (which pages are activated; the ratio of the lists).
 */
#include <mm/lru.h>
#include <mm/reclaim.h>

enum { INACTIVE = LRU_FIRST_LIST, ACTIVE };

static u64 square_root(u64 x)
{
	u64 r = 0;
	while ((r + 1) * (r + 1) <= x)
		r++;
	return r;
}

static bool inactive_is_low(const struct lru *l)
{
	u64 gib = (l->nr[INACTIVE] + l->nr[ACTIVE]) >> (30 - PAGE_SHIFT);
	u64 ratio = gib ? square_root(10 * gib) : 1;
	return l->nr[INACTIVE] * ratio < l->nr[ACTIVE];
}

/* How many pages could have been pushed out in favour of one that comes back. The other type's lists are
 * looked at without their lock. */
static u64 workingset_size(const struct lru *l)
{
	const struct lru *anon = &l->group->lru[LRU_ANON], *file = &l->group->lru[LRU_FILE];
	u64 size = READ_ONCE(file->nr[ACTIVE]);
	if (l->type == LRU_ANON)
		size += READ_ONCE(file->nr[INACTIVE]);
	if (READ_ONCE(lru_has_swap)) {
		size += READ_ONCE(anon->nr[ACTIVE]);
		if (l->type == LRU_FILE)
			size += READ_ONCE(anon->nr[INACTIVE]);
	}
	return size;
}

static unsigned add(struct lru *l, struct frame *f, const struct refault *r)
{
	if (!r || r->distance > workingset_size(l))
		return INACTIVE;
	lru_clock_pass(l, 1);
	return ACTIVE;
}

static bool touch_fast(struct frame *f, bool first) { return first || lru_list_of(f) == ACTIVE; }

static void touch(struct lru *l, struct frame *f)
{
	if (lru_list_of(f) != INACTIVE)
		return;
	frame_clear_flags(f, FRAME_ACCESSED);
	lru_move(l, f, ACTIVE);
	lru_clock_pass(l, 1);
}

static struct frame *select(struct lru *l)
{
	struct frame *f = lru_coldest(l, INACTIVE);
	return f ? f : lru_coldest(l, ACTIVE);
}

static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	if (from == ACTIVE)
		return INACTIVE;
	if (!(used & USED_MAPPED))
		return LRU_EVICT;
	if (l->type == LRU_FILE && !(used & (USED_CALL | USED_TWICE | USED_EXEC))) {
		frame_set_flags(f, FRAME_ACCESSED); /* the next look in a row is the second use */
		return INACTIVE;
	}
	lru_clock_pass(l, 1);
	return ACTIVE;
}

static struct frame *age(struct lru *l) { return inactive_is_low(l) ? lru_coldest(l, ACTIVE) : NULL; }

/* Programs' code stays active as long as it is used. */
static unsigned aged(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	return l->type == LRU_FILE && used & USED_EXEC ? ACTIVE : INACTIVE;
}

const struct policy policy_lru = {
	.name = "lru",
	.active_lists = 1ull << ACTIVE,
	.add = add,
	.touch = touch,
	.touch_fast = touch_fast,
	.select = select,
	.judge = judge,
	.age = age,
	.aged = aged,
};
