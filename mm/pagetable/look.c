/* SPDX-License-Identifier: MIT */
/*
 * A look at what the tables hold of a small range, before work on it begins: most ranges that are given
 * back or change rights lie below one leaf table, and many were never touched.
 *
 * No locks but the space's for writing: it keeps faults away, so an empty entry stays empty; tables above
 * are freed under it only; and a leaf table of the space's own goes only with it. Whoever acts for all
 * sharers may empty entries meanwhile, which makes the answer a pessimistic one.
 */
#include <mm/pagetable.h>

#define LOOK_MAX 64 /* entries looked at */

static inline bool entries_are_empty(const pte_t *e, u64 nr)
{
	for (u64 i = 0; i < nr; i++)
		if (!pte_is_none(hal_entry_load(&e[i])))
			return false;
	return true;
}

/* Nothing is below an empty entry of t. A table without entries stands there after a failed fill: it should be pruned. */
static inline enum range_look look_at_hole(const struct frame *t)
{
	return t->nr_entries || t->table_level == HAL_LEVELS ? RANGE_EMPTY : RANGE_UNKNOWN;
}

enum range_look range_look(struct space *s, uaddr_t start, uaddr_t end)
{
	if ((start ^ (end - 1)) & ~(LEAF_SPAN - 1))
		return RANGE_UNKNOWN;
	struct frame *t = pfn_frame(s->root_pfn);
	pte_t e;
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		e = hal_entry_load(&table_entries(t)[table_index(start, level)]);
		if (pte_is_none(e))
			return look_at_hole(t);
		t = pte_frame(e);
	}
	if (!pte_is_writable(e))
		return RANGE_UNKNOWN;
	u64 nr = (end - start) >> PAGE_SHIFT;
	if (nr > LOOK_MAX || !READ_ONCE(t->nr_entries) || !entries_are_empty(&table_entries(t)[table_index(start, 1)], nr))
		return RANGE_OWN;
	return RANGE_EMPTY;
}
