/* SPDX-License-Identifier: MIT */
/*
 * Shared memory in swap.
 *
 * S1  An entry in `swapped` holds its slot (SWAP_SLOT_HELD). The page is in `pages` too exactly when the slot's
 *     cache is that frame; nr_swapped counts the others.
 * S2  What was charged for a page stays charged while it is in swap.
 *
 * A page leaves memory when its slot has its content and nobody uses it; it comes back as a page being read, so
 * that others wait for it. Then it keeps its slot, so that it need not be written again, while there is room.
 */
#include "internal.h"
#include <mm/group.h>
#include <mm/lru.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/shmem.h>
#include <mm/swap.h>

/* Mappings with something in swap: swapoff looks through them. */
static struct spinlock list_lock = SPINLOCK_INIT(RANK_FLUSHER);
static struct list_head mappings = { &mappings, &mappings };

static u64 swapped_entry(struct mapping *m, u64 index) { return (u64)radix_lookup(&m->swapped, index); }

static void list_join(struct mapping *m)
{
	spin_lock(&list_lock);
	if (list_is_empty(&m->swap_link))
		list_add_tail(&m->swap_link, &mappings);
	spin_unlock(&list_lock);
}

void shmem_end(struct mapping *m)
{
	shmem_remove(m, 0, ~0ul);
	spin_lock(&list_lock);
	if (!list_is_empty(&m->swap_link))
		list_del(&m->swap_link);
	list_init(&m->swap_link);
	spin_unlock(&list_lock);
}

static void release_slot(u64 entry)
{
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	s->flags &= ~SWAP_SLOT_HELD;
	swap_slot_unlock(s, entry, chain);
}

/* ---- out ---- */

int shmem_swap_out_begin(struct frame *f, u64 entry)
{
	struct mapping *m = f->mapping;
	struct radix_reserve reserve;
	unsigned missing = 0;
	int err;
	do {
		if (radix_reserve(&reserve, missing, ALLOC_RESERVE))
			return -ENOMEM;
		spin_lock(&m->tree_lock);
		err = f->mapping == m ? radix_insert(&m->swapped, f->index, (void *)entry, &reserve) : -ENOMEM;
		missing = err == -EAGAIN ? radix_missing(&m->swapped, f->index) : 0;
		spin_unlock(&m->tree_lock);
		radix_release(&reserve);
	} while (err == -EAGAIN);
	if (err)
		return -ENOMEM;
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	s->flags |= SWAP_SLOT_HELD;
	swap_slot_unlock(s, entry, chain);
	list_join(m);
	return 0;
}

bool shmem_drop(struct frame *f)
{
	struct mapping *m = f->mapping;
	if (!m || !(frame_flags(f) & FRAME_SWAPCACHE))
		return false;
	spin_lock(&m->tree_lock);
	bool yes = f->mapping == m && !(frame_flags(f) & (FRAME_DIRTY | FRAME_WRITEBACK)) && !READ_ONCE(f->nr_slots) &&
	           __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 3;
	if (yes) {
		lru_evict(f);
		WRITE_ONCE(m->nr_swapped, m->nr_swapped + 1);
		mapping_unindex_locked(m, f);
		swap_cache_remove(f);
	}
	spin_unlock(&m->tree_lock);
	if (yes)
		frame_put(f); /* the index's */
	return yes;
}

/* ---- in ---- */

/* Puts f, new and busy, at `index` if the page is in swap, and into its slot's cache. */
static int insert_swapped(struct mapping *m, u64 index, unsigned alloc, struct frame *f)
{
	unsigned missing = 0;
	int err;
	do {
		struct radix_reserve reserve;
		if (radix_reserve(&reserve, missing, alloc_of_kernel(alloc)))
			return -ENOMEM;
		spin_lock(&m->tree_lock);
		u64 entry = swapped_entry(m, index);
		err = !entry ? -ENOENT : mapping_index_locked(m, index, f, &reserve);
		if (!err) {
			bool is_first = swap_cache_add(entry, f);
			ASSERT(is_first); /* S1 */
			WRITE_ONCE(m->nr_swapped, m->nr_swapped - 1);
		} else if (err == -EAGAIN) {
			missing = radix_missing(&m->pages, index);
		}
		spin_unlock(&m->tree_lock);
		radix_release(&reserve);
	} while (err == -EAGAIN);
	return err;
}

/* Whom the page at `index` was charged to is charged for it again. 0: it is not in swap. */
static unsigned alloc_as_before(struct mapping *m, u64 index, unsigned alloc)
{
	spin_lock(&m->tree_lock);
	u64 entry = swapped_entry(m, index);
	unsigned group = entry ? swap_alloc_group(entry) : 0;
	spin_unlock(&m->tree_lock);
	return entry ? (alloc & ~ALLOC_ACCOUNT) | group : 0;
}

/* A new busy page at `index`, with references for the index, the cache and the caller. */
static int begin_read(struct mapping *m, u64 index, unsigned alloc, struct frame **out)
{
	alloc = alloc_as_before(m, index, alloc);
	if (!alloc)
		return -ENOENT;
	struct frame *f = frame_alloc(0, alloc, FRAME_CACHE);
	if (!f)
		return -ENOMEM;
	f->flags = FRAME_BUSY | FRAME_SHMEM;
	mem_group_is_shmem(f);
	f->refs = 2;
	int err = insert_swapped(m, index, alloc, f);
	if (err)
		frame_free(f, 0);
	*out = f;
	return err;
}

/* Its slot is wanted, or does not hold its content any more. */
static void forget(struct mapping *m, struct frame *f)
{
	spin_lock(&m->tree_lock);
	if (f->mapping == m)
		shmem_forget_locked(m, f);
	spin_unlock(&m->tree_lock);
}

void shmem_forget_locked(struct mapping *m, struct frame *f)
{
	if (!(frame_flags(f) & FRAME_SWAPCACHE))
		return;
	u64 entry = frame_swap_entry(f);
	radix_remove(&m->swapped, f->index);
	release_slot(entry);
	swap_cache_remove(f);
}

void shmem_read_failed(struct frame *f)
{
	struct mapping *m = f->mapping;
	spin_lock(&m->tree_lock);
	WRITE_ONCE(m->nr_swapped, m->nr_swapped + 1);
	mapping_unindex_locked(m, f);
	swap_cache_remove(f);
	spin_unlock(&m->tree_lock);
	frame_put(f); /* the index's */
}

/* As shmem_swap_in, with up to limit - 1 pages behind it that are in swap too. */
static int swap_in_few(struct mapping *m, u64 index, unsigned alloc, unsigned limit, struct frame **out)
{
	struct frame *pages[SWAP_BATCH];
	unsigned nr = 1;
	int err = begin_read(m, index, alloc, &pages[0]);
	if (err)
		return err;
	struct frame *f = pages[0];
	while (nr < limit && begin_read(m, index + nr, ALLOC_MOVABLE, &pages[nr]) == 0)
		nr++;
	stat_add(STAT_SWAP_RA, nr - 1);
	frame_get(f); /* the read uses up one of each */
	swap_read(pages, nr);
	frame_busy_lock(f);
	bool is_read = frame_flags(f) & FRAME_UPTODATE;
	if (is_read && swap_is_tight())
		forget(m, f);
	frame_busy_unlock(f);
	if (is_read)
		*out = f;
	else
		frame_put(f);
	return is_read ? 0 : -EIO;
}

int shmem_swap_in(struct mapping *m, u64 index, unsigned alloc, struct frame **out)
{
	if (!READ_ONCE(m->nr_swapped))
		return -ENOENT;
	int err = swap_in_few(m, index, alloc, 1u << min(mm_tunables.page_cluster, 5u), out);
	return err == -EIO ? swap_in_few(m, index, alloc, 1, out) : err; /* a neighbour's error is not this page's */
}

int shmem_find(struct mapping *m, u64 index, unsigned alloc, struct frame **out)
{
	for (;;) {
		struct frame *f = *out = mapping_find(m, index);
		if (f && likely(frame_flags(f) & FRAME_UPTODATE))
			return 0;
		int err;
		if (f) {
			frame_busy_lock(f); /* it is being read, by somebody who knows what to do when that fails */
			frame_busy_unlock(f);
			frame_put(f);
			continue;
		}
		err = shmem_swap_in(m, index, alloc, out);
		if (err != -EEXIST)
			return err == -ENOENT ? (*out = NULL, 0) : err;
	}
}

bool shmem_next(struct mapping *m, u64 *index)
{
	u64 in_memory = *index, in_swap = *index;
	spin_lock(&m->tree_lock);
	bool has_page = radix_next(&m->pages, &in_memory), has_swapped = radix_next(&m->swapped, &in_swap);
	spin_unlock(&m->tree_lock);
	*index = min(has_page ? in_memory : ~0ul, has_swapped ? in_swap : ~0ul);
	return has_page || has_swapped;
}

/* ---- the end of pages and areas ---- */

void shmem_remove(struct mapping *m, u64 first, u64 last)
{
	for (u64 index = first; READ_ONCE(m->nr_swapped);) {
		spin_lock(&m->tree_lock);
		u64 entry = (u64)radix_next(&m->swapped, &index);
		bool is_there = entry && index < last;
		struct frame *f = is_there ? radix_lookup(&m->pages, index) : NULL;
		if (f) {
			frame_get(f); /* it has just come back */
		} else if (is_there) {
			radix_remove(&m->swapped, index);
			WRITE_ONCE(m->nr_swapped, m->nr_swapped - 1);
			if (m->ops->charge)
				m->ops->charge(m, -1);
		}
		spin_unlock(&m->tree_lock);
		if (!is_there)
			return;
		if (f) {
			mapping_remove(m, f);
			frame_put(f);
		} else {
			release_slot(entry);
		}
	}
}

/* The next mapping behind `last` on the list, pinned; last is unpinned. */
static struct mapping *next_mapping(struct mapping *last)
{
	struct mapping *found = NULL;
	spin_lock(&list_lock);
	struct list_head *at = last && !list_is_empty(&last->swap_link) ? last->swap_link.next : mappings.next;
	for (; at != &mappings && !found; at = at->next) {
		struct mapping *m = list_entry(at, struct mapping, swap_link);
		if (!m->ops->pin || m->ops->pin(m))
			found = m;
	}
	spin_unlock(&list_lock);
	if (last && last->ops->unpin)
		last->ops->unpin(last);
	return found;
}

/* The next page of m at or behind *index with a slot in the area; false: none. */
static bool next_in_area(struct mapping *m, unsigned area, u64 *index)
{
	u64 entry;
	spin_lock(&m->tree_lock);
	while ((entry = (u64)radix_next(&m->swapped, index)) != 0 && swap_entry_area(entry) != area)
		++*index;
	spin_unlock(&m->tree_lock);
	return entry;
}

static int bring_back_mapping(struct mapping *m, unsigned area)
{
	for (u64 index = 0; next_in_area(m, area, &index); index++) {
		struct frame *f;
		if (host_current()->is_being_killed)
			return -EINTR;
		int err = shmem_find(m, index, ALLOC_USER, &f);
		if (err)
			return err;
		if (!f)
			continue;
		frame_busy_lock(f);
		frame_wait_writeback(f);
		if (frame_flags(f) & FRAME_SWAPCACHE && swap_entry_area(frame_swap_entry(f)) == area)
			forget(m, f);
		frame_busy_unlock(f);
		frame_put(f);
	}
	return 0;
}

int shmem_bring_back(unsigned area)
{
	int err = 0;
	struct mapping *m = NULL;
	while ((m = next_mapping(m)) != NULL) {
		err = bring_back_mapping(m, area);
		if (err) {
			if (m->ops->unpin)
				m->ops->unpin(m);
			break;
		}
	}
	return err;
}
