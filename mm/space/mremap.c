/* SPDX-License-Identifier: MIT */
/*
 * mremap: shrink, grow in place, move. A move reserves the target's region and tables, then relinks
 * whole tables where it can and entries where it must, and cannot fail any more. When the kernel picks
 * the target it picks it congruent modulo 2 MiB, so that whole tables move.
 */
#include "internal.h"
#include <mm/trace.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

struct remap {
	uaddr_t old, new_addr;
	u64 old_len, new_len;
	u32 flags;
};

/* The region at q->old must hold all of old_len. 0 or -errno; *out = it. */
static int check_source(struct space *s, const struct remap *q, struct region **out)
{
	struct region *r = region_lookup(s, q->old);
	if (!r || r->start > q->old)
		return -EFAULT;
	*out = r;
	if (!q->old_len && !(r->flags & REGION_SHARED))
		return -EINVAL; /* a second view exists for shared mappings only */
	if ((q->flags & MREMAP_DONTUNMAP) && r->flags & REGION_SPECIAL)
		return -EINVAL;
	if (q->old_len > r->end - q->old)
		return -EFAULT;
	if (q->new_len <= q->old_len)
		return 0;
	u64 more = (q->new_len - q->old_len) >> PAGE_SHIFT;
	if (r->flags & REGION_SPECIAL)
		return -EFAULT;
	if (r->mapping && region_index(r, q->old) + (q->new_len >> PAGE_SHIFT) < region_index(r, q->old))
		return -EINVAL;
	if ((r->flags & REGION_LOCKED) && account_may_lock(s, more, -EAGAIN))
		return -EAGAIN;
	return account_may_expand(s, r->flags, more);
}

static int grow_in_place(struct space *s, struct region *r, u64 more)
{
	if ((r->flags & REGION_ACCOUNT) && space_commit_charge(s, more >> PAGE_SHIFT))
		return -ENOMEM;
	account_pages(s, r->flags, (s64)(more >> PAGE_SHIFT));
	region_resize(s, r, r->start, r->end + more);
	region_merge(s, r);
	return 0;
}

static bool can_grow_in_place(struct space *s, struct region *r, const struct remap *q)
{
	u64 more = q->new_len - q->old_len;
	if (q->old + q->old_len != r->end || HAL_USER_END - r->end < more)
		return false;
	struct region *next = region_next(r);
	u64 guard = next && next->flags & REGION_GROWSDOWN ? STACK_GUARD_GAP : 0;
	return !next || next->start >= r->end + more + guard;
}

/* Removes [old, old+old_len), or leaves it mapped and empty. */
static void retire_source(struct space *s, const struct remap *q, u32 flags, bool is_bare)
{
	if (!(q->flags & MREMAP_DONTUNMAP)) {
		munmap_moved_locked(s, q->old, q->old_len, is_bare);
		return;
	}
	struct region *r = region_lookup(s, q->old);
	if (flags & REGION_LOCKED && r) {
		account_pages(s, r->flags, -(s64)region_pages(r));
		r->flags &= ~(REGION_LOCKED | REGION_LOCKONFAULT);
		account_pages(s, r->flags, (s64)region_pages(r));
		region_merge(s, r);
	}
}

/* Moves the pages of r at q->old to the free range at `to`. */
static int move_region(struct space *s, struct region *r, const struct remap *q, uaddr_t to)
{
	u64 nr = q->new_len >> PAGE_SHIFT, moved = min(q->old_len, q->new_len);
	u32 flags = r->flags;
	if (s->nr_regions >= mm_tunables.max_map_count - 3)
		return -ENOMEM;
	if ((flags & REGION_ACCOUNT) && space_commit_charge(s, nr))
		return -ENOMEM;
	/* The edges of the source must be able to leave, before anything moves. */
	struct region_spares sp = { 0 };
	struct region *copy = region_alloc();
	if (!copy || spares_reserve(&sp, 2) || move_reserve(s, q->old, to, moved) ||
	    (q->old_len && range_unshare_edges(s, q->old, q->old + q->old_len)))
		goto no_memory;
	if (q->old_len) {
		r = region_split(s, r, q->old, &sp);
		region_split(s, r, q->old + q->old_len, &sp);
	}
	spares_release(&sp);
	struct region_spec spec = region_spec_of(r, q->old, 0);
	spec.start = to;
	spec.end = to + q->new_len;
	region_init(copy, &spec);
	account_pages(s, copy->flags, (s64)nr);
	region_insert(s, copy, region_lookup(s, to));
	bool is_bare = moved && move_range(s, q->old, to, moved);
	if (q->old_len)
		retire_source(s, q, flags, is_bare);
	region_merge(s, copy);
	return 0;

no_memory:
	if (copy)
		region_discard(copy);
	spares_release(&sp);
	if (flags & REGION_ACCOUNT)
		space_commit_release(nr);
	/* Tables reserved for the target may stand empty. */
	struct gather g;
	gather_begin(&g, s);
	prune_tables(&g, to, to + q->new_len);
	gather_end(&g);
	return -ENOMEM;
}

static int remap_fixed(struct space *s, const struct remap *q, uaddr_t *out)
{
	struct region *r;
	if ((q->new_addr & ~PAGE_MASK) || q->new_len > HAL_USER_END || q->new_addr > HAL_USER_END - q->new_len)
		return -EINVAL;
	if (q->old < q->new_addr + q->new_len && q->new_addr < q->old + q->old_len)
		return -EINVAL;
	if (q->new_addr < mm_tunables.mmap_min_addr)
		return -EPERM;
	if (s->nr_regions + 2 >= mm_tunables.max_map_count - 3)
		return -ENOMEM;
	int err = munmap_locked(s, q->new_addr, q->new_len);
	if (err)
		return err;
	struct remap shrunk = *q;
	if (q->old_len > q->new_len) {
		err = munmap_locked(s, q->old + q->new_len, q->old_len - q->new_len);
		if (err)
			return err;
		shrunk.old_len = q->new_len;
	}
	err = check_source(s, &shrunk, &r);
	if (!err)
		err = move_region(s, r, &shrunk, q->new_addr);
	*out = q->new_addr;
	return err;
}

static int remap_any(struct space *s, const struct remap *q, uaddr_t *out)
{
	struct region *r;
	*out = q->old;
	if (q->old_len >= q->new_len && !(q->flags & MREMAP_DONTUNMAP)) {
		if (q->old_len == q->new_len)
			return 0;
		return munmap_locked(s, q->old + q->new_len, q->old_len - q->new_len);
	}
	int err = check_source(s, q, &r);
	if (err)
		return err;
	if (!(q->flags & MREMAP_DONTUNMAP) && q->old_len && can_grow_in_place(s, r, q))
		return grow_in_place(s, r, q->new_len - q->old_len);
	if (!(q->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	uaddr_t hint = q->flags & MREMAP_DONTUNMAP ? q->new_addr : 0;
	struct region *after;
	err = gap_find(s, hint, q->new_len, q->new_len >= LEAF_SPAN ? (s64)(q->old & (LEAF_SPAN - 1)) : -1, out, &after);
	return err ? err : move_region(s, r, q, *out);
}

static __attribute__((noinline)) void trace_moved(struct space *s, const struct remap *q, uaddr_t to)
{
	const struct region *r = region_lookup(s, to);
	if (!(q->flags & MREMAP_DONTUNMAP))
		trace_point(TRACE_UNMAP, q->old, q->old_len, 0, 0);
	trace_point(TRACE_MAP, to, q->new_len, r->flags & (REGION_READ | REGION_WRITE | REGION_EXEC), r->mapping ? r->mapping->id : 0);
}

int space_mremap(struct space *s, uaddr_t old, u64 old_len, u64 new_len, u32 flags, uaddr_t new_addr, uaddr_t *out)
{
	struct remap q = { .old = old, .new_addr = new_addr, .flags = flags };
	q.old_len = PAGE_ALIGN_UP(old_len);
	q.new_len = PAGE_ALIGN_UP(new_len);
	if (flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && (!old_len || old_len != new_len))
		return -EINVAL;
	if ((old & ~PAGE_MASK) || !q.new_len)
		return -EINVAL;

	rwlock_write(&s->lock);
	struct region *r = region_lookup(s, old);
	int err = !r || r->start > old ? -EFAULT : flags & MREMAP_FIXED ? remap_fixed(s, &q, out) : remap_any(s, &q, out);
	r = err || q.new_len <= q.old_len ? NULL : region_lookup(s, *out);
	bool populate = r && r->flags & REGION_LOCKED && !(r->flags & REGION_LOCKONFAULT);
	if (trace_is_on_any(1u << TRACE_MAP | 1u << TRACE_UNMAP) && !err)
		trace_moved(s, &q, *out);
	rwlock_write_unlock(&s->lock);
	if (populate) {
		rwlock_read(&s->lock);
		populate_locked(s, *out + q.old_len, *out + q.new_len, true);
		rwlock_read_unlock(&s->lock);
	}
	return err;
}
