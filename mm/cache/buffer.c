/* SPDX-License-Identifier: MIT */
/*
 * Blocks of metadata inside the device's own pages. frame->owner keeps which 512-byte pieces of a page are
 * dirty: a page that was cleaned and a block freed since must not be written over what the block holds
 * now.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/buffer.h>
#include <mm/cache.h>

static u64 block_index(u64 block, unsigned shift) { return block >> (PAGE_SHIFT - shift); }
static u32 block_offset(u64 block, unsigned shift) { return (u32)(block & ((1u << (PAGE_SHIFT - shift)) - 1)) << shift; }

static u8 block_mask(u64 block, unsigned shift)
{
	return (u8)(((1u << (1u << (shift - SECTOR_SHIFT))) - 1) << (block_offset(block, shift) >> SECTOR_SHIFT));
}

static bool is_inside(const struct block_device *d, u64 block, unsigned shift)
{
	return block < d->nr_sectors >> (shift - SECTOR_SHIFT);
}

static void fill_out(struct buffer *out, struct block_device *d, struct frame *f, u64 block, unsigned shift)
{
	*out = (struct buffer){ .dev = d, .frame = f, .block = block, .shift = (u8)shift };
	out->data = (char *)frame_ptr(f) + block_offset(block, shift);
}

int buffer_read(struct block_device *d, u64 block, unsigned shift, struct buffer *out)
{
	struct frame *f;
	out->frame = NULL;
	if (!is_inside(d, block, shift))
		return -EINVAL;
	int err = mapping_get(&d->mapping, block_index(block, shift), ALLOC_WAIT, &f);
	if (!err)
		fill_out(out, d, f, block, shift);
	return err;
}

/* A block as large as a page: no need to read what is overwritten. */
static int new_page(struct block_device *d, u64 index, struct frame **out)
{
	struct frame *f = frame_alloc(0, ALLOC_WAIT | ALLOC_ZERO, FRAME_CACHE);
	if (!f)
		return -ENOMEM;
	f->flags = FRAME_UPTODATE;
	frame_get(f);
	int err = mapping_insert(&d->mapping, index, ALLOC_WAIT, f, true);
	if (err)
		frame_free(f, 0);
	else
		*out = f;
	return err;
}

int buffer_new(struct block_device *d, u64 block, unsigned shift, struct buffer *out)
{
	struct frame *f;
	out->frame = NULL;
	if (!is_inside(d, block, shift))
		return -EINVAL;
	int err = shift == PAGE_SHIFT ? new_page(d, block, &f) : -EEXIST;
	if (err == -EEXIST)
		err = mapping_get(&d->mapping, block_index(block, shift), ALLOC_WAIT, &f);
	if (err)
		return err;
	fill_out(out, d, f, block, shift);
	memset(out->data, 0, 1u << shift);
	buffer_dirty(out);
	return 0;
}

void buffer_dirty(struct buffer *b)
{
	mapping_dirty_sectors(&b->dev->mapping, b->frame, block_mask(b->block, b->shift));
}

int buffer_write(struct buffer *b)
{
	u64 start = b->frame->index << PAGE_SHIFT;
	return mapping_writeback(&b->dev->mapping, start, start + PAGE_SIZE, WRITEBACK_WAIT);
}

int buffer_write_block(struct block_device *d, u64 block, unsigned shift)
{
	u64 start = block_index(block, shift) << PAGE_SHIFT;
	return mapping_writeback(&d->mapping, start, start + PAGE_SIZE, WRITEBACK_WAIT);
}

void buffer_put(struct buffer *b)
{
	if (b->frame)
		frame_put(b->frame);
	b->frame = NULL;
}

void buffer_forget(struct block_device *d, u64 block, u64 nr, unsigned shift)
{
	for (u64 end = block + nr; block < end; block++) {
		struct frame *f = mapping_find(&d->mapping, block_index(block, shift));
		if (!f) { /* nothing of this page is in memory: on to the next */
			block |= (1u << (PAGE_SHIFT - shift)) - 1;
			continue;
		}
		__atomic_fetch_and(&f->owner, ~(u64)block_mask(block, shift), __ATOMIC_ACQ_REL);
		frame_busy_lock(f); /* a write that is being started has taken its mask and shows it */
		frame_wait_writeback(f);
		__atomic_fetch_and(&f->owner, ~(u64)block_mask(block, shift), __ATOMIC_ACQ_REL); /* a write that failed set it again */
		frame_busy_unlock(f);
		frame_put(f);
	}
}

void buffer_readahead(struct block_device *d, u64 block, unsigned shift)
{
	if (is_inside(d, block, shift))
		readahead_force(&d->mapping, block_index(block, shift), 1);
}
