/* SPDX-License-Identifier: MIT */
/*
 * Regions whose flags change over a range: mlock and its family, madvise's flag advice. A locked
 * region's pages are brought in and stay; VmLck counts the region's size as Linux does.
 */
#include "internal.h"

int region_change_flags(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 clear, u32 set, struct region **out)
{
	u32 old = r->flags, flags = (old & ~clear) | set;
	struct region_spares sp = { 0 };
	*out = r;
	if (flags == old)
		return 0;
	unsigned cuts = region_reflag_cuts(r, start, end, flags);
	bool gets_locked = flags & ~old & REGION_LOCKED, gets_unlocked = old & ~flags & REGION_LOCKED;
	if (gets_locked && range_unshare(s, start, end))
		return -ENOMEM;
	if (cuts && (s->nr_regions >= mm_tunables.max_map_count || spares_reserve(&sp, cuts)))
		return -ENOMEM;
	*out = region_reflag(s, r, start, end, flags, &sp);
	if (gets_locked || gets_unlocked)
		lock_entries(s, start, end, gets_locked);
	account_reflag(s, old, flags, (end - start) >> PAGE_SHIFT);
	return 0;
}

/* -ENOMEM also at the first hole; what comes before it is changed. */
static int range_change_flags(struct space *s, uaddr_t start, uaddr_t end, u32 clear, u32 set)
{
	struct region *r = region_lookup(s, start);
	for (uaddr_t at = start; at < end;) {
		if (!r || r->start > at)
			return -ENOMEM;
		uaddr_t to = min(r->end, end);
		int err = r->flags & REGION_SPECIAL ? 0 : region_change_flags(s, r, at, to, clear, set, &r);
		if (err)
			return err;
		at = to;
		if (r->end <= at)
			r = region_next(r);
	}
	return 0;
}

/* Pages of [start, end) that are locked already. */
static u64 pages_locked(struct space *s, uaddr_t start, uaddr_t end)
{
	u64 nr = 0;
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = region_next(r))
		if (r->flags & REGION_LOCKED)
			nr += (min(r->end, end) - max(r->start, start)) >> PAGE_SHIFT;
	return nr;
}

static int may_lock_range(struct space *s, uaddr_t start, uaddr_t end)
{
	const struct host_context *h = host_current();
	u64 nr = (end - start) >> PAGE_SHIFT, limit = host_rlimits()[RLIMIT_MEMLOCK].cur >> PAGE_SHIFT;
	if (h->has_ipc_lock || s->locked_pages + nr <= limit)
		return 0;
	return s->locked_pages + nr - pages_locked(s, start, end) <= limit ? 0 : -ENOMEM;
}

/* Start of the first part of the range that no access may touch, or its end: bringing in stops there. */
static uaddr_t first_inaccessible(struct space *s, uaddr_t start, uaddr_t end)
{
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = region_next(r))
		if (!region_is_accessible(r))
			return max(r->start, start);
	return end;
}

int space_mlock(struct space *s, uaddr_t addr, u64 len, bool on_fault)
{
	const struct host_context *h = host_current();
	if (!h->has_ipc_lock && !host_rlimits()[RLIMIT_MEMLOCK].cur)
		return -EPERM;
	len = PAGE_ALIGN_UP(len + (addr & ~PAGE_MASK));
	addr &= PAGE_MASK;
	if (addr + len < addr)
		return -EINVAL;
	if (!len)
		return 0;
	rwlock_write(&s->lock);
	int err = may_lock_range(s, addr, addr + len);
	if (!err)
		err = range_change_flags(s, addr, addr + len, REGION_LOCKONFAULT,
		                         REGION_LOCKED | (on_fault ? REGION_LOCKONFAULT : 0));
	rwlock_write_unlock(&s->lock);
	if (err || on_fault)
		return err;
	rwlock_read(&s->lock);
	uaddr_t stop = first_inaccessible(s, addr, addr + len);
	err = populate_locked(s, addr, stop, true);
	if (!err && stop < addr + len)
		err = -EFAULT;
	rwlock_read_unlock(&s->lock);
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

int space_munlock(struct space *s, uaddr_t addr, u64 len)
{
	len = PAGE_ALIGN_UP(len + (addr & ~PAGE_MASK));
	addr &= PAGE_MASK;
	if (addr + len < addr)
		return -EINVAL;
	if (!len)
		return 0;
	rwlock_write(&s->lock);
	int err = range_change_flags(s, addr, addr + len, REGION_LOCKED | REGION_LOCKONFAULT, 0);
	rwlock_write_unlock(&s->lock);
	return err;
}

/* Sets or clears the lock flags of every region; special ones stay. */
static void change_all(struct space *s, u32 set)
{
	for (struct region *r = region_first(s); r; r = region_next(r))
		if (!(r->flags & REGION_SPECIAL))
			region_change_flags(s, r, r->start, r->end, REGION_LOCKED | REGION_LOCKONFAULT, set, &r);
}

int space_mlockall(struct space *s, int mcl)
{
	const struct host_context *h = host_current();
	if (!mcl || mcl & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || mcl == MCL_ONFAULT)
		return -EINVAL;
	if (!h->has_ipc_lock && !host_rlimits()[RLIMIT_MEMLOCK].cur)
		return -EPERM;
	rwlock_write(&s->lock);
	int err = 0;
	if (mcl & MCL_CURRENT && !h->has_ipc_lock && s->total_pages > host_rlimits()[RLIMIT_MEMLOCK].cur >> PAGE_SHIFT)
		err = -ENOMEM;
	if (!err) {
		s->def_flags_locked = !(mcl & MCL_FUTURE) ? 0 : mcl & MCL_ONFAULT ? 2 : 1;
		if (mcl & MCL_CURRENT)
			change_all(s, REGION_LOCKED | (mcl & MCL_ONFAULT ? REGION_LOCKONFAULT : 0));
	}
	rwlock_write_unlock(&s->lock);
	if (!err && (mcl & MCL_CURRENT) && !(mcl & MCL_ONFAULT)) {
		rwlock_read(&s->lock);
		populate_locked(s, 0, HAL_USER_END, true);
		rwlock_read_unlock(&s->lock);
	}
	return err;
}

int space_munlockall(struct space *s)
{
	rwlock_write(&s->lock);
	s->def_flags_locked = 0;
	change_all(s, 0);
	rwlock_write_unlock(&s->lock);
	return 0;
}
