/* SPDX-License-Identifier: MIT */
/* Logical blocks of a device, read into one page at a time: how partition tables are looked at. */
#ifndef MM_BLOCK_READER_H
#define MM_BLOCK_READER_H

#include <mm/block.h>

struct block_reader {
	struct block_device *dev;
	struct frame *page;
	u8 *bytes;     /* of page: what block_reader_get read last */
	u64 nr_blocks; /* of the device, logical */
	u32 block;     /* bytes of one */
};

/* 0 or -ENOMEM. block_reader_end must follow success. */
int block_reader_begin(struct block_reader *r, struct block_device *dev);
void block_reader_end(struct block_reader *r);

/* Reads nr blocks, at most a page, from `block` on. 0, -EIO, -ENXIO (beyond the end), -ENOMEM. */
int block_reader_get(struct block_reader *r, u64 block, u32 nr);

#endif
