/* SPDX-License-Identifier: MIT */
/*
 * How much to read beside a page that is touched in swap, region by region.
 *
 * A sweep, up or down, gets windows ahead of it that double, of pages that are in swap. Touches elsewhere do not end it at once: they are read
 * alone, so that a few pages that are used all the time do not break the scan that goes on beside them. When they go on,
 * or there is no sweep, what decides is how much of what was read before it was asked for has been of use, over the last
 * some hundred pages: half of it, and windows are as large as they may be, around the touch. When nothing is known, or
 * little was of use, now and then one page is read beside, to see.
 *
 * By slots (mm_tunables.swap_ahead_by_slot) it is the touched one's aligned neighbours on the disk, whose pages they may be:
 * good where pages come back in the order in which they went, and for disks that seek.
 *
 * Linux's scheme (VMA-based swap read-ahead, Huang et al., 2017) looks at the last window only: when touches come in no
 * order, what it has read is of use much later, and it reads nothing ahead any more.
 */
#include "internal.h"
#include <mm/mman.h>
#include <mm/region.h>
#include <mm/space.h>

#define ASKED_MAX   256u /* then old and new count the same */
#define ASKED_KNOWN 16u
#define STRAYS_MAX  4u   /* touches elsewhere between two of a sweep */
#define NO_SWEEP    (STRAYS_MAX + 1)
#define TRY_EVERY   8u
#define SWEEP_STEP  32u  /* pages that a sweep may go on without being seen */
#define SWEEP_REACH 4u   /* entries to look at for each page that a sweep may read: those between are in memory still */

/* Is `to` behind `from`, by `pages` at most? */
static bool is_ahead(uaddr_t to, uaddr_t from, u64 pages) { return to - from - 1 < pages << PAGE_SHIFT; }

static unsigned window_limit(void) { return 1u << min(mm_tunables.page_cluster, 5u); }

/* By what was of use; touches in no order. */
static unsigned window_by_use(struct swap_readahead *ra, unsigned limit)
{
	u32 asked = READ_ONCE(ra->asked), used = READ_ONCE(ra->used);
	if (asked >= ASKED_KNOWN && used * 2 >= asked)
		return limit;
	if (asked >= ASKED_KNOWN && used * 4 >= asked)
		return max(limit / 2, 1u);
	u32 nr = READ_ONCE(ra->nr_single) + 1;
	WRITE_ONCE(ra->nr_single, nr);
	return nr % TRY_EVERY == 0 ? 2 : 1;
}

struct swap_window swap_ahead_window(struct region *r, uaddr_t addr)
{
	struct swap_readahead *ra = &r->swap_ra;
	uaddr_t last = READ_ONCE(ra->last);
	unsigned limit = window_limit(), size = READ_ONCE(ra->size), strays = READ_ONCE(ra->strays);
	u64 step = size > 1 && strays != NO_SWEEP ? SWEEP_STEP : 1; /* pages that are in memory still are passed unseen */
	bool wants_all = READ_ONCE(r->space->is_protected); /* in its turn */
	bool is_up = is_ahead(addr, last, step), is_down = is_ahead(last, addr, step);
	if (is_up || is_down) {
		size = min(max(size * 2, 2u), limit);
	} else if (size > 1 && strays < STRAYS_MAX && !wants_all) {
		WRITE_ONCE(ra->strays, (u8)(strays + 1));
		return (struct swap_window){ 0 };
	} else {
		size = window_by_use(ra, limit);
	}
	WRITE_ONCE(ra->last, addr);
	WRITE_ONCE(ra->strays, is_up || is_down ? 0 : NO_SWEEP);
	WRITE_ONCE(ra->size, (u8)size);
	if (wants_all)
		size = limit;
	unsigned more = max(size, 1u) - 1, reach = more * SWEEP_REACH;
	return is_up ? (struct swap_window){ .max = more, .above = reach } : is_down ? (struct swap_window){ .max = more, .below = reach } :
	       (struct swap_window){ .max = more, .below = more / 2, .above = more - more / 2 };
}

unsigned swap_ahead_slots(struct region *r)
{
	unsigned limit = window_limit();
	return READ_ONCE(r->swap_ra.asked) < ASKED_KNOWN ? limit : window_by_use(&r->swap_ra, limit);
}

void swap_ahead_asked(struct region *r, unsigned nr)
{
	struct swap_readahead *ra = &r->swap_ra;
	u32 asked = READ_ONCE(ra->asked) + nr;
	if (asked > ASKED_MAX) {
		asked /= 2;
		WRITE_ONCE(ra->used, READ_ONCE(ra->used) / 2);
	}
	WRITE_ONCE(ra->asked, asked);
}

void swap_ahead_used(struct region *r, uaddr_t addr)
{
	struct swap_readahead *ra = &r->swap_ra;
	uaddr_t last = READ_ONCE(ra->last);
	WRITE_ONCE(ra->used, READ_ONCE(ra->used) + 1);
	if (is_ahead(addr, last, SWEEP_STEP) || is_ahead(last, addr, SWEEP_STEP))
		WRITE_ONCE(ra->last, addr);
}
