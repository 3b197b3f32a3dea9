/* SPDX-License-Identifier: MIT */
/*
 * Least frequently used, with aging. A page has a count of its uses, up to 31, and a key: that count plus the
 * age of the lists when it was last used. The victim is the page with the lowest key, the oldest of several, and
 * its key is the age from then on. So a page that was used often long ago is overtaken by what is used now,
 * and nothing has to be halved.
 *
 * Keys lie between the age and 31 above it: a list for each, numbered modulo NR_KEYS. A page that comes
 * back within as many evictions as there are pages keeps half of its count.
 * Source: Arlitt, Cherkasova, Dilley, Friedrich, Jin, Evaluating Content Management Techniques for Web Proxy
 * Caches, 2000 (LFU with dynamic aging).
 */
#include <mm/policy.h>

enum { KEYS = LRU_FIRST_LIST, NR_KEYS = 40, MOST = 31, COUNT_BITS = 5 };
enum { AGE }; /* words */

static unsigned list_of_key(u64 key) { return KEYS + key % NR_KEYS; }

/* How far the key of a list is above the age. */
static unsigned above(const struct lru *l, unsigned list) { return (list - KEYS + NR_KEYS - l->words[AGE] % NR_KEYS) % NR_KEYS; }

/* In /proc/meminfo, pages with a count of one that were not overtaken yet are inactive, those above active. */
static void show(struct lru *l, bool is_active)
{
	lru_set_active(l, list_of_key(l->words[AGE]), is_active);
	lru_set_active(l, list_of_key(l->words[AGE] + 1), is_active);
}

static void init(struct lru *l) { show(l, false); }

static u64 nr_pages(const struct lru *l)
{
	u64 nr = 0;
	for (unsigned i = 0; i < NR_KEYS; i++)
		nr += l->nr[KEYS + i];
	return nr;
}

static unsigned add(struct lru *l, struct frame *f, const struct refault *r)
{
	unsigned count = 1;
	if (r && r->word > 1 && r->distance <= nr_pages(l))
		count += r->word / 2;
	lru_bits_set(f, 0, COUNT_BITS, count);
	return list_of_key(l->words[AGE] + count);
}

static unsigned used_again(struct lru *l, struct frame *f)
{
	lru_bits_add(f, 0, COUNT_BITS, MOST);
	return list_of_key(l->words[AGE] + lru_bits_get(f, 0, COUNT_BITS));
}

static void touch(struct lru *l, struct frame *f) { lru_move(l, f, used_again(l, f)); }

static struct frame *select(struct lru *l)
{
	struct frame *f = NULL;
	for (unsigned i = 0; i < NR_KEYS && !f; i++)
		f = lru_coldest(l, list_of_key(l->words[AGE] + i));
	return f;
}

static unsigned judge(struct lru *l, struct frame *f, unsigned from, unsigned used)
{
	if (used & USED_MAPPED)
		return used_again(l, f);
	unsigned rise = above(l, from);
	if (rise && rise <= MOST) { /* else another CPU was ahead */
		show(l, true);
		l->words[AGE] += rise;
		show(l, false);
	}
	return LRU_EVICT;
}

static unsigned evict(struct lru *l, struct frame *f) { return lru_bits_get(f, 0, COUNT_BITS); }

static unsigned order(struct lru *l, u8 lists[LRU_NR_LISTS])
{
	for (unsigned i = 0; i < NR_KEYS; i++)
		lists[i] = (u8)list_of_key(l->words[AGE] + i);
	return NR_KEYS;
}

const struct policy policy_lfu = {
	.name = "lfu",
	.active_lists = ((1ull << NR_KEYS) - 1) << KEYS,
	.init = init,
	.add = add,
	.touch = touch,
	.select = select,
	.judge = judge,
	.evict = evict,
	.order = order,
};
