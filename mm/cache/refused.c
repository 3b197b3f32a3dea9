/* SPDX-License-Identifier: MIT */
/*
 * Pages that the disk refuses. A page whose write failed stays dirty and is tried again, by each fsync and each round
 * of the flusher, so that a disk that fails for a while costs nothing. A disk that refuses everything for ever would
 * fill the memory in that way; so such pages have a bound, half of the threshold from which the flusher writes
 * everything, pages of files and the devices' own each:
 *
 *   clean --change--> dirty --write fails--> dirty, refused --fails again, beyond the bound--> lost: clean
 *                       ^ <----writes---------------+
 *
 * A lost page is treated as Linux treats every page whose write failed: it counts as clean, and memory may take it
 * back. But the file remembers: each fsync of it fails from then on, until it is truncated to nothing or leaves
 * memory. So an fsync that ends well means every page, here too.
 *
 * Metadata of a mounted file system is never lost: read again, it would contradict what is in memory. Beyond the bound
 * the file system hears of it and lets nothing be changed any more, so that no more comes.
 *
 * R1  A page with FRAME_REFUSED is in the index, and dirty or under write-back. nr_refused counts these pages, files'
 *     and devices'.
 * R2  Where writers are made to wait or the flusher is made to hurry, refused pages that will stay do not count:
 *     neither would help.
 *
 * The flag changes under the tree lock.
 */
#include "internal.h"
#include <hal/log.h>
#include <mm/block.h>
#include <mm/writeback.h>

static s64 nr_refused[2]; /* atomic; of all devices: pages of files, own pages */

static s64 *count_of(const struct mapping *m) { return &nr_refused[!!(m->flags & MAPPING_DEVICE)]; }
static u64 nr_of(const s64 *count) { return (u64)max(__atomic_load_n(count, __ATOMIC_RELAXED), (s64)0); }

u64 writeback_nr_refused(void) { return nr_of(&nr_refused[0]) + nr_of(&nr_refused[1]); }

static u64 bound(u64 background) { return background / 2; }

u64 refused_exempt(u64 background) { return min(nr_of(&nr_refused[0]), bound(background)) + nr_of(&nr_refused[1]); }

static bool is_beyond_bound(const struct mapping *m)
{
	u64 background, hard;
	writeback_thresholds(&background, &hard);
	return nr_of(count_of(m)) > bound(background);
}

static void mark_locked(struct frame *f)
{
	frame_set_flags(f, FRAME_REFUSED);
	__atomic_fetch_add(count_of(f->mapping), 1, __ATOMIC_RELAXED);
}

void refused_clear_locked(struct frame *f)
{
	if (likely(!(frame_flags(f) & FRAME_REFUSED)))
		return;
	frame_clear_flags(f, FRAME_REFUSED);
	__atomic_fetch_sub(count_of(f->mapping), 1, __ATOMIC_RELAXED);
}

static void log_lost(struct backing_store *b)
{
	if (!__atomic_exchange_n(&b->has_lost, true, __ATOMIC_ACQ_REL))
		hal_log(LOG_ERR, "%s: writes are refused, and too many wait: pages of a file are lost", b->dev->name);
}

bool refused_keep(struct mapping *m, struct frame *f)
{
	bool is_lost = false;
	if (frame_flags(f) & FRAME_REFUSED && is_beyond_bound(m) && !(m->flags & MAPPING_DEVICE && block_tell_holder(m->store->dev))) {
		spin_lock(&m->tree_lock);
		is_lost = !(frame_flags(f) & FRAME_DIRTY); /* else changed meanwhile, and to be written anyway */
		if (is_lost)
			refused_clear_locked(f);
		spin_unlock(&m->tree_lock);
		if (is_lost)
			log_lost(m->store);
	} else if (!(frame_flags(f) & FRAME_REFUSED)) {
		spin_lock(&m->tree_lock);
		mark_locked(f);
		spin_unlock(&m->tree_lock);
	}
	return !is_lost;
}
