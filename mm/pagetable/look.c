/* SPDX-License-Identifier: MIT */
/*
 * A look at what the tables hold of a small range, before work on it begins: most ranges that are given
 * back or change rights lie below one leaf table, and many were never touched.
 *
 * No locks but the space's for writing: it keeps faults away, so an empty entry stays empty; tables above
 * are freed under it only; and a leaf table of the space's own goes only with it. Whoever acts for all
 * sharers may empty entries meanwhile, which makes the answer a pessimistic one. A range is not empty while a
 * flush may be owed for what its entries were (tlb_batch.c); where there is no table, none is.
 */
#include <mm/pagetable.h>

#define LOOK_MAX 64 /* entries looked at */

/* nr entries, at least one. */
static inline bool entries_are_empty(const pte_t *e, u64 nr)
{
	const pte_t *end = e + nr;
	do
		if (!pte_is_none(hal_entry_load(e)))
			return false;
	while (++e < end);
	return true;
}

/* An empty entry of the table that `up` leads to (none: the root): nothing is below. A table without any entries
 * stands there after a failed fill and should be freed. */
static enum range_look look_at_hole(pte_t up)
{
	return pte_is_none(up) || READ_ONCE(pte_frame(up)->nr_entries) ? RANGE_EMPTY : RANGE_UNKNOWN;
}

/* Perhaps s is owed a flush for entries of the table that were seen empty: whoever emptied them has marked s before he
 * let go of the table. */
static __attribute__((noinline)) bool is_owed_below(struct space *s, struct frame *table)
{
	table_lock_leaf(table);
	table_unlock_leaf(table);
	return tlb_flush_is_owed(s);
}

enum range_look range_look(struct space *s, uaddr_t start, uaddr_t end, struct frame **table)
{
	*table = NULL;
	if ((start ^ (end - 1)) & ~(LEAF_SPAN - 1))
		return RANGE_UNKNOWN;
	const pte_t *entries = hal_frame_ptr(s->root_pfn);
	pte_t up, e = pte_none();
#pragma GCC unroll 4
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		up = e;
		e = hal_entry_load(&entries[table_index(start, level)]);
		if (pte_is_none(e))
			return look_at_hole(up);
		entries = hal_frame_ptr(pte_pfn(e));
	}
	if (!pte_is_writable(e))
		return RANGE_UNKNOWN;
	*table = pte_frame(e);
	u64 nr = (end - start) >> PAGE_SHIFT;
	if (nr > LOOK_MAX || !READ_ONCE((*table)->nr_entries) || !entries_are_empty(&entries[table_index(start, 1)], nr))
		return RANGE_OWN;
	/* Behind the entries: loads are seen in order, as x86 does them. */
	return tlb_some_flush_is_owed() && is_owed_below(s, *table) ? RANGE_OWN : RANGE_EMPTY;
}
