/* SPDX-License-Identifier: MIT */
/*
 * The buffer cache: blocks of file-system metadata inside the device's own pages (block_device.mapping).
 * A block is a piece of one page; which pieces are dirty is kept per 512 bytes, so that a page that
 * metadata and file data share is written only where metadata changed.
 *
 * Two users of one block see the same memory. Who changes it holds the file system's own lock, then
 * calls buffer_dirty.
 */
#ifndef MM_BUFFER_H
#define MM_BUFFER_H

#include <mm/block.h>

struct buffer {
	struct block_device *dev;
	struct frame *frame; /* referenced; NULL: empty */
	void *data;          /* the block's bytes */
	u64 block;           /* number, in blocks of 1 << shift bytes */
	u8 shift;            /* 9..12 */
};

/* The block's current content. 0, -EIO, -ENOMEM; -EINVAL beyond the device's end. May sleep. */
int buffer_read(struct block_device *d, u64 block, unsigned shift, struct buffer *out);
/* A block just allocated: zeros, dirty, whatever the disk holds. 0, -EIO (blocks smaller than a page share
 * one that must be read), -ENOMEM. */
int buffer_new(struct block_device *d, u64 block, unsigned shift, struct buffer *out);
/* Its bytes were changed: the flusher will write it. Under spin locks below RANK_MAPPING_TREE. */
void buffer_dirty(struct buffer *b);
/* Writes it now if dirty, waits; no device flush. 0 or -EIO. */
int buffer_write(struct buffer *b);
/* The same by number, if it is in memory at all (fsync of indirect blocks). */
int buffer_write_block(struct block_device *d, u64 block, unsigned shift);
void buffer_put(struct buffer *b); /* an empty one is fine */

/* Blocks [block, block + nr) belong to nobody any more, or to a file's data from now on: forgets that they
 * are dirty and waits for a write under way. May sleep. Call before they may be allocated again. */
void buffer_forget(struct block_device *d, u64 block, u64 nr, unsigned shift);

/* Starts reading a block without waiting, if it is absent. */
void buffer_readahead(struct block_device *d, u64 block, unsigned shift);

#endif
