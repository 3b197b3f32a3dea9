/* SPDX-License-Identifier: MIT */
/* Questions about a range, and msync, which change no mapping: mincore, msync, pagemap. */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/swap.h>

static bool page_is_resident(struct space *s, struct region *r, uaddr_t addr)
{
	struct leaf l;
	bool mapped = false;
	if (leaf_lock(s, addr, &l)) {
		pte_t e = hal_entry_load(l.entry);
		struct frame *cached = pte_is_swap(e) ? swap_cache_find(pte_swap_entry(e)) : NULL;
		mapped = pte_is_mapped(e) || (cached && frame_flags(cached) & FRAME_UPTODATE);
		leaf_unlock(&l);
		if (cached)
			frame_put_user(cached);
		if (pte_is_swap(e))
			return mapped;
	}
	if (mapped || !r->mapping)
		return mapped;
	struct frame *f = mapping_find(r->mapping, region_index(r, addr));
	if (!f)
		return false;
	bool uptodate = frame_flags(f) & FRAME_UPTODATE;
	frame_put(f);
	return uptodate;
}

int space_mincore(struct space *s, uaddr_t addr, u64 nr_pages, u8 *vec)
{
	int err = 0;
	rwlock_read(&s->lock);
	struct region *r = region_lookup(s, addr);
	for (u64 i = 0; i < nr_pages; i++, addr += PAGE_SIZE) {
		if (r && addr >= r->end)
			r = region_next(r);
		if (!r || r->start > addr) {
			err = -ENOMEM;
			break;
		}
		vec[i] = page_is_resident(s, r, addr);
	}
	rwlock_read_unlock(&s->lock);
	return err;
}

/* The part of shared region r up to `end` reaches the disk; the lock is not held meanwhile. */
static int sync_region(struct space *s, struct region *r, uaddr_t at, uaddr_t end)
{
	struct mapping *m = r->mapping;
	void *file = r->file;
	if (!(r->flags & REGION_SHARED) || !m || !m->store || !file || !m->ops->fsync)
		return 0;
	u64 start = region_index(r, at) << PAGE_SHIFT, len = min(r->end, end) - at;
	m->ops->file_get(file);
	rwlock_read_unlock(&s->lock);
	int err = m->ops->fsync(file, start, start + len);
	m->ops->file_put(file);
	rwlock_read(&s->lock);
	return err;
}

int space_msync(struct space *s, uaddr_t addr, u64 len, int flags)
{
	int err = 0;
	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (addr & ~PAGE_MASK))
		return -EINVAL;
	if ((flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	len = PAGE_ALIGN_UP(len);
	uaddr_t end = addr + len;
	if (end < addr)
		return -ENOMEM;
	if (end == addr)
		return 0;
	rwlock_read(&s->lock);
	struct region *r = region_lookup(s, addr);
	for (uaddr_t at = addr; at < end && !(err && err != -ENOMEM);) {
		if (!r) {
			err = -ENOMEM;
			break;
		}
		if (r->start > at) {
			err = -ENOMEM;
			at = r->start;
			continue;
		}
		if ((flags & MS_INVALIDATE) && (r->flags & REGION_LOCKED))
			err = -EBUSY;
		uaddr_t behind = r->end;
		int failed = flags & MS_SYNC ? sync_region(s, r, at, end) : 0;
		err = failed ? failed : err;
		at = behind;
		r = region_lookup(s, at); /* the lock may have been dropped */
	}
	rwlock_read_unlock(&s->lock);
	return err;
}

/* Linux: Documentation/admin-guide/mm/pagemap.rst. */
#define PM_PRESENT  (1ull << 63)
#define PM_SWAP     (1ull << 62) /* bits 4..0 area, 54..5 slot */
#define PM_FILE     (1ull << 61)
#define PM_EXCLUSIVE (1ull << 56)

u64 space_pagemap_locked(struct space *s, uaddr_t addr)
{
	struct leaf l;
	u64 word = 0;
	if (!leaf_lock(s, addr, &l))
		return 0;
	pte_t e = hal_entry_load(l.entry);
	if (pte_is_swap(e)) {
		u64 entry = pte_swap_entry(e);
		word = PM_SWAP | swap_entry_slot(entry) << 5 | swap_entry_area(entry);
	} else if (pte_is_mapped(e)) {
		word = PM_PRESENT | pte_pfn(e);
		if (!pte_is_special(e)) {
			struct frame *f = pte_frame(e);
			if (f->kind == FRAME_CACHE)
				word |= PM_FILE;
			if (f->nr_slots == 1 && l.table->nr_slots == 1)
				word |= PM_EXCLUSIVE;
		}
	}
	leaf_unlock(&l);
	return word;
}
