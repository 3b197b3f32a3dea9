/* SPDX-License-Identifier: MIT */
/*
 * Fault-around: mapping a stretch of a file's pages at once. Each page's chain gets a slot at its head. As
 * with leaving (trail.h) the heads are guessed: they mostly lie in one table, one entry further from page
 * to page, which is pinned meanwhile.
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/stat.h>

struct heads {
	u64 guess;           /* the head of the next page's chain; CHAIN_LOCKED: none */
	u64 delta;           /* what the chain gains: the slot instead of the head, and one in length */
	struct links *links; /* [i]: the head's, of page i */
	struct frame *pin;   /* their table */
};

static __attribute__((noinline)) struct heads heads_aim(slot_t head, slot_t slot, unsigned i)
{
	struct frame *t = slot_table(head);
	table_get(t);
	return (struct heads){ head, CHAIN_ONE + slot - head, table_links(t) + slot_index(head) - i, t };
}

/* Entries and links are those of the first page, whose slot is `slot`; base: the entry of frame 0. Returns how
 * many it mapped, and (<< 32) how many of these nobody had mapped. */
static __attribute__((noinline)) u64 map_pages(struct frame *const *pages, unsigned nr, pte_t *entries, struct links *links,
                                               slot_t slot, u64 base)
{
	struct heads h = { .guess = CHAIN_LOCKED };
	u64 nr_mapped = 0;
	for (unsigned i = 0; i < nr; i++, slot += SLOT_STEP, h.guess += SLOT_STEP) {
		struct frame *f = pages[i];
		if (!f || !pte_is_none(hal_entry_load(&entries[i])) || !frame_is_ready(f))
			continue;
		frame_get(f);
		chain_lock_raw(f);
		u64 chain = READ_ONCE(f->chain) - CHAIN_LOCKED;
		nr_mapped++;
		if (unlikely((slot_t)chain != h.guess)) {
			if (!chain) {
				nr_mapped += 1ull << 32;
				chain_unlock_as(f, CHAIN_ONE | slot);
				goto mapped;
			}
			if (h.pin)
				table_put(h.pin);
			h = heads_aim((slot_t)chain, slot, i);
		}
		if (unlikely(READ_ONCE(f->nr_slots) == 1))
			h.links[i].next = 0; /* meant nothing until now */
		h.links[i].prev = slot;
		links[i].both = (slot_t)chain;
		chain_unlock_as(f, chain + h.delta);
mapped:
		hal_entry_store(&entries[i], (pte_t){ base + ((u64)f << (PAGE_SHIFT - FRAME_SHIFT)) });
	}
	if (h.pin)
		table_put(h.pin);
	return nr_mapped;
}

void leaf_map_around(struct space *s, struct leaf *l, unsigned index, struct frame *const *pages, unsigned nr, u64 bits,
                     enum rss_kind kind)
{
	struct frame *t = l->table;
	chain_rank_enter();
	u64 counts = map_pages(pages, nr, table_entries(t) + index, table_links(t) + index, slot_make(t, index),
	                       pte_make_frame(NULL, bits).bits);
	chain_rank_leave();
	unsigned nr_mapped = (u32)counts;
	t->nr_entries += nr_mapped;
	t->rss[kind] += nr_mapped;
	__atomic_fetch_add(&s->rss[kind], nr_mapped, __ATOMIC_RELAXED);
	if (counts >> 32)
		stat_add(STAT_NR_MAPPED, (s64)(counts >> 32));
}
