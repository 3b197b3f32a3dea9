/* SPDX-License-Identifier: MIT */
/*
 * The page cache on the disk in memory: a file whose blocks lie where a simple allocator put them, random
 * calls on it against a model of its bytes, and single cases by name.
 */
#include "live.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <host/disk.h>
#include <mm/buffer.h>
#include <mm/cache.h>
#include <mm/inject.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX  (96 * PAGE_SIZE)
#define MAX_BLOCKS (FILE_MAX / 512)

static struct host_disk *disk;
static struct block_device *dev;

/* The file. */
static struct stored {
	struct mapping mapping;
	struct backing_store store;
	u64 size;
	u64 blocks[MAX_BLOCKS]; /* on the disk; 0: hole */
	u64 next, left;         /* allocator: next device block, how many it may still give */
	struct readahead ra;
} file;

static u8 is_freed[8192]; /* device blocks that a hole gave back: nothing may be written there any more */

static u64 stored_size(struct mapping *m) { return file.size; }

static int stored_map(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	assert_true(block < MAX_BLOCKS && max > 0);
	if (!file.blocks[block] && create) {
		if (!file.left)
			return -ENOSPC;
		if (rand() % 4 == 0)
			file.next += (u64)(rand() % 3); /* a gap, sometimes */
		file.blocks[block] = file.next++;
		file.left--;
		*out = (struct block_extent){ .device_block = file.blocks[block], .nr = 1, .is_new = true };
		return 0;
	}
	u64 first = file.blocks[block];
	u32 nr = 1;
	while (nr < max && block + nr < MAX_BLOCKS && file.blocks[block + nr] == (first ? first + nr : 0))
		nr++;
	*out = (struct block_extent){ .device_block = first ? first : BLOCK_HOLE, .nr = nr };
	return 0;
}

static bool stored_pin(struct mapping *m) { return true; }
static void stored_unpin(struct mapping *m) {}
static struct readahead *stored_ra(void *f) { return &file.ra; }
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
	assert_true(end > file.size);
	file.size = end;
}

static void up_with(unsigned shift, unsigned nr_cpus)
{
	machine_up(16ul << 20, nr_cpus);
	struct host_disk_config c = { .nr_sectors = 8192 };
	disk = host_disk_create(&c);
	dev = host_disk_device(disk);
	memset(host_disk_bytes(disk), 0xdd, 8192 * 512); /* old bytes that must never be seen */
	memset(&file, 0, sizeof(file));
	memset(is_freed, 0, sizeof(is_freed));
	mapping_init(&file.mapping, &stored_ops, 0);
	backing_store_init(&file.store, &file.mapping, dev, shift);
	readahead_init(&file.ra, READAHEAD_DEFAULT_PAGES);
	file.next = 8;
	file.left = (8192u >> (shift - SECTOR_SHIFT)) / 2;
}

static void up(unsigned shift) { up_with(shift, 1); }

static void down(void)
{
	mapping_destroy(&file.mapping);
	assert_int_equal(stat_read(STAT_NR_FILE_DIRTY), 0);
	assert_int_equal(stat_read(STAT_NR_WRITEBACK), 0);
	host_disk_destroy(disk);
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
	unsigned shift = file.store.block_shift;
	for (u64 b = (file.size + (1u << shift) - 1) >> shift; b < MAX_BLOCKS; b++)
		file.blocks[b] = 0;
}

static long write_at(u64 pos, u64 len, const u8 *bytes, u64 good)
{
	struct buffer_copier b = { .c.move = from_buffer, .at = (u8 *)bytes, .left = good };
	long n = cache_write(&file.mapping, pos, len, &b.c, grow);
	if (n < (long)len)
		free_behind();
	return n;
}

static long read_at(u64 pos, u64 len, u8 *bytes)
{
	struct buffer_copier b = { .c.move = to_buffer, .at = bytes, .left = len };
	return cache_read(&file.mapping, &file.ra, pos, len, &b.c);
}

static void truncate_to(u64 size)
{
	if (size < file.size) {
		u64 edge = min((u64)PAGE_ALIGN_UP(size), file.size);
		assert_int_equal(cache_zero_range(&file.mapping, size, edge), 0);
		file.size = size;
		mapping_truncate(&file.mapping, size);
		free_behind();
	} else {
		assert_int_equal(cache_zero_tail(&file.mapping, file.size), 0);
		file.size = size;
	}
}

/* Blocks [block, end) go: all their pages are busy meanwhile. */
static int stored_release(struct mapping *m, u64 block, u64 end)
{
	unsigned shift = file.store.block_shift;
	for (u64 b = block; b < end; b++) {
		struct frame *f = mapping_find(m, b << shift >> PAGE_SHIFT);
		assert_non_null(f);
		assert_true((f->flags & FRAME_BUSY) && !(f->flags & FRAME_WRITEBACK));
		frame_put(f);
		if (file.blocks[b]) {
			memset(host_disk_bytes(disk) + (file.blocks[b] << shift), 0xdd, 1u << shift);
			is_freed[file.blocks[b]] = 1;
			file.left++;
		}
		file.blocks[b] = 0;
	}
	return 0;
}

static void check_freed(void)
{
	unsigned shift = file.store.block_shift;
	for (u64 b = 0; b < 8192u >> (shift - SECTOR_SHIFT); b++)
		for (u64 i = 0; is_freed[b] && i < 1u << shift; i++)
			assert_int_equal(host_disk_bytes(disk)[(b << shift) + i], 0xdd);
}

static void punch(u64 start, u64 end) { assert_int_equal(cache_punch(&file.mapping, start, end, stored_release), 0); }

static void sync_file(void) { assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), 0); }

static void assert_file_valid(void)
{
	const char *broken = mapping_validate(&file.mapping);
	if (broken)
		fail_msg("%s", broken);
}

/* What the disk holds of the file, holes as zeros. */
static void disk_content(u8 *out)
{
	unsigned shift = file.store.block_shift;
	memset(out, 0, FILE_MAX);
	for (u64 b = 0; b < FILE_MAX >> shift; b++)
		if (file.blocks[b])
			memcpy(out + (b << shift), host_disk_bytes(disk) + (file.blocks[b] << shift), 1u << shift);
}

/* ---- random calls ---- */

static u8 model[FILE_MAX], scratch[FILE_MAX];

static void random_punch(void)
{
	if (!file.size)
		return;
	u64 mask = (1u << file.store.block_shift) - 1, last = (file.size + mask) & ~mask;
	u64 start = (u64)rand() % file.size, end = start + 1 + (u64)rand() % (rand() % 2 ? 3000 : FILE_MAX);
	if (end >= file.size)
		end = last;
	if (rand() % 3 == 0)
		start &= ~mask;
	punch(start, end);
	memset(model + start, 0, end - start);
	for (u64 b = (start + mask) >> file.store.block_shift; b < end >> file.store.block_shift; b++)
		assert_int_equal(file.blocks[b], 0);
}

static void random_write(void)
{
	static u8 bytes[12 * PAGE_SIZE];
	u64 pos = (u64)rand() % (FILE_MAX - sizeof(bytes)), len = (u64)rand() % (rand() % 3 ? 3000 : sizeof(bytes)) + 1;
	if (rand() % 4 == 0)
		pos = file.size < FILE_MAX - sizeof(bytes) ? file.size : pos;
	u64 good = rand() % 8 ? len : (u64)rand() % len;
	for (u64 i = 0; i < len; i++)
		bytes[i] = (u8)(rand() | 1);
	long n = write_at(pos, len, bytes, good);
	if (n > 0)
		memcpy(model + pos, bytes, (u64)n);
	else
		assert_true(n == -EFAULT || n == -ENOSPC);
	if (good == len && n != -ENOSPC)
		assert_true(n == (long)len || file.left == 0);
}

static void random_read(void)
{
	u64 pos = (u64)rand() % FILE_MAX, len = (u64)rand() % (rand() % 2 ? 6000 : FILE_MAX) + 1;
	len = min(len, FILE_MAX - pos);
	long n = read_at(pos, len, scratch);
	assert_int_equal(n, pos < file.size ? (long)min(len, file.size - pos) : 0);
	assert_memory_equal(scratch, model + pos, (size_t)n);
}

static void random_truncate(void)
{
	u64 size = (u64)rand() % FILE_MAX;
	if (rand() % 3 == 0)
		size &= PAGE_MASK;
	truncate_to(size);
	memset(model + size, 0, FILE_MAX - size);
}

static void random_touch(struct space *s, uaddr_t at)
{
	u64 pos = (u64)rand() % FILE_MAX;
	host_switch(s);
	for (unsigned i = 0; i < 20; i++, pos = min(pos + (u64)rand() % 900, FILE_MAX - 1)) {
		if (pos >= PAGE_ALIGN_UP(file.size)) {
			assert_int_equal(try_read(at + pos).sig, 7); /* SIGBUS */
			continue;
		}
		if (rand() % 2) {
			u8 got = get_byte(at + pos);
			if (pos < file.size)
				assert_int_equal(got, model[pos]);
			continue;
		}
		struct fault_verdict v;
		u8 value = (u8)(rand() | 1);
		if (host_store(at + pos, &value, 1, &v) != 1) {
			assert_true(file.left == 0 && v.sig == 7); /* no block for it */
			continue;
		}
		if (pos < file.size) /* what lies behind the end is nobody's */
			model[pos] = value;
	}
	host_switch(NULL);
}

static void check_disk(void)
{
	sync_file();
	check_freed();
	disk_content(scratch);
	for (u64 i = 0; i < file.size; i++)
		if (scratch[i] != model[i])
			fail_msg("byte %lu of %lu (block %lu at %lu): disk %#x, written %#x", (unsigned long)i, (unsigned long)file.size,
			         (unsigned long)(i >> file.store.block_shift), (unsigned long)file.blocks[i >> file.store.block_shift], scratch[i], model[i]);
	/* The last page's tail is zero on the disk, whatever mappings wrote there. */
	for (u64 i = file.size; i < min(PAGE_ALIGN_UP(file.size), (u64)FILE_MAX); i++)
		if (file.blocks[i >> file.store.block_shift])
			assert_int_equal(scratch[i], 0);
}

static void random_calls(unsigned shift, unsigned seed, unsigned nr)
{
	up(shift);
	srand(seed);
	memset(model, 0, sizeof(model));
	if (seed % 4 == 3)
		file.left = 60; /* a disk that gets full */
	struct space *s = space_create();
	uaddr_t at = 0x10000000;
	struct mmap_request q = { .addr = at, .len = FILE_MAX, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED | MAP_FIXED,
		                      .mapping = &file.mapping, .file = &file, .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(s, &q, &at), 0);
	for (unsigned i = 0; i < nr; i++) {
		switch (rand() % 18) {
		case 0: case 1: case 2: case 3: random_write(); break;
		case 4: case 5: case 6: random_read(); break;
		case 7: random_truncate(); break;
		case 8: case 9: case 10: random_touch(s, at); break;
		case 11: check_disk(); break;
		case 12: mapping_drop_clean(&file.mapping, 0, ~0ull); break;
		case 13: flusher_round(&dev->flusher, hal_clock_ns() + (rand() % 2 ? 40000000000ull : 0)); break;
		case 14: sync_file(); assert_int_equal(space_madvise(s, at, FILE_MAX, MADV_DONTNEED), 0); mapping_drop_clean(&file.mapping, 0, ~0ull); break;
		case 15: assert_int_equal(mapping_invalidate(&file.mapping, 0, (u64)rand() % FILE_MAX + 1), 0); break;
		case 16: case 17: random_punch(); break;
		}
		assert_file_valid();
		assert_valid(s);
	}
	check_disk();
	space_put(s);
	down();
}

static void random_calls_on_4k_blocks(void **state)
{
	for (unsigned seed = 0; seed < 24; seed++)
		random_calls(12, seed, 150);
}

static void random_calls_on_1k_blocks(void **state)
{
	for (unsigned seed = 100; seed < 124; seed++)
		random_calls(10, seed, 150);
}

/* ---- single cases ---- */

static void fill_file(u64 size)
{
	for (u64 i = 0; i < size; i++)
		scratch[i] = (u8)(i / PAGE_SIZE + i);
	assert_int_equal(write_at(0, size, scratch, size), size);
	sync_file();
	mapping_drop_clean(&file.mapping, 0, ~0ull);
	assert_int_equal(file.mapping.nr_pages, 0);
}

/* A sequential reader asks the disk in few, growing pieces; a random one for what it needs. */
static void read_ahead_follows_the_reader(void **state)
{
	up(12);
	file.next = 100;
	srand(1);
	for (u64 b = 0; b < 64; b++) /* one piece on the disk */
		file.blocks[b] = 200 + b;
	fill_file(64 * PAGE_SIZE);
	u64 before = dev->stats.requests[BLOCK_READ];
	u8 page[PAGE_SIZE];
	for (u64 i = 0; i < 64; i++)
		assert_int_equal(read_at(i * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_in_range(dev->stats.requests[BLOCK_READ] - before, 2, 6);
	mapping_drop_clean(&file.mapping, 0, ~0ull);
	before = dev->stats.sectors[BLOCK_READ];
	static const u8 places[] = { 50, 3, 41, 17, 29, 60, 11 };
	for (unsigned i = 0; i < sizeof(places); i++)
		assert_int_equal(read_at(places[i] * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_int_equal(dev->stats.sectors[BLOCK_READ] - before, sizeof(places) * 8);
	down();
}

static void an_error_of_a_write_is_told_once_to_each_file(void **state)
{
	up(12);
	fill_file(4 * PAGE_SIZE);
	u64 one = writeback_error_sample(&file.mapping), two = one;
	u8 byte = 1;
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, 1);
	assert_int_equal(write_at(100, 1, &byte, 1), 1);
	assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
	assert_int_equal(writeback_error_check(&file.mapping, &one), -EIO);
	assert_int_equal(writeback_error_check(&file.mapping, &one), 0);
	assert_int_equal(writeback_error_check(&file.mapping, &two), -EIO);
	u64 three = writeback_error_sample(&file.mapping); /* opened afterwards: it was told already */
	assert_int_equal(writeback_error_check(&file.mapping, &three), 0);
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, 1);
	assert_int_equal(write_at(100, 1, &byte, 1), 1);
	flusher_round(&dev->flusher, hal_clock_ns() + 40000000000ull);
	u64 four = writeback_error_sample(&file.mapping); /* nobody was told yet */
	assert_int_equal(writeback_error_check(&file.mapping, &four), -EIO);
	assert_int_equal(writeback_error_check(&file.mapping, &three), -EIO);
	down();
}

static bool is_refused(u64 page)
{
	struct frame *f = mapping_find(&file.mapping, page);
	bool yes = f->flags & FRAME_REFUSED;
	frame_put(f);
	return yes;
}

static void what_a_disk_refuses_for_a_while_is_kept(void **state)
{
	static u8 bytes[8 * PAGE_SIZE];
	up(12);
	memset(bytes, 7, sizeof(bytes));
	assert_int_equal(write_at(0, sizeof(bytes), bytes, sizeof(bytes)), sizeof(bytes));
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	for (unsigned n = 0; n < 5; n++) {
		assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(file.store.nr_dirty, 8);
		assert_int_equal(writeback_nr_refused(), 8);
		assert_file_valid();
	}
	truncate_to(6 * PAGE_SIZE);
	assert_int_equal(writeback_nr_refused(), 6);
	assert_int_equal(move_page_of(mapping_find(&file.mapping, 3)), 0);
	assert_true(is_refused(3));
	assert_file_valid();
	host_disk_heal(disk);
	sync_file();
	assert_int_equal(writeback_nr_refused(), 0);
	assert_false(is_refused(0));
	assert_false(file.store.has_lost);
	for (u64 page = 0; page < 6; page++)
		assert_int_equal(host_disk_bytes(disk)[file.blocks[page] * PAGE_SIZE], 7);
	down();
}

/* Thresholds of 64 and 32 pages: 16 refused ones are kept. */
static void bounds_of_few_pages(bool on)
{
	writeback_tunables.dirty_bytes = on ? 64 * PAGE_SIZE : 0;
	writeback_tunables.dirty_background_bytes = on ? 32 * PAGE_SIZE : 0;
}

/* It used to stay dirty for ever, until memory held nothing else. */
static void what_a_disk_refuses_for_ever_has_a_bound(void **state)
{
	static u8 bytes[FILE_MAX];
	up(12);
	bounds_of_few_pages(true);
	file.left = MAX_BLOCKS;
	u64 one = writeback_error_sample(&file.mapping);
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	for (unsigned n = 0; n < 10; n++) {
		assert_int_equal(write_at(0, FILE_MAX, bytes, FILE_MAX), FILE_MAX); /* the throttle lets it pass */
		assert_in_range(file.store.nr_dirty, 0, 96);
		assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(file.store.nr_dirty, 16);
		assert_int_equal(writeback_nr_refused(), 16);
		assert_int_equal(writeback_error_check(&file.mapping, &one), -EIO);
		assert_file_valid();
	}
	assert_int_equal(mapping_drop_clean(&file.mapping, 0, ~0ull), 80);
	/* The disk is well again; but what is lost is lost, and each fsync says so. */
	host_disk_heal(disk);
	sync_file();
	assert_int_equal(writeback_nr_refused(), 0);
	u64 two = writeback_error_sample(&file.mapping);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(writeback_error_check(&file.mapping, &one), -EIO);
		assert_int_equal(writeback_error_check(&file.mapping, &two), -EIO);
	}
	truncate_to(0);
	assert_int_equal(writeback_error_check(&file.mapping, &one), 0);
	assert_int_equal(writeback_error_check(&file.mapping, &two), 0);
	bounds_of_few_pages(false);
	down();
}

/* A page that changed while its last try was on its way is dirty with the change, and not lost. */
static void a_page_that_changes_again_is_not_lost(void **state)
{
	static u8 bytes[40 * PAGE_SIZE];
	u8 byte = 5;
	up(12);
	bounds_of_few_pages(true);
	assert_int_equal(write_at(0, sizeof(bytes), bytes, sizeof(bytes)), sizeof(bytes));
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
	assert_true(is_refused(39));
	host_disk_set_delay(disk, 1000000);
	assert_int_equal(mapping_writeback(&file.mapping, 0, PAGE_SIZE, 0), 0);
	assert_int_equal(write_at(10, 1, &byte, 1), 1);
	mapping_wait_writeback(&file.mapping, 0, PAGE_SIZE);
	assert_true(is_refused(0));
	assert_false(file.store.has_lost);
	host_disk_heal(disk);
	sync_file();
	assert_int_equal(host_disk_bytes(disk)[file.blocks[0] * PAGE_SIZE + 10], 5);
	bounds_of_few_pages(false);
	down();
}

/* The flusher's list kept a file that was gone: its last write failed while it went. */
static void a_file_that_goes_is_off_the_list_whatever_its_writes_do(void **state)
{
	u8 byte = 1;
	up(12);
	fill_file(4 * PAGE_SIZE);
	assert_int_equal(write_at(0, 1, &byte, 1), 1);
	host_disk_set_delay(disk, 1000000);
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(mapping_writeback(&file.mapping, 0, ~0ull, 0), 0);
	assert_int_equal(file.store.nr_writeback, 1);
	flusher_round(&dev->flusher, hal_clock_ns() + 40000000000ull); /* nothing to do: off the list, if it can */
	mapping_destroy(&file.mapping);
	assert_true(list_is_empty(&dev->flusher.dirty));
	assert_int_equal(stat_read(STAT_NR_FILE_DIRTY), 0);
	host_disk_destroy(disk);
	machine_down();
}

static void count_call(void *holder) { ++*(unsigned *)holder; }

/* Who keeps metadata in them is told instead. */
static void a_devices_pages_are_lost_only_without_a_holder(void **state)
{
	unsigned nr_calls = 0;
	struct buffer b;
	up(12);
	bounds_of_few_pages(true);
	block_set_holder(dev, count_call, &nr_calls);
	for (u64 block = 0; block < 40; block++) {
		assert_int_equal(buffer_new(dev, block, 12, &b), 0);
		memset(b.data, 0x55, PAGE_SIZE);
		buffer_put(&b);
	}
	host_disk_fail(disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(flusher_sync(dev), -EIO);
	assert_int_equal(flusher_sync(dev), -EIO);
	assert_true(nr_calls > 0);
	assert_int_equal(dev->store.nr_dirty, 40);
	assert_false(dev->store.has_lost);
	block_set_holder(dev, NULL, NULL);
	assert_int_equal(flusher_sync(dev), -EIO);
	assert_int_equal(dev->store.nr_dirty, 16);
	assert_true(dev->store.has_lost);
	host_disk_heal(disk);
	assert_int_equal(flusher_sync(dev), 0);
	assert_int_equal(writeback_nr_refused(), 0);
	unsigned nr_there = 0;
	for (u64 block = 0; block < 40; block++)
		nr_there += host_disk_bytes(disk)[block * PAGE_SIZE] == 0x55;
	assert_int_equal(nr_there, 16);
	bounds_of_few_pages(false);
	down();
}

static void a_read_error_is_one_page_and_can_be_tried_again(void **state)
{
	u8 page[PAGE_SIZE];
	up(12);
	for (u64 b = 0; b < 16; b++)
		file.blocks[b] = 200 + b;
	fill_file(16 * PAGE_SIZE);
	host_disk_fail(disk, BLOCK_READ, 203 * 8, 204 * 8, 0, ~0ull);
	for (u64 i = 0; i < 16; i++)
		assert_int_equal(read_at(i * PAGE_SIZE, PAGE_SIZE, page), i == 3 ? -EIO : (long)PAGE_SIZE);
	host_disk_heal(disk);
	assert_int_equal(read_at(3 * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_file_valid();
	down();
}

/* A block that was metadata and now is a file's data must not be overwritten by the page that held it. */
static void a_forgotten_buffer_is_not_written(void **state)
{
	struct buffer b;
	up(10);
	assert_int_equal(buffer_new(dev, 50, 10, &b), 0);
	memset(b.data, 0x77, 1024);
	buffer_dirty(&b);
	buffer_put(&b);
	assert_int_equal(buffer_read(dev, 51, 10, &b), 0); /* its neighbour on the same page */
	memset(b.data, 0x66, 1024);
	buffer_dirty(&b);
	buffer_put(&b);
	buffer_forget(dev, 50, 1, 10);
	assert_int_equal(flusher_sync(dev), 0);
	assert_int_equal(host_disk_bytes(disk)[50 * 1024], 0xdd);
	assert_int_equal(host_disk_bytes(disk)[51 * 1024], 0x66);
	assert_int_equal(host_disk_bytes(disk)[52 * 1024 - 1], 0x66);
	assert_int_equal(host_disk_bytes(disk)[52 * 1024], 0xdd);
	down();
}

static void old_pages_are_written_and_young_ones_wait(void **state)
{
	u8 byte = 1;
	up(12);
	fill_file(4 * PAGE_SIZE);
	assert_int_equal(write_at(0, 1, &byte, 1), 1);
	u64 now = hal_clock_ns();
	assert_int_equal(flusher_round(&dev->flusher, now + 1000), 0);
	assert_int_equal(file.store.nr_dirty, 1);
	assert_int_equal(flusher_round(&dev->flusher, now + 31000000000ull), 1);
	assert_int_equal(file.store.nr_dirty, 0);
	down();
}

/* What a round of the flusher has only begun is on the disk when sync ends. */
static void sync_waits_for_what_the_flusher_began(void **state)
{
	u8 byte = 1;
	up(12);
	file.blocks[0] = 300;
	fill_file(PAGE_SIZE);
	host_disk_set_delay(disk, 1000000000ull);
	assert_int_equal(write_at(0, 1, &byte, 1), 1);
	flusher_round(&dev->flusher, hal_clock_ns() + 31000000000ull);
	assert_int_equal(file.store.nr_dirty, 0);
	assert_int_equal(file.store.nr_writeback, 1);
	assert_int_equal(flusher_sync(dev), 0);
	assert_int_equal(file.store.nr_writeback, 0);
	assert_int_equal(host_disk_bytes(disk)[300 * PAGE_SIZE], 1);
	down();
}

/* Write-back that finds no memory says so and leaves the page dirty; the next one writes it. */
static void write_back_without_memory_says_so(void **state)
{
	bool has_failed = false;
	up(12);
	for (u64 b = 0; b < 8; b++)
		file.blocks[b] = 300 + 2 * b; /* a request each */
	fill_file(8 * PAGE_SIZE);
	for (long n = 0;; n++) {
		u8 byte = (u8)(n + 1);
		for (u64 page = 0; page < 8; page++)
			assert_int_equal(write_at(page * PAGE_SIZE, 1, &byte, 1), 1);
		inject_failure(INJECT_FRAMES | INJECT_SLABS, n, NULL);
		int err = mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT);
		inject_stop();
		assert_true(err == 0 || err == -ENOMEM);
		assert_int_equal(!err, !file.store.nr_dirty);
		has_failed |= err != 0;
		sync_file();
		for (u64 page = 0; page < 8; page++)
			assert_int_equal(host_disk_bytes(disk)[file.blocks[page] * PAGE_SIZE], byte);
		if (!inject_struck())
			break;
	}
	assert_true(has_failed);
	down();
}

/* Two CPUs write to one page; each one's write-back has its own bytes on the disk when it ends. */
static void write_and_sync_one_byte(void *arg)
{
	u64 at = (u64)(uintptr_t)arg;
	for (u8 byte = 1; byte < 8; byte++) {
		CHECK(write_at(at, 1, &byte, 1) == 1);
		CHECK(mapping_writeback(&file.mapping, 0, ~0ull, WRITEBACK_WAIT) == 0);
		CHECK(host_disk_bytes(disk)[300 * PAGE_SIZE + at] == byte);
	}
}

static void a_mark_of_another_cpu_is_written_too(void **state)
{
	for (u64 seed = 1; seed <= 60; seed++) {
		up_with(12, 2);
		file.blocks[0] = 300;
		fill_file(PAGE_SIZE);
		host_turns_begin(seed);
		host_cpu_start(1, write_and_sync_one_byte, (void *)100);
		write_and_sync_one_byte((void *)200);
		host_cpu_join(1);
		host_turns_end();
		down();
	}
}

/* The part of a page that stays mapped after a hole asks for its block again. */
static void a_write_into_a_hole_of_a_mapped_page_gets_a_block(void **state)
{
	(void)state;
	up(10);
	fill_file(2 * PAGE_SIZE);
	struct space *s = space_create();
	uaddr_t at = 0x10000000;
	struct mmap_request q = { .addr = at, .len = FILE_MAX, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED | MAP_FIXED,
		                      .mapping = &file.mapping, .file = &file, .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(s, &q, &at), 0);
	host_switch(s);
	put_byte(at + 1500, 7); /* the page is writable, all its blocks are there */
	punch(1024, 3072);
	assert_int_equal(file.blocks[1] | file.blocks[2], 0);
	assert_int_equal(get_byte(at + 1500), 0);
	put_byte(at + 2500, 9);
	assert_true(file.blocks[1] && file.blocks[2]);
	host_switch(NULL);
	sync_file();
	assert_int_equal(host_disk_bytes(disk)[(file.blocks[2] << 10) + 2500 - 2048], 9);
	assert_int_equal(host_disk_bytes(disk)[(file.blocks[1] << 10) + 500], 0);
	space_put(s);
	down();
}

/* /proc/PID/io: pages made dirty, once each; bytes asked of the disk; what never had to be written. */
static void io_counts_for_who_causes_it(void **state)
{
	(void)state;
	u64 before[HOST_NR_IO];
	u8 page[PAGE_SIZE];
	up(12);
	for (unsigned n = 0; n < HOST_NR_IO; n++)
		before[n] = host_io_bytes(n);
	memset(page, 1, sizeof(page));
	for (unsigned round = 0; round < 2; round++)
		for (u64 i = 0; i < 5; i++)
			assert_int_equal(write_at(i * PAGE_SIZE, PAGE_SIZE, page, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_WRITE) - before[HOST_IO_WRITE], 5 * PAGE_SIZE);
	truncate_to(3 * PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_CANCELLED) - before[HOST_IO_CANCELLED], 2 * PAGE_SIZE);
	sync_file();
	mapping_drop_clean(&file.mapping, 0, ~0ull);
	assert_int_equal(host_io_bytes(HOST_IO_READ), before[HOST_IO_READ]);
	assert_int_equal(read_at(PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_in_range(host_io_bytes(HOST_IO_READ) - before[HOST_IO_READ], PAGE_SIZE, 3 * PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_WRITE) - before[HOST_IO_WRITE], 5 * PAGE_SIZE);
	down();
}

/* A file larger than memory is read through; what is used again stays, and nothing dirty is dropped. */
static void reading_more_than_memory_reclaims_what_is_cold(void **state)
{
	static u8 page[PAGE_SIZE];
	machine_up(2ul << 20, 1);
	struct host_disk_config c = { .nr_sectors = 16384 };
	disk = host_disk_create(&c);
	dev = host_disk_device(disk);
	for (u64 i = 0; i < 2048; i++)
		memset(host_disk_bytes(disk) + i * PAGE_SIZE, (int)i, PAGE_SIZE);
	struct mapping *m = &dev->mapping;
	struct readahead ra;
	readahead_init(&ra, READAHEAD_DEFAULT_PAGES);
	struct buffer b;
	assert_int_equal(buffer_read(dev, 2000, 12, &b), 0);
	memset(b.data, 0xaa, PAGE_SIZE);
	buffer_dirty(&b);
	buffer_put(&b);
	for (unsigned round = 0; round < 2; round++) {
		for (u64 i = 0; i < 1900; i++) {
			struct buffer_copier to = { .c.move = to_buffer, .at = page, .left = PAGE_SIZE };
			assert_int_equal(cache_read(m, &ra, i * PAGE_SIZE, PAGE_SIZE, &to.c), PAGE_SIZE);
			assert_int_equal(page[77], (u8)i);
			to = (struct buffer_copier){ .c.move = to_buffer, .at = page, .left = PAGE_SIZE };
			if (i % 8 == 0) /* the hot page */
				assert_int_equal(cache_read(m, &ra, 5 * PAGE_SIZE, PAGE_SIZE, &to.c), PAGE_SIZE);
		}
		assert_null(lru_validate());
		assert_null(mapping_validate(m));
	}
	assert_true(m->nr_pages < 512);
	struct frame *hot = mapping_find(m, 5), *dirty = mapping_find(m, 2000);
	assert_non_null(hot);
	assert_non_null(dirty);
	assert_int_equal(((u8 *)frame_ptr(dirty))[9], 0xaa);
	frame_put(hot);
	frame_put(dirty);
	assert_true(stat_read(STAT_PGSTEAL_DIRECT) > 2000);
	host_disk_destroy(disk);
	machine_down();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reading_more_than_memory_reclaims_what_is_cold),
	cmocka_unit_test(random_calls_on_4k_blocks),
	cmocka_unit_test(random_calls_on_1k_blocks),
	cmocka_unit_test(read_ahead_follows_the_reader),
	cmocka_unit_test(an_error_of_a_write_is_told_once_to_each_file),
	cmocka_unit_test(what_a_disk_refuses_for_a_while_is_kept),
	cmocka_unit_test(what_a_disk_refuses_for_ever_has_a_bound),
	cmocka_unit_test(a_page_that_changes_again_is_not_lost),
	cmocka_unit_test(a_file_that_goes_is_off_the_list_whatever_its_writes_do),
	cmocka_unit_test(a_devices_pages_are_lost_only_without_a_holder),
	cmocka_unit_test(a_read_error_is_one_page_and_can_be_tried_again),
	cmocka_unit_test(a_forgotten_buffer_is_not_written),
	cmocka_unit_test(old_pages_are_written_and_young_ones_wait),
	cmocka_unit_test(sync_waits_for_what_the_flusher_began),
	cmocka_unit_test(write_back_without_memory_says_so),
	cmocka_unit_test(a_mark_of_another_cpu_is_written_too),
	cmocka_unit_test(a_write_into_a_hole_of_a_mapped_page_gets_a_block),
	cmocka_unit_test(io_counts_for_who_causes_it),
};

int run_cache_tests(void) { return run_group("cache", tests, sizeof(tests) / sizeof(tests[0])); }
