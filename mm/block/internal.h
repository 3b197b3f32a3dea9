/* SPDX-License-Identifier: MIT */
#ifndef MM_BLOCK_INTERNAL_H
#define MM_BLOCK_INTERNAL_H

#include <mm/block.h>

/* A request was passed on / has ended, at hal_clock_ns() `now`. end returns the sectors counted before it. */
void block_count_start(struct block_device *d, enum block_op op, u64 now);
u64 block_count_end(struct block_device *d, enum block_op op, u32 nr_sectors, u64 start, u64 now);

#endif
