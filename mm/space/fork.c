/* SPDX-License-Identifier: MIT */
/*
 * fork: regions are copied one by one, tables level by level, leaf tables shared whole. Only the leaf
 * tables that a DONTFORK, WIPEONFORK or special region overlaps are built entry by entry, since the
 * child must not inherit all of them.
 *
 * Everything is under the parent's lock held for writing: no fault runs, so no table changes but by
 * those who act for all sharers. One flush at the end takes the parent's stale write rights away
 * before the child may run.
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/stat.h>
#include <mm/trace.h>

struct fork {
	struct space *parent, *child;
	s64 rss[RSS_NR];
};

static bool is_inherited(const struct region *r) { return !(r->flags & (REGION_DONTFORK | REGION_WIPEONFORK)); }

/* The child does not inherit the lock in memory, which the entries say. */
static bool is_inherited_whole(const struct region *r) { return is_inherited(r) && !(r->flags & REGION_LOCKED); }

/* Do all regions that overlap [start, end) go to the child as they are? */
static bool range_is_shareable(struct space *s, uaddr_t start, uaddr_t end)
{
	if (!mm_tunables.share_tables)
		return false;
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = region_next(r))
		if (!is_inherited_whole(r))
			return false;
	return true;
}

/* One entry into the child's table; anonymous frames become copy-on-write in both. */
static void copy_entry(struct fork *k, struct leaf *from, unsigned i, struct frame *to)
{
	pte_t *entry = &table_entries(from->table)[i];
	pte_t e = hal_entry_load(entry);
	if (pte_is_none(e))
		return;
	if (pte_is_special(e)) {
		if (pte_is_swap(e)) {
			swapped_link(e, to, i);
			to->rss[RSS_SWAP]++;
			k->rss[RSS_SWAP]++;
		}
		hal_entry_store(&table_entries(to)[i], e);
		to->nr_entries++;
		return;
	}
	struct frame *f = pte_frame(e);
	enum rss_kind kind = frame_rss_kind(f);
	if (f->kind == FRAME_ANON && pte_is_writable(e)) {
		hal_entry_test_and_clear(entry, PTE_WRITE);
		e = pte_clear(e, PTE_WRITE);
	}
	frame_get(f);
	slot_link(f, to, i);
	hal_entry_store(&table_entries(to)[i], pte_clear(e, PTE_LOCKED));
	to->nr_entries++;
	to->rss[kind]++;
	k->rss[kind]++;
}

/* Builds the child's leaf table at base from what it inherits of the parent's. */
static int copy_leaf(struct fork *k, uaddr_t base)
{
	struct leaf from, to;
	if (leaf_unshare(k->parent, base) || leaf_lock_exclusive(k->child, base, &to))
		return -ENOMEM;
	leaf_unlock(&to);
	if (!leaf_lock(k->parent, base, &from))
		return 0;
	leaf_unlock(&from);
	if (from.is_shared && from.table->nr_slots > 1)
		return copy_leaf(k, base); /* a sharer came between: once more */
	if (table_need_companion(from.table, ALLOC_KERNEL) || table_need_companion(to.table, ALLOC_KERNEL))
		return -ENOMEM;
	leaf_lock(k->parent, base, &from);
	table_lock_leaf_nested(to.table);
	for (struct region *r = region_lookup(k->parent, base); r && r->start < base + LEAF_SPAN; r = region_next(r)) {
		if (!is_inherited(r))
			continue;
		unsigned first = table_index(max(r->start, base), 1);
		unsigned last = table_index(min(r->end, base + LEAF_SPAN) - 1, 1);
		for (unsigned i = first; i <= last; i++)
			copy_entry(k, &from, i, to.table);
	}
	table_unlock_leaf(to.table);
	leaf_unlock(&from);
	return 0;
}

/* The child's level-2 table for `addr`, ready to share from src. */
static struct frame *prepare_upper(struct fork *k, struct frame *src, uaddr_t addr)
{
	struct frame *dst = upper_make(k->child, addr);
	if (!dst || table_need_companion(src, ALLOC_KERNEL) || table_need_companion(dst, ALLOC_KERNEL))
		return NULL;
	return dst;
}

/* How far from `at` the tables may be shared, in whole tables; at: the first may not. Most regions cover
 * many tables, so it asks once per stretch of them. */
static uaddr_t shareable_to(struct fork *k, uaddr_t at)
{
	struct region *r = region_lookup(k->parent, at);
	if (r && r->start <= at && r->end >= at + LEAF_SPAN && is_inherited_whole(r) && mm_tunables.share_tables)
		return r->end & ~(LEAF_SPAN - 1);
	return range_is_shareable(k->parent, at, at + LEAF_SPAN) ? at + LEAF_SPAN : at;
}

/* The first address in [at, end) with a leaf table that holds entries, all below the level-2 table src. */
static uaddr_t next_filled(struct frame *src, uaddr_t at, uaddr_t end)
{
	for (; at < end; at += LEAF_SPAN) {
		pte_t up = hal_entry_load(&table_entries(src)[table_index(at, 2)]);
		if (!pte_is_none(up) && READ_ONCE(pte_frame(up)->nr_entries))
			break;
	}
	return at;
}

/* The leaf tables of [start, end), all below one level-2 table of the parent. */
static int fork_upper(struct fork *k, uaddr_t start, uaddr_t end)
{
	struct frame *src = upper_find(k->parent, start), *dst = NULL;
	unsigned nr_shared = 0;
	int err = 0;
	for (uaddr_t at = start, next; src && (at = next_filled(src, at, end)) < end && !err; at = next) {
		if (!dst && !(dst = prepare_upper(k, src, at))) {
			err = -ENOMEM;
			break;
		}
		next = min(shareable_to(k, at), end);
		if (next > at) {
			unsigned first = table_index(at, 2), nr = (unsigned)((next - at) / LEAF_SPAN);
			nr_shared += leaf_share_stretch(src, dst, first, first + nr, k->rss);
		} else {
			err = copy_leaf(k, at);
			next = at + LEAF_SPAN;
		}
	}
	__atomic_fetch_add(&k->child->nr_tables, nr_shared, __ATOMIC_RELAXED);
	stat_add(STAT_PGSHARE, nr_shared);
	return err;
}

/* Region by region, since a table outside all of them is empty. Neighbours may meet in one table. */
static int fork_tables(struct fork *k)
{
	uaddr_t done = 0;
	int err = 0;
	for (struct region *r = region_first(k->parent); r && !err; r = region_next(r)) {
		uaddr_t at = max(done, r->start & ~(LEAF_SPAN - 1));
		done = (r->end + LEAF_SPAN - 1) & ~(LEAF_SPAN - 1);
		while (at < done && !err) {
			uaddr_t end = min(done, (at & ~(TABLE_SPAN(2) - 1)) + TABLE_SPAN(2));
			err = fork_upper(k, at, end);
			at = end;
		}
	}
	return err;
}

static int fork_regions(struct space *parent, struct space *child)
{
	for (struct region *r = region_first(parent); r; r = region_next(r)) {
		if (r->flags & REGION_DONTFORK)
			continue;
		struct region *copy = region_alloc();
		if (!copy)
			return -ENOMEM;
		if (r->flags & REGION_ACCOUNT && space_commit_charge(parent, region_pages(r))) {
			region_discard(copy);
			return -ENOMEM;
		}
		struct region_spec spec = region_spec_of(r, r->start, r->end);
		spec.flags &= ~(REGION_LOCKED | REGION_LOCKONFAULT);
		region_init(copy, &spec);
		account_pages(child, copy->flags, (s64)region_pages(copy));
		region_insert(child, copy, NULL);
	}
	return 0;
}

static void copy_layout(struct space *child, const struct space *parent)
{
	child->mmap_base = parent->mmap_base;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->code_start = parent->code_start;
	child->code_end = parent->code_end;
	child->data_start = parent->data_start;
	child->data_end = parent->data_end;
	child->stack_start = parent->stack_start;
	child->args_start = parent->args_start;
	child->args_end = parent->args_end;
	child->env_start = parent->env_start;
	child->env_end = parent->env_end;
	child->vdso = parent->vdso;
}

int space_fork(struct space *parent, struct space **out)
{
	struct fork k = { .parent = parent, .child = space_create() };
	if (!k.child)
		return -ENOMEM;
	rwlock_write(&parent->lock);
	rwlock_write(&k.child->lock); /* truncation finds it by its regions */
	copy_layout(k.child, parent);
	int err = fork_regions(parent, k.child);
	if (!err)
		err = fork_tables(&k);
	for (unsigned i = 0; i < RSS_NR; i++) /* a truncation may have subtracted already */
		__atomic_fetch_add(&k.child->rss[i], k.rss[i], __ATOMIC_RELAXED);
	space_note_hiwater(k.child);
	hal_tlb_flush(READ_ONCE(parent->cpus), parent->root_pfn, 0, ~0ul, true);
	rwlock_write_unlock(&k.child->lock);
	trace_point(TRACE_SHARE, parent->root_pfn, k.child->root_pfn, k.child->nr_tables, 0);
	rwlock_write_unlock(&parent->lock);
	if (err) {
		space_put(k.child);
		return err;
	}
	*out = k.child;
	return 0;
}
