/* SPDX-License-Identifier: MIT */
/*
 * Charging a group, and what happens at its limit: memory is taken back from the group and those below it; when
 * that brings nothing, one of their processes is killed.
 *
 * A charge is exact and counts at once, in the group and in all above it, but for the root. Linux charges in batches
 * for each CPU, so that its memory.current may show 63 pages a CPU more than there are.
 * Source: Linux 6.1, Documentation/admin-guide/cgroup-v2.rst (what counts, and which events).
 */
#include "internal.h"
#include <asm/errno.h>
#include <mm/oom.h>
#include <mm/reclaim.h>
#include <mm/swap.h>

#define LIMIT_ROUNDS 16u /* of reclaim without a page to show for it */

/* ---- counters ---- */

static struct mem_group_counter *counter_of(struct mem_group *g, bool is_swap) { return is_swap ? &g->swap : &g->memory; }

static void sub_up_to(struct mem_group *g, const struct mem_group *end, s64 nr, bool is_swap)
{
	for (; g != end; g = g->parent)
		__atomic_fetch_sub(&counter_of(g, is_swap)->usage, nr, __ATOMIC_RELAXED);
}

/* NULL, or the group whose limit is in the way: nothing has changed then. The root has none. */
static struct mem_group *add(struct mem_group *from, s64 nr, bool is_swap, bool is_forced)
{
	for (struct mem_group *g = from; g->parent; g = g->parent) {
		struct mem_group_counter *c = counter_of(g, is_swap);
		s64 usage = __atomic_add_fetch(&c->usage, nr, __ATOMIC_RELAXED);
		if (unlikely(usage > READ_ONCE(c->max)) && !is_forced) {
			__atomic_fetch_add(&c->nr_failed, 1, __ATOMIC_RELAXED);
			sub_up_to(from, g->parent, nr, is_swap);
			return g;
		}
		if (usage > READ_ONCE(c->peak))
			WRITE_ONCE(c->peak, usage);
	}
	return NULL;
}

/* ---- events ---- */

void mem_group_count(struct mem_group *g, enum mem_group_event e)
{
	__atomic_fetch_add(&g->local_events[e], 1, __ATOMIC_RELAXED);
	for (; g->parent; g = g->parent) {
		__atomic_fetch_add(&g->events[e], 1, __ATOMIC_RELAXED);
		host_wake_all(&g->event_queue);
	}
}

/* ---- charging ---- */

/* The group that a charge for `number` goes to, with nr more references: one that was closed, or is gone, leaves it
 * to those above. */
static struct mem_group *charged_group(u32 number, s64 nr)
{
	struct mem_group *g = mem_group_at(number);
	while (g != &mem_root && (READ_ONCE(g->is_closed) || !mem_group_try_get(g, nr)))
		g = __atomic_load_n(&g->parent, __ATOMIC_ACQUIRE); /* perhaps of the group that has the number now, and a new one */
	return g != &mem_root ? g : NULL;
}

/* One round at the limit of `over`. False: nothing helps. */
static bool make_room(struct mem_group *over, s64 nr, unsigned alloc, unsigned *idle)
{
	mem_group_count(over, MEM_GROUP_EVENT_MAX);
	if (reclaim_group(over, (u64)nr, alloc)) {
		*idle = 0;
		return true;
	}
	if (++*idle < LIMIT_ROUNDS && reclaim_group_nr_listed(over))
		return true;
	*idle = 0;
	return oom_make_room_in(over, alloc);
}

/* Who is about to give back more than it takes is not held up. */
static bool goes_beyond(unsigned alloc)
{
	const struct host_context *me = host_current();
	return alloc & ALLOC_RESERVE || me->may_use_reserves || me->is_being_killed;
}

s32 mem_group_charge(u32 number, unsigned order, unsigned alloc, enum mem_group_kind kind)
{
	s64 nr = 1l << order;
	struct mem_group *g = charged_group(number, nr), *over;
	if (!g)
		return 0;
	for (unsigned idle = 0; (over = add(g, nr, false, false)) != NULL;) {
		if (goes_beyond(alloc)) {
			add(g, nr, false, true);
			break;
		}
		if (!(alloc & ALLOC_WAIT) || !make_room(over, nr, alloc, &idle)) {
			mem_group_put_many(g, nr);
			return -ENOMEM;
		}
	}
	__atomic_fetch_add(&g->nr_of_kind[kind], nr, __ATOMIC_RELAXED);
	return (s32)g->lru.number;
}

void mem_group_uncharge(u32 number, unsigned order, enum mem_group_kind kind)
{
	struct mem_group *g = mem_group_at(number);
	s64 nr = 1l << order;
	__atomic_fetch_sub(&g->nr_of_kind[kind], nr, __ATOMIC_RELAXED);
	sub_up_to(g, &mem_root, nr, false);
	mem_group_put_many(g, nr);
}

s32 mem_group_charge_alloc(unsigned order, unsigned alloc, enum frame_kind kind)
{
	u32 number = alloc & ALLOC_ACCOUNT ? host_current()->group : alloc_group(alloc);
	return number ? mem_group_charge(number, order, alloc, mem_group_kind_of(kind)) : 0;
}

void mem_group_uncharge_frame(struct frame *f, unsigned order)
{
	u32 number = f->group;
	enum mem_group_kind kind = mem_group_kind_of(f->kind);
	f->group = 0;
	mem_group_uncharge(number, order, kind == MEM_GROUP_FILE && frame_flags(f) & FRAME_SHMEM ? MEM_GROUP_SHMEM : kind);
}

void mem_group_is_shmem(struct frame *f)
{
	struct mem_group *g = mem_group_at(f->group);
	if (!g->parent)
		return;
	__atomic_fetch_sub(&g->nr_of_kind[MEM_GROUP_FILE], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&g->nr_of_kind[MEM_GROUP_SHMEM], 1, __ATOMIC_RELAXED);
}

/* ---- swap ---- */

bool mem_group_charge_swap(u32 number)
{
	struct mem_group *g = mem_group_at(number);
	if (add(g, 1, true, false))
		return false;
	mem_group_get(g); /* the page's frame keeps it meanwhile */
	return true;
}

void mem_group_uncharge_swap(u32 number)
{
	struct mem_group *g = mem_group_at(number);
	sub_up_to(g, &mem_root, 1, true);
	mem_group_put(g);
}

u64 mem_group_swap_free(const struct mem_group *g)
{
	u64 room = swap_nr_free();
	for (; g->parent; g = g->parent) {
		s64 left = READ_ONCE(g->swap.max) - READ_ONCE(g->swap.usage);
		room = min(room, (u64)max(left, (s64)0));
	}
	return room;
}

/* ---- limits ---- */

u64 mem_group_reclaim(struct mem_group *g, u64 nr) { return reclaim_group(g, nr, ALLOC_KERNEL); }

void mem_group_set_max(struct mem_group *g, s64 limit)
{
	WRITE_ONCE(g->memory.max, limit);
	for (unsigned idle = 0;;) {
		s64 over = READ_ONCE(g->memory.usage) - limit;
		if (over <= 0 || limit != READ_ONCE(g->memory.max) || host_current()->is_being_killed)
			return;
		if (reclaim_group(g, (u64)over, ALLOC_KERNEL)) {
			idle = 0;
			continue;
		}
		if (++idle < LIMIT_ROUNDS)
			continue;
		idle = 0;
		if (!oom_make_room_in(g, ALLOC_KERNEL))
			return;
	}
}
