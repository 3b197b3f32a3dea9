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
#include <mm/trace.h>

/* Gives the busy f a slot, if it has none. False: swap is full. */
static bool give_slot(struct frame *f)
{
	if (frame_flags(f) & FRAME_SWAPCACHE)
		return true;
	if (!slot_alloc(f))
		return false;
	frame_set_flags(f, FRAME_DIRTY);
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

/* First step: takes the page from everybody who maps it; the flushes are left to the caller. False: it stays. */
static bool unmap_page(struct frame *f, struct tlb_batch *b)
{
	if (frame_flags(f) & FRAME_WRITEBACK)
		return false;
	if (f->kind == FRAME_CACHE)
		return f->mapping && give_shmem_slot(f) && walk_back_unmap_unlocked(f, b);
	if (!READ_ONCE(f->nr_slots) && swap_cache_is_unnamed(f)) {
		frame_clear_flags(f, FRAME_DIRTY); /* nobody has it any more: it needs no write */
		return true;
	}
	if (!give_slot(f))
		return false;
	if (walk_back_swap_out(f, b))
		return true;
	swap_cache_release_busy(f); /* a region is locked: what has been unmapped comes back by its fault */
	return false;
}

enum outcome { OUT_KEPT, OUT_FREED, OUT_WRITE };

/* Second step, after the flush. */
static enum outcome drop_or_write(struct frame *f)
{
	if (f->kind == FRAME_CACHE ? shmem_drop(f) : swap_cache_drop(f))
		return OUT_FREED;
	if (!(frame_flags(f) & FRAME_DIRTY))
		return OUT_KEPT; /* somebody has just come back for it */
	frame_clear_flags(f, FRAME_DIRTY);
	frame_set_flags(f, FRAME_WRITEBACK);
	return OUT_WRITE;
}

unsigned swap_out(struct frame *const *frames, unsigned nr, unsigned *nr_started)
{
	struct frame *to_write[SWAP_BATCH];
	struct tlb_batch batch;
	unsigned nr_freed = 0, nr_write = 0;
	u32 unmapped = 0;
	_Static_assert(SWAP_BATCH <= 32, "a bit for each");
	tlb_batch_init(&batch);
	for (unsigned i = 0; i < nr; i++)
		unmapped |= (u32)unmap_page(frames[i], &batch) << i;
	tlb_batch_flush(&batch);
	for (unsigned i = 0; i < nr; i++) {
		enum outcome o = unmapped >> i & 1 ? drop_or_write(frames[i]) : OUT_KEPT;
		frame_busy_unlock(frames[i]);
		nr_freed += o == OUT_FREED;
		trace_point(TRACE_EVICT, frame_pfn(frames[i]), o == OUT_FREED ? OUTCOME_FREED : o == OUT_WRITE ? OUTCOME_TO_SWAP : OUTCOME_IN_USE, 0, 0);
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
