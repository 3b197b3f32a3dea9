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

#define BATCH 16u

/* Pages found together, with a reference each until they are taken. */
struct found {
	unsigned nr, next;
	struct frame *pages[BATCH];
};

/* The pages from `index` on that are in memory, `want` at most, as far as one node of the index goes. */
static void find_more(struct mapping *m, u64 index, u64 want, struct found *out)
{
	void *const *items;
	out->nr = out->next = 0;
	spin_lock(&m->tree_lock);
	unsigned nr = radix_stretch(&m->pages, index, (unsigned)min(want, (u64)BATCH), &items);
	for (; items && out->nr < nr && items[out->nr]; out->nr++) {
		out->pages[out->nr] = items[out->nr];
		frame_get(out->pages[out->nr]);
	}
	spin_unlock(&m->tree_lock);
}

/* Copies from page `index` at byte pos; bytes moved, 0 at the end of the file; *want: how many should have. */
static size_t copy_page(struct mapping *m, struct readahead *ra, struct frame *f, u64 pos, u64 len, struct cache_copier *c, size_t *want)
{
	u64 off = pos & ~PAGE_MASK, index = pos >> PAGE_SHIFT;
	u64 size = m->ops->size(m); /* looked at after the page was found: what truncation left is zeros */
	size_t n = *want = pos < size ? min(min(PAGE_SIZE - off, size - pos), len) : 0;
	size_t moved = n ? c->move(c, (char *)frame_ptr(f) + off, n) : 0;
	if (index != ra->last) /* small reads that go on in one page are one use */
		lru_touch(f);
	ra->last = index;
	return moved;
}

long cache_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, struct cache_copier *c)
{
	struct found found;
	long done = 0;
	int err = 0;
	found.nr = found.next = 0;
	while (len && pos < m->ops->size(m)) {
		u64 nr_wanted = ((pos & ~PAGE_MASK) + len + PAGE_SIZE - 1) >> PAGE_SHIFT;
		if (found.next == found.nr) {
			if (done && host_current()->is_being_killed) {
				err = -EINTR;
				break;
			}
			find_more(m, pos >> PAGE_SHIFT, nr_wanted, &found);
		}
		struct frame *f = found.nr ? found.pages[found.next++] : NULL;
		if (unlikely(!f || (frame_flags(f) & (FRAME_UPTODATE | FRAME_READAHEAD)) != FRAME_UPTODATE)) {
			err = get_slow(m, ra, pos >> PAGE_SHIFT, nr_wanted, &f);
			if (err)
				break;
		}
		size_t want, moved = copy_page(m, ra, f, pos, len, c, &want);
		frame_put(f);
		pos += moved;
		len -= moved;
		done += (long)moved;
		if (moved < want)
			err = -EFAULT;
		if (!want || err)
			break;
	}
	while (found.next < found.nr)
		frame_put(found.pages[found.next++]);
	return done ? done : err == -ENODATA ? 0 : err;
}
