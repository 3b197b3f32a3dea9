/* SPDX-License-Identifier: MIT */
/*
 * A file on the disk in memory, for tests of the page cache and of write-back: its blocks lie where a simple
 * allocator put them.
 */
#ifndef UNIT_STORED_H
#define UNIT_STORED_H

#include "live.h"
#include <mm/cache.h>

#define FILE_MAX   (96 * PAGE_SIZE)
#define MAX_BLOCKS (FILE_MAX / 512)

extern struct host_disk *stored_disk;
extern struct block_device *stored_dev;
extern struct stored {
	struct mapping mapping;
	struct backing_store store;
	u64 size;
	u64 blocks[MAX_BLOCKS]; /* on the disk; 0: hole */
	u64 next, left;         /* allocator: next device block, how many it may still give */
	struct readahead ra;
} stored;
extern u8 stored_scratch[FILE_MAX];

/* The machine and the empty file, in blocks of 1 << shift bytes. */
void stored_up(unsigned shift);
void stored_up_with(unsigned shift, unsigned nr_cpus);
void stored_down(void); /* nothing is dirty any more */
/* Bytes as write(2) and read(2); of those to be written, memory is bad behind the first `good`. */
long stored_write(u64 pos, u64 len, const u8 *bytes, u64 good);
long stored_read(u64 pos, u64 len, u8 *bytes);
/* The same of any mapping. */
long mapping_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, u8 *bytes);
void stored_truncate(u64 size);
void stored_punch(u64 start, u64 end);
void stored_sync(void);
/* `size` bytes that are on the disk and not in memory; they stay in stored_scratch. */
void stored_fill(u64 size);
/* What the disk holds of the file, holes as zeros. */
void stored_content(u8 *out);
/* Blocks that holes gave back were not written to. */
void stored_check_freed(void);
void stored_assert_valid(void);

#endif
