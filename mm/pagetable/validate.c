/* SPDX-License-Identifier: MIT */
/*
 * The invariants of page tables: every present entry is found by the walk back of its frame, every slot
 * of a chain leads to an entry of that frame, counts equal what they count, no entry lies outside a
 * region, no writable private entry is mapped twice, sharers have W off above.
 */
#include "internal.h"
#include <mm/region.h>
#include <mm/space.h>

struct audit {
	struct space *space;
	s64 rss[RSS_NR];
	s64 nr_tables;
	const char *broken;
};

struct find {
	struct space *space;
	uaddr_t addr;
	bool found;
};

static bool find_place(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	struct find *f = arg;
	(void)e;
	if (s == f->space && addr == f->addr)
		f->found = true;
	return !f->found;
}

static const char *audit_frame(struct audit *a, struct frame *t, pte_t e, uaddr_t addr)
{
	struct frame *f = pte_frame(e);
	struct region *r = region_lookup(a->space, addr);
	if (!r || r->start > addr)
		return "entry: outside every region";
	if (pte_is_special(e))
		return pte_is_writable(e) ? "entry: special and writable" : NULL;
	if (f->kind != FRAME_ANON && f->kind != FRAME_CACHE)
		return "entry: maps a frame that is neither anonymous nor cache";
	if (pte_is_writable(e) && !(r->flags & REGION_WRITE))
		return "entry: writable in a region that is not";
	if (f->kind == FRAME_ANON && pte_is_writable(e) && f->nr_slots > 1)
		return "entry: private frame writable and mapped twice";
	if (f->kind == FRAME_CACHE && pte_is_writable(e) && !(r->flags & REGION_SHARED))
		return "entry: cache frame writable in a private region";
	if ((u32)READ_ONCE(f->refs) < f->nr_slots)
		return "frame: fewer references than slots";
	const char *broken = chain_validate(f);
	if (broken)
		return broken;
	struct find find = { .space = a->space, .addr = addr };
	walk_back(f, find_place, &find);
	return find.found ? NULL : "walk back: does not find the entry";
}

static void audit_leaf(struct audit *a, struct frame *t, uaddr_t base)
{
	unsigned nr = 0;
	s64 rss[RSS_NR] = { 0 };
	for (unsigned i = 0; i < TABLE_ENTRIES && !a->broken; i++) {
		pte_t e = hal_entry_load(&table_entries(t)[i]);
		if (pte_is_none(e))
			continue;
		nr++;
		if (!pte_is_special(e))
			rss[frame_rss_kind(pte_frame(e))]++;
		a->broken = audit_frame(a, t, e, base + (uaddr_t)i * PAGE_SIZE);
	}
	for (unsigned k = 0; k < RSS_NR; k++) {
		a->rss[k] += rss[k];
		if (!a->broken && rss[k] != t->rss[k])
			a->broken = "leaf table: rss count is wrong";
	}
	if (!a->broken && nr != t->nr_entries)
		a->broken = "leaf table: nr_entries is wrong";
}

static void audit_upper(struct audit *a, struct frame *t, uaddr_t base)
{
	unsigned nr = 0, level = t->table_level;
	for (unsigned i = 0; i < (level == HAL_LEVELS ? TABLE_ENTRIES / 2 : TABLE_ENTRIES) && !a->broken; i++) {
		pte_t e = hal_entry_load(&table_entries(t)[i]);
		if (pte_is_none(e))
			continue;
		struct frame *child = pte_frame(e);
		nr++;
		a->nr_tables++;
		if (child->kind != FRAME_TABLE || child->table_level != level - 1)
			a->broken = "upper table: leads to no table of the next level";
		else if (table_by_number(child->table_nr) != child)
			a->broken = "table: its number leads elsewhere";
		else if (child->nr_slots > 1 && (level != 2 || !pte_table_is_shared(e)))
			a->broken = "table: shared with W above";
		else if (child->nr_slots == 1 && child->slot != slot_make(t, i))
			a->broken = "table: its slot is not the entry above";
		else if (level > 2)
			audit_upper(a, child, base + i * TABLE_SPAN(level - 1));
		else
			audit_leaf(a, child, base + i * LEAF_SPAN);
	}
	if (!a->broken && nr != t->nr_entries)
		a->broken = "upper table: nr_entries is wrong";
}

const char *pagetable_validate(struct space *s)
{
	struct audit a = { .space = s };
	struct frame *root = pfn_frame(s->root_pfn);
	if (root->space != s)
		return "root: names another space";
	audit_upper(&a, root, 0);
	for (unsigned k = 0; k < RSS_NR && !a.broken; k++)
		if (a.rss[k] != READ_ONCE(s->rss[k]))
			a.broken = "space: rss is not the sum of its tables";
	if (!a.broken && a.nr_tables != READ_ONCE(s->nr_tables))
		a.broken = "space: nr_tables is wrong";
	return a.broken;
}
