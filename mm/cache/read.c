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

/* Copies bytes [pos, end) of the nr pages from pos on, and drops their references. Bytes moved. */
static u64 copy_pages(struct readahead *ra, struct frame *const *pages, unsigned nr, u64 pos, u64 end, struct cache_copier *c)
{
	u64 start = pos, index = pos >> PAGE_SHIFT;
	unsigned n = 0;
	while (n < nr && pos < end) {
		u64 off = pos & ~PAGE_MASK;
		size_t want = min(PAGE_SIZE - off, end - pos), moved = c->move(c, (char *)frame_ptr(pages[n++]) + off, want);
		pos += moved;
		if (unlikely(moved < want))
			break;
	}
	unsigned again = n && index == ra->last; /* small reads that go on in one page are one use */
	lru_touch_many(pages + again, n - again);
	if (n)
		ra->last = index + n - 1;
	for (unsigned i = 0; i < nr; i++)
		frame_put(pages[i]);
	return pos - start;
}

long cache_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, struct cache_copier *c)
{
	u64 start = pos, end = pos + len;
	int err = 0;
	if (end < pos)
		end = ~0ull;
	while (pos < end && pos < m->ops->size(m)) {
		struct frame *pages[FIND_PAGES];
		u64 index = pos >> PAGE_SHIFT, nr_wanted = ((end - 1) >> PAGE_SHIFT) - index + 1;
		if (pos != start && host_current()->is_being_killed) {
			err = -EINTR;
			break;
		}
		unsigned nr = mapping_find_many(m, index, nr_wanted, FRAME_READAHEAD, pages);
		if (unlikely(!nr)) {
			pages[0] = mapping_find(m, index);
			err = get_slow(m, ra, index, nr_wanted, &pages[0]);
			if (err)
				break;
			nr = 1;
		}
		/* The size is looked at after the pages were found: what truncation left is zeros. */
		u64 stop = min(min(end, m->ops->size(m)), (index + nr) << PAGE_SHIFT);
		u64 moved = copy_pages(ra, pages, nr, pos, stop, c);
		pos += moved;
		if (unlikely(pos < stop)) {
			err = -EFAULT;
			break;
		}
		if (!moved)
			break; /* truncated */
	}
	return pos > start ? (long)(pos - start) : err == -ENODATA ? 0 : err;
}
