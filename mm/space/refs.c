/* SPDX-License-Identifier: MIT */
/* Forgetting which pages were used, so that those used from now on can be told: /proc/PID/clear_refs. */
#include "internal.h"
#include <mm/leaf.h>

static void forget_entry(pte_t *entry)
{
	pte_t e = hal_entry_load(entry);
	if (!pte_is_mapped(e) || pte_is_special(e))
		return;
	struct frame *f = pte_frame(e);
	if (pte_is_accessed(e))
		hal_entry_test_and_clear(entry, PTE_ACCESSED);
	if (frame_flags(f) & FRAME_ACCESSED)
		frame_clear_flags(f, FRAME_ACCESSED);
}

static void forget_region(struct space *s, const struct region *r)
{
	for (uaddr_t a = r->start; (a = leaf_next(s, a, r->end)) < r->end;) {
		uaddr_t stop = min(r->end, (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			for (pte_t *e = l.entry, *end = e + ((stop - a) >> PAGE_SHIFT); e < end; e++)
				forget_entry(e);
			leaf_unlock(&l);
		}
		a = stop;
	}
}

void space_clear_refs(struct space *s, bool anonymous, bool files)
{
	rwlock_read(&s->lock);
	for (struct region *r = s->first; r; r = region_next(r))
		if (r->mapping ? files : anonymous)
			forget_region(s, r);
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, 0, HAL_USER_END, false);
	rwlock_read_unlock(&s->lock);
}
