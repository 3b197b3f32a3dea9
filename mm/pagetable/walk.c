/* SPDX-License-Identifier: MIT */
/*
 * The walk down: from an address to its leaf table, making what is missing.
 *
 * Upper tables of a space are only added under its lock held for reading and only freed under it held
 * for writing, so they can be read without their locks. Leaf tables come and go more freely: unsharing
 * replaces one, dropping a shared one unlinks it. So after locking a leaf table the entry that led to
 * it is read again, and when it changed the walk starts over; the lock byte of a frame that is no table
 * any more is harmless to take (see mm/frame.h).
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/stat.h>

static inline pte_t *entry_at(struct frame *table, uaddr_t addr, unsigned level)
{
	return &table_entries(table)[table_index(addr, level)];
}

struct frame *upper_find(struct space *s, uaddr_t addr)
{
	struct frame *t = pfn_frame(s->root_pfn);
	for (unsigned level = HAL_LEVELS; level > 2; level--) {
		pte_t e = hal_entry_load(entry_at(t, addr, level));
		if (pte_is_none(e))
			return NULL;
		t = pte_frame(e);
	}
	return t;
}

/* Puts the new table `t` under (parent, addr) unless somebody was first. True: t was used. */
static bool table_install(struct frame *parent, unsigned level, uaddr_t addr, struct frame *t)
{
	pte_t *entry = entry_at(parent, addr, level);
	bool used = false;
	table_lock_upper(parent);
	if (pte_is_none(hal_entry_load(entry))) {
		table_link_first(t, parent, table_index(addr, level));
		parent->nr_entries++;
		hal_entry_store(entry, pte_make_table(frame_pfn(t)));
		used = true;
	}
	table_unlock_upper(parent);
	return used;
}

static void table_discard(struct space *s, struct frame *t)
{
	__atomic_fetch_sub(&s->nr_tables, 1, __ATOMIC_RELAXED);
	table_free(t);
}

/* Makes the table of level - 1 below `parent` if it is missing. */
static int table_make(struct space *s, struct frame *parent, unsigned level, uaddr_t addr)
{
	if (likely(!pte_is_none(hal_entry_load(entry_at(parent, addr, level)))))
		return 0;
	struct frame *t = table_alloc(s, level - 1, ALLOC_KERNEL | ALLOC_ZERO);
	if (!t)
		return -1;
	if (!table_install(parent, level, addr, t))
		table_discard(s, t);
	return 0;
}

struct frame *upper_make(struct space *s, uaddr_t addr)
{
	struct frame *t = pfn_frame(s->root_pfn);
	for (unsigned level = HAL_LEVELS; level > 2; level--) {
		if (table_make(s, t, level, addr))
			return NULL;
		t = pte_frame(hal_entry_load(entry_at(t, addr, level)));
	}
	return t;
}

/* Locks the leaf table below l->upper. False: there is none. */
static bool leaf_lock_below(struct leaf *l, uaddr_t addr)
{
	l->upper_entry = entry_at(l->upper, addr, 2);
	for (;;) {
		pte_t up = hal_entry_load(l->upper_entry);
		if (pte_is_none(up))
			return false;
		struct frame *t = pte_frame(up);
		table_lock_leaf(t);
		pte_t again = hal_entry_load(l->upper_entry);
		if (likely(pte_pfn(again) == pte_pfn(up) && !pte_is_none(again))) {
			l->table = t;
			l->index = table_index(addr, 1);
			l->entry = &table_entries(t)[l->index];
			l->is_shared = pte_table_is_shared(again);
			return true;
		}
		table_unlock_leaf(t);
	}
}

bool leaf_lock(struct space *s, uaddr_t addr, struct leaf *l)
{
	l->upper = upper_find(s, addr);
	return l->upper && leaf_lock_below(l, addr);
}

static __attribute__((noinline)) int leaf_lock_slow(struct space *s, uaddr_t addr, struct leaf *l)
{
	for (;;) {
		l->upper = upper_make(s, addr);
		if (!l->upper || table_make(s, l->upper, 2, addr))
			return -1;
		if (!leaf_lock_below(l, addr))
			continue;
		if (likely(!l->is_shared))
			return 0;
		leaf_unlock(l);
		if (leaf_unshare(s, addr))
			return -1;
	}
}

int leaf_lock_exclusive(struct space *s, uaddr_t addr, struct leaf *l)
{
	if (likely(leaf_lock_fast(s, addr, l)))
		return 0;
	return leaf_lock_slow(s, addr, l);
}

/* Has addr a leaf table? */
static inline bool leaf_is_there(struct space *s, uaddr_t addr)
{
	const pte_t *entries = hal_frame_ptr(s->root_pfn);
#pragma GCC unroll 4
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		pte_t e = hal_entry_load(&entries[table_index(addr, level)]);
		if (pte_is_none(e))
			return false;
		entries = hal_frame_ptr(pte_pfn(e));
	}
	return true;
}

uaddr_t leaf_next(struct space *s, uaddr_t addr, uaddr_t end)
{
	if (addr < end && leaf_is_there(s, addr))
		return addr;
	while (addr < end) {
		struct frame *t = pfn_frame(s->root_pfn);
		for (unsigned level = HAL_LEVELS;; level--) {
			unsigned shift = PAGE_SHIFT + HAL_INDEX_BITS * (level - 1);
			unsigned index = table_index(addr, level);
			u64 nr = min((u64)TABLE_ENTRIES - index, ((end - 1) >> shift) - (addr >> shift) + 1);
			const pte_t *first = table_entries(t) + index, *e = first, *last = first + nr;
			pte_t found = pte_none();
			while (e < last && pte_is_none(found = hal_entry_load(e)))
				e++;
			if (e != first)
				addr = ((addr >> shift) + (u64)(e - first)) << shift;
			if (e == last)
				break; /* nothing in the rest of this table: go on behind what it maps */
			if (level == 2)
				return addr;
			t = pte_frame(found);
		}
	}
	return end;
}

void leaf_map(struct space *s, struct leaf *l, struct frame *f, u64 bits, enum rss_kind kind)
{
	if (READ_ONCE(f->refs) == 1 && !READ_ONCE(f->nr_slots)) {
		leaf_map_first(s, l, f, bits, kind);
		return;
	}
	DEBUG_ASSERT(!l->is_shared && pte_is_none(hal_entry_load(l->entry)));
	slot_link(f, l->table, l->index);
	l->table->nr_entries++;
	l->table->rss[kind]++;
	__atomic_fetch_add(&s->rss[kind], 1, __ATOMIC_RELAXED);
	hal_entry_store(l->entry, pte_make(frame_pfn(f), bits));
}

void leaf_map_special(struct leaf *l, pfn_t pfn, u64 bits)
{
	DEBUG_ASSERT(!l->is_shared && pte_is_none(hal_entry_load(l->entry)));
	l->table->nr_entries++;
	hal_entry_store(l->entry, pte_make(pfn, bits | PTE_SPECIAL));
}
