/* SPDX-License-Identifier: MIT */
/*
 * mprotect: splits at the edges, changes flags region by region, then the entries. Everything that can
 * fail (rights, spares, commit charge, unsharing) comes before the first change of a region; regions
 * before the failing one stay changed, as on Linux.
 */
#include "internal.h"

/* READ needs MAYREAD and so on: the bits lie three above. */
static bool is_allowed(u32 region_flags, u32 rights)
{
	return (!(rights & REGION_READ) || region_flags & REGION_MAYREAD) &&
	       (!(rights & REGION_WRITE) || region_flags & REGION_MAYWRITE) &&
	       (!(rights & REGION_EXEC) || region_flags & REGION_MAYEXEC);
}

/* Private memory that becomes writable is charged from then on. */
static int charge_new_writable(struct space *s, struct region *r, u32 flags, u64 nr)
{
	if (!(flags & REGION_WRITE) || r->flags & (REGION_WRITE | REGION_SHARED | REGION_ACCOUNT | REGION_NORESERVE))
		return 0;
	if (account_may_expand(s, flags, 0))
		return -ENOMEM;
	return space_commit_charge(s, nr) ? -ENOMEM : 1;
}

/* Changes [start, end), which lies within r; *out = the region that holds it afterwards. is_alone: region_is_alone(). */
static inline __attribute__((always_inline)) int protect_one(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 rights,
                                                             struct region **out, bool is_alone)
{
	u32 old = r->flags, flags = (old & ~(REGION_READ | REGION_WRITE | REGION_EXEC)) | rights;
	u64 nr = (end - start) >> PAGE_SHIFT;
	struct region_spares sp = { 0 };
	*out = r;
	if (!is_allowed(old, rights))
		return -EACCES;
	if (flags == old)
		return 0;
	int charged = charge_new_writable(s, r, flags, nr);
	if (charged < 0)
		return charged;
	if (charged)
		flags |= REGION_ACCOUNT;
	unsigned cuts = is_alone ? 0 : region_reflag_cuts(r, start, end, flags);
	if (cuts && (s->nr_regions >= mm_tunables.max_map_count || spares_reserve(&sp, cuts)))
		goto no_memory;
	struct frame *table;
	enum range_look look = range_look(s, start, end, &table);
	if (look == RANGE_UNKNOWN && range_unshare(s, start, end))
		goto no_memory;

	if (is_alone)
		r->flags = flags;
	else
		*out = region_reflag(s, r, start, end, flags, &sp);
	account_reflag(s, old, flags, nr);
	if (look == RANGE_OWN)
		protect_leaf(s, table, start, end, flags);
	else if (look != RANGE_EMPTY)
		protect_range(s, start, end, flags);
	/* What is locked in memory shall not fault for its first write later. */
	if ((old & (REGION_LOCKED | REGION_WRITE | REGION_SHARED)) == REGION_LOCKED && flags & REGION_WRITE)
		populate_locked(s, start, end, true); /* best effort */
	return 0;

no_memory:
	spares_release(&sp);
	if (charged)
		space_commit_release(nr);
	return -ENOMEM;
}

/* Several regions, or parts of them. */
static __attribute__((noinline)) int protect_regions(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 prot)
{
	if (!r || r->start >= end)
		return -ENOMEM;
	if (prot & PROT_GROWSDOWN) {
		if (!(r->flags & REGION_GROWSDOWN))
			return -EINVAL;
		start = r->start;
	} else if (r->start > start) {
		return -ENOMEM;
	}
	if (prot & PROT_GROWSUP)
		return -EINVAL;
	u32 rights = prot_flags(prot);
	for (uaddr_t at = start; at < end;) {
		if (!r || r->start > at)
			return -ENOMEM;
		uaddr_t to = min(r->end, end);
		int err = protect_one(s, r, at, to, rights, &r, false);
		if (err)
			return err;
		at = to;
		if (r->end <= at)
			r = region_next(r);
	}
	return 0;
}

static inline int mprotect_locked(struct space *s, uaddr_t start, uaddr_t end, u32 prot)
{
	struct region *r = region_lookup(s, start);
	u32 rights = prot_flags(prot);
	if (likely(r && region_is_alone(r, start, end, rights) && !(prot & (PROT_GROWSDOWN | PROT_GROWSUP))))
		return protect_one(s, r, start, end, rights, &r, true);
	return protect_regions(s, r, start, end, prot);
}

#define PROT_RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

/* In the order in which Linux looks at them. 1: there is something to do. */
static __attribute__((noinline)) int check_arguments(uaddr_t addr, u64 len, u32 prot)
{
	u32 grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	if (addr + PAGE_ALIGN_UP(len) <= addr)
		return -ENOMEM;
	return prot & ~(PROT_RWX | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP) ? -EINVAL : 1;
}

int space_mprotect(struct space *s, uaddr_t addr, u64 len, u32 prot)
{
	uaddr_t end = addr + PAGE_ALIGN_UP(len);
	if (unlikely(prot & ~PROT_RWX || addr & ~PAGE_MASK || end <= addr)) {
		int check = check_arguments(addr, len, prot);
		if (check <= 0)
			return check;
	}
	rwlock_write(&s->lock);
	int err = mprotect_locked(s, addr, end, prot);
	rwlock_write_unlock(&s->lock);
	return err;
}
