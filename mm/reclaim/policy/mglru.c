/* SPDX-License-Identifier: MIT */
/*
 * Generations: two to four lists from the oldest to the youngest. Victims come from the oldest generation. When it
 * is empty the next one is the oldest, and when only two are left a new one begins. A page whose accessed bit
 * is set when its turn comes goes to the youngest. New anonymous pages start in the youngest, since they
 * are used right now; pages of files in the oldest, for most are read once; pages that come back within as many
 * evictions as there are pages, in the second youngest.
 *
 * Uses by read(2) and write(2) only count, without a lock: a page's tier is how often (up to 3, after the first
 * one). Whether a tier deserves protection is learned from what comes back: when evicted pages of a tier return
 * at a higher rate than those of tier 0, its pages go to the second oldest generation instead, and must earn
 * their tier anew. Counts are halved with each new generation.
 * Source: Linux 6.1, mm/vmscan.c (multi-generational LRU). Deliberate differences: accessed bits are read
 * page by page by the walk back, not by walking page tables; the feedback is a plain comparison of rates.
 */
#include <mm/policy.h>

enum { GENERATIONS = LRU_FIRST_LIST, NR_GENERATIONS = 4, NR_TIERS = 4, TIER_BITS = 2 };
enum { OLDEST, YOUNGEST, EVICTED, RETURNED = EVICTED + NR_TIERS }; /* words: generations' numbers; counts by tier */

#define RETURNED_LEAST 8 /* below that, chance */

static unsigned list_of(u64 generation) { return GENERATIONS + generation % NR_GENERATIONS; }

static u64 nr_pages(const struct lru *l)
{
	u64 nr = 0;
	for (unsigned i = 0; i < NR_GENERATIONS; i++)
		nr += l->nr[GENERATIONS + i];
	return nr;
}

/* The two youngest count as active in /proc/meminfo. */
static void begin_generation(struct lru *l)
{
	lru_set_active(l, list_of(l->words[YOUNGEST] - 1), false);
	l->words[YOUNGEST]++;
	lru_set_active(l, list_of(l->words[YOUNGEST]), true);
	for (unsigned t = 0; t < NR_TIERS; t++) {
		l->words[EVICTED + t] /= 2;
		l->words[RETURNED + t] /= 2;
	}
}

static void init(struct lru *l)
{
	l->words[OLDEST] = 0;
	l->words[YOUNGEST] = NR_GENERATIONS - 1;
	lru_set_active(l, list_of(l->words[YOUNGEST]), true);
	lru_set_active(l, list_of(l->words[YOUNGEST] - 1), true);
}

static unsigned add(struct lru *l, struct frame *f, const struct refault *r)
{
	if (r && r->distance <= nr_pages(l)) {
		l->words[RETURNED + r->word % NR_TIERS]++;
		return list_of(l->words[YOUNGEST] - 1);
	}
	return list_of(l->type == LRU_ANON ? l->words[YOUNGEST] : l->words[OLDEST]);
}

static bool touch_fast(struct frame *f, bool first)
{
	if (!first)
		lru_bits_add(f, 0, TIER_BITS, NR_TIERS - 1);
	return true;
}

static struct frame *select(struct lru *l)
{
	if (!nr_pages(l))
		return NULL;
	for (;;) {
		struct frame *f = lru_coldest(l, list_of(l->words[OLDEST]));
		if (f)
			return f;
		if (l->words[YOUNGEST] - l->words[OLDEST] < 2)
			begin_generation(l);
		l->words[OLDEST]++;
	}
}

static bool is_protected(const struct lru *l, unsigned tier)
{
	const u64 *evicted = &l->words[EVICTED], *returned = &l->words[RETURNED];
	return tier && returned[tier] >= RETURNED_LEAST && returned[tier] * (evicted[0] + 1) > (returned[0] + 1) * evicted[tier];
}

static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	unsigned tier = lru_bits_get(f, 0, TIER_BITS);
	bool is_used = used & USED_MAPPED;
	if (!is_used && !is_protected(l, tier))
		return LRU_EVICT;
	lru_bits_set(f, 0, TIER_BITS, 0);
	return list_of(is_used ? l->words[YOUNGEST] : l->words[OLDEST] + 1);
}

static unsigned evict(struct lru *l, struct frame *f)
{
	unsigned tier = lru_bits_get(f, 0, TIER_BITS);
	l->words[EVICTED + tier]++;
	return tier;
}

static unsigned order(struct lru *l, u8 lists[LRU_NR_LISTS])
{
	unsigned n = 0;
	for (u64 g = l->words[OLDEST]; g <= l->words[YOUNGEST]; g++)
		lists[n++] = (u8)list_of(g);
	return n;
}

const struct policy policy_mglru = {
	.name = "mglru",
	.init = init,
	.add = add,
	.touch_fast = touch_fast,
	.select = select,
	.judge = judge,
	.evict = evict,
	.order = order,
};
