/* SPDX-License-Identifier: MIT */
/* First touch of private memory: a zeroed frame for a write, the common zero frame for a read. */
#include "internal.h"
#include <asm/siginfo.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

static struct fault_verdict map_new(struct space *s, struct region *r, struct leaf *l, struct frame *f)
{
	f->flags = FRAME_UPTODATE;
	leaf_map(s, l, f, rights_of(r->flags, r->flags & REGION_WRITE) | PTE_ACCESSED | PTE_DIRTY, RSS_ANON);
	lru_add(f);
	leaf_unlock(l);
	stat_add(STAT_PGZERO, 1);
	return VERDICT_MAPPED;
}

struct fault_verdict fault_anon(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l)
{
	if (!(access & FAULT_WRITE)) {
		leaf_map_special(l, frame_pfn(space_zero_frame()), rights_of(r->flags, false) | PTE_ACCESSED);
		leaf_unlock(l);
		return VERDICT_MAPPED;
	}
	/* Without waiting first: the lock need not be dropped then. */
	struct frame *f = frame_alloc(0, ALLOC_PAGE | ALLOC_ZERO, FRAME_ANON);
	if (likely(f))
		return map_new(s, r, l, f);
	leaf_unlock(l);
	f = fault_alloc(ALLOC_ZERO);
	if (!f || leaf_lock_exclusive(s, addr, l)) {
		if (f)
			frame_put(f);
		return VERDICT_OOM;
	}
	if (likely(pte_is_none(hal_entry_load(l->entry))))
		return map_new(s, r, l, f);
	leaf_unlock(l);
	frame_put(f); /* another CPU was faster */
	return VERDICT_MAPPED;
}
