/* SPDX-License-Identifier: MIT */
/* Which partition table a disk has, and how its blocks are read. */
#include <asm/errno.h>
#include <mm/partition.h>
#include "reader.h"

static int new_page(struct block_reader *r)
{
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	if (!f)
		return -ENOMEM;
	if (r->page)
		frame_put(r->page);
	r->page = f;
	r->bytes = frame_ptr(f);
	return 0;
}

int block_reader_begin(struct block_reader *r, struct block_device *dev)
{
	*r = (struct block_reader){ .dev = dev, .block = dev->logical_block };
	r->nr_blocks = READ_ONCE(dev->nr_sectors) / (r->block >> SECTOR_SHIFT);
	return new_page(r);
}

void block_reader_end(struct block_reader *r) { frame_put(r->page); }

int block_reader_get(struct block_reader *r, u64 block, u32 nr)
{
	int err = block_rw(r->dev, BLOCK_READ, block * (r->block >> SECTOR_SHIFT), r->page, 0, nr * r->block);
	if (err && new_page(r)) /* the old one is not to be filled again: see mm/block.h */
		err = -ENOMEM;
	return err;
}

int partition_read(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg)
{
	int nr = partition_read_gpt(whole, found, arg);
	return nr ? nr : partition_read_mbr(whole, found, arg);
}
