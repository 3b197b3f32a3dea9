/* SPDX-License-Identifier: MIT */
/*
 * The pages of a file in memory: finding and making them.
 *
 * Life of a page: absent -> inserted busy, not up to date (a backing store fills it) -> up to date ->
 * dirty and written back, any number of times -> removed. Pages without a backing store (shmem) are
 * inserted zeroed and up to date.
 *
 * I1  A frame in the index has kind FRAME_CACHE, ->mapping and ->index name its place, and one
 *     reference belongs to the index. ->mapping becomes NULL under tree_lock when it leaves.
 * I2  nr_pages counts the index and is what ops->charge was asked for; store->nr_dirty and nr_writeback its tags.
 */
#include "internal.h"
#include <mm/group.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/shmem.h>

static u64 last_id; /* atomic */

void mapping_init(struct mapping *m, const struct mapping_ops *ops, u32 flags)
{
	m->ops = ops;
	m->flags = flags;
	m->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	m->nr_pages = 0;
	m->store = NULL;
	m->nr_writable = 0;
	spin_lock_init(&m->tree_lock, RANK_MAPPING_TREE);
	radix_init(&m->pages);
	radix_init(&m->swapped);
	m->nr_swapped = 0;
	list_init(&m->swap_link);
	rwlock_init(&m->regions_lock, RANK_MAPPING);
	list_init(&m->regions);
}

struct frame *mapping_find(struct mapping *m, u64 index)
{
	spin_lock(&m->tree_lock);
	struct frame *f = radix_lookup(&m->pages, index);
	if (f)
		frame_get(f);
	spin_unlock(&m->tree_lock);
	return f;
}

static void count_page(struct mapping *m, s64 n)
{
	m->nr_pages += n;
	stat_add(STAT_NR_FILE_PAGES, n);
	if (m->flags & MAPPING_SHMEM)
		stat_add(STAT_NR_SHMEM, n);
	else if (m->flags & MAPPING_DEVICE)
		stat_add(STAT_NR_BUFFERS, n);
}

int mapping_index_locked(struct mapping *m, u64 index, struct frame *f, struct radix_reserve *reserve)
{
	int err = radix_insert(&m->pages, index, f, reserve);
	if (!err) {
		f->mapping = m;
		f->index = index;
		count_page(m, 1);
		if (m->store || m->flags & MAPPING_SHMEM)
			lru_add(f);
	}
	return err;
}

void mapping_unindex_locked(struct mapping *m, struct frame *f)
{
	lru_remove(f);
	radix_remove(&m->pages, f->index);
	f->mapping = NULL;
	count_page(m, -1);
}

int mapping_insert(struct mapping *m, u64 index, unsigned alloc, struct frame *f, bool within_size)
{
	int err = m->ops->charge ? m->ops->charge(m, 1) : 0;
	if (err)
		return err;
	f->owner = 0;
	unsigned missing = 0;
	do { /* mostly no node is missing; again when some are, or the tree changed while they were allocated */
		struct radix_reserve reserve;
		if (radix_reserve(&reserve, missing, alloc_of_kernel(alloc))) {
			err = -ENOMEM;
			break;
		}
		spin_lock(&m->tree_lock);
		if (within_size && index >= mapping_size_pages(m))
			err = -ENODATA;
		else if (unlikely(m->nr_swapped) && radix_lookup(&m->swapped, index))
			err = -EEXIST; /* in swap */
		else
			err = mapping_index_locked(m, index, f, &reserve);
		if (err == -EAGAIN) {
			missing = radix_missing(&m->pages, index);
		}
		spin_unlock(&m->tree_lock);
		radix_release(&reserve);
	} while (err == -EAGAIN);
	if (err) {
		f->mapping = NULL;
		if (m->ops->charge)
			m->ops->charge(m, -1);
	}
	return err;
}

int mapping_add(struct mapping *m, u64 index, unsigned alloc, struct frame *f)
{
	f->flags = FRAME_UPTODATE | FRAME_DIRTY | (m->flags & MAPPING_SHMEM ? FRAME_SHMEM : 0);
	if (m->flags & MAPPING_SHMEM)
		mem_group_is_shmem(f);
	frame_get(f); /* the index's */
	int err = mapping_insert(m, index, alloc, f, false);
	if (err)
		f->refs = 1;
	return err;
}

/* Inserts a new page, with a second reference for the caller. */
static int insert_page(struct mapping *m, u64 index, unsigned alloc, bool is_filled, struct frame **out)
{
	struct frame *f = frame_alloc(0, alloc | (is_filled ? 0 : ALLOC_ZERO), FRAME_CACHE);
	if (!f)
		return -ENOMEM;
	f->flags = is_filled ? FRAME_BUSY : FRAME_UPTODATE;
	if (m->flags & MAPPING_SHMEM) {
		f->flags |= FRAME_SHMEM;
		mem_group_is_shmem(f);
	}
	f->refs = 2;
	int err = mapping_insert(m, index, alloc, f, m->store != NULL);
	if (err)
		frame_free(f, 0);
	else
		*out = f;
	return err;
}

int mapping_insert_busy(struct mapping *m, u64 index, unsigned alloc, struct frame **out)
{
	return insert_page(m, index, alloc, true, out);
}

/* New busy pages that are in no index yet; how many memory was found for. */
static unsigned alloc_busy(struct mapping *m, u64 index, unsigned nr, unsigned alloc, struct frame **out)
{
	unsigned n = 0;
	for (; n < nr; n++) {
		struct frame *f = frame_alloc(0, alloc, FRAME_CACHE);
		if (!f)
			break;
		f->flags = FRAME_BUSY;
		f->refs = 2;
		f->mapping = m;
		f->index = index + n;
		f->owner = 0;
		out[n] = f;
	}
	return n;
}

unsigned mapping_insert_busy_many(struct mapping *m, u64 index, unsigned nr, unsigned alloc, struct frame **out)
{
	if (m->ops->charge)
		return 0;
	nr = alloc_busy(m, index, min(nr, RADIX_WAYS - (unsigned)(index % RADIX_WAYS)), alloc, out);
	spin_lock(&m->tree_lock);
	u64 size = mapping_size_pages(m);
	unsigned n = index < size ? radix_insert_many(&m->pages, index, (void *const *)out, (unsigned)min((u64)nr, size - index)) : 0;
	count_page(m, n);
	for (unsigned i = 0; i < n; i++)
		lru_add(out[i]);
	spin_unlock(&m->tree_lock);
	for (unsigned i = n; i < nr; i++) {
		out[i]->mapping = NULL;
		frame_free(out[i], 0);
	}
	return n;
}

bool mapping_detach_locked(struct mapping *m, struct frame *f)
{
	bool was_in = f->mapping == m;
	if (was_in) {
		if (m->store && (frame_flags(f) & FRAME_DIRTY) && radix_tag(&m->pages, f->index, RADIX_DIRTY, false)) {
			WRITE_ONCE(m->store->nr_dirty, m->store->nr_dirty - 1);
			stat_add(STAT_NR_FILE_DIRTY, -1);
			host_count_io(HOST_IO_CANCELLED, PAGE_SIZE);
		}
		refused_clear_locked(f);
		if (m->flags & MAPPING_SHMEM)
			shmem_forget_locked(m, f);
		mapping_unindex_locked(m, f);
		if (m->ops->charge)
			m->ops->charge(m, -1);
	}
	return was_in;
}

void mapping_remove_busy(struct mapping *m, struct frame *f)
{
	spin_lock(&m->tree_lock);
	bool was_in = mapping_detach_locked(m, f);
	spin_unlock(&m->tree_lock);
	if (!was_in)
		return;
	if (READ_ONCE(f->nr_slots))
		walk_back_unmap(f);
	frame_put(f);
}

void mapping_remove(struct mapping *m, struct frame *f)
{
	frame_busy_lock(f);
	frame_wait_writeback(f);
	mapping_remove_busy(m, f);
	frame_busy_unlock(f);
}

/* Waits until f is up to date. 0; -EIO; -EAGAIN when it left the index meanwhile: a shmem page in swap is tried
 * again. */
static int wait_uptodate(struct mapping *m, struct frame *f)
{
	frame_busy_lock(f);
	int err = f->mapping != m ? -EAGAIN : frame_flags(f) & FRAME_UPTODATE ? 0 : -EIO;
	frame_busy_unlock(f);
	return err;
}

/* Fills the new busy page. */
static int fill_page(struct mapping *m, u64 index, struct frame *f)
{
	int err = m->store ? transfer_read_wait(m, f) : m->ops->fill(m, index, f);
	if (err)
		mapping_remove_busy(m, f);
	else
		frame_set_flags(f, FRAME_UPTODATE);
	frame_busy_unlock(f);
	return err;
}

int mapping_get(struct mapping *m, u64 index, unsigned alloc, struct frame **out)
{
	bool is_filled = m->store || m->ops->fill;
	for (;;) {
		struct frame *f = mapping_find(m, index);
		int err;
		if (f) {
			err = likely(frame_flags(f) & FRAME_UPTODATE) ? 0 : wait_uptodate(m, f);
		} else {
			err = m->flags & MAPPING_SHMEM ? shmem_swap_in(m, index, alloc, &f) : -ENOENT;
			if (!err) {
				*out = f;
				return 0;
			}
			if (err == -ENOENT)
				err = insert_page(m, index, alloc, is_filled, &f);
			if (err == -EEXIST)
				continue;
			if (err)
				return err;
			err = is_filled ? fill_page(m, index, f) : 0;
		}
		if (!err) {
			*out = f;
			return 0;
		}
		frame_put(f);
		if (err != -EAGAIN)
			return err;
	}
}

const char *mapping_validate(struct mapping *m)
{
	u64 nr = 0, nr_dirty = 0, nr_writeback = 0, index = 0;
	for (struct frame *f; (f = radix_next(&m->pages, &index)) != NULL; index++, nr++) {
		if (f->kind != FRAME_CACHE || f->mapping != m || f->index != index)
			return "mapping: a page does not know its place";
		if (f->refs < 1 + (s32)f->nr_slots)
			return "mapping: a page has too few references";
		bool is_dirty = radix_is_tagged(&m->pages, index, RADIX_DIRTY);
		if (m->store && is_dirty != !!(f->flags & FRAME_DIRTY))
			return "mapping: a page's dirty flag and tag differ";
		if ((f->flags & FRAME_REFUSED) && !(f->flags & (FRAME_DIRTY | FRAME_WRITEBACK)))
			return "mapping: a refused page is clean"; /* R1 of refused.c */
		nr_dirty += is_dirty;
		nr_writeback += radix_is_tagged(&m->pages, index, RADIX_WRITEBACK);
	}
	if (m->store && (m->store->nr_dirty != nr_dirty || m->store->nr_writeback != nr_writeback))
		return "mapping: the store's counts are wrong";
	return nr == m->nr_pages ? NULL : "mapping: nr_pages is wrong";
}
