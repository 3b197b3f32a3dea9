/* SPDX-License-Identifier: MIT */
/*
 * How much to look at of anonymous and of file pages. What an eviction of each type costs is learnt from what
 * came back (refaults) and what had to be written; swappiness says how dear swap I/O is against file I/O.
 * Source: Linux 6.1, get_scan_count(): pressure is inversely proportional to cost.
 */
#include "internal.h"
#include <mm/host.h>
#include <mm/swap.h>

static u64 events(const struct lru_group *g, enum lru_type t)
{
	return READ_ONCE(g->nr_refaults[t]) + (t == LRU_ANON ? READ_ONCE(g->nr_swapped) : 0);
}

/* Old costs fade: they are halved when they exceed a quarter of the pages there are. */
static void learn(struct lru_group *g, u64 now[LRU_NR_TYPES], u64 nr_pages)
{
	spin_lock(&g->lru[0].lock);
	for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
		u64 n = events(g, t);
		g->cost[t] += n - g->seen[t];
		g->seen[t] = n;
	}
	while (g->cost[LRU_ANON] + g->cost[LRU_FILE] > nr_pages / 4 + 1) {
		g->cost[LRU_ANON] /= 2;
		g->cost[LRU_FILE] /= 2;
	}
	now[LRU_ANON] = g->cost[LRU_ANON];
	now[LRU_FILE] = g->cost[LRU_FILE];
	spin_unlock(&g->lru[0].lock);
}

/* Has the machine hardly any pages of files left? */
static bool is_short_of_files(void)
{
	u64 nr_left = frame_nr_free() + stat_read(STAT_NR_ACTIVE_FILE) + stat_read(STAT_NR_INACTIVE_FILE), high = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		high += n.wmark_high;
	}
	return nr_left <= high;
}

void balance_begin(struct scan_balance *b, struct mem_group *g, bool may_swap, bool is_global)
{
	u64 now[LRU_NR_TYPES], swappiness = min(mm_tunables.swappiness, 200u);
	for (unsigned t = 0; t < LRU_NR_TYPES; t++)
		b->size[t] = lru_nr_evictable(&g->lru.lru[t]);
	learn(&g->lru, now, b->size[LRU_ANON] + b->size[LRU_FILE]);
	u64 total = now[LRU_ANON] + now[LRU_FILE];
	u64 anon_cost = total + now[LRU_ANON] + 1, file_cost = total + now[LRU_FILE] + 1;
	total = anon_cost + file_cost;
	b->weight[LRU_ANON] = swappiness * (total + 1) / anon_cost;
	b->weight[LRU_FILE] = (200 - swappiness) * (total + 1) / file_cost;
	/* Nowhere to go for anonymous pages; or nothing else left. */
	if (!may_swap || (!mem_group_swap_free(g) && !swap_nr_cached())) /* a cached page has its slot already */
		b->weight[LRU_ANON] = 0;
	else if (is_global && is_short_of_files())
		b->weight[LRU_FILE] = 0;
}

u64 balance_target(const struct scan_balance *b, enum lru_type t, unsigned priority)
{
	u64 whole = b->weight[LRU_ANON] + b->weight[LRU_FILE], pages = b->size[t] >> priority;
	if (!b->weight[t])
		return 0;
	if (!pages && !priority)
		pages = b->size[t];
	return (pages * b->weight[t] + whole - 1) / whole;
}
