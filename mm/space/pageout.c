/* SPDX-License-Identifier: MIT */
/* MADV_PAGEOUT: a range's private pages go to swap now. Those that others map too stay, as on Linux. */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/swap.h>

/* The busy frame that the entry maps alone, with a reference, or NULL. */
static struct frame *take_private(struct leaf *l, unsigned i)
{
	pte_t e = hal_entry_load(&table_entries(l->table)[i]);
	if (!pte_is_mapped(e) || pte_is_special(e) || l->table->nr_slots != 1)
		return NULL;
	struct frame *f = pte_frame(e);
	if (f->kind != FRAME_ANON || READ_ONCE(f->nr_slots) != 1 || !frame_busy_trylock(f))
		return NULL;
	frame_get(f);
	return f;
}

void pageout_range(struct space *s, uaddr_t start, uaddr_t end)
{
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t stop = min(end, (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
		struct frame *frames[SWAP_BATCH];
		unsigned nr = 0, nr_started;
		struct leaf l;
		if (!leaf_lock(s, a, &l)) {
			a = stop;
			continue;
		}
		for (unsigned i = l.index; a < stop && nr < SWAP_BATCH; i++, a += PAGE_SIZE) {
			frames[nr] = take_private(&l, i);
			nr += frames[nr] != NULL;
		}
		leaf_unlock(&l);
		swap_out(frames, nr, &nr_started);
	}
}
