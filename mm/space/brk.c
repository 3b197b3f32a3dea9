/* SPDX-License-Identifier: MIT */
/* brk: the heap behind the program's data, one anonymous region that grows and shrinks at its end. */
#include "internal.h"
#include <mm/trace.h>

#define HEAP_FLAGS (REGION_READ | REGION_WRITE | REGION_MAYREAD | REGION_MAYWRITE | REGION_MAYEXEC)

static u32 heap_flags(const struct space *s)
{
	u32 f = HEAP_FLAGS;
	if (s->def_flags_locked)
		f |= REGION_LOCKED;
	if (s->def_flags_locked == 2)
		f |= REGION_LOCKONFAULT;
	return f;
}

static int brk_grow(struct space *s, uaddr_t from, uaddr_t to)
{
	/* One page stays free before whatever follows, and the guard gap before a stack. */
	struct region *next = region_lookup(s, from);
	u64 guard = PAGE_SIZE + (next && next->flags & REGION_GROWSDOWN ? STACK_GUARD_GAP : 0);
	if (to > HAL_USER_END || (next && next->start < to + guard))
		return -ENOMEM;
	if (s->nr_regions > mm_tunables.max_map_count)
		return -ENOMEM;
	u32 flags = heap_flags(s);
	if ((flags & REGION_LOCKED) && account_may_lock(s, (to - from) >> PAGE_SHIFT, -EAGAIN))
		return -ENOMEM;
	return map_anonymous_locked(s, from, to, flags, next);
}

static __attribute__((noinline)) void trace_brk(uaddr_t from, uaddr_t to)
{
	if (to > from)
		trace_point(TRACE_MAP, from, to - from, 1ull << 56 | (u64)(MAP_PRIVATE | MAP_ANONYMOUS) << 8 | PROT_READ | PROT_WRITE, 0);
	else if (to < from)
		trace_point(TRACE_UNMAP, to, from - to, 0, 0);
}

uaddr_t space_brk(struct space *s, uaddr_t brk)
{
	rwlock_write(&s->lock);
	uaddr_t old = s->brk, from = PAGE_ALIGN_UP(old), to = PAGE_ALIGN_UP(brk);
	bool populate = false;
	/* The program's data and its heap share RLIMIT_DATA. */
	u64 data = (brk - s->brk_start) + (s->data_end - s->data_start), limit = host_rlimits()[RLIMIT_DATA].cur;
	if (brk < s->brk_start || brk >= HAL_USER_END || s->is_dead || (limit != ~0ul && data > limit))
		goto out;
	if (to < from) {
		/* As Linux: where nothing is mapped any more there is nothing to give back. */
		struct region *r = region_lookup(s, to);
		if (!r || r->start >= from || munmap_locked(s, to, from - to))
			goto out;
	} else if (to > from) {
		if (brk_grow(s, from, to))
			goto out;
		populate = s->def_flags_locked == 1;
	}
	s->brk = brk;
out:
	old = s->brk;
	rwlock_write_unlock(&s->lock);
	if (trace_is_on_any(1u << TRACE_MAP | 1u << TRACE_UNMAP) && old == brk)
		trace_brk(from, to);
	if (populate) {
		rwlock_read(&s->lock);
		populate_locked(s, from, to, true);
		rwlock_read_unlock(&s->lock);
	}
	return old;
}
