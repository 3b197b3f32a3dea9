/* SPDX-License-Identifier: MIT */
/*
 * In: the page that was touched, and with it those that its neighbours in the address space have in swap.
 * How many depends on how many of the last ones were used.
 * Source: the scheme of Linux's VMA-based swap read-ahead (Huang et al., 2017).
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/host.h>
#include <mm/reclaim.h>
#include <mm/turn.h>

/* Pages to read for a touch at addr, 1 .. 2^page_cluster. */
static unsigned window_size(struct region *r, uaddr_t addr)
{
	struct swap_readahead *ra = &r->swap_ra;
	u32 limit = 1u << min(mm_tunables.page_cluster, 5u), hits = __atomic_exchange_n(&ra->hits, 0, __ATOMIC_RELAXED);
	u32 last = READ_ONCE(ra->size), size = 1;
	bool is_next = addr - READ_ONCE(ra->last) == PAGE_SIZE || READ_ONCE(ra->last) - addr == PAGE_SIZE;
	if (hits || is_next)
		while (size < hits + 2 && size < limit)
			size *= 2;
	size = READ_ONCE(r->space->is_protected) ? limit : min(max(size, last / 2), limit); /* in its turn all are wanted */
	WRITE_ONCE(ra->size, size);
	return max(size, 1u);
}

/* Reserves frames for the pages in swap among entries [from, to) of the locked leaf table, f's own at l->index
 * included. */
static unsigned collect(struct leaf *l, struct region *r, unsigned from, unsigned to, struct frame *f, struct frame **out)
{
	unsigned nr = 0;
	u32 flags = FRAME_BUSY | FRAME_READAHEAD | turn_flags(r->space);
	for (unsigned i = from; i < to; i++) {
		pte_t e = hal_entry_load(&table_entries(l->table)[i]);
		if (i == l->index) {
			out[nr++] = f;
			continue;
		}
		if (!pte_is_swap(e))
			continue;
		struct frame *more = frame_alloc(0, ALLOC_MOVABLE | swap_alloc_group(pte_swap_entry(e)), FRAME_ANON);
		if (!more)
			continue;
		more->flags = flags;
		if (swap_cache_add(pte_swap_entry(e), more)) {
			lru_add(more);
			out[nr++] = more;
		} else {
			frame_put(more);
		}
	}
	stat_add(STAT_SWAP_RA, nr - 1);
	return nr;
}

/* Where the window for addr begins, as an index into its table: ahead of a sweep, else around. */
static unsigned window_start(struct leaf *l, struct region *r, uaddr_t addr, unsigned size)
{
	uaddr_t last = READ_ONCE(r->swap_ra.last);
	unsigned before = addr == last + PAGE_SIZE ? 0 : addr == last - PAGE_SIZE ? size - 1 : (size - 1) / 2;
	uaddr_t base = max(addr & ~(LEAF_SPAN - 1), r->start);
	WRITE_ONCE(r->swap_ra.last, addr);
	return l->index - min(before, (unsigned)((addr - base) >> PAGE_SHIFT));
}

static void read_around(struct leaf *l, struct region *r, uaddr_t addr, bool alone, struct frame *f)
{
	struct frame *frames[SWAP_BATCH];
	unsigned size = alone ? 1 : window_size(r, addr), from = window_start(l, r, addr, size);
	uaddr_t stop = min(r->end, (addr & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
	unsigned to = min(from + size, l->index + (unsigned)((stop - addr) >> PAGE_SHIFT));
	unsigned nr = collect(l, r, from, to, f, frames);
	leaf_unlock(l);
	frame_get(f); /* the caller's */
	swap_read(frames, nr);
}

/* Was it read ahead? Then that was right. */
static void note_hit(struct frame *f, struct region *r)
{
	if (frame_flags(f) & FRAME_READAHEAD) {
		frame_clear_flags(f, FRAME_READAHEAD);
		__atomic_fetch_add(&r->swap_ra.hits, 1, __ATOMIC_RELAXED);
		WRITE_ONCE(r->swap_ra.last, r->swap_ra.last + PAGE_SIZE);
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
	note_hit(f, r);
	leaf_unlock(l);
	if (fresh)
		frame_put(fresh);
	*out = f;
	return 0;
}
