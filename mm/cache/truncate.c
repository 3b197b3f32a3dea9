/* SPDX-License-Identifier: MIT */
/*
 * Taking pages away from a file: truncation, hole punch, the end of the inode.
 *
 * Spaces that show the file are visited one at a time, each under its own lock held for reading, which
 * ranks above the mapping's list; so the list is only used to find the next space that was not visited
 * yet, by a stamp in its regions. Then the pages leave the index, and what a racing fault mapped in
 * between (hole punch only) goes by the walk back.
 */
#include <lib/string.h>
#include "internal.h"
#include <mm/pagetable.h>
#include <mm/region.h>
#include <mm/shmem.h>

static u64 next_stamp; /* atomic */

/* A space that shows pages [first, last) and has not seen `stamp`, with a reference; NULL: none. */
static struct space *next_space(struct mapping *m, u64 first, u64 last, u64 stamp)
{
	struct space *s = NULL;
	struct region *r;
	rwlock_read(&m->regions_lock);
	list_for_each_entry(r, &m->regions, mapping_link) {
		if (r->zap_stamp == stamp || r->pgoff >= last || r->pgoff + region_pages(r) <= first)
			continue;
		u32 users = READ_ONCE(r->space->users);
		while (users && !__atomic_compare_exchange_n(&r->space->users, &users, users + 1, true, __ATOMIC_ACQUIRE,
		                                             __ATOMIC_RELAXED))
			;
		if (!users)
			continue; /* being torn down: empties itself */
		s = r->space;
		break;
	}
	rwlock_read_unlock(&m->regions_lock);
	return s;
}

static void zap_in_space(struct space *s, struct mapping *m, u64 first, u64 last, u64 stamp, bool only_file)
{
	rwlock_read(&s->lock);
	for (struct region *r = region_first(s); r; r = region_next(r)) {
		if (r->mapping != m || r->pgoff >= last || r->pgoff + region_pages(r) <= first)
			continue;
		rwlock_write(&m->regions_lock);
		r->zap_stamp = stamp;
		rwlock_write_unlock(&m->regions_lock);
		u64 from = max(first, r->pgoff) - r->pgoff, to = min(last, r->pgoff + region_pages(r)) - r->pgoff;
		zap_range_all_sharers(s, r->start + (from << PAGE_SHIFT), r->start + (to << PAGE_SHIFT), only_file);
	}
	rwlock_read_unlock(&s->lock);
}

/* Empties every view of pages [first, last). */
static void unmap_everywhere(struct mapping *m, u64 first, u64 last, bool only_file)
{
	u64 stamp = __atomic_add_fetch(&next_stamp, 1, __ATOMIC_RELAXED);
	for (struct space *s; (s = next_space(m, first, last, stamp)) != NULL; space_put(s))
		zap_in_space(s, m, first, last, stamp, only_file);
}

void mapping_unmap_range(struct mapping *m, u64 first, u64 last)
{
	if (first < last && !list_is_empty(&m->regions))
		unmap_everywhere(m, first, last, true);
}

/* Drops pages [first, last) from the index. */
static void remove_pages(struct mapping *m, u64 first, u64 last)
{
	for (u64 index = first;; index++) {
		spin_lock(&m->tree_lock);
		struct frame *f = radix_next(&m->pages, &index);
		bool done = !f || index >= last;
		if (!done)
			frame_get(f);
		spin_unlock(&m->tree_lock);
		if (done)
			break;
		mapping_remove(m, f);
		frame_put(f);
	}
	shmem_remove(m, first, last);
}

/* Zeroes bytes [from, to) of page `index`, if it is in memory. */
static void zero_part(struct mapping *m, u64 index, u64 from, u64 to)
{
	struct frame *f;
	if (m->flags & MAPPING_SHMEM)
		shmem_find(m, index, ALLOC_USER | ALLOC_RESERVE, &f); /* an error of swap: nobody can read the page any more */
	else
		f = mapping_find(m, index);
	if (!f)
		return;
	frame_busy_lock(f);
	memset((char *)frame_ptr(f) + from, 0, to - from);
	if (m->store)
		mapping_dirty_page(m, f);
	else
		frame_set_flags(f, FRAME_DIRTY);
	frame_busy_unlock(f);
	frame_put(f);
}

void mapping_truncate(struct mapping *m, u64 size)
{
	u64 first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	if (!size && m->store)
		WRITE_ONCE(m->store->has_lost, false);
	/* Through the lock once: whoever linked a slot under the old size is done. */
	spin_lock(&m->tree_lock);
	bool has_pages = m->nr_pages || m->nr_swapped;
	spin_unlock(&m->tree_lock);
	if (!list_is_empty(&m->regions))
		unmap_everywhere(m, first, ~0ul >> PAGE_SHIFT, false);
	if (!has_pages)
		return;
	remove_pages(m, first, ~0ul);
	if (size & ~PAGE_MASK)
		zero_part(m, size >> PAGE_SHIFT, size & ~PAGE_MASK, PAGE_SIZE);
}

void mapping_punch(struct mapping *m, u64 start, u64 end)
{
	u64 first = (start + PAGE_SIZE - 1) >> PAGE_SHIFT, last = end >> PAGE_SHIFT;
	if (first > last) { /* inside one page */
		zero_part(m, start >> PAGE_SHIFT, start & ~PAGE_MASK, end & ~PAGE_MASK);
		return;
	}
	if (first < last) {
		unmap_everywhere(m, first, last, true);
		remove_pages(m, first, last);
	}
	if (start & ~PAGE_MASK)
		zero_part(m, start >> PAGE_SHIFT, start & ~PAGE_MASK, PAGE_SIZE);
	if (end & ~PAGE_MASK)
		zero_part(m, end >> PAGE_SHIFT, 0, end & ~PAGE_MASK);
}

void mapping_destroy(struct mapping *m)
{
	ASSERT(list_is_empty(&m->regions));
	if (m->nr_pages)
		remove_pages(m, 0, ~0ul);
	if (m->store)
		flusher_remove(m->store); /* not before: a write under way that fails puts it onto the list once more */
	shmem_end(m);
}
