/* SPDX-License-Identifier: MIT */
/*
 * Swap areas and their slots. Slots are given out in order within a cluster, so that what is written
 * together lies together; empty clusters come first, then those with holes. Everything here is found in
 * constant time but the holes of a partly used cluster.
 *
 * A1  A slot is in use from slot_alloc to slot_free; who may use it: see struct swap_slot.
 * A2  A cluster has descriptors exactly while one of its slots is in use, header and bad pages included.
 * A3  A cluster with a free slot is the current one, or in a queue, or its area is closed.
 *
 * Locking: areas_lock for what says so; a slot's own fields under its lock. A slot in use keeps its cluster's
 * page, and an area with slots in use stays, so whoever uses a slot finds it without a lock.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/group.h>
#include <mm/reclaim.h>
#include <mm/slab.h>

struct swap_area swap_areas[SWAP_MAX_AREAS];

static struct spinlock areas_lock = SPINLOCK_INIT(RANK_SWAP_AREA);
static struct rwlock change_lock; /* one area comes or goes at a time */
static u8 order[SWAP_MAX_AREAS];  /* (areas_lock) open areas by falling priority */
static unsigned nr_open;
static u64 nr_free;               /* of open areas; written under areas_lock */
static u64 nr_total;
static int last_default_priority = -1;

u64 swap_nr_total(void) { return READ_ONCE(nr_total); }
u64 swap_nr_free(void) { return READ_ONCE(nr_free); }
u64 swap_nr_cached(void) { return stat_read(STAT_NR_SWAPCACHE); }

/* ---- queues of clusters ---- */

static void queue_add(struct swap_area *a, struct cluster_queue *q, u32 nr)
{
	struct swap_cluster *c = area_cluster(a, nr);
	c->next = NO_CLUSTER;
	c->is_queued = true;
	if (q->first == NO_CLUSTER)
		q->first = nr;
	else
		area_cluster(a, q->last)->next = nr;
	q->last = nr;
}

static u32 queue_take(struct swap_area *a, struct cluster_queue *q)
{
	u32 nr = q->first;
	if (nr != NO_CLUSTER) {
		struct swap_cluster *c = area_cluster(a, nr);
		q->first = c->next;
		c->is_queued = false;
	}
	return nr;
}

/* ---- slots ---- */

struct swap_slot *swap_slot(u64 entry)
{
	u64 nr = swap_entry_slot(entry);
	return &area_cluster(&swap_areas[swap_entry_area(entry)], (u32)(nr / CLUSTER_SLOTS))->slots[nr % CLUSTER_SLOTS];
}

static u32 cluster_size(const struct swap_area *a, u32 nr)
{
	return (u32)min((u64)CLUSTER_SLOTS, a->config.nr_pages - (u64)nr * CLUSTER_SLOTS);
}

/* Its descriptors, all unused; areas_lock held, so only from what is free at once. */
static bool cluster_open(struct swap_cluster *c)
{
	if (!c->slots) {
		struct frame *f = frame_alloc(0, ALLOC_RESERVE | ALLOC_ZERO, FRAME_KERNEL);
		c->slots = f ? frame_ptr(f) : NULL;
	}
	return c->slots;
}

static void cluster_close(struct swap_cluster *c)
{
	frame_free(ptr_frame(c->slots), 0);
	c->slots = NULL;
}

/* The next cluster to fill. False: none has room. */
static bool next_cluster(struct swap_area *a)
{
	u32 nr = queue_take(a, &a->fresh);
	if (nr == NO_CLUSTER)
		nr = queue_take(a, &a->partial);
	a->current = nr;
	a->cursor = 0;
	return nr != NO_CLUSTER;
}

/* A free slot of the area, marked used, or 0. */
static u64 take_slot(struct swap_area *a, u32 group)
{
	while (a->current != NO_CLUSTER || next_cluster(a)) {
		struct swap_cluster *c = area_cluster(a, a->current);
		u32 size = cluster_size(a, a->current);
		if (!cluster_open(c))
			return 0;
		for (; a->cursor < size && c->nr_used < size; a->cursor++) {
			struct swap_slot *s = &c->slots[a->cursor];
			if (s->flags & SWAP_SLOT_USED)
				continue;
			s->flags = SWAP_SLOT_USED | group << SWAP_SLOT_GROUP_SHIFT;
			c->nr_used++;
			return (u64)a->current * CLUSTER_SLOTS + a->cursor++;
		}
		/* Slots that were freed behind the cursor are for another time. */
		if (c->nr_used < size)
			queue_add(a, &a->partial, a->current);
		a->current = NO_CLUSTER;
	}
	return 0;
}

/* Areas of one priority take turns, a cluster at a time. */
static void rotate(unsigned i)
{
	u8 first = order[i];
	unsigned last = i;
	while (last + 1 < nr_open && swap_areas[order[last + 1]].priority == swap_areas[first].priority)
		last++;
	for (unsigned k = i; k < last; k++)
		order[k] = order[k + 1];
	order[last] = first;
}

bool slot_alloc(struct frame *f)
{
	u64 entry = 0;
	if (f->group && !mem_group_charge_swap(f->group))
		return false;
	spin_lock(&areas_lock);
	for (unsigned i = 0; i < nr_open && !entry; i++) {
		struct swap_area *a = &swap_areas[order[i]];
		if (a->nr_used == a->nr_slots)
			continue;
		u64 slot = take_slot(a, f->group);
		if (!slot)
			continue;
		a->nr_used++;
		WRITE_ONCE(nr_free, nr_free - 1);
		entry = (u64)(a - swap_areas) << SWAP_AREA_SHIFT | slot;
		if (a->cursor == CLUSTER_SLOTS)
			rotate(i);
	}
	if (entry)
		swap_cache_join_locked(entry, swap_slot(entry), f);
	spin_unlock(&areas_lock);
	if (f->group && !entry)
		mem_group_uncharge_swap(f->group);
	return entry;
}

void slot_free(u64 entry)
{
	struct swap_area *a = &swap_areas[swap_entry_area(entry)];
	u64 slot = swap_entry_slot(entry);
	u32 nr = (u32)(slot / CLUSTER_SLOTS);
	struct swap_cluster *c = area_cluster(a, nr);
	spin_lock(&areas_lock);
	u32 group = c->slots[slot % CLUSTER_SLOTS].flags >> SWAP_SLOT_GROUP_SHIFT;
	c->slots[slot % CLUSTER_SLOTS].flags = 0;
	c->nr_used--;
	a->nr_used--;
	if (a->is_open)
		WRITE_ONCE(nr_free, nr_free + 1);
	if (!c->nr_used)
		cluster_close(c);
	if (!c->is_queued && nr != a->current)
		queue_add(a, c->nr_used ? &a->partial : &a->fresh, nr);
	spin_unlock(&areas_lock);
	if (group)
		mem_group_uncharge_swap(group);
}

static void slot_unlock(struct swap_slot *s, u64 chain)
{
	__atomic_store_n(&s->chain, chain, __ATOMIC_RELEASE);
	if (unlikely(hal_debug_checks))
		lock_rank_release(RANK_SWAP_SLOT);
	hal_switch_point();
}

void swap_slot_unlock(struct swap_slot *s, u64 entry, u64 chain)
{
	bool is_unused = !s->pfn && !slot_is_named(s, chain);
	slot_unlock(s, chain);
	if (is_unused)
		slot_free(entry);
}

/* The slot `at`, if it is in use for a private page (areas_lock). */
static struct swap_slot *private_slot(struct swap_area *a, u64 at)
{
	struct swap_cluster *c = area_cluster(a, (u32)(at / CLUSTER_SLOTS));
	struct swap_slot *s = c->slots ? &c->slots[at % CLUSTER_SLOTS] : NULL;
	return s && s->flags & SWAP_SLOT_USED && !(s->flags & (SWAP_SLOT_BAD | SWAP_SLOT_HELD)) ? s : NULL;
}

bool slot_join_if_mapped(u64 entry, struct frame *f)
{
	struct swap_area *a = &swap_areas[swap_entry_area(entry)];
	u64 at = swap_entry_slot(entry);
	bool is_first = false;
	spin_lock(&areas_lock);
	struct swap_slot *s = at < a->config.nr_pages ? private_slot(a, at) : NULL;
	if (s) {
		u64 chain = swap_slot_lock(s);
		is_first = !s->pfn && chain; /* without both it is being freed */
		if (is_first)
			swap_cache_join_locked(entry, s, f);
		slot_unlock(s, chain);
	}
	spin_unlock(&areas_lock);
	return is_first;
}

struct frame *slot_pin_next(unsigned area, u64 *slot, struct frame *fresh, bool *is_new)
{
	struct swap_area *a = &swap_areas[area];
	struct frame *f = NULL;
	spin_lock(&areas_lock);
	for (u64 at = *slot; at < a->config.nr_pages && !f; at++) {
		if (!area_cluster(a, (u32)(at / CLUSTER_SLOTS))->slots) {
			at |= CLUSTER_SLOTS - 1;
			continue;
		}
		struct swap_slot *s = private_slot(a, at);
		if (!s)
			continue;
		u64 chain = swap_slot_lock(s), entry = (u64)area << SWAP_AREA_SHIFT | at;
		if (s->pfn) {
			f = pfn_frame(s->pfn);
			*is_new = false;
		} else if (chain) {
			f = fresh;
			swap_cache_join_locked(entry, s, f);
			*is_new = true;
		} /* else it is being freed */
		if (f && !*is_new)
			frame_get(f);
		slot_unlock(s, chain); /* whoever frees it is on the way */
		*slot = at;
	}
	spin_unlock(&areas_lock);
	return f;
}

bool area_is_empty(unsigned area)
{
	spin_lock(&areas_lock); /* who counts the last slot out goes on with its cluster */
	bool is_empty = !swap_areas[area].nr_used;
	spin_unlock(&areas_lock);
	return is_empty;
}

/* ---- areas ---- */

u64 area_sector(const struct swap_area *a, u64 page, u64 *nr)
{
	u32 low = 0, high = a->config.nr_extents;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;
		if (a->extents[middle].page <= page)
			low = middle;
		else
			high = middle;
	}
	const struct swap_extent *e = &a->extents[low];
	*nr = e->page + e->nr - page;
	return e->sector + ((page - e->page) << (PAGE_SHIFT - SECTOR_SHIFT));
}

static void area_discard(struct swap_area *a)
{
	for (u32 i = 0; a->clusters && i < (a->nr_clusters + CLUSTERS_PER_PAGE - 1) / CLUSTERS_PER_PAGE; i++) {
		for (u32 k = 0; a->clusters[i] && k < CLUSTERS_PER_PAGE; k++)
			if (a->clusters[i][k].slots)
				cluster_close(&a->clusters[i][k]);
		if (a->clusters[i])
			frame_free(ptr_frame(a->clusters[i]), 0);
	}
	kfree(a->clusters);
	kfree(a->extents);
	memset(a, 0, sizeof(*a));
}

/* Header and bad pages are in use by nobody. 0 or -ENOMEM. */
static int mark_bad(struct swap_area *a, u64 page)
{
	struct swap_cluster *c = area_cluster(a, (u32)(page / CLUSTER_SLOTS));
	if (!c->slots) {
		struct frame *f = frame_alloc(0, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
		if (!f)
			return -ENOMEM;
		c->slots = frame_ptr(f);
	}
	struct swap_slot *s = &c->slots[page % CLUSTER_SLOTS];
	if (!s->flags) {
		s->flags = SWAP_SLOT_USED | SWAP_SLOT_BAD;
		c->nr_used++;
		a->nr_slots--;
	}
	return 0;
}

static int area_prepare(struct swap_area *a, const struct swap_config *c)
{
	u32 nr = a->nr_clusters = (u32)((c->nr_pages + CLUSTER_SLOTS - 1) / CLUSTER_SLOTS);
	u32 nr_pages = (nr + CLUSTERS_PER_PAGE - 1) / CLUSTERS_PER_PAGE;
	a->config = *c;
	a->nr_slots = c->nr_pages;
	a->fresh = a->partial = (struct cluster_queue){ NO_CLUSTER, NO_CLUSTER };
	a->current = NO_CLUSTER;
	a->extents = kmalloc(c->nr_extents * sizeof(a->extents[0]), ALLOC_KERNEL);
	a->clusters = kzalloc(nr_pages * sizeof(a->clusters[0]), ALLOC_KERNEL);
	if (!a->extents || !a->clusters)
		return -ENOMEM;
	memcpy(a->extents, c->extents, c->nr_extents * sizeof(a->extents[0]));
	a->config.extents = a->extents;
	a->config.bad = NULL; /* the caller's; marked below */
	for (u32 i = 0; i < nr_pages; i++) {
		struct frame *f = frame_alloc(0, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
		if (!f)
			return -ENOMEM;
		a->clusters[i] = frame_ptr(f);
	}
	int err = mark_bad(a, 0);
	for (u32 i = 0; i < c->nr_bad && !err; i++)
		err = c->bad[i] < c->nr_pages ? mark_bad(a, c->bad[i]) : -EINVAL;
	for (u32 i = 0; i < nr; i++)
		if (area_cluster(a, i)->nr_used < cluster_size(a, i))
			queue_add(a, &a->fresh, i);
	return err ? err : a->nr_slots ? 0 : -EINVAL;
}

/* By priority, behind those of the same one. An area without a priority is behind all others. */
static void area_open(struct swap_area *a)
{
	unsigned at = 0;
	spin_lock(&areas_lock);
	a->is_present = true;
	a->priority = a->config.priority >= 0 ? a->config.priority : --last_default_priority;
	while (at < nr_open && swap_areas[order[at]].priority >= a->priority)
		at++;
	memmove(&order[at + 1], &order[at], nr_open - at);
	order[at] = (u8)(a - swap_areas);
	nr_open++;
	a->is_open = true;
	WRITE_ONCE(nr_free, nr_free + a->nr_slots - a->nr_used);
	WRITE_ONCE(nr_total, nr_total + a->nr_slots);
	WRITE_ONCE(lru_has_swap, true);
	spin_unlock(&areas_lock);
}

static void area_close(struct swap_area *a)
{
	unsigned at = 0;
	spin_lock(&areas_lock);
	while (order[at] != a - swap_areas)
		at++;
	memmove(&order[at], &order[at + 1], --nr_open - at);
	if (a->priority < 0) { /* those behind it move up */
		while (at < nr_open)
			swap_areas[order[at++]].priority++;
		last_default_priority++;
	}
	a->is_open = false;
	WRITE_ONCE(nr_free, nr_free - (a->nr_slots - a->nr_used));
	WRITE_ONCE(nr_total, nr_total - a->nr_slots);
	WRITE_ONCE(lru_has_swap, nr_open != 0);
	spin_unlock(&areas_lock);
}

/* Nothing is in it any more. */
static void area_end(struct swap_area *a)
{
	spin_lock(&areas_lock);
	a->is_present = false;
	spin_unlock(&areas_lock);
	area_discard(a);
}

static unsigned nr_present(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SWAP_MAX_AREAS; i++)
		n += swap_areas[i].is_present;
	return n;
}

int swap_area_add(const struct swap_config *c, unsigned *area)
{
	if (c->nr_pages < 2 || c->nr_pages > SWAP_MAX_PAGES || !c->nr_extents)
		return -EINVAL;
	rwlock_write(&change_lock);
	unsigned i = 0;
	while (i < SWAP_MAX_AREAS && swap_areas[i].is_present)
		i++;
	struct swap_area *a = i < SWAP_MAX_AREAS ? &swap_areas[i] : NULL;
	int err = !a ? -EPERM : swap_io_begin();
	if (!err) {
		err = area_prepare(a, c);
		if (err)
			area_discard(a);
		if (err && !nr_present())
			swap_io_end();
	}
	if (!err) {
		area_open(a);
		*area = i;
	}
	rwlock_write_unlock(&change_lock);
	return err;
}

int swap_area_remove(unsigned area)
{
	struct swap_area *a = &swap_areas[area];
	rwlock_write(&change_lock);
	int err = a->is_present ? 0 : -EINVAL;
	if (!err) {
		area_close(a);
		host_set_oom_origin(true);
		err = swap_bring_back(area);
		host_set_oom_origin(false);
		if (err)
			area_open(a);
		else
			area_end(a);
		if (!err && !nr_present())
			swap_io_end();
	}
	rwlock_write_unlock(&change_lock);
	return err;
}

bool swap_area_stat(unsigned area, struct swap_area_stat *out)
{
	struct swap_area *a = &swap_areas[area];
	spin_lock(&areas_lock); /* change_lock is held for as long as swapoff takes */
	bool is_there = a->is_present;
	if (is_there)
		*out = (struct swap_area_stat){ a->config.owner, a->nr_slots, a->nr_used, a->priority };
	spin_unlock(&areas_lock);
	return is_there;
}

void swap_init(void)
{
	swap_io_init();
	rwlock_init(&change_lock, RANK_SWAP_CHANGE);
	memset(swap_areas, 0, sizeof(swap_areas));
	nr_open = 0;
	nr_free = nr_total = 0;
	last_default_priority = -1;
}

/* ---- checks ---- */

static const char *validate_slot(u64 entry, const struct swap_slot *s, struct swap_area *a)
{
	if (s->flags & SWAP_SLOT_BAD)
		return NULL;
	if (s->chain & SWAP_SLOT_LOCKED)
		return "swap: a slot is locked";
	if (!s->pfn && !slot_is_named(s, s->chain))
		return "swap: a slot in use is used by nobody";
	if (!s->pfn)
		return NULL;
	struct frame *f = pfn_frame(s->pfn);
	if (f->kind != FRAME_ANON && f->kind != FRAME_CACHE)
		return "swap: a slot's cached frame is neither anonymous nor cache";
	if (!(f->flags & FRAME_SWAPCACHE) || frame_swap_entry(f) != entry)
		return "swap: a cached frame does not name its slot";
	return f->refs < 1 + (s32)f->nr_slots ? "swap: a cached frame has too few references" : NULL;
}

static const char *validate_area(unsigned area, u64 *nr_cached)
{
	struct swap_area *a = &swap_areas[area];
	u64 nr_used = 0;
	for (u32 i = 0; i < a->nr_clusters; i++) {
		struct swap_cluster *c = area_cluster(a, i);
		u32 used = 0;
		for (u32 k = 0; c->slots && k < cluster_size(a, i); k++) {
			struct swap_slot *s = &c->slots[k];
			if (!(s->flags & SWAP_SLOT_USED))
				continue;
			used++;
			nr_used += !(s->flags & SWAP_SLOT_BAD);
			*nr_cached += s->pfn != 0;
			const char *broken = validate_slot((u64)area << SWAP_AREA_SHIFT | (i * CLUSTER_SLOTS + k), s, a);
			if (broken)
				return broken;
		}
		if (used != c->nr_used)
			return "swap: a cluster's count is wrong";
		if (used < cluster_size(a, i) && !c->is_queued && i != a->current)
			return "swap: a cluster with room is not to be found";
	}
	return nr_used == a->nr_used ? NULL : "swap: an area's count is wrong";
}

const char *swap_validate(void)
{
	u64 nr_cached = 0;
	const char *broken = NULL;
	for (unsigned i = 0; i < SWAP_MAX_AREAS && !broken; i++)
		if (swap_areas[i].is_present)
			broken = validate_area(i, &nr_cached);
	if (!broken && nr_cached != stat_read(STAT_NR_SWAPCACHE))
		broken = "swap: the count of cached pages is wrong";
	return broken;
}
