/* SPDX-License-Identifier: MIT */
/*
 * A page in swap. It is mapped where it was touched only; who else has it in swap finds it in the swap cache
 * by his own fault. A leaf table that fork shares is changed in place, for all sharers.
 */
#include "internal.h"
#include <mm/swap.h>

/* What a touch gets beside its region's rights; W comes with a write that finds the page its own. */
static u64 bits_of(const struct region *r) { return rights_of(r->flags, false) | PTE_ACCESSED; }

/* Maps f, up to date and with a reference that is used up, where e still stands. */
static struct fault_verdict map_swapped(struct space *s, struct region *r, uaddr_t addr, unsigned access, pte_t e, struct frame *f)
{
	struct leaf l;
	if (!leaf_lock(s, addr, &l)) {
		frame_put(f);
		return VERDICT_MAPPED;
	}
	if (hal_entry_load(l.entry).bits != e.bits) { /* somebody was faster, or it is gone: the access is repeated */
		leaf_unlock(&l);
		frame_put(f);
		return VERDICT_MAPPED;
	}
	entry_swap_in(l.table, l.index, f, bits_of(r));
	if (access & FAULT_WRITE && !l.is_shared)
		return fault_write_present(s, r, addr, &l, hal_entry_load(l.entry));
	leaf_unlock(&l);
	return VERDICT_MAPPED;
}

struct fault_verdict fault_swap(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l)
{
	pte_t e = hal_entry_load(l->entry);
	struct frame *f;
	bool is_major;
	int err = swap_in(l, r, addr, &f, &is_major);
	if (err)
		return verdict_of_error(err);
	u32 flags = frame_flags(f);
	if (unlikely((flags & (FRAME_UPTODATE | FRAME_BUSY)) != FRAME_UPTODATE)) {
		frame_busy_lock(f); /* it is being read, or about to leave */
		flags = frame_flags(f);
		frame_busy_unlock(f);
	}
	struct fault_verdict v;
	if (likely((flags & (FRAME_UPTODATE | FRAME_SWAPCACHE)) == (FRAME_UPTODATE | FRAME_SWAPCACHE))) {
		v = map_swapped(s, r, addr, access, e, f);
	} else {
		v = flags & FRAME_UPTODATE ? VERDICT_MAPPED : VERDICT_SIGNAL(SIGBUS, BUS_ADRERR); /* repeated; not to be read */
		frame_put(f);
	}
	v.major = is_major;
	return v;
}
