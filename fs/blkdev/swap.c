/* SPDX-License-Identifier: MIT */
/*
 * A device that swap has. Its sectors are written past the cache, so the cache must hold none that is dirty, and
 * none at all that a file system or program would take for what is on the disk afterwards.
 */
#include "internal.h"
#include <mm/cache.h>

static bool has_no_direct_writes(void *arg) { return !__atomic_load_n(&((struct blkdev *)arg)->nr_direct_writes, __ATOMIC_SEQ_CST); }

static void set_swap(struct blkdev *b, bool on)
{
	mutex_lock(&b->write_lock); /* writes through the cache have ended */
	__atomic_store_n(&b->is_swap, on, __ATOMIC_SEQ_CST);
	mutex_unlock(&b->write_lock);
}

int blkdev_begin_swap(struct block_device *d)
{
	struct blkdev *b = blkdev_of(d);
	set_swap(b, true);
	host_wait(&b->direct_wait, has_no_direct_writes, b, 0);
	int err = blkdev_sync(b);
	/* Only faults that were under way still make pages dirty. */
	for (unsigned round = 0; !err && round < 100; round++) {
		err = mapping_invalidate(&d->mapping, 0, ~0ull);
		if (err != -EBUSY)
			break;
		err = round == 99 ? -EBUSY : 0;
		cond_resched();
	}
	if (err)
		set_swap(b, false);
	return err;
}

void blkdev_end_swap(struct block_device *d)
{
	set_swap(blkdev_of(d), false);
	mapping_invalidate(&d->mapping, 0, ~0ull);
}
