/* SPDX-License-Identifier: MIT */
/*
 * A page in swap. It is mapped where it was touched only; who else has it in swap finds it in the swap cache
 * by his own fault. A leaf table that fork shares is changed in place, for all sharers.
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/swap.h>
#include <mm/turn.h>

/* What a touch gets beside its region's rights; W comes with a write that finds the page its own. */
static u64 bits_of(const struct region *r) { return rights_of(r->flags, false) | PTE_ACCESSED; }

/* Maps f, up to date and with a reference that is used up, where e still stands. */
static struct fault_verdict map_swapped(struct space *s, struct region *r, uaddr_t addr, unsigned access, pte_t e, struct frame *f)
{
	struct leaf l;
	if (!leaf_lock(s, addr, &l)) {
		frame_put_user(f);
		return VERDICT_MAPPED;
	}
	if (hal_entry_load(l.entry).bits != e.bits) { /* somebody was faster, or it is gone: the access is repeated */
		leaf_unlock(&l);
		frame_put_user(f);
		return VERDICT_MAPPED;
	}
	u32 nr_left;
	if (unlikely(!entry_swap_in(l.table, l.index, f, bits_of(r), &nr_left))) {
		struct frame_wait w;
		bool must_wait = frame_wait_begin(f, &w);
		leaf_unlock(&l);
		frame_put(f); /* it would be in the way of who migrates it */
		if (must_wait)
			frame_wait_end(&w);
		return VERDICT_RETRY;
	}
	if (!nr_left && swap_is_tight())
		swap_cache_give_up(f);
	if (access & FAULT_WRITE && !l.is_shared)
		return fault_write_present(s, r, addr, &l, hal_entry_load(l.entry));
	leaf_unlock(&l);
	return VERDICT_MAPPED;
}

/* Is the page there to be mapped? Waits until it has been read; the fault began then. */
static bool is_ready(struct space *s, struct frame *f, u64 began_ns)
{
	const u32 mask = FRAME_UPTODATE | FRAME_SWAPCACHE;
	u32 flags = frame_flags(f);
	if (unlikely((flags & (FRAME_UPTODATE | FRAME_BUSY)) != FRAME_UPTODATE)) {
		frame_busy_lock(f);
		flags = frame_flags(f);
		frame_busy_unlock(f);
		turn_missed(s, f, began_ns);
	}
	return (flags & mask) == mask;
}

struct fault_verdict fault_swap(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l)
{
	pte_t e = hal_entry_load(l->entry);
	bool is_major = false;
	u64 began_ns = hal_clock_ns();
	/* A request for several pages fails for all of them: then each is read alone by whoever needs it. */
	for (unsigned tries = 0; tries < 2; tries++) {
		struct frame *f;
		bool was_read;
		int err = swap_in(l, r, addr, tries != 0, &f, &was_read);
		if (err)
			return verdict_of_error(err);
		is_major |= was_read;
		if (likely(is_ready(s, f, began_ns))) {
			struct fault_verdict v = map_swapped(s, r, addr, access, e, f);
			v.major = is_major;
			return v;
		}
		bool is_stale = frame_flags(f) & FRAME_UPTODATE; /* it has left the cache: the access is repeated */
		frame_put_user(f);
		if (is_stale || !leaf_lock(s, addr, l))
			return VERDICT_MAPPED;
		if (hal_entry_load(l->entry).bits != e.bits) {
			leaf_unlock(l);
			return VERDICT_MAPPED;
		}
	}
	leaf_unlock(l);
	return VERDICT_SIGNAL(SIGBUS, BUS_ADRERR);
}
