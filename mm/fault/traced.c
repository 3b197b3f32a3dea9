/* SPDX-License-Identifier: MIT */
/*
 * What a fault did and why, for the record: the entry before and after tells. Only while faults are recorded, so that
 * a fault that nobody watches pays for none of it.
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/leaf.h>
#include <mm/trace.h>

/* The entry for addr as it is: a look without locks. The tables above it stay while the space is locked; a leaf table
 * that goes meanwhile is memory still. */
static __attribute__((noinline)) pte_t look(struct space *s, uaddr_t addr)
{
	const pte_t *entries = hal_frame_ptr(s->root_pfn);
	for (unsigned level = HAL_LEVELS; level > 1; level--) {
		pte_t e = hal_entry_load(&entries[table_index(addr, level)]);
		if (pte_is_none(e))
			return e;
		entries = hal_frame_ptr(pte_pfn(e));
	}
	return hal_entry_load(&entries[table_index(addr, 1)]);
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

static enum trace_cause cause_of(const struct fault_trace *t, pte_t after, struct fault_verdict v)
{
	pte_t before = t->before;
	if (v.kind != FAULT_MAPPED)
		return v.kind == FAULT_SIGNAL ? CAUSE_SIGNAL : v.kind == FAULT_OOM ? CAUSE_NO_MEMORY : CAUSE_RETRY;
	if (pte_is_swap(before))
		return CAUSE_SWAP_IN;
	if (!pte_is_mapped(before))
		return t->r ? cause_of_fill(t->r, after) : CAUSE_STALE;
	if (is_special_page(before) && !is_special_page(after))
		return CAUSE_ZERO_FILL;
	if (pte_pfn(before) != pte_pfn(after))
		return CAUSE_COPY;
	return (before.bits ^ after.bits) & PTE_RIGHTS ? CAUSE_OWN : CAUSE_STALE;
}

void fault_record(const struct fault_trace *t, struct space *s, uaddr_t addr, unsigned access, struct fault_verdict v)
{
	u64 now = hal_clock_ns();
	pte_t after = likely(t->entry) ? hal_entry_load(t->entry) : look(s, addr); /* without its table's lock, as look() */
	u64 how = (u64)(u8)access | (u64)cause_of(t, after, v) << 8 | (u64)v.sig << 16 | (u64)v.code << 24 | (u64)(v.major != 0) << 32;
	trace_write_at(now, TRACE_FAULT, addr, how, pte_is_mapped(after) ? pte_pfn(after) : 0, now - t->began_ns);
}
