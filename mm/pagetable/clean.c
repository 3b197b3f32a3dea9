/* SPDX-License-Identifier: MIT */
/*
 * Changes to every entry that maps a frame, for all sharers: W and D taken away before a file's page is
 * written back, so that the next write faults and is noticed; A read and cleared by reclaim.
 *
 * A slot that is missed would lose data. Chains longer than one batch go on from the last slot visited as long
 * as that one still maps the frame, else from the head. Meanwhile entries are copied (a table is unshared) and
 * moved (mremap); a copy may stand where the walk has been, as the entry was before it was changed. So the
 * chain is walked again until nothing had to be changed and no slot was lost on the way: an entry that was missed
 * then would be the copy of one that this last walk found as it should be. Whoever sets W meanwhile marks the
 * page dirty under the same table lock.
 */
#include "internal.h"
#include <mm/policy.h>
#include <mm/turn.h>

/* Clears W and D of an entry of the locked table t for all its sharers. */
static unsigned clean_entry(struct frame *t, unsigned index, pte_t e)
{
	pte_t *entry = &table_entries(t)[index];
	while (e.bits & (PTE_WRITE | PTE_DIRTY)) {
		pte_t changed = { e.bits & ~(PTE_WRITE | PTE_DIRTY) };
		if (hal_entry_cmpxchg(entry, &e, changed)) {
			table_flush_entry(t, index);
			return VISIT_CHANGED;
		}
	}
	return 0;
}

static bool find_protected(struct space *s, uaddr_t base, void *used)
{
	bool is_protected = READ_ONCE(s->is_protected);
	*(unsigned *)used |= is_protected ? USED_PROTECTED : 0;
	return !is_protected;
}

/* USED_*, as far as one entry shows it; most are left as they are. */
static unsigned harvest_entry(struct frame *t, unsigned index, pte_t e)
{
	if (pte_is_accessed(e))
		e = hal_entry_test_and_clear(&table_entries(t)[index], PTE_ACCESSED);
	unsigned used = (pte_is_dirty(e) ? USED_DIRTY : 0) | (e.bits & PTE_LOCKED ? USED_LOCKED : 0);
	if (pte_is_accessed(e))
		used |= USED_MAPPED | (pte_is_executable(e) ? USED_EXEC : 0);
	if (unlikely(READ_ONCE(turn_is_held)))
		table_for_each_space(t, find_protected, &used);
	return used;
}

static unsigned visit_slot(struct frame *f, struct pinned *p, entry_fn fn)
{
	unsigned used = VISIT_LOST;
	table_lock_leaf(p->table);
	pte_t e = hal_entry_load(&table_entries(p->table)[p->index]);
	if (pte_maps(e, f))
		used = fn(p->table, p->index, e);
	table_unlock_leaf(p->table);
	return used;
}

/* The slots behind p, if p still maps f: as chain_batch. 0 with *lost set: start again. */
static unsigned batch_after(struct frame *f, struct pinned *p, struct pinned *out, bool *lost)
{
	unsigned n = 0;
	table_lock_leaf(p->table);
	*lost = !pte_maps(hal_entry_load(&table_entries(p->table)[p->index]), f);
	if (!*lost) {
		chain_lock(f);
		slot_t s = READ_ONCE(f->nr_slots) > 1 ? table_links(p->table)[p->index].next : 0;
		for (; s && n < WALK_BATCH; s = slot_links(s)->next) {
			out[n] = (struct pinned){ slot_table(s), slot_index(s) };
			table_get(out[n++].table);
		}
		chain_unlock(f);
	}
	table_unlock_leaf(p->table);
	return n;
}

unsigned slots_visit(struct frame *f, entry_fn fn)
{
	struct pinned slots[WALK_BATCH];
	unsigned n = chain_batch(f, 0, slots);
	unsigned all = 0;
	while (n) {
		for (unsigned i = 0; i < n; i++) {
			unsigned used = visit_slot(f, &slots[i], fn);
			all |= used | (used & all & USED_MAPPED ? USED_TWICE : 0);
		}
		for (unsigned i = 0; i + 1 < n; i++)
			table_put(slots[i].table);
		struct pinned last = slots[n - 1];
		bool lost = false;
		n = n < WALK_BATCH ? 0 : batch_after(f, &last, slots, &lost);
		table_put(last.table);
		if (lost) {
			n = chain_batch(f, 0, slots);
			all |= VISIT_LOST;
		}
	}
	return all;
}

void slots_change(struct frame *f, entry_fn fn)
{
	while (slots_visit(f, fn) & (VISIT_CHANGED | VISIT_LOST))
		;
}

void walk_back_clean(struct frame *f) { slots_change(f, clean_entry); }
unsigned walk_back_harvest(struct frame *f) { return slots_visit(f, harvest_entry) & ~VISIT_LOST; }
bool walk_back_test_accessed(struct frame *f) { return walk_back_harvest(f) & USED_MAPPED; }
