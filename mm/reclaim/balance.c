/* SPDX-License-Identifier: MIT */
/*
 * How much to look at of anonymous and of file pages. What an eviction of each type costs is learnt from what
 * came back (refaults) and what had to be written; swappiness says how dear swap I/O is against file I/O.
 * Source: Linux 6.1, get_scan_count(): pressure is inversely proportional to cost.
 */
#include "internal.h"
#include <mm/host.h>
#include <mm/swap.h>

static struct spinlock lock = SPINLOCK_INIT(RANK_LRU);
static u64 cost[LRU_NR_TYPES], seen[LRU_NR_TYPES]; /* (lock) */

static u64 lru_size(enum lru_type t)
{
	return t == LRU_ANON ? stat_read(STAT_NR_ACTIVE_ANON) + stat_read(STAT_NR_INACTIVE_ANON)
	                     : stat_read(STAT_NR_ACTIVE_FILE) + stat_read(STAT_NR_INACTIVE_FILE);
}

static u64 events(enum lru_type t)
{
	return t == LRU_ANON ? stat_read(STAT_WORKINGSET_REFAULT_ANON) + stat_read(STAT_PSWPOUT)
	                     : stat_read(STAT_WORKINGSET_REFAULT_FILE);
}

/* Old costs fade: they are halved when they exceed a quarter of the pages there are. */
static void learn(u64 now[LRU_NR_TYPES], u64 nr_pages)
{
	spin_lock(&lock);
	for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
		u64 n = events(t);
		cost[t] += n > seen[t] ? n - seen[t] : 0;
		seen[t] = n;
	}
	while (cost[LRU_ANON] + cost[LRU_FILE] > nr_pages / 4 + 1) {
		cost[LRU_ANON] /= 2;
		cost[LRU_FILE] /= 2;
	}
	now[LRU_ANON] = cost[LRU_ANON];
	now[LRU_FILE] = cost[LRU_FILE];
	spin_unlock(&lock);
}

void balance_begin(struct scan_balance *b, bool may_swap)
{
	u64 now[LRU_NR_TYPES], swappiness = min(mm_tunables.swappiness, 200u);
	b->size[LRU_ANON] = lru_size(LRU_ANON);
	b->size[LRU_FILE] = lru_size(LRU_FILE);
	learn(now, b->size[LRU_ANON] + b->size[LRU_FILE]);
	u64 total = now[LRU_ANON] + now[LRU_FILE];
	u64 anon_cost = total + now[LRU_ANON] + 1, file_cost = total + now[LRU_FILE] + 1;
	total = anon_cost + file_cost;
	b->weight[LRU_ANON] = swappiness * (total + 1) / anon_cost;
	b->weight[LRU_FILE] = (200 - swappiness) * (total + 1) / file_cost;
	/* Nowhere to go for anonymous pages; or nothing else left. */
	u64 nr_free = frame_nr_free(), high = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		high += n.wmark_high;
	}
	if (!may_swap || (!swap_nr_free() && !swap_nr_cached())) /* a cached page has its slot already */
		b->weight[LRU_ANON] = 0;
	else if (b->size[LRU_FILE] + nr_free <= high)
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
