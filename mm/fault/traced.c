/* SPDX-License-Identifier: MIT */
/*
 * What a fault did and why, for the record: the entry before and after tells. Only while faults are recorded, so that
 * a fault that nobody watches pays for none of it.
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/leaf.h>
#include <mm/trace.h>

/* The entry for addr; none, if there is no table. */
static pte_t look(struct space *s, uaddr_t addr)
{
	struct leaf l;
	if (!leaf_lock(s, addr, &l))
		return pte_none();
	pte_t e = hal_entry_load(l.entry);
	leaf_unlock(&l);
	return e;
}

void fault_trace_begin(struct fault_trace *t, struct space *s, uaddr_t addr)
{
	t->before = look(s, addr);
	t->began_ns = hal_clock_ns();
}

static bool is_special_page(pte_t e) { return pte_is_mapped(e) && pte_is_special(e) && !pte_is_swap(e); }

/* A page where there was none. */
static enum trace_cause cause_of_fill(const struct region *r, pte_t after)
{
	if (r->flags & REGION_SPECIAL)
		return CAUSE_SPECIAL;
	if (is_special_page(after))
		return CAUSE_ZERO_PAGE;
	if (!r->mapping)
		return CAUSE_ZERO_FILL;
	if (pte_is_mapped(after) && pte_frame(after)->kind == FRAME_ANON)
		return CAUSE_COPY;
	return r->mapping->flags & MAPPING_SHMEM ? CAUSE_SHARED_MEMORY : CAUSE_FILE_PAGE;
}

static enum trace_cause cause_of(const struct fault_trace *t, const struct region *r, pte_t after, struct fault_verdict v)
{
	pte_t before = t->before;
	if (v.kind != FAULT_MAPPED)
		return v.kind == FAULT_SIGNAL ? CAUSE_SIGNAL : v.kind == FAULT_OOM ? CAUSE_NO_MEMORY : CAUSE_RETRY;
	if (pte_is_swap(before))
		return CAUSE_SWAP_IN;
	if (!pte_is_mapped(before))
		return r ? cause_of_fill(r, after) : CAUSE_STALE;
	if (is_special_page(before) && !is_special_page(after))
		return CAUSE_ZERO_FILL;
	if (pte_pfn(before) != pte_pfn(after))
		return CAUSE_COPY;
	return (before.bits ^ after.bits) & PTE_RIGHTS ? CAUSE_OWN : CAUSE_STALE;
}

void fault_trace_end(const struct fault_trace *t, struct space *s, uaddr_t addr, unsigned access, struct fault_verdict v)
{
	u64 cost = hal_clock_ns() - t->began_ns;
	pte_t after = look(s, addr);
	struct region *r = region_lookup(s, addr);
	enum trace_cause cause = cause_of(t, r && r->start <= addr ? r : NULL, after, v);
	u64 how = (u64)(u8)access | (u64)cause << 8 | (u64)v.sig << 16 | (u64)v.code << 24 | (u64)(v.major != 0) << 32;
	trace_point(TRACE_FAULT, addr, how, pte_is_mapped(after) ? pte_pfn(after) : 0, cost);
}
