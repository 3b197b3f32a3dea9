/* SPDX-License-Identifier: MIT */
/* What a region really uses, page by page: the figures of /proc/PID/smaps and numa_maps. */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/reclaim.h>

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
	bool is_locked;
};

static void tally_page(void *arg, struct frame *f, pte_t e, u64 mapcount)
{
	struct tally *t = arg;
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
	if (t->is_locked)
		t->u.locked += share >> PSS_SHIFT;
}

/* What is done with each page. */
struct visitor {
	void (*page)(void *arg, struct frame *f, pte_t e, u64 mapcount); /* mapped, with a reference */
	void (*swapped)(void *arg, u64 sharers);
	void *arg;
};

static void visit_page(const struct visitor *v, struct space *s, uaddr_t at)
{
	struct leaf l;
	if (!leaf_lock(s, at, &l))
		return;
	pte_t e = hal_entry_load(l.entry);
	if (pte_is_swap(e)) {
		v->swapped(v->arg, max(swapped_sharers(e, &l), (u64)1));
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
	v->page(v->arg, f, e, mapcount);
	frame_put(f);
}

static void visit_region(struct region *r, const struct visitor *v)
{
	struct space *s = r->space;
	for (uaddr_t a = r->start; (a = leaf_next(s, a, r->end)) < r->end;) {
		uaddr_t stop = min(r->end, (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
		for (; a < stop; a += PAGE_SIZE)
			visit_page(v, s, a);
	}
}

/* ---- smaps ---- */

static void tally_swapped(void *arg, u64 sharers)
{
	struct tally *t = arg;
	t->u.swap += PAGE_SIZE;
	t->swap_pss += (PAGE_SIZE << PSS_SHIFT) / sharers;
}

void region_usage_locked(struct region *r, struct region_usage *out)
{
	struct tally t = { .is_locked = r->flags & REGION_LOCKED };
	visit_region(r, &(struct visitor){ tally_page, tally_swapped, &t });
	t.u.pss = t.pss >> PSS_SHIFT;
	t.u.pss_dirty = t.pss_dirty >> PSS_SHIFT;
	t.u.swap_pss = t.swap_pss >> PSS_SHIFT;
	*out = t.u;
}

/* ---- numa_maps ---- */

static void place_page(void *arg, struct frame *f, pte_t e, u64 mapcount)
{
	struct region_places *p = arg;
	u32 flags = frame_flags(f);
	p->pages++;
	p->anon += f->kind == FRAME_ANON;
	p->dirty += pte_is_dirty(e) || flags & FRAME_DIRTY;
	p->active += flags & FRAME_MLOCKED || lru_is_active(f);
	p->writeback += (flags & FRAME_WRITEBACK) != 0;
	p->swapcache += (flags & FRAME_SWAPCACHE) != 0;
	p->mapcount_max = max(p->mapcount_max, mapcount);
	p->of_node[min(f->node, (u8)(REGION_NODES - 1))]++;
}

static void place_swapped(void *arg, u64 sharers)
{
	(void)arg;
	(void)sharers;
}

void region_places_locked(struct region *r, struct region_places *out)
{
	*out = (struct region_places){ 0 };
	visit_region(r, &(struct visitor){ place_page, place_swapped, out });
}
