/* SPDX-License-Identifier: MIT */
/*
 * The tree of memory groups: who is below whom, numbers, and how long a group lives.
 *
 * G1  A group's memory is never used for anything else, so a number that was read without a lock leads to a group,
 *     if perhaps to another one than the reader thought of. Groups that are gone wait for the next one to be made.
 * G2  refs counts the owner, the children, and every page and slot that is charged. A group without references is in
 *     no list and has no pages; from zero the count does not rise again until the group is made anew.
 * G3  Children and siblings change under tree_lock. Who goes from group to group holds a reference to the one
 *     he is at, so it stays where it is.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/slab.h>

#define CHUNK_SHIFT 8
#define NR_CHUNKS   ((MEM_GROUP_MAX_NUMBER + 1) >> CHUNK_SHIFT)

struct mem_group mem_root;
static struct spinlock tree_lock; /* RANK_MEM_GROUP */
static struct mem_group **chunks[NR_CHUNKS]; /* by number */
static u32 nr_numbers;              /* (tree_lock) ever used */
static struct list_head gone;       /* (tree_lock) by sibling */
static u32 nr_living;               /* (tree_lock) besides the root */

struct mem_group *mem_group_numbered(u32 number)
{
	return READ_ONCE(chunks[number >> CHUNK_SHIFT])[number & ((1u << CHUNK_SHIFT) - 1)];
}

struct mem_group *mem_group_find(u32 number)
{
	return number && !READ_ONCE(chunks[number >> CHUNK_SHIFT]) ? NULL : mem_group_at(number);
}

bool mem_group_contains(const struct mem_group *top, const struct mem_group *g)
{
	while (g && g != top)
		g = READ_ONCE(g->parent);
	return g;
}

/* ---- references ---- */

bool mem_group_try_get(struct mem_group *g, s64 nr)
{
	s64 refs = __atomic_load_n(&g->refs, __ATOMIC_RELAXED);
	while (refs > 0)
		if (__atomic_compare_exchange_n(&g->refs, &refs, refs + nr, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

void mem_group_get(struct mem_group *g) { __atomic_fetch_add(&g->refs, 1, __ATOMIC_RELAXED); }

void mem_group_put_many(struct mem_group *g, s64 nr)
{
	while (g && __atomic_sub_fetch(&g->refs, nr, __ATOMIC_ACQ_REL) == 0) {
		struct mem_group *parent = g->parent;
		spin_lock(&tree_lock);
		list_del(&g->sibling);
		list_add(&g->sibling, &gone);
		WRITE_ONCE(nr_living, nr_living - 1);
		if (!nr_living)
			frame_charge_allocs(0);
		spin_unlock(&tree_lock);
		g = parent;
		nr = 1;
	}
}

void mem_group_put(struct mem_group *g) { mem_group_put_many(g, 1); }

/* ---- walking ---- */

/* The first from `link` on that has references still, now with one more. Locked. */
static struct mem_group *first_living(struct list_head *link, struct list_head *end)
{
	for (; link != end; link = link->next) {
		struct mem_group *g = list_entry(link, struct mem_group, sibling);
		if (mem_group_try_get(g, 1))
			return g;
	}
	return NULL;
}

struct mem_group *mem_group_next(struct mem_group *top, struct mem_group *previous)
{
	struct mem_group *next = NULL;
	if (!previous) {
		mem_group_get(top);
		return top;
	}
	if (READ_ONCE(nr_living)) {
		spin_lock(&tree_lock);
		next = first_living(previous->children.next, &previous->children);
		for (struct mem_group *g = previous; !next && g != top; g = g->parent)
			next = first_living(g->sibling.next, &g->parent->children);
		spin_unlock(&tree_lock);
	}
	mem_group_put(previous);
	return next;
}

struct mem_group *mem_group_at_cursor(struct mem_group *top)
{
	u32 number = READ_ONCE(top->cursor);
	struct mem_group *g = top;
	if (number && READ_ONCE(nr_living)) {
		spin_lock(&tree_lock);
		g = mem_group_at(number);
		if (!mem_group_contains(top, g) || !mem_group_try_get(g, 1))
			g = NULL;
		spin_unlock(&tree_lock);
		if (g)
			return g;
		g = top;
	}
	mem_group_get(g);
	return g;
}

/* ---- making and ending ---- */

/* Another number, and a group for it that has never been used. Locked; memory comes from outside: */
struct material {
	struct mem_group *group;
	struct mem_group **chunk;
};

static struct mem_group *number_new(struct material *m)
{
	u32 nr = nr_numbers + 1;
	if (nr > MEM_GROUP_MAX_NUMBER || !m->group)
		return NULL;
	struct mem_group ***chunk = &chunks[nr >> CHUNK_SHIFT];
	if (!*chunk) {
		if (!m->chunk)
			return NULL;
		WRITE_ONCE(*chunk, m->chunk);
		m->chunk = NULL;
	}
	struct mem_group *g = m->group;
	m->group = NULL;
	g->lru.number = nr;
	(*chunk)[nr & ((1u << CHUNK_SHIFT) - 1)] = g;
	nr_numbers = nr;
	return g;
}

static void counter_init(struct mem_group_counter *c) { *c = (struct mem_group_counter){ .max = MEM_GROUP_UNLIMITED }; }

static void group_init(struct mem_group *g, struct mem_group *parent, char *name, u32 number, const struct policy *p)
{
	__atomic_store_n(&g->parent, parent, __ATOMIC_RELEASE); /* who has its number from before may look at these two: charged_group() */
	list_init(&g->children);
	list_init(&g->sibling);
	WRITE_ONCE(g->is_closed, false);
	g->oom_kills_all = false;
	g->cursor = 0;
	counter_init(&g->memory);
	counter_init(&g->swap);
	memset(g->nr_of_kind, 0, sizeof(g->nr_of_kind));
	memset(g->events, 0, sizeof(g->events));
	memset(g->local_events, 0, sizeof(g->local_events));
	g->nr_scanned = g->nr_stolen = 0;
	g->name = name;
	host_waitq_init(&g->event_queue);
	lru_group_init(&g->lru, number, p);
}

/* One that is gone, or a new one; in no list. */
static struct mem_group *take_unused(struct material *m)
{
	struct mem_group *g;
	spin_lock(&tree_lock);
	if (!list_is_empty(&gone)) {
		g = list_first_entry(&gone, struct mem_group, sibling);
		list_del(&g->sibling);
	} else {
		g = number_new(m);
	}
	spin_unlock(&tree_lock);
	return g;
}

struct mem_group *mem_group_new(struct mem_group *parent, char *name)
{
	struct mem_group *g = take_unused(&(struct material){ 0 });
	if (!g) {
		struct material m = { kzalloc(sizeof(*g), ALLOC_KERNEL), kzalloc(sizeof(g) << CHUNK_SHIFT, ALLOC_KERNEL) };
		g = take_unused(&m);
		kfree(m.group);
		kfree(m.chunk);
	}
	if (!g)
		return NULL;
	kfree(g->name); /* of the one before */
	const struct policy *p = policy_hold(); /* from here on no switch passes it by */
	group_init(g, parent, name, g->lru.number, p);
	mem_group_get(parent);
	spin_lock(&tree_lock);
	list_add_tail(&g->sibling, &parent->children);
	WRITE_ONCE(nr_living, nr_living + 1);
	__atomic_store_n(&g->refs, 1, __ATOMIC_RELEASE);
	frame_charge_allocs(ALLOC_ACCOUNT | ALLOC_GROUP_MASK);
	spin_unlock(&tree_lock);
	policy_release();
	return g;
}

void mem_group_close(struct mem_group *g)
{
	WRITE_ONCE(g->is_closed, true);
	mem_group_put(g);
}

void mem_group_init(void)
{
	spin_lock_init(&tree_lock, RANK_MEM_GROUP);
	memset(chunks, 0, sizeof(chunks)); /* a host process boots several machines */
	list_init(&gone);
	nr_numbers = nr_living = 0;
	frame_charge_allocs(0);
	group_init(&mem_root, NULL, NULL, 0, policy_hold());
	policy_release();
	mem_root.refs = 1;
}
