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

static int choose_address(struct space *s, const struct mmap_request *q, u64 len, uaddr_t *out)
{
	if (q->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		*out = q->addr;
		if ((q->flags & MAP_FIXED_NOREPLACE) && !range_is_free(s, q->addr, q->addr + len))
			return -EEXIST;
		return 0;
	}
	if (q->flags & MAP_32BIT)
		return gap_find_32bit(s, q->addr, len, out);
	uaddr_t hint = q->addr && q->addr < mm_tunables.mmap_min_addr ? PAGE_ALIGN_UP(mm_tunables.mmap_min_addr) : q->addr;
	return gap_find(s, PAGE_ALIGN_UP(hint), len, -1, out);
}

/* The neighbour before `at` may simply grow over [at, at+len). */
static bool extend_neighbour(struct space *s, uaddr_t at, u64 len, const struct region *like)
{
	struct region *after = region_lookup(s, at);
	struct region *before = after ? region_prev(after) : NULL;
	if (!after) {
		struct rb_node *n = rb_last(&s->regions);
		before = n ? container_of(n, struct region, node) : NULL;
	}
	if (!before || before->end != at || before->flags != like->flags || before->mapping != like->mapping ||
	    before->file != like->file || before->name != like->name || (like->flags & REGION_SPECIAL))
		return false;
	if (like->mapping && before->pgoff + region_pages(before) != like->pgoff)
		return false;
	region_resize(s, before, before->start, at + len);
	if (after && after->start == at + len)
		region_merge(s, before);
	return true;
}

/* Inserts what `like` describes; the range is free. Charges are made already. */
static int insert_region(struct space *s, const struct region *like)
{
	u64 len = like->end - like->start;
	account_pages(s, like->flags, (s64)(len >> PAGE_SHIFT));
	if (extend_neighbour(s, like->start, len, like))
		return 0;
	struct region *r = region_alloc();
	if (!r) {
		account_pages(s, like->flags, -(s64)(len >> PAGE_SHIFT));
		return -ENOMEM;
	}
	region_init_copy(r, like, like->start, like->end);
	region_insert(s, r);
	region_merge(s, r);
	return 0;
}

/* Room in limits and commit for `like`; on success REGION_ACCOUNT tells that it was charged. */
static int charge_region(struct space *s, struct region *like, u64 freed_pages)
{
	u64 nr = region_pages(like);
	if (nr > freed_pages && account_may_expand(s, like->flags, nr - freed_pages))
		return -ENOMEM;
	if (is_accountable(like->flags)) {
		if (space_commit_charge(nr))
			return -ENOMEM;
		like->flags |= REGION_ACCOUNT;
	}
	return 0;
}

static u64 pages_in_range(struct space *s, uaddr_t start, uaddr_t end)
{
	u64 nr = 0;
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = region_next(r))
		nr += (min(r->end, end) - max(r->start, start)) >> PAGE_SHIFT;
	return nr;
}

static int mmap_locked(struct space *s, const struct mmap_request *q, u64 len, uaddr_t *out)
{
	struct region like = { .mapping = q->mapping, .file = q->file, .pgoff = q->offset >> PAGE_SHIFT };
	uaddr_t at;
	if (s->is_dead)
		return -ENOMEM;
	int err = check_request(s, q, len);
	if (!err)
		err = choose_address(s, q, len, &at);
	if (!err)
		err = region_flags_for(s, q, &like.flags);
	if (err)
		return err;
	if ((q->flags & MAP_LOCKED) && (err = account_may_lock(s, len >> PAGE_SHIFT, -EAGAIN)) != 0)
		return err;
	if ((like.flags & REGION_SHARED) && (like.flags & REGION_WRITE) && q->mapping && READ_ONCE(q->mapping->nr_writable) < 0)
		return -EPERM;
	like.start = at;
	like.end = at + len;
	if (!q->mapping)
		like.pgoff = at >> PAGE_SHIFT;
	err = charge_region(s, &like, q->flags & MAP_FIXED ? pages_in_range(s, at, at + len) : 0);
	if (err)
		return err;
	if (q->flags & MAP_FIXED)
		err = munmap_locked(s, at, len);
	if (!err)
		err = insert_region(s, &like);
	if (err) {
		if (like.flags & REGION_ACCOUNT)
			space_commit_release(len >> PAGE_SHIFT);
		return err;
	}
	*out = at;
	return 0;
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
		trace_point(TRACE_MAP, *out, len, q->flags, q->prot);
	if (populate) {
		rwlock_read(&s->lock);
		populate_locked(s, *out, *out + len, true); /* best effort, as documented */
		rwlock_read_unlock(&s->lock);
	}
	return err;
}

int map_anonymous_locked(struct space *s, uaddr_t start, uaddr_t end, u32 flags, struct region **out)
{
	struct region like = { .start = start, .end = end, .flags = flags, .pgoff = start >> PAGE_SHIFT };
	int err = charge_region(s, &like, 0);
	if (err)
		return err;
	err = insert_region(s, &like);
	if (err && (like.flags & REGION_ACCOUNT))
		space_commit_release(region_pages(&like));
	if (!err && out)
		*out = region_lookup(s, start);
	return err;
}

int space_map_special(struct space *s, uaddr_t addr, u64 len, u32 prot, const pfn_t *pfns, const char *name, uaddr_t *out)
{
	struct region like = { .flags = prot_flags(prot) | REGION_MAYREAD | REGION_MAYEXEC | REGION_SPECIAL | REGION_DONTDUMP,
		                   .special_pfns = pfns,
		                   .name = name };
	rwlock_write(&s->lock);
	int err = gap_find(s, addr, PAGE_ALIGN_UP(len), -1, &like.start);
	like.end = like.start + PAGE_ALIGN_UP(len);
	if (!err)
		err = insert_region(s, &like);
	rwlock_write_unlock(&s->lock);
	*out = like.start;
	return err;
}
