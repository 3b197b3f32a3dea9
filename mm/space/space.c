/* SPDX-License-Identifier: MIT */
/*
 * The life of an address space: made empty, filled by exec or fork, loaded on CPUs, torn down when the
 * last task leaves, freed with the last reference.
 *
 * I1  A space in `cpus` of which bit c is set is, or was until a moment ago, loaded on CPU c.
 * I2  is_dead spaces have no regions and no leaf tables; faults and mappings in them fail.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/oom.h>
#include <mm/stat.h>
#include <mm/turn.h>

void region_cache_init(void);

static struct slab_cache *space_cache;
static struct frame *zero_frame;

void space_init(void)
{
	table_init();
	space_cache = slab_cache_create("mm_struct", sizeof(struct space), 64, SLAB_ACCOUNT);
	region_cache_init();
	zero_frame = frame_alloc(0, ALLOC_ZERO, FRAME_SPECIAL);
	ASSERT(space_cache && zero_frame);
}

struct frame *space_zero_frame(void) { return zero_frame; }

struct space *space_create(void)
{
	struct space *s = slab_alloc(space_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!s)
		return NULL;
	struct frame *root = table_alloc(s, HAL_LEVELS, ALLOC_KERNEL | ALLOC_ZERO);
	if (!root) {
		slab_free(space_cache, s);
		return NULL;
	}
	root->space = s;
	s->root_pfn = frame_pfn(root);
	hal_root_init(s->root_pfn);
	rwlock_init(&s->lock, RANK_SPACE);
	s->users = s->pins = 1;
	s->mmap_base = HAL_USER_END;
	return s;
}

/* Unlinks and frees all regions. */
static void drop_regions(struct space *s)
{
	struct region *next;
	for (struct region *r = region_first(s); r; r = next) {
		next = region_next(r);
		account_region(s, r, -1);
		region_remove(s, r);
		region_free(r);
	}
}

/* Nothing in here sleeps. */
static void drop_pages(struct space *s)
{
	if (READ_ONCE(s->cpus) == 0) {
		zap_all(s);
	} else {
		struct gather g;
		gather_begin(&g, s);
		zap_range(&g, 0, HAL_USER_END);
		prune_tables(&g, 0, HAL_USER_END);
		gather_end(&g);
	}
}

void space_teardown(struct space *s)
{
	rwlock_write(&s->lock);
	space_note_hiwater(s);
	s->is_dead = true;
	turn_leave(s);
	u64 nr_freed = stat_read_here(STAT_PGFREE);
	drop_pages(s);
	if (unlikely(READ_ONCE(s->oom.state)))
		oom_note_end(s, stat_read_here(STAT_PGFREE) - nr_freed);
	drop_regions(s);
	rwlock_write_unlock(&s->lock);
}

void space_put(struct space *s)
{
	if (__atomic_sub_fetch(&s->users, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (!s->is_dead)
		space_teardown(s);
	space_unpin(s);
}

void space_unpin(struct space *s)
{
	if (__atomic_sub_fetch(&s->pins, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	struct frame *root = pfn_frame(s->root_pfn);
	root->nr_entries = 0;
	table_free(root);
	slab_free(space_cache, s);
}

void space_switch(struct space *prev, struct space *next)
{
	cpumask_t me = 1ull << hal_cpu_id();
	if (prev == next)
		return;
	/* Join before loading, leave after: a flush in between reaches this CPU once too often. */
	if (next) {
		__atomic_fetch_or(&next->cpus, me, __ATOMIC_SEQ_CST);
		hal_root_switch(next->root_pfn);
	} else {
		hal_root_switch_kernel();
	}
	if (prev)
		__atomic_fetch_and(&prev->cpus, ~me, __ATOMIC_SEQ_CST);
}
