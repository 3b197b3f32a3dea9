/* SPDX-License-Identifier: MIT */
/*
 * mmap: checks, a place, room for it, the region. Checks and error numbers in the order of Linux's
 * do_mmap, as mmap(2) and its behaviour document them.
 */
#include "internal.h"
#include <mm/trace.h>

/* Flags of the new region, or -errno for a file opened the wrong way. */
static int region_flags_for(struct space *s, const struct mmap_request *q, u32 *out)
{
	u32 f = prot_flags(q->prot) | REGION_MAYREAD | REGION_MAYWRITE | REGION_MAYEXEC | q->extra_flags;
	u32 type = q->flags & MAP_TYPE;
	if (q->mapping && !(q->flags & MAP_ANONYMOUS)) {
		if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
			if ((q->prot & PROT_WRITE) && !q->file_writable)
				return -EACCES;
			if (!q->file_writable)
				f &= ~REGION_MAYWRITE;
			f |= REGION_SHARED;
		}
		if (!q->file_readable)
			return -EACCES;
		if (q->flags & MAP_GROWSDOWN)
			return -EINVAL;
	} else if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
		if (q->flags & MAP_GROWSDOWN)
			return -EINVAL;
		f |= REGION_SHARED;
	}
	if (q->flags & MAP_GROWSDOWN)
		f |= REGION_GROWSDOWN;
	if ((q->flags & MAP_NORESERVE) && mm_tunables.overcommit_memory != 2)
		f |= REGION_NORESERVE;
	if ((q->flags & MAP_LOCKED) || s->def_flags_locked)
		f |= REGION_LOCKED;
	if (s->def_flags_locked == 2 && !(q->flags & MAP_LOCKED))
		f |= REGION_LOCKONFAULT;
	*out = f;
	return 0;
}

static bool is_accountable(u32 flags)
{
	return (flags & (REGION_NORESERVE | REGION_SHARED | REGION_WRITE)) == REGION_WRITE;
}

static int check_request(struct space *s, const struct mmap_request *q, u64 len)
{
	u32 type = q->flags & MAP_TYPE;
	if (!q->len)
		return -EINVAL;
	if (!len || len > HAL_USER_END)
		return -ENOMEM;
	if (q->offset + len < q->offset)
		return -EOVERFLOW;
	if (s->nr_regions > mm_tunables.max_map_count)
		return -ENOMEM;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (q->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (q->addr & ~PAGE_MASK)
			return -EINVAL;
		if (q->addr > HAL_USER_END || HAL_USER_END - q->addr < len)
			return -ENOMEM;
		if (q->addr < mm_tunables.mmap_min_addr)
			return -EPERM;
	}
	return 0;
}

/* *after = the region above the chosen place, unless something is mapped there (MAP_FIXED). */
static int choose_address(struct space *s, const struct mmap_request *q, u64 len, uaddr_t *out, struct region **after)
{
	if (unlikely(q->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		*out = q->addr;
		*after = region_lookup(s, q->addr);
		if ((q->flags & MAP_FIXED_NOREPLACE) && *after && (*after)->start < q->addr + len)
			return -EEXIST;
		return 0;
	}
	if (unlikely(q->flags & MAP_32BIT))
		return gap_find_32bit(s, q->addr, len, out, after);
	uaddr_t hint = q->addr && q->addr < mm_tunables.mmap_min_addr ? PAGE_ALIGN_UP(mm_tunables.mmap_min_addr) : q->addr;
	return gap_find(s, PAGE_ALIGN_UP(hint), len, -1, out, after);
}

/* Room in limits and commit for what q describes; on success REGION_ACCOUNT tells that it was charged. */
static int charge(struct space *s, struct region_spec *q, u64 freed_pages)
{
	u64 nr = (q->end - q->start) >> PAGE_SHIFT;
	if (nr > freed_pages && account_may_expand(s, q->flags, nr - freed_pages))
		return -ENOMEM;
	if (is_accountable(q->flags)) {
		if (space_commit_charge(s, nr))
			return -ENOMEM;
		q->flags |= REGION_ACCOUNT;
	}
	return 0;
}

static void uncharge(const struct region_spec *q)
{
	if (q->flags & REGION_ACCOUNT)
		space_commit_release((q->end - q->start) >> PAGE_SHIFT);
}

/* Brings in what was charged, or takes the charge back. */
static int bring_in_charged(struct space *s, const struct region_spec *q, struct region *after)
{
	if (unlikely(!region_bring_in(s, q, after))) {
		uncharge(q);
		return -ENOMEM;
	}
	account_pages(s, q->flags, (s64)((q->end - q->start) >> PAGE_SHIFT));
	return 0;
}

static u64 pages_in_range(struct space *s, uaddr_t start, uaddr_t end)
{
	u64 nr = 0;
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = region_next(r))
		nr += (min(r->end, end) - max(r->start, start)) >> PAGE_SHIFT;
	return nr;
}

/* Takes away what lies where q is to be (MAP_FIXED); q is charged. */
static int replace(struct space *s, const struct region_spec *q, struct region **after)
{
	int err = munmap_locked(s, q->start, q->end - q->start);
	if (err)
		uncharge(q);
	*after = region_lookup(s, q->start);
	return err;
}

static int mmap_locked(struct space *s, const struct mmap_request *q, u64 len, uaddr_t *out)
{
	struct region_spec spec;
	struct region *after;
	if (s->is_dead)
		return -ENOMEM;
	int err = check_request(s, q, len);
	if (!err)
		err = choose_address(s, q, len, &spec.start, &after);
	if (!err)
		err = region_flags_for(s, q, &spec.flags);
	if (err)
		return err;
	if ((q->flags & MAP_LOCKED) && (err = account_may_lock(s, len >> PAGE_SHIFT, -EAGAIN)) != 0)
		return err;
	if ((spec.flags & REGION_SHARED) && (spec.flags & REGION_WRITE) && q->mapping && READ_ONCE(q->mapping->nr_writable) < 0)
		return -EPERM;
	spec.end = spec.start + len;
	spec.pgoff = (q->mapping ? q->offset : spec.start) >> PAGE_SHIFT;
	spec.mapping = q->mapping;
	spec.file = q->file;
	spec.special_pfns = NULL;
	spec.name = NULL;
	bool is_taken = (q->flags & MAP_FIXED) && after && after->start < spec.end;
	err = charge(s, &spec, is_taken ? pages_in_range(s, spec.start, spec.end) : 0);
	if (!err && unlikely(is_taken))
		err = replace(s, &spec, &after);
	if (!err)
		err = bring_in_charged(s, &spec, after);
	*out = spec.start;
	return err;
}

int space_mmap(struct space *s, const struct mmap_request *q, uaddr_t *out)
{
	u64 len = PAGE_ALIGN_UP(q->len);
	rwlock_write(&s->lock);
	int err = mmap_locked(s, q, len, out);
	bool populate = !err && ((q->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE || (q->flags & MAP_LOCKED) ||
	                         s->def_flags_locked == 1);
	rwlock_write_unlock(&s->lock);
	if (!err)
		trace_point(TRACE_MAP, *out, len, (u64)q->flags << 8 | (u8)q->prot, q->mapping ? q->mapping->id : 0);
	if (populate) {
		rwlock_read(&s->lock);
		populate_locked(s, *out, *out + len, true); /* best effort, as documented */
		rwlock_read_unlock(&s->lock);
	}
	return err;
}

int map_anonymous_locked(struct space *s, uaddr_t start, uaddr_t end, u32 flags, struct region *after)
{
	struct region_spec spec = { .start = start, .end = end, .flags = flags, .pgoff = start >> PAGE_SHIFT };
	int err = charge(s, &spec, 0);
	return err ? err : bring_in_charged(s, &spec, after);
}

int space_map_special(struct space *s, uaddr_t addr, u64 len, u32 prot, const pfn_t *pfns, const char *name, uaddr_t *out)
{
	struct region_spec spec = { .flags = prot_flags(prot) | REGION_MAYREAD | REGION_MAYEXEC | REGION_SPECIAL | REGION_DONTDUMP,
		                        .special_pfns = pfns,
		                        .name = name };
	struct region *after;
	rwlock_write(&s->lock);
	int err = gap_find(s, addr, PAGE_ALIGN_UP(len), -1, &spec.start, &after);
	if (!err) {
		spec.end = spec.start + PAGE_ALIGN_UP(len);
		*out = spec.start;
		err = bring_in_charged(s, &spec, after);
	}
	rwlock_write_unlock(&s->lock);
	return err;
}
