/* SPDX-License-Identifier: MIT */
/*
 * Leaving and joining chains along a stretch of entries.
 *
 * Who maps a page of a file mostly maps the next one too, one entry further. So along a stretch the
 * neighbours in the chains stay in the same tables, and each slot is that of the page before plus
 * SLOT_STEP. A trail guesses the next page's neighbours so; when the guess is right their links are at
 * hand, without a look at the tables' numbers. A slot holds the index in its upper bits: one entry behind
 * the last of a table is a slot that does not exist, and the guess fails there as it should.
 *
 * The neighbours' tables are pinned: a number guessed right is the same table's still, its companion in
 * place. The links themselves are touched under the page's chain lock only, as everywhere.
 *
 * A neighbour that is missing is played by the slot itself: what is written into its links is not read
 * (leave), or was right already.
 */
#ifndef MM_PAGETABLE_TRAIL_H
#define MM_PAGETABLE_TRAIL_H

#include "internal.h"

/* For leaving chains. */
struct trail {
	u64 guess;                 /* the links of entry i */
	u64 step;                  /* what that gains from entry to entry */
	u64 delta;                 /* what frame->chain gains, unlocked in passing */
	struct links *next, *prev; /* [i]: the neighbours' links of entry i's slot */
	struct frame *pins[2];
};

#define TRAIL_NONE ((struct trail){ .guess = CHAIN_LOCKED }) /* matches no links */

struct trail trail_aim(struct trail old, struct links *links, unsigned i, struct frame *table);

/* To the next entry. */
static inline void trail_go(struct trail *r) { r->guess += r->step; }

static inline void trail_end(struct trail *r)
{
	if (r->pins[0])
		table_put(r->pins[0]);
	if (r->pins[1])
		table_put(r->pins[1]);
}

/* Takes entry i of the locked table with these links out of f's chain. True: it was the only one. */
static inline bool trail_leave(struct trail *r, struct frame *f, struct links *links, unsigned i, struct frame *const *table)
{
	chain_lock_raw(f);
	u64 chain = READ_ONCE(f->chain);
	if (unlikely(READ_ONCE(f->nr_slots) == 1)) {
		chain_unlock_as(f, 0);
		return true;
	}
	u64 mine = links[i].both;
	if (unlikely(mine != r->guess))
		*r = trail_aim(*r, links, i, *table);
	r->next[i].prev = (slot_t)(mine >> 32);
	r->prev[i].next = (slot_t)mine;
	chain_unlock_as(f, chain + r->delta);
	return false;
}

#endif
