/* SPDX-License-Identifier: MIT */
/*
 * Moving a page to another frame, as far as entries are concerned: all that map the old frame are suspended, the
 * content is copied, they map the new one.
 *
 * A suspended entry (PTE_MIGRATING) still maps the old frame for everybody but the MMU: its slot is in the
 * chain, counts and references stand. It may be removed, copied by unshare and fork, moved by mremap, and given
 * other rights meanwhile, which come into force when it is resumed. A fault waits for the frame's busy bit and
 * is repeated.
 *
 * The chain belongs to the page: it goes over slot by slot, each under its table's lock together with the entry
 * and the reference. So at any time an entry's frame is the one whose chain has the slot. Copies made in
 * between come to the old frame's chain and follow, until that is empty.
 *
 * Everything happens in place, in shared tables too, for all sharers.
 */
#include "internal.h"
#include <mm/reclaim.h>

static unsigned suspend_entry(struct frame *t, unsigned index, pte_t e)
{
	pte_t *entry = &table_entries(t)[index];
	if (pte_is_migrating(e))
		return 0;
	while (!hal_entry_cmpxchg(entry, &e, pte_to_migrating(e))) /* the walker set A or D */
		;
	struct frame *f = pte_frame(e);
	if (pte_is_dirty(e) && (frame_flags(f) & (FRAME_SHMEM | FRAME_SWAPCACHE))) /* an entry that is removed meanwhile cannot tell any more */
		frame_set_flags(f, FRAME_DIRTY);
	if (pte_is_present(e))
		table_flush_entry(t, index);
	return VISIT_CHANGED;
}

void walk_back_suspend(struct frame *f)
{
	if (READ_ONCE(f->nr_slots))
		slots_change(f, suspend_entry);
}

bool frame_is_quiet(struct frame *f, u32 others)
{
	/* With the chain locked no slot comes or goes; a reference always comes before its slot and goes after it. */
	chain_lock(f);
	bool quiet = (u32)__atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == READ_ONCE(f->nr_slots) + others;
	chain_unlock(f);
	return quiet;
}

static unsigned restore_entry(struct frame *t, unsigned index, pte_t e)
{
	if (!pte_is_migrating(e))
		return 0;
	hal_entry_store(&table_entries(t)[index], pte_from_migrating(e, pte_pfn(e)));
	return VISIT_CHANGED;
}

/* The slot goes over to the other frame, if it is still f's. True: it is one of a locked region. */
static bool hand_over(struct frame *f, struct frame *to, struct frame *t, unsigned index)
{
	table_lock_leaf(t);
	pte_t e = hal_entry_load(&table_entries(t)[index]);
	bool is_f = pte_maps(e, f), is_locked = is_f && e.bits & PTE_LOCKED;
	if (is_f) {
		ASSERT(pte_is_migrating(e));
		frame_get(to);
		slot_unlink(f, t, index);
		slot_link(to, t, index);
		hal_entry_store(&table_entries(t)[index], pte_from_migrating(e, frame_pfn(to)));
		if (unlikely(is_locked)) /* perhaps only since the page left f */
			lru_lock(to);
		frame_put(f);
	}
	table_unlock_leaf(t);
	return is_locked;
}

void walk_back_resume(struct frame *f, struct frame *to)
{
	struct pinned slots[WALK_BATCH];
	if (to == f) {
		if (READ_ONCE(f->nr_slots))
			slots_change(f, restore_entry);
		return;
	}
	bool is_locked = false;
	/* Each round shortens the chain, so it ends. */
	for (unsigned n; (n = chain_batch(f, 0, slots)) != 0;) {
		for (unsigned i = 0; i < n; i++) {
			is_locked |= hand_over(f, to, slots[i].table, slots[i].index);
			table_put(slots[i].table);
		}
	}
	if (!is_locked) /* perhaps no longer since the mark left f */
		lru_unlock(to);
}
