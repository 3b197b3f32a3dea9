/* SPDX-License-Identifier: MIT */
/*
 * An absent page of a file or shmem region. Reads and shared writes map the cache's own frame, private
 * writes a copy. A read also maps what the cache holds around the address (fault-around, 64 KiB).
 *
 * Against truncation: a slot is linked to a cache frame only under the mapping's tree lock, with the
 * frame still in the index and inside the file's size. Truncation first lowers the size, then passes
 * through the tree lock, then empties the regions; so no slot appears behind its back.
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/mapping.h>
#include <mm/readahead.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/trace.h>
#include <mm/turn.h>


static inline u64 mapping_nr_pages(struct mapping *m)
{
	return (m->ops->size(m) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Rights of a cache frame in r: W at once only for a write, or where no write needs to be noticed. */
static u64 cache_rights(const struct region *r, const struct mapping *m, unsigned access)
{
	bool writable = (r->flags & REGION_SHARED) && (r->flags & REGION_WRITE) &&
	                (access & FAULT_WRITE || (m->flags & MAPPING_SHMEM && !m->ops->make_writable));
	return rights_of(r->flags, writable);
}

/* Maps what the cache holds of the window around addr; the leaf and the tree are locked. What stands in the
 * index below the file's size of nr_pages is valid while the tree lock is held. */
static void map_around_locked(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, u64 bits, u64 nr_pages)
{
	struct mapping *m = r->mapping;
	uaddr_t start = max(addr & ~(FAULT_AROUND_BYTES - 1), r->start), end = min((addr & ~(FAULT_AROUND_BYTES - 1)) + FAULT_AROUND_BYTES, r->end);
	u64 index = region_index(r, start), last = min(index + ((end - start) >> PAGE_SHIFT), nr_pages);
	unsigned at = table_index(start, 1);
	while (index < last) {
		void *const *items;
		unsigned nr = radix_stretch(&m->pages, index, (unsigned)(last - index), &items);
		if (items)
			leaf_map_around(s, l, at, (struct frame *const *)items, nr, bits, m->flags & MAPPING_SHMEM ? RSS_SHMEM : RSS_FILE);
		index += nr;
		at += nr;
	}
}

/* Locks the leaf with a companion, which cache frames need. */
static int leaf_lock_for_cache(struct space *s, uaddr_t addr, struct leaf *l)
{
	for (;;) {
		if (leaf_lock_exclusive(s, addr, l))
			return -1;
		if (l->table->companion_pfn)
			return 0;
		struct frame *t = l->table;
		table_get(t);
		leaf_unlock(l);
		int err = table_need_companion(t, ALLOC_KERNEL);
		table_put(t);
		if (err)
			return err;
	}
}

/* The page that was asked for, if map_around_locked has mapped it, is used now. */
static bool was_mapped_around(struct leaf *l)
{
	pte_t e = hal_entry_load(l->entry);
	if (pte_is_none(e))
		return false;
	while (!pte_is_accessed(e) && !hal_entry_cmpxchg(l->entry, &e, pte_set(e, PTE_ACCESSED)))
		;
	return true;
}

/* Maps the cache's frame f, whose reference is used up. */
static struct fault_verdict map_cache(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct frame *f)
{
	struct mapping *m = r->mapping;
	struct leaf l;
	int err = (access & FAULT_WRITE) && m->ops->make_writable ? m->ops->make_writable(m, f->index, f) : 0;
	if (unlikely(err)) {
		frame_put(f);
		return verdict_of_error(err);
	}
	if (leaf_lock_for_cache(s, addr, &l)) {
		frame_put(f);
		return VERDICT_OOM;
	}
	bool used = false, must_wait = false; /* used: f's reference */
	struct frame_wait w;
	u64 bits = cache_rights(r, m, access);
	if (pte_is_none(hal_entry_load(l.entry))) {
		spin_lock(&m->tree_lock);
		u64 nr_pages = mapping_nr_pages(m);
		/* While it may be being migrated, nothing is mapped behind its back. */
		must_wait = unlikely(frame_flags(f) & FRAME_BUSY) && frame_wait_begin(f, &w);
		if (!must_wait && f->mapping == m && f->index < nr_pages) { /* else truncated meanwhile */
			if (!(access & FAULT_WRITE) && !(r->flags & REGION_RAND_READ))
				map_around_locked(s, r, addr, &l, bits, nr_pages);
			used = !was_mapped_around(&l);
			if (used)
				leaf_map(s, &l, f, bits | PTE_ACCESSED | (access & FAULT_WRITE ? PTE_DIRTY : 0),
				         m->flags & MAPPING_SHMEM ? RSS_SHMEM : RSS_FILE);
		}
		spin_unlock(&m->tree_lock);
		if ((access & FAULT_WRITE) && !must_wait)
			mark_written(m, f);
	}
	leaf_unlock(&l);
	if (!used)
		frame_put(f); /* mapped with others; or truncated, or another CPU was faster: the access is repeated */
	else if (m->store && (access & FAULT_WRITE))
		writeback_throttle(m, 1);
	if (likely(!must_wait))
		return VERDICT_MAPPED;
	frame_wait_end(&w);
	return VERDICT_RETRY;
}

/* f may just have been unmapped here, with its flush owed: other CPUs would go on seeing it and miss what is written to
 * the copy. Waits; uses up both references. */
static __attribute__((noinline)) struct fault_verdict copy_later(struct leaf *l, struct frame *f, struct frame *copy)
{
	struct frame_wait w;
	bool must_wait = frame_wait_begin(f, &w);
	leaf_unlock(l);
	frame_put(copy);
	frame_put(f);
	if (must_wait)
		frame_wait_end(&w);
	return VERDICT_RETRY;
}

/* Maps a private copy of the cache's frame f, whose reference is used up. */
static struct fault_verdict map_copy(struct space *s, struct region *r, uaddr_t addr, struct frame *f)
{
	struct mapping *m = r->mapping;
	struct frame *copy = fault_alloc(0);
	struct leaf l;
	if (!copy || leaf_lock_exclusive(s, addr, &l)) {
		if (copy)
			frame_put(copy);
		frame_put(f);
		return VERDICT_OOM;
	}
	if (unlikely(frame_flags(f) & FRAME_BUSY))
		return copy_later(&l, f, copy);
	spin_lock(&m->tree_lock);
	bool valid = f->mapping == m && f->index < mapping_nr_pages(m) && pte_is_none(hal_entry_load(l.entry));
	if (valid) {
		hal_page_copy(frame_pfn(copy), frame_pfn(f));
		copy->flags = FRAME_UPTODATE;
		leaf_map_first(s, &l, copy, rights_of(r->flags, r->flags & REGION_WRITE) | PTE_ACCESSED | PTE_DIRTY, RSS_ANON);
		lru_add_new(copy);
		stat_add(STAT_PGCOPY, 1);
		trace_point(TRACE_COPY, addr, frame_pfn(f), frame_pfn(copy), 0);
	}
	spin_unlock(&m->tree_lock);
	leaf_unlock(&l);
	if (!valid)
		frame_put(copy);
	frame_put(f);
	return VERDICT_MAPPED;
}

/* A page that may have to come from a disk: read-ahead first, then this page. */
static int get_stored_page(struct region *r, u64 index, struct frame **out, bool *is_major)
{
	struct mapping *m = r->mapping;
	struct frame *f = mapping_find(m, index);
	u32 flags = f ? frame_flags(f) : 0;
	if (likely((flags & (FRAME_UPTODATE | FRAME_READAHEAD)) == FRAME_UPTODATE)) {
		*out = f;
		return 0;
	}
	struct readahead *ra = m->ops->readahead && r->file ? m->ops->readahead(r->file) : NULL;
	if (f)
		frame_put(f);
	if (ra && (flags & FRAME_READAHEAD))
		readahead_hit(m, ra, index);
	else if (ra && !f)
		readahead_fault(m, ra, index, r->flags);
	*is_major = !(flags & FRAME_UPTODATE);
	u64 began_ns = *is_major ? hal_clock_ns() : 0;
	int err = mapping_get(m, index, ALLOC_USER, out);
	if (!err && *is_major)
		turn_missed(r->space, *out, began_ns);
	return err;
}

struct fault_verdict fault_file(struct space *s, struct region *r, uaddr_t addr, unsigned access)
{
	struct mapping *m = r->mapping;
	u64 index = region_index(r, addr);
	struct frame *f;
	bool is_major = false;
	if (index >= mapping_nr_pages(m))
		return VERDICT_SIGNAL(SIGBUS, BUS_ADRERR);
	int err = m->store ? get_stored_page(r, index, &f, &is_major) : mapping_get(m, index, ALLOC_USER, &f);
	if (err)
		return verdict_of_error(err);
	struct fault_verdict v = (access & FAULT_WRITE) && !(r->flags & REGION_SHARED) ? map_copy(s, r, addr, f)
	                                                                               : map_cache(s, r, addr, access, f);
	v.major = is_major;
	return v;
}
