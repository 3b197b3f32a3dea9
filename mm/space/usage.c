/* SPDX-License-Identifier: MIT */
/* What a region really uses, page by page: the figures of /proc/PID/smaps. */
#include "internal.h"
#include <mm/leaf.h>

/* How often f is mapped. The leaf table `t` at hand is locked, so its own share is read directly; for
 * more slots the chain is walked without the lock. */
static u64 sharers_of(struct frame *f, struct frame *t)
{
	if (f->nr_slots == 1)
		return t->nr_slots;
	return 0; /* several slots: ask the walk back */
}

/* Proportional share in 1/4096 of a byte, as Linux keeps it. */
#define PSS_SHIFT 12

struct tally {
	struct region_usage u;
	u64 pss, pss_dirty, swap_pss; /* << PSS_SHIFT */
};

static void tally_page(struct tally *t, struct frame *f, pte_t e, u64 mapcount, bool locked)
{
	bool dirty = pte_is_dirty(e) || frame_flags(f) & FRAME_DIRTY;
	u64 share = (PAGE_SIZE << PSS_SHIFT) / (mapcount ? mapcount : 1);
	t->u.rss += PAGE_SIZE;
	t->pss += share;
	if (dirty)
		t->pss_dirty += share;
	if (f->kind == FRAME_ANON)
		t->u.anonymous += PAGE_SIZE;
	if (pte_is_accessed(e) || frame_flags(f) & FRAME_ACCESSED)
		t->u.referenced += PAGE_SIZE;
	if (mapcount > 1) {
		*(dirty ? &t->u.shared_dirty : &t->u.shared_clean) += PAGE_SIZE;
	} else {
		*(dirty ? &t->u.private_dirty : &t->u.private_clean) += PAGE_SIZE;
	}
	if (locked)
		t->u.locked += share >> PSS_SHIFT;
}

static void usage_page(struct tally *t, struct space *s, struct region *r, uaddr_t at)
{
	struct leaf l;
	if (!leaf_lock(s, at, &l))
		return;
	pte_t e = hal_entry_load(l.entry);
	if (pte_is_swap(e)) {
		u64 sharers = swapped_sharers(e, &l);
		t->u.swap += PAGE_SIZE;
		t->swap_pss += (PAGE_SIZE << PSS_SHIFT) / max(sharers, (u64)1);
		return;
	}
	if (!pte_is_mapped(e) || pte_is_special(e)) {
		leaf_unlock(&l);
		return;
	}
	struct frame *f = pte_frame(e);
	u64 mapcount = sharers_of(f, l.table);
	frame_get(f);
	leaf_unlock(&l);
	if (!mapcount)
		mapcount = frame_mapcount(f);
	tally_page(t, f, e, mapcount, r->flags & REGION_LOCKED);
	frame_put(f);
}

void region_usage_locked(struct region *r, struct region_usage *out)
{
	struct tally t = { 0 };
	struct space *s = r->space;
	for (uaddr_t a = r->start; (a = leaf_next(s, a, r->end)) < r->end;) {
		uaddr_t stop = min(r->end, (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
		for (; a < stop; a += PAGE_SIZE)
			usage_page(&t, s, r, a);
	}
	t.u.pss = t.pss >> PSS_SHIFT;
	t.u.pss_dirty = t.pss_dirty >> PSS_SHIFT;
	t.u.swap_pss = t.swap_pss >> PSS_SHIFT;
	*out = t.u;
}
