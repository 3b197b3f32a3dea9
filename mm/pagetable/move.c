/* SPDX-License-Identifier: MIT */
/*
 * Moving mapped pages to other addresses of the same space (mremap). Where source and target are
 * congruent modulo LEAF_SPAN, whole tables move by relinking one slot, shared or not; the rest moves
 * entry by entry. All tables are reserved before, so that moving cannot fail.
 */
#include "internal.h"
#include <mm/leaf.h>

/* Does the leaf table at base move whole? */
static bool moves_whole(uaddr_t base, uaddr_t from, uaddr_t to, u64 len)
{
	return ((from ^ to) & (LEAF_SPAN - 1)) == 0 && base >= from && base + LEAF_SPAN <= from + len;
}

/* The level-2 table of whole tables that move to [target, target+len), with a companion. *served: so many bytes of them. */
static int reserve_upper(struct space *s, uaddr_t target, u64 len, u64 *served)
{
	struct frame *upper = upper_make(s, target);
	*served = min(len & ~(LEAF_SPAN - 1), TABLE_SPAN(2) - (target & (TABLE_SPAN(2) - 1)));
	return upper ? table_need_companion(upper, ALLOC_KERNEL) : -1;
}

/* Tables for [target, target+len), with companions when the source has one. */
static int reserve_entries(struct space *s, uaddr_t at, uaddr_t target, u64 len)
{
	if (range_unshare(s, at, at + len))
		return -1;
	for (uaddr_t t = target; t < target + len; t = (t & ~(LEAF_SPAN - 1)) + LEAF_SPAN) {
		struct leaf l;
		if (leaf_lock_exclusive(s, t, &l))
			return -1;
		leaf_unlock(&l);
		if (table_need_companion(l.table, ALLOC_KERNEL))
			return -1;
	}
	return 0;
}

int move_reserve(struct space *s, uaddr_t from, uaddr_t to, u64 len)
{
	for (uaddr_t a = from; (a = leaf_next(s, a, from + len)) < from + len;) {
		uaddr_t base = a & ~(LEAF_SPAN - 1), target = to + (a - from);
		u64 part = min(base + LEAF_SPAN, from + len) - a;
		int err = moves_whole(base, from, to, len) ? reserve_upper(s, target, from + len - a, &part) : reserve_entries(s, a, target, part);
		if (err)
			return err;
		a += part;
	}
	return 0;
}

/* Removes the table that stands, empty, where a whole one is about to move. */
static __attribute__((noinline)) void clear_target(struct space *s, struct frame *upper, unsigned index)
{
	pte_t *entry = &table_entries(upper)[index], e = hal_entry_load(entry);
	struct frame *t = pte_frame(e);
	ASSERT(t->nr_entries == 0);
	hal_entry_store(entry, pte_none());
	upper->nr_entries--;
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, 0, ~0ul, true);
	__atomic_fetch_sub(&s->nr_tables, 1, __ATOMIC_RELAXED);
	table_lock_leaf(t); /* a sharer that unshares counts the sharers under it */
	bool was_last = table_unlink(t, upper, index) == 0;
	table_unlock_leaf(t);
	if (was_last)
		table_free(t);
}

/* Puts slot (to, j) in the place of (from, i) in the chain of the locked leaf table t. */
static void table_move(struct frame *t, struct frame *from, unsigned i, struct frame *to, unsigned j)
{
	slot_t slot = slot_make(to, j);
	t->slot = t->nr_slots == 1 ? slot : links_move(t->slot, &table_links(from)[i], &table_links(to)[j], slot);
}

#define MOVE_BATCH 64u /* tables moved under one hold of the upper tables' locks */

/* Moves whole tables from `base` on, as many as lie in one upper table on both sides. Returns where it ended. *is_bare: the
 * upper table holds nothing any more. */
static uaddr_t move_whole(struct space *s, uaddr_t base, uaddr_t end, uaddr_t target, bool *is_bare)
{
	struct frame *src = upper_find(s, base), *dst = upper_find(s, target);
	unsigned i = table_index(base, 2), j = table_index(target, 2);
	unsigned nr = min(min((unsigned)((end - base) / LEAF_SPAN), MOVE_BATCH), TABLE_ENTRIES - max(i, j));
	table_lock_upper(src);
	if (dst != src)
		table_lock_upper_nested(dst); /* the space's write lock orders movers; walkers take one */
	for (unsigned last = i + nr; i < last; i++, j++) {
		pte_t *from = &table_entries(src)[i];
		pte_t up = hal_entry_load(from);
		if (pte_is_none(up))
			continue;
		if (unlikely(!pte_is_none(hal_entry_load(&table_entries(dst)[j]))))
			clear_target(s, dst, j);
		struct frame *t = pte_frame(up);
		table_lock_leaf(t);
		hal_entry_store(from, pte_none());
		src->nr_entries--;
		table_move(t, src, i, dst, j);
		dst->nr_entries++;
		hal_entry_store(&table_entries(dst)[j], up);
		table_unlock_leaf(t);
	}
	*is_bare |= !src->nr_entries;
	if (dst != src)
		table_unlock_upper(dst);
	table_unlock_upper(src);
	return base + nr * LEAF_SPAN;
}

/* Moves entries [i, i+nr) of a locked table to [j, ...) of another (or the same), counts summed up. */
static void move_stretch(struct frame *src, unsigned i, struct frame *dst, unsigned j, unsigned nr)
{
	pte_t *from = table_entries(src) + i, *to = table_entries(dst) + j;
	u64 was = CHAIN_ONE | slot_make(src, i), now = CHAIN_ONE | slot_make(dst, j);
	u16 moved = 0, nr_special = 0, rss[RSS_NR] = { 0 };
	for (unsigned k = 0; k < nr; k++, was += SLOT_STEP, now += SLOT_STEP) {
		if (pte_is_none(hal_entry_load(&from[k])))
			continue;
		pte_t e = hal_entry_exchange(&from[k], pte_none());
		moved++;
		if (unlikely(pte_is_swap(e))) {
			rss[RSS_SWAP]++;
			swapped_move(e, src, i + k, dst, j + k);
		} else if (unlikely(pte_is_special(e))) {
			nr_special++;
		} else {
			struct frame *f = pte_frame(e);
			if (unlikely(f->kind != FRAME_ANON))
				rss[frame_rss_kind(f)]++;
			if (unlikely(!chain_replace_only(f, was, now)))
				slot_move(f, src, i + k, dst, j + k);
		}
		hal_entry_store(&to[k], e);
	}
	rss[RSS_ANON] = moved - nr_special - rss[RSS_FILE] - rss[RSS_SHMEM] - rss[RSS_SWAP];
	src->nr_entries -= moved;
	dst->nr_entries += moved;
	for (unsigned k = 0; k < RSS_NR; k++) {
		src->rss[k] -= rss[k];
		dst->rss[k] += rss[k];
	}
}

/* Moves entries of [at, at+len), within one source table, to target. True: that table holds nothing any more. */
static bool move_entries(struct space *s, uaddr_t at, uaddr_t target, u64 len)
{
	bool is_bare = true;
	while (len) {
		u64 part = min(len, LEAF_SPAN - (target & (LEAF_SPAN - 1)));
		struct leaf from, to;
		if (!leaf_lock(s, at, &from))
			return true;
		if (!from.table->nr_entries) { /* perhaps it was made as a target of what comes later: then `target` has none */
			leaf_unlock(&from);
			return true;
		}
		pte_t up = hal_entry_load(&table_entries(upper_find(s, target))[table_index(target, 2)]);
		ASSERT(!pte_is_none(up));
		struct frame *dst = pte_frame(up);
		if (dst != from.table)
			table_lock_leaf_nested(dst);
		to.table = dst;
		to.index = table_index(target, 1);
		move_stretch(from.table, from.index, to.table, to.index, (unsigned)(part >> PAGE_SHIFT));
		if (dst != from.table)
			table_unlock_leaf(dst);
		is_bare = !from.table->nr_entries;
		leaf_unlock(&from);
		at += part;
		target += part;
		len -= part;
	}
	return is_bare;
}

bool move_range(struct space *s, uaddr_t from, uaddr_t to, u64 len)
{
	bool is_bare = false;
	for (uaddr_t a = from; (a = leaf_next(s, a, from + len)) < from + len;) {
		uaddr_t base = a & ~(LEAF_SPAN - 1), next = min(base + LEAF_SPAN, from + len);
		if (moves_whole(base, from, to, len))
			next = move_whole(s, base, from + len, to + (base - from), &is_bare);
		else
			is_bare |= move_entries(s, a, to + (a - from), next - a);
		a = next;
	}
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, from, from + len, true);
	return is_bare;
}
