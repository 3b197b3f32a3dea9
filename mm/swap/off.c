/* SPDX-License-Identifier: MIT */
/*
 * The end of an area: slot by slot, each page is brought into the cache, and every entry that names the slot
 * gets the frame instead. No region is asked for its rights: the entries grant none, and the next touch puts
 * them right.
 */
#include "internal.h"
#include <mm/group.h>
#include <mm/host.h>
#include <mm/reclaim.h>
#include <mm/shmem.h>

/* Empties the slot whose cached frame f is, busy. 0 or -EIO. */
static int empty_slot(u64 entry, struct frame *f)
{
	if (!(frame_flags(f) & FRAME_SWAPCACHE) || frame_swap_entry(f) != entry)
		return 0; /* it came back by itself */
	if (!(frame_flags(f) & FRAME_UPTODATE))
		return -EIO;
	frame_wait_writeback(f);
	swapped_bring_back(entry, f);
	swap_cache_release_busy(f);
	return 0;
}

/* A frame that has just become a slot's cache: its group goes beyond its limit for it. */
static void charge_as_before(struct frame *f)
{
	u32 group = alloc_group(swap_alloc_group(frame_swap_entry(f)));
	if (group)
		f->group = (u16)mem_group_charge(group, 0, ALLOC_RESERVE, MEM_GROUP_ANON);
}

struct pinned_slot {
	u64 slot;
	struct frame *frame; /* with a reference */
};

/* Pins the next slots in use from *slot on, up to nr, and has those read whose pages are not in memory. How many;
 * -ENOMEM. Only the first waits for memory: while it waits no page is busy whose read has not begun. */
static int pin_slots(unsigned area, u64 *slot, struct pinned_slot *out, unsigned nr)
{
	struct frame *to_read[SWAP_BATCH];
	unsigned n = 0, nr_read = 0;
	int err = 0;
	for (; n < nr; n++, ++*slot) {
		struct frame *fresh = frame_alloc(0, ALLOC_MOVABLE | (n ? 0 : ALLOC_KERNEL), FRAME_ANON), *f = NULL;
		bool is_new = false;
		err = fresh ? 0 : -ENOMEM;
		if (fresh) {
			fresh->flags = FRAME_BUSY;
			f = slot_pin_next(area, slot, fresh, &is_new);
			if (!is_new)
				frame_put(fresh);
		}
		if (!f)
			break;
		out[n] = (struct pinned_slot){ *slot, f };
		if (is_new) {
			charge_as_before(f);
			lru_add(f);
			frame_get(f); /* the read's */
			to_read[nr_read++] = f;
		}
	}
	if (nr_read)
		swap_read(to_read, nr_read);
	return n ? (int)n : err;
}

/* The pages of shared memory are found by their files. */
static int empty_slots(unsigned area)
{
	struct pinned_slot pinned[SWAP_BATCH];
	int nr;
	for (u64 slot = 1; (nr = pin_slots(area, &slot, pinned, SWAP_BATCH)) > 0;) {
		int err = host_current()->is_being_killed ? -EINTR : 0;
		for (int i = 0; i < nr; i++) {
			struct frame *f = pinned[i].frame;
			frame_busy_lock(f);
			if (!err)
				err = empty_slot((u64)area << SWAP_AREA_SHIFT | pinned[i].slot, f);
			frame_busy_unlock(f);
			frame_put_user(f);
		}
		if (err)
			return err;
	}
	return nr;
}

int swap_bring_back(unsigned area)
{
	int err = 0;
	/* Pages that were on their way to a slot when it began may come late. */
	while (!err && !area_is_empty(area)) {
		err = shmem_bring_back(area);
		if (!err)
			err = empty_slots(area);
	}
	return err;
}
