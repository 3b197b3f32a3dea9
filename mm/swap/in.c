/* SPDX-License-Identifier: MIT */
/*
 * In: the page that was touched, and with it those that its neighbours in the address space have in swap, or those that lie
 * beside it there, as many as ahead.c says.
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/host.h>
#include <mm/reclaim.h>
#include <mm/turn.h>

/* The page in swap that `entry` names becomes one to read, in a frame of its own; is_sure: a locked table's entry is that.
 * NULL: there is none, or it is on its way already, or there is no frame without waiting. */
static struct frame *take_along(u64 entry, u32 flags, bool is_sure)
{
	struct frame *f = frame_alloc(0, ALLOC_MOVABLE | swap_alloc_group(entry), FRAME_ANON);
	if (!f)
		return NULL;
	f->flags = flags;
	if (!(is_sure ? swap_cache_add(entry, f) : slot_join_if_mapped(entry, f))) {
		frame_put(f);
		return NULL;
	}
	lru_add(f);
	return f;
}

/* Those of w, around f at l->index, in the order of their entries. */
static unsigned collect(struct leaf *l, struct region *r, uaddr_t addr, struct swap_window w, struct frame *f, struct frame **out)
{
	uaddr_t table = addr & ~(LEAF_SPAN - 1);
	unsigned first = l->index - min(w.below, (unsigned)((addr - max(table, r->start)) >> PAGE_SHIFT));
	unsigned end = l->index + 1 + min(w.above, (unsigned)((min(r->end, table + LEAF_SPAN) - addr) >> PAGE_SHIFT) - 1), nr = 0;
	u32 flags = FRAME_BUSY | FRAME_READAHEAD | turn_flags(r->space);
	const pte_t *entries = table_entries(l->table);
	if (!w.above) /* downwards: the nearest */
		for (unsigned i = l->index, found = 0; i-- > first;)
			if (pte_is_swap(hal_entry_load(&entries[i])) && ++found == w.max)
				first = i;
	for (unsigned i = first; i < end && nr <= w.max; i++) {
		pte_t e = hal_entry_load(&entries[i]);
		struct frame *more = i == l->index ? f : pte_is_swap(e) ? take_along(pte_swap_entry(e), flags, true) : NULL;
		if (more)
			out[nr++] = more;
	}
	return nr;
}

/* Those around f's slot, in their order on the disk; an aligned window lies in one cluster. */
static unsigned collect_slots(struct region *r, u64 entry, struct frame *f, struct frame **out)
{
	u32 flags = FRAME_BUSY | FRAME_READAHEAD | turn_flags(r->space);
	u64 size = swap_ahead_slots(r), first = entry & ~(size - 1);
	unsigned nr = 0;
	for (u64 at = first; at < first + size; at++) {
		/* A look without its lock: most free ones cost no frame. */
		bool is_other = at != entry && (u32)READ_ONCE(swap_slot(at)->chain) && !READ_ONCE(swap_slot(at)->pfn);
		struct frame *more = at == entry ? f : is_other ? take_along(at, flags, false) : NULL;
		if (more)
			out[nr++] = more;
	}
	return nr;
}

static void read_around(struct leaf *l, struct region *r, uaddr_t addr, bool alone, struct frame *f)
{
	struct frame *frames[SWAP_BATCH];
	unsigned nr;
	if (mm_tunables.swap_ahead_by_slot && !alone)
		nr = collect_slots(r, frame_swap_entry(f), f, frames);
	else
		nr = collect(l, r, addr, alone ? (struct swap_window){ 0 } : swap_ahead_window(r, addr), f, frames);
	stat_add(STAT_SWAP_RA, nr - 1);
	swap_ahead_asked(r, nr - 1);
	leaf_unlock(l);
	frame_get(f); /* the caller's */
	swap_read(frames, nr);
}

/* Was it read ahead? Then that was right. */
static void note_use(struct frame *f, struct region *r, uaddr_t addr)
{
	if (frame_flags(f) & FRAME_READAHEAD) {
		frame_clear_flags(f, FRAME_READAHEAD);
		swap_ahead_used(r, addr);
		stat_add(STAT_SWAP_RA_HIT, 1);
	}
}

int swap_in(struct leaf *l, struct region *r, uaddr_t addr, bool alone, struct frame **out, bool *is_major)
{
	struct space *s = r->space;
	pte_t e = hal_entry_load(l->entry);
	u64 entry = pte_swap_entry(e);
	unsigned group = swap_alloc_group(entry);
	struct frame *fresh = NULL, *f;
	*is_major = false;
	while (!(f = swap_cache_find(entry))) {
		if (!fresh)
			fresh = frame_alloc(0, ALLOC_MOVABLE | group, FRAME_ANON); /* without waiting first: the lock need not be dropped */
		if (fresh) {
			fresh->flags = FRAME_BUSY;
			if (!swap_cache_add(entry, fresh))
				continue; /* through another table that names it */
			lru_add(fresh);
			*is_major = true;
			*out = fresh;
			read_around(l, r, addr, alone, fresh);
			return 0;
		}
		leaf_unlock(l);
		fresh = frame_alloc(0, ALLOC_KERNEL | ALLOC_MOVABLE | group, FRAME_ANON);
		if (!fresh)
			return -ENOMEM;
		if (!leaf_lock(s, addr, l)) {
			frame_put(fresh);
			return -EAGAIN;
		}
		if (hal_entry_load(l->entry).bits != e.bits) {
			leaf_unlock(l);
			frame_put(fresh);
			return -EAGAIN;
		}
	}
	note_use(f, r, addr);
	leaf_unlock(l);
	if (fresh)
		frame_put(fresh);
	*out = f;
	return 0;
}
