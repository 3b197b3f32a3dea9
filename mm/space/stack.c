/* SPDX-License-Identifier: MIT */
/* Stacks grow down by faults below them, within RLIMIT_STACK and at a distance from what lies below. */
#include "internal.h"

/*
 *   before  ...........|stack|
 *   after   ......|stack.....|     at least the guard gap to what lies below
 */
int stack_grow_locked(struct space *s, uaddr_t addr)
{
	struct region *r = region_lookup(s, addr);
	if (!r || !(r->flags & REGION_GROWSDOWN))
		return -1;
	if (r->start <= addr)
		return 0;
	struct region *prev = region_prev(r);
	u64 more = (r->start - addr) >> PAGE_SHIFT;
	if (addr < mm_tunables.mmap_min_addr)
		return -1;
	if (prev && !(prev->flags & REGION_GROWSDOWN) && region_is_accessible(prev) && addr - prev->end < STACK_GUARD_GAP)
		return -1;
	if (prev && addr < prev->end)
		return -1;
	if (r->end - addr > host_rlimits()[RLIMIT_STACK].cur || account_may_expand(s, r->flags, more) ||
	    ((r->flags & REGION_LOCKED) && account_may_lock(s, more, -EAGAIN)))
		return -1;
	if ((r->flags & REGION_ACCOUNT) && space_commit_charge(s, more))
		return -1;
	account_pages(s, r->flags, (s64)more);
	region_resize(s, r, addr, r->end);
	return 0;
}
