/* SPDX-License-Identifier: MIT */
/*
 * Reading through the cache. No lock is held while bytes are copied: the reader's reference keeps the
 * frame, and a page truncated meanwhile reads as what it was or as zeros.
 */
#include "internal.h"
#include <mm/cache.h>
#include <mm/reclaim.h>

/* Page `index`, which is not in memory or not up to date, or triggers the next read-ahead. nr: pages that
 * the caller wants from there. */
static __attribute__((noinline)) int get_slow(struct mapping *m, struct readahead *ra, u64 index, u64 nr, struct frame **page)
{
	struct frame *f = *page;
	if (f && (frame_flags(f) & FRAME_READAHEAD))
		readahead_hit(m, ra, index);
	if (f && (frame_flags(f) & FRAME_UPTODATE))
		return 0;
	if (f)
		frame_put(f);
	else
		readahead_miss(m, ra, index, nr);
	return mapping_get(m, index, ALLOC_USER, page);
}

long cache_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, struct cache_copier *c)
{
	long done = 0;
	int err = 0;
	while (len) {
		u64 off = pos & ~PAGE_MASK, index = pos >> PAGE_SHIFT;
		if (pos >= m->ops->size(m))
			break;
		struct frame *f = mapping_find(m, index);
		if (unlikely(!f || (frame_flags(f) & (FRAME_UPTODATE | FRAME_READAHEAD)) != FRAME_UPTODATE)) {
			err = get_slow(m, ra, index, (off + len + PAGE_SIZE - 1) >> PAGE_SHIFT, &f);
			if (err)
				break;
		}
		u64 size = m->ops->size(m); /* looked at after the page: what truncation left is zeros */
		size_t n = pos < size ? min(min(PAGE_SIZE - off, size - pos), len) : 0;
		size_t moved = n ? c->move(c, (char *)frame_ptr(f) + off, n) : 0;
		if (index != ra->last) /* small reads that go on in one page are one use */
			lru_touch(f);
		ra->last = index;
		frame_put(f);
		pos += moved;
		len -= moved;
		done += (long)moved;
		if (moved < n)
			err = -EFAULT;
		else if (n && (pos & ~PAGE_MASK) == 0 && host_current()->is_being_killed)
			err = -EINTR;
		if (!n || err)
			break;
	}
	return done ? done : err == -ENODATA ? 0 : err;
}
