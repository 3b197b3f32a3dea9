/* SPDX-License-Identifier: MIT */
/*
 * The swap cache: frames whose page has a slot too. A slot names its frame, so finding one is an array
 * look-up. A frame is in the cache on its way out until its write ends, and on its way in until it is
 * written to, or until the slot is needed.
 *
 * C1  A frame with FRAME_SWAPCACHE names a slot in use, which names the frame. Both change under the frame's
 *     busy bit and the slot's lock, and the cache holds one reference to the frame.
 * C2  A new reference to a cached frame is taken under its slot's lock by whoever comes from the slot. So
 *     with the lock held, a count of two (the cache's and one's own) means that nobody else uses it.
 * C3  A page that nobody maps or names any more leaves the cache with its last user, unless another one was just
 *     looking at it too: then it waits on its replacement list, and goes without a write.
 */
#include "internal.h"
#include <mm/lru.h>

struct frame *swap_cache_find(u64 entry)
{
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	struct frame *f = s->pfn ? pfn_frame(s->pfn) : NULL;
	if (f)
		frame_get(f);
	swap_slot_unlock(s, entry, chain);
	return f;
}

void swap_cache_join_locked(u64 entry, struct swap_slot *s, struct frame *f)
{
	frame_set_swap_entry(f, entry);
	frame_set_flags(f, FRAME_SWAPCACHE);
	frame_get(f);
	s->pfn = (u32)frame_pfn(f);
	stat_add(STAT_NR_SWAPCACHE, 1);
}

/* The opposite, but for the reference. The content is in memory only from then on, if anybody wants it. */
static void part_locked(struct swap_slot *s, struct frame *f)
{
	s->pfn = 0;
	frame_set_flags(f, FRAME_DIRTY);
	frame_clear_flags(f, FRAME_SWAPCACHE);
	stat_add(STAT_NR_SWAPCACHE, -1);
}

bool swap_cache_add(u64 entry, struct frame *f)
{
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	bool is_first = !s->pfn;
	if (is_first)
		swap_cache_join_locked(entry, s, f);
	swap_slot_unlock(s, entry, chain);
	return is_first;
}

void swap_cache_remove(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_SWAPCACHE))
		return;
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	part_locked(s, f);
	swap_slot_unlock(s, entry, chain);
	frame_put(f);
}

/* Takes the busy f out if it is in, nr_refs are all its references and it has nr_slots mappings; with only_unnamed,
 * if no entry and no index names its slot either. */
static bool remove_if(struct frame *f, s32 nr_refs, u32 nr_slots, bool only_unnamed)
{
	if ((frame_flags(f) & (FRAME_SWAPCACHE | FRAME_WRITEBACK)) != FRAME_SWAPCACHE || f->kind != FRAME_ANON)
		return false;
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	bool yes = __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == nr_refs && READ_ONCE(f->nr_slots) == nr_slots &&
	           !(only_unnamed && slot_is_named(s, chain));
	if (yes && !only_unnamed && frame_flags(f) & FRAME_LRU)
		lru_evict(f);
	if (yes)
		part_locked(s, f);
	swap_slot_unlock(s, entry, chain);
	if (yes)
		frame_put(f);
	return yes;
}

void swap_cache_release(struct frame *f)
{
	u32 flags;
	do {
		if (READ_ONCE(f->nr_slots) || f->kind != FRAME_ANON || !frame_busy_trylock(f))
			return; /* whoever has it looks again, or reclaim finds it */
		flags = frame_flags(f);
		remove_if(f, 2, 0, true);
		frame_busy_unlock(f);
		/* A write that ended meanwhile found the page busy. */
	} while (flags & FRAME_WRITEBACK && !(frame_flags(f) & FRAME_WRITEBACK));
}

bool swap_cache_is_unnamed(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_SWAPCACHE))
		return false;
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	bool is_named = slot_is_named(s, chain);
	swap_slot_unlock(s, entry, chain);
	return !is_named;
}

void swap_cache_give_up(struct frame *f)
{
	if (!frame_busy_trylock(f))
		return;
	if (!(frame_flags(f) & FRAME_WRITEBACK))
		swap_cache_release_busy(f);
	frame_busy_unlock(f);
}

void swap_cache_release_busy(struct frame *f)
{
	if (swap_cache_is_unnamed(f))
		swap_cache_remove(f);
}

bool swap_cache_reuse(struct frame *f)
{
	if (__atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) != 2 || !frame_busy_trylock(f))
		return false;
	bool is_own = remove_if(f, 2, 1, true);
	frame_busy_unlock(f);
	return is_own;
}

bool swap_cache_pass(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_SWAPCACHE))
		return false;
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	swap_slot_unlock(s, entry, swap_slot_lock(s));
	return true;
}

bool swap_cache_move(struct frame *f, struct frame *to, u32 nr_others, void (*move)(struct frame *f, struct frame *to))
{
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	bool ok = frame_is_quiet(f, nr_others);
	if (ok) {
		frame_get(to); /* the cache's */
		move(f, to);
		s->pfn = (u32)frame_pfn(to);
		frame_clear_flags(f, FRAME_SWAPCACHE);
	}
	swap_slot_unlock(s, entry, chain);
	if (ok)
		frame_put(f);
	return ok;
}

bool swap_cache_drop(struct frame *f)
{
	return !(frame_flags(f) & FRAME_DIRTY) && remove_if(f, 2, 0, false);
}
