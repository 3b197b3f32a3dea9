/* SPDX-License-Identifier: MIT */
/* Where a trail is wrong it is aimed anew, at the neighbours of the entry at hand (trail.h). */
#include "trail.h"

/* The links of `slot`, as if entry i of the table at hand had the same index; pins slot's table. */
static struct links *aim_at(struct frame **pin, slot_t slot, unsigned i)
{
	struct frame *t = slot_table(slot);
	table_get(t);
	*pin = t;
	return table_links(t) + slot_index(slot) - i;
}

struct trail trail_aim(struct trail old, struct links *links, unsigned i, struct frame *table)
{
	struct trail r = { .guess = links[i].both, .next = links, .prev = links };
	slot_t next = links[i].next, prev = links[i].prev;
	trail_end(&old);
	r.delta = -CHAIN_ONE - CHAIN_LOCKED;
	if (next) {
		r.next = aim_at(&r.pins[0], next, i);
		r.step = SLOT_STEP;
	}
	if (prev) {
		r.prev = aim_at(&r.pins[1], prev, i);
		r.step += (u64)SLOT_STEP << 32;
	} else {
		r.delta += (u64)next - slot_make(table, i);
	}
	return r;
}
