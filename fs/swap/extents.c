/* SPDX-License-Identifier: MIT */
/*
 * Where the pages of a swap file lie. A run of blocks that follow each other on the device gives as many whole
 * pages as fit into it, from its first block on; what is left over at its end stays unused, as do runs shorter than
 * a page. The pages are numbered through, so page n of the area need not be page n of the file. Page 0,
 * the header's, is never written: if the header's run is too short for a page, none of its blocks is used.
 */
#include "internal.h"
#include <mm/block.h>
#include <mm/writeback.h>

#define SECTORS_PER_PAGE (PAGE_SIZE / SECTOR_SIZE)

static int append(struct swap_extents *x, u64 sector, u64 nr)
{
	if (x->nr == x->nr_allocated) {
		u32 want = max(2 * x->nr_allocated, 16u);
		struct swap_extent *larger = kmalloc(want * sizeof(*larger), ALLOC_KERNEL);
		if (!larger)
			return -ENOMEM;
		if (x->nr)
			memcpy(larger, x->list, x->nr * sizeof(*larger));
		kfree(x->list);
		x->list = larger;
		x->nr_allocated = want;
	}
	x->list[x->nr++] = (struct swap_extent){ .page = x->nr_pages, .nr = nr, .sector = sector };
	x->nr_pages += nr;
	return 0;
}

/* A run of sectors ends: takes its whole pages, while the area wants some. */
static int take_run(struct swap_extents *x, u64 sector, u64 nr_sectors, u64 max)
{
	u64 nr = min(nr_sectors / SECTORS_PER_PAGE, max - x->nr_pages);
	return nr ? append(x, sector, nr) : 0;
}

int swap_extents_of_file(struct inode *i, u64 max, struct swap_extents *out)
{
	struct mapping *m = &i->mapping;
	unsigned shift = m->store->block_shift, to_sectors = shift - SECTOR_SHIFT;
	u64 end = i->size >> PAGE_SHIFT << (PAGE_SHIFT - shift), sector = 0, nr = 0;
	int err = 0;
	for (u64 block = 0; block < end && !err;) {
		struct block_extent e;
		err = m->ops->map_blocks(m, block, (u32)min(end - block, 1ull << 30), false, &e);
		if (!err && e.device_block == BLOCK_HOLE) {
			hal_log(LOG_ERR, "swapon: file has unallocated extents");
			err = -EINVAL;
		}
		if (err)
			break;
		u64 at = e.device_block << to_sectors, len = (u64)e.nr << to_sectors;
		if (nr && at == sector + nr) {
			nr += len;
		} else {
			err = take_run(out, sector, nr, max);
			sector = at;
			nr = len;
		}
		block += e.nr;
		cond_resched();
	}
	if (!err)
		err = take_run(out, sector, nr, max);
	return err;
}

int swap_extents_of_device(u64 nr_pages, struct swap_extents *out) { return append(out, 0, nr_pages); }
