/* SPDX-License-Identifier: MIT */
#include "stored.h"
#include <asm/errno.h>
#include <host/disk.h>
#include <mm/stat.h>
#include <stdlib.h>
#include <string.h>

struct host_disk *stored_disk;
struct block_device *stored_dev;

struct stored stored;
u8 stored_scratch[FILE_MAX];


static u8 is_freed[8192]; /* device blocks that a hole gave back: nothing may be written there any more */

static u64 stored_size(struct mapping *m) { return stored.size; }

static int stored_map(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	assert_true(block < MAX_BLOCKS && max > 0);
	if (!stored.blocks[block] && create) {
		if (!stored.left)
			return -ENOSPC;
		if (rand() % 4 == 0)
			stored.next += (u64)(rand() % 3); /* a gap, sometimes */
		stored.blocks[block] = stored.next++;
		stored.left--;
		*out = (struct block_extent){ .device_block = stored.blocks[block], .nr = 1, .is_new = true };
		return 0;
	}
	u64 first = stored.blocks[block];
	u32 nr = 1;
	while (nr < max && block + nr < MAX_BLOCKS && stored.blocks[block + nr] == (first ? first + nr : 0))
		nr++;
	*out = (struct block_extent){ .device_block = first ? first : BLOCK_HOLE, .nr = nr };
	return 0;
}

static bool stored_pin(struct mapping *m) { return true; }
static void stored_unpin(struct mapping *m) {}
static struct readahead *stored_ra(void *f) { return &stored.ra; }
static int stored_writable(struct mapping *m, u64 index, struct frame *f) { return cache_make_writable(m, index, f); }

static const struct mapping_ops stored_ops = {
	.size = stored_size,
	.map_blocks = stored_map,
	.make_writable = stored_writable,
	.pin = stored_pin,
	.unpin = stored_unpin,
	.readahead = stored_ra,
};

static void grow(struct mapping *m, u64 end)
{
	assert_true(end > stored.size);
	stored.size = end;
}

void stored_up_with(unsigned shift, unsigned nr_cpus)
{
	machine_up(16ul << 20, nr_cpus);
	struct host_disk_config c = { .nr_sectors = 8192 };
	stored_disk = host_disk_create(&c);
	stored_dev = host_disk_device(stored_disk);
	memset(host_disk_bytes(stored_disk), 0xdd, 8192 * 512); /* old bytes that must never be seen */
	memset(&stored, 0, sizeof(stored));
	memset(is_freed, 0, sizeof(is_freed));
	mapping_init(&stored.mapping, &stored_ops, 0);
	backing_store_init(&stored.store, &stored.mapping, stored_dev, shift);
	readahead_init(&stored.ra, READAHEAD_DEFAULT_PAGES);
	stored.next = 8;
	stored.left = (8192u >> (shift - SECTOR_SHIFT)) / 2;
}

void stored_up(unsigned shift) { stored_up_with(shift, 1); }

void stored_down(void)
{
	mapping_destroy(&stored.mapping);
	assert_int_equal(stat_read(STAT_NR_FILE_DIRTY), 0);
	assert_int_equal(stat_read(STAT_NR_WRITEBACK), 0);
	host_disk_destroy(stored_disk);
	machine_down();
}

/* Copies to and from a buffer, up to a point. */
struct buffer_copier {
	struct cache_copier c;
	u8 *at;
	u64 left; /* then memory is bad */
};

static size_t from_buffer(struct cache_copier *c, void *page, size_t n)
{
	struct buffer_copier *b = container_of(c, struct buffer_copier, c);
	n = min(n, b->left);
	memcpy(page, b->at, n);
	b->at += n;
	b->left -= n;
	return n;
}

static size_t to_buffer(struct cache_copier *c, void *page, size_t n)
{
	struct buffer_copier *b = container_of(c, struct buffer_copier, c);
	n = min(n, b->left);
	memcpy(b->at, page, n);
	b->at += n;
	b->left -= n;
	return n;
}

/* Gives back blocks that lie behind the end. */
static void free_behind(void)
{
	unsigned shift = stored.store.block_shift;
	for (u64 b = (stored.size + (1u << shift) - 1) >> shift; b < MAX_BLOCKS; b++)
		stored.blocks[b] = 0;
}

long stored_write(u64 pos, u64 len, const u8 *bytes, u64 good)
{
	struct buffer_copier b = { .c.move = from_buffer, .at = (u8 *)bytes, .left = good };
	long n = cache_write(&stored.mapping, pos, len, &b.c, grow);
	if (n < (long)len)
		free_behind();
	return n;
}

long mapping_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, u8 *bytes)
{
	struct buffer_copier b = { .c.move = to_buffer, .at = bytes, .left = len };
	return cache_read(m, ra, pos, len, &b.c);
}

long stored_read(u64 pos, u64 len, u8 *bytes) { return mapping_read(&stored.mapping, &stored.ra, pos, len, bytes); }

void stored_truncate(u64 size)
{
	if (size < stored.size) {
		u64 edge = min((u64)PAGE_ALIGN_UP(size), stored.size);
		assert_int_equal(cache_zero_range(&stored.mapping, size, edge), 0);
		stored.size = size;
		mapping_truncate(&stored.mapping, size);
		free_behind();
	} else {
		assert_int_equal(cache_zero_tail(&stored.mapping, stored.size), 0);
		stored.size = size;
	}
}

/* Blocks [block, end) go: all their pages are busy meanwhile. */
static int stored_release(struct mapping *m, u64 block, u64 end)
{
	unsigned shift = stored.store.block_shift;
	for (u64 b = block; b < end; b++) {
		struct frame *f = mapping_find(m, b << shift >> PAGE_SHIFT);
		assert_non_null(f);
		assert_true((f->flags & FRAME_BUSY) && !(f->flags & FRAME_WRITEBACK));
		frame_put(f);
		if (stored.blocks[b]) {
			memset(host_disk_bytes(stored_disk) + (stored.blocks[b] << shift), 0xdd, 1u << shift);
			is_freed[stored.blocks[b]] = 1;
			stored.left++;
		}
		stored.blocks[b] = 0;
	}
	return 0;
}

void stored_check_freed(void)
{
	unsigned shift = stored.store.block_shift;
	for (u64 b = 0; b < 8192u >> (shift - SECTOR_SHIFT); b++)
		for (u64 i = 0; is_freed[b] && i < 1u << shift; i++)
			assert_int_equal(host_disk_bytes(stored_disk)[(b << shift) + i], 0xdd);
}

void stored_punch(u64 start, u64 end) { assert_int_equal(cache_punch(&stored.mapping, start, end, stored_release), 0); }

void stored_sync(void) { assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), 0); }

void stored_assert_valid(void)
{
	const char *broken = mapping_validate(&stored.mapping);
	if (broken)
		fail_msg("%s", broken);
}

void stored_content(u8 *out)
{
	unsigned shift = stored.store.block_shift;
	memset(out, 0, FILE_MAX);
	for (u64 b = 0; b < FILE_MAX >> shift; b++)
		if (stored.blocks[b])
			memcpy(out + (b << shift), host_disk_bytes(stored_disk) + (stored.blocks[b] << shift), 1u << shift);
}

void stored_fill(u64 size)
{
	for (u64 i = 0; i < size; i++)
		stored_scratch[i] = (u8)(i / PAGE_SIZE + i);
	assert_int_equal(stored_write(0, size, stored_scratch, size), size);
	stored_sync();
	mapping_drop_clean(&stored.mapping, 0, ~0ull);
	assert_int_equal(stored.mapping.nr_pages, 0);
}
