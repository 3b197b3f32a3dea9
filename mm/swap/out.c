/* SPDX-License-Identifier: MIT */
/*
 * Out: a page gets a slot, loses its mappings to it, and is written unless the slot has its content already.
 *
 *   mapped --(slot, walk back)--> in the cache, dirty --(write)--> clean --> free
 *              a page that was only read since it came back skips the write
 */
#include "internal.h"
#include <mm/lru.h>
#include <mm/shmem.h>

/* Gives the busy f a slot, if it has none. False: swap is full. */
static bool give_slot(struct frame *f)
{
	if (frame_flags(f) & FRAME_SWAPCACHE)
		return true;
	u64 entry = slot_alloc(f);
	if (!entry)
		return false;
	frame_set_swap_entry(f, entry);
	frame_get(f);
	frame_set_flags(f, FRAME_SWAPCACHE | FRAME_DIRTY);
	stat_add(STAT_NR_SWAPCACHE, 1);
	return true;
}

/* The same for a page of shared memory: its index holds the slot. */
static bool give_shmem_slot(struct frame *f)
{
	bool is_new = !(frame_flags(f) & FRAME_SWAPCACHE);
	if (!give_slot(f))
		return false;
	if (is_new && shmem_swap_out_begin(f, frame_swap_entry(f))) {
		swap_cache_remove(f);
		return false;
	}
	return true;
}

enum outcome { OUT_KEPT, OUT_FREED, OUT_WRITE };

static enum outcome start_write(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_DIRTY))
		return OUT_KEPT; /* somebody has just come back for it */
	frame_clear_flags(f, FRAME_DIRTY);
	frame_set_flags(f, FRAME_WRITEBACK);
	return OUT_WRITE;
}

static enum outcome shmem_page_out(struct frame *f)
{
	if (frame_flags(f) & FRAME_WRITEBACK || !f->mapping || !give_shmem_slot(f) || !walk_back_unmap_unlocked(f))
		return OUT_KEPT;
	return shmem_drop(f) ? OUT_FREED : start_write(f);
}

static enum outcome page_out(struct frame *f)
{
	if (f->kind == FRAME_CACHE)
		return shmem_page_out(f);
	if (frame_flags(f) & FRAME_WRITEBACK)
		return OUT_KEPT;
	if (!READ_ONCE(f->nr_slots) && swap_cache_is_unnamed(f)) {
		swap_cache_remove(f);
		return OUT_FREED; /* nobody has it any more */
	}
	if (!give_slot(f))
		return OUT_KEPT;
	if (!walk_back_swap_out(f)) { /* a region is locked: what has been unmapped comes back by its fault */
		swap_cache_release_busy(f);
		return OUT_KEPT;
	}
	return swap_cache_drop(f) ? OUT_FREED : start_write(f);
}

unsigned swap_out(struct frame *const *frames, unsigned nr, unsigned *nr_started)
{
	struct frame *to_write[SWAP_BATCH];
	unsigned nr_freed = 0, nr_write = 0;
	for (unsigned i = 0; i < nr; i++) {
		enum outcome o = page_out(frames[i]);
		frame_busy_unlock(frames[i]);
		nr_freed += o == OUT_FREED;
		if (o == OUT_WRITE) {
			to_write[nr_write++] = frames[i];
			continue;
		}
		if (o == OUT_KEPT)
			lru_putback(frames[i]);
		frame_put(frames[i]);
	}
	swap_write(to_write, nr_write);
	*nr_started = nr_write;
	return nr_freed;
}
