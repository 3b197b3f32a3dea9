/* SPDX-License-Identifier: MIT */
/*
 * Replacement lists of file pages: inactive, where new pages come and victims are taken from the cold end,
 * and active, for pages that were used twice while inactive. The inactive list is kept at least as long
 * as the active one, so that what is read once cannot push out what is used.
 * Source: the two-list scheme of Linux, Documentation/mm (page reclaim).
 *
 * L1  A page is on a list exactly while it is in the index of a file with a backing store; it comes and
 *     goes under that file's tree lock. So whoever holds its busy bit and sees ->mapping set may use it.
 */
#include "internal.h"
#include <hal/lock.h>

enum { INACTIVE, ACTIVE, NR_LISTS };

static struct spinlock lock = SPINLOCK_INIT(RANK_LRU);
static struct list_head lists[NR_LISTS] = { { &lists[0], &lists[0] }, { &lists[1], &lists[1] } };
static u64 nr_pages[NR_LISTS];

static void count(unsigned list, s64 n)
{
	nr_pages[list] += (u64)n;
	stat_add(list == ACTIVE ? STAT_NR_ACTIVE_FILE : STAT_NR_INACTIVE_FILE, n);
}

static unsigned list_of(const struct frame *f) { return frame_flags(f) & FRAME_ACTIVE ? ACTIVE : INACTIVE; }

void lru_add(struct frame *f)
{
	frame_set_flags(f, FRAME_LRU);
	spin_lock(&lock);
	list_add(&f->lru, &lists[INACTIVE]);
	count(INACTIVE, 1);
	spin_unlock(&lock);
}

void lru_remove(struct frame *f)
{
	spin_lock(&lock);
	list_del(&f->lru);
	count(list_of(f), -1);
	frame_clear_flags(f, FRAME_LRU | FRAME_ACTIVE);
	spin_unlock(&lock);
}

unsigned lru_take_cold(struct frame **out, unsigned nr)
{
	unsigned n = 0;
	spin_lock(&lock);
	for (; n < nr && n < nr_pages[INACTIVE]; n++) {
		struct frame *f = list_entry(lists[INACTIVE].prev, struct frame, lru);
		frame_get(f); /* the index holds one: see L1 */
		list_del(&f->lru);
		list_add(&f->lru, &lists[INACTIVE]);
		out[n] = f;
	}
	spin_unlock(&lock);
	return n;
}

static void move_to(struct frame *f, unsigned list)
{
	list_del(&f->lru);
	count(list_of(f), -1);
	if (list == ACTIVE)
		frame_set_flags(f, FRAME_ACTIVE);
	else
		frame_clear_flags(f, FRAME_ACTIVE);
	list_add(&f->lru, &lists[list]);
	count(list, 1);
	stat_add(list == ACTIVE ? STAT_PGACTIVATE : STAT_PGDEACTIVATE, 1);
}

void lru_activate(struct frame *f)
{
	spin_lock(&lock);
	if ((frame_flags(f) & (FRAME_LRU | FRAME_ACTIVE)) == FRAME_LRU)
		move_to(f, ACTIVE);
	spin_unlock(&lock);
}

void lru_touch(struct frame *f)
{
	u32 flags = frame_flags(f);
	if (!(flags & FRAME_ACCESSED))
		frame_set_flags(f, FRAME_ACCESSED);
	else if (!(flags & FRAME_ACTIVE))
		lru_activate(f);
}

void lru_balance(unsigned nr)
{
	spin_lock(&lock);
	while (nr-- && nr_pages[INACTIVE] < nr_pages[ACTIVE])
		move_to(list_entry(lists[ACTIVE].prev, struct frame, lru), INACTIVE);
	spin_unlock(&lock);
}

const char *lru_validate(void)
{
	const char *broken = NULL;
	spin_lock(&lock);
	for (unsigned list = 0; list < NR_LISTS && !broken; list++) {
		u64 nr = 0;
		struct frame *f;
		list_for_each_entry(f, &lists[list], lru) {
			nr++;
			if (f->kind != FRAME_CACHE || !(f->flags & FRAME_LRU) || list_of(f) != list || !f->mapping)
				broken = "lru: a page on a list does not belong there";
		}
		if (nr != nr_pages[list])
			broken = "lru: a list's count is wrong";
	}
	spin_unlock(&lock);
	return broken;
}
