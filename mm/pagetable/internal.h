/* SPDX-License-Identifier: MIT */
/* Chain links as the files of mm/pagetable/ see them; the theory is in chain.c. */
#ifndef MM_PAGETABLE_INTERNAL_H
#define MM_PAGETABLE_INTERNAL_H

#include <mm/pagetable.h>

struct links {
	slot_t next, prev;
};

static inline void chain_lock(struct frame *f) { byte_lock(&f->chain_lock, RANK_FRAME_CHAIN); }
static inline void chain_unlock(struct frame *f) { byte_unlock(&f->chain_lock, RANK_FRAME_CHAIN); }
static inline struct links *table_links(struct frame *t)
{
	return hal_frame_ptr(t->companion_pfn);
}

static inline struct links *slot_links(slot_t s)
{
	return &table_links(slot_table(s))[slot_index(s)];
}

/* The same as slot_link, when slot (known, i) is in the chain already; both tables have companions. Inline:
 * fork and unsharing do it for every table or page. */
static inline void slot_link_beside(struct frame *f, struct frame *known, unsigned i, struct frame *table, unsigned j)
{
	slot_t slot = slot_make(table, j), beside = slot_make(known, i);
	struct links *k = &table_links(known)[i], *l = &table_links(table)[j];
	chain_lock(f);
	u32 before = f->nr_slots;
	if (likely(before == 1)) {
		*k = (struct links){ .next = slot, .prev = 0 };
		*l = (struct links){ .next = 0, .prev = beside };
	} else {
		*l = (struct links){ .next = k->next, .prev = beside };
		if (k->next)
			slot_links(k->next)->prev = slot;
		k->next = slot;
	}
	WRITE_ONCE(f->nr_slots, before + 1);
	chain_unlock(f);
}

#define WALK_BATCH 32

/* A slot whose table is pinned: its number may be reused once the table is freed, its frame not. */
struct pinned {
	struct frame *table;
	unsigned index;
};

/* Copies up to WALK_BATCH slots of f's chain, after skipping `skip`, and pins their tables. */
unsigned chain_batch(struct frame *f, u32 skip, struct pinned *out);

#endif
