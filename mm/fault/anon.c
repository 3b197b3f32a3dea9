/* SPDX-License-Identifier: MIT */
/* First touch of private memory: the common zero frame for a read; for a write a zeroed frame, one that has to be
 * waited for here (the usual case: fault.c). */
#include "internal.h"
#include <asm/siginfo.h>

struct fault_verdict fault_anon(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l)
{
	if (!(access & FAULT_WRITE)) {
		leaf_map_special(l, frame_pfn(space_zero_frame()), rights_of(r->flags, false) | PTE_ACCESSED);
		leaf_unlock(l);
		return VERDICT_MAPPED;
	}
	leaf_unlock(l);
	struct frame *f = fault_alloc(ALLOC_ZERO);
	if (!f || leaf_lock_exclusive(s, addr, l)) {
		if (f)
			frame_put(f);
		return VERDICT_OOM;
	}
	if (likely(pte_is_none(hal_entry_load(l->entry))))
		return fault_map_new(s, r, l, f);
	leaf_unlock(l);
	frame_put(f); /* another CPU was faster */
	return VERDICT_MAPPED;
}
