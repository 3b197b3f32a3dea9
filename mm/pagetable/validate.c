/* SPDX-License-Identifier: MIT */
/*
 * The invariants of page tables: every present entry is found by the walk back of its frame, every slot
 * of a chain leads to an entry of that frame, counts equal what they count, no entry lies outside a
 * region, no writable private entry is mapped twice, sharers have W off above.
 *
 * Cheap enough to run after every operation of a random sequence: tables are mostly empty and scanned
 * eight entries at a time; regions are walked along with the entries (looking them up would also set the
 * space's cached region, and so hide what is wrong with it); chains are read link by link. The walk back
 * itself runs once for each leaf table.
 */
#include "internal.h"
#include <mm/region.h>
#include <mm/space.h>

struct audit {
	struct space *space;
	struct region *region; /* the first one that ends behind the last address looked at */
	s64 rss[RSS_NR];
	s64 nr_tables;
	const char *broken;
};

/* The first entry in [i, nr) that is not empty, else nr. */
static unsigned next_used(const pte_t *e, unsigned i, unsigned nr)
{
	for (; i < nr; i++) {
		if (i % 8 == 0)
			while (i + 8 <= nr && !(e[i].bits | e[i + 1].bits | e[i + 2].bits | e[i + 3].bits | e[i + 4].bits | e[i + 5].bits |
			                        e[i + 6].bits | e[i + 7].bits))
				i += 8;
		if (i < nr && e[i].bits)
			return i;
	}
	return nr;
}

static struct region *region_at(struct audit *a, uaddr_t addr)
{
	while (a->region && a->region->end <= addr)
		a->region = region_next(a->region);
	return a->region && a->region->start <= addr ? a->region : NULL;
}

/* ---- the walk back ---- */

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

static bool find_base(struct space *s, uaddr_t base, void *arg) { return find_place(s, base, pte_none(), arg); }

/* ---- entries and tables ---- */

static const char *audit_frame(struct audit *a, struct frame *t, unsigned index, pte_t e, uaddr_t addr)
{
	struct frame *f = pte_frame(e);
	struct region *r = region_at(a, addr);
	if (!r)
		return "entry: outside every region";
	if (pte_is_swap(e))
		return swapped_validate(e, slot_make(t, index));
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
	if (f->kind == FRAME_CACHE && (f->mapping != r->mapping || f->index != region_index(r, addr)))
		return "entry: cache frame of another page than the region shows";
	if ((u32)READ_ONCE(f->refs) < f->nr_slots)
		return "frame: fewer references than slots";
	return chain_validate(f, slot_make(t, index));
}

/* With its table's place among the sharers found, a chain that holds the slot is the walk back's way. */
static const char *audit_way_back(struct audit *a, struct frame *t, uaddr_t base)
{
	struct find place = { .space = a->space, .addr = base };
	table_lock_leaf(t);
	table_for_each_space(t, find_base, &place);
	table_unlock_leaf(t);
	if (!place.found)
		return "leaf table: does not find the space it belongs to";
	for (unsigned i = 0; (i = next_used(table_entries(t), i, TABLE_ENTRIES)) < TABLE_ENTRIES; i++) {
		pte_t e = hal_entry_load(&table_entries(t)[i]);
		if (!pte_is_mapped(e) || pte_is_special(e))
			continue;
		struct find entry = { .space = a->space, .addr = base + (uaddr_t)i * PAGE_SIZE };
		walk_back(pte_frame(e), find_place, &entry);
		return entry.found ? NULL : "walk back: does not find the entry";
	}
	return NULL;
}

static void audit_leaf(struct audit *a, struct frame *t, uaddr_t base)
{
	unsigned nr = 0;
	s64 rss[RSS_NR] = { 0 };
	for (unsigned i = 0; !a->broken && (i = next_used(table_entries(t), i, TABLE_ENTRIES)) < TABLE_ENTRIES; i++) {
		pte_t e = hal_entry_load(&table_entries(t)[i]);
		nr++;
		if (pte_is_swap(e))
			rss[RSS_SWAP]++;
		else if (!pte_is_special(e))
			rss[frame_rss_kind(pte_frame(e))]++;
		a->broken = audit_frame(a, t, i, e, base + (uaddr_t)i * PAGE_SIZE);
	}
	if (!a->broken)
		a->broken = audit_way_back(a, t, base);
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
	unsigned nr = 0, level = t->table_level, last = level == HAL_LEVELS ? TABLE_ENTRIES / 2 : TABLE_ENTRIES;
	for (unsigned i = 0; !a->broken && (i = next_used(table_entries(t), i, last)) < last; i++) {
		pte_t e = hal_entry_load(&table_entries(t)[i]);
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
	struct audit a = { .space = s, .region = region_first(s) };
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
