/* SPDX-License-Identifier: MIT */
/*
 * The page cache on the disk in memory: random calls on a file against a model of its bytes, and single cases by
 * name.
 */
#include "stored.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <host/disk.h>
#include <mm/buffer.h>
#include <mm/cache.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <stdlib.h>
#include <string.h>

/* ---- random calls ---- */

static u8 model[FILE_MAX];

static void random_punch(void)
{
	if (!stored.size)
		return;
	u64 mask = (1u << stored.store.block_shift) - 1, last = (stored.size + mask) & ~mask;
	u64 start = (u64)rand() % stored.size, end = start + 1 + (u64)rand() % (rand() % 2 ? 3000 : FILE_MAX);
	if (end >= stored.size)
		end = last;
	if (rand() % 3 == 0)
		start &= ~mask;
	stored_punch(start, end);
	memset(model + start, 0, end - start);
	for (u64 b = (start + mask) >> stored.store.block_shift; b < end >> stored.store.block_shift; b++)
		assert_int_equal(stored.blocks[b], 0);
}

static void random_write(void)
{
	static u8 bytes[12 * PAGE_SIZE];
	u64 pos = (u64)rand() % (FILE_MAX - sizeof(bytes)), len = (u64)rand() % (rand() % 3 ? 3000 : sizeof(bytes)) + 1;
	if (rand() % 4 == 0)
		pos = stored.size < FILE_MAX - sizeof(bytes) ? stored.size : pos;
	u64 good = rand() % 8 ? len : (u64)rand() % len;
	for (u64 i = 0; i < len; i++)
		bytes[i] = (u8)(rand() | 1);
	long n = stored_write(pos, len, bytes, good);
	if (n > 0)
		memcpy(model + pos, bytes, (u64)n);
	else
		assert_true(n == -EFAULT || n == -ENOSPC);
	if (good == len && n != -ENOSPC)
		assert_true(n == (long)len || stored.left == 0);
}

static void random_read(void)
{
	u64 pos = (u64)rand() % FILE_MAX, len = (u64)rand() % (rand() % 2 ? 6000 : FILE_MAX) + 1;
	len = min(len, FILE_MAX - pos);
	long n = stored_read(pos, len, stored_scratch);
	assert_int_equal(n, pos < stored.size ? (long)min(len, stored.size - pos) : 0);
	assert_memory_equal(stored_scratch, model + pos, (size_t)n);
}

static void random_truncate(void)
{
	u64 size = (u64)rand() % FILE_MAX;
	if (rand() % 3 == 0)
		size &= PAGE_MASK;
	stored_truncate(size);
	memset(model + size, 0, FILE_MAX - size);
}

static void random_touch(struct space *s, uaddr_t at)
{
	u64 pos = (u64)rand() % FILE_MAX;
	host_switch(s);
	for (unsigned i = 0; i < 20; i++, pos = min(pos + (u64)rand() % 900, FILE_MAX - 1)) {
		if (pos >= PAGE_ALIGN_UP(stored.size)) {
			assert_int_equal(try_read(at + pos).sig, 7); /* SIGBUS */
			continue;
		}
		if (rand() % 2) {
			u8 got = get_byte(at + pos);
			if (pos < stored.size)
				assert_int_equal(got, model[pos]);
			continue;
		}
		struct fault_verdict v;
		u8 value = (u8)(rand() | 1);
		if (host_store(at + pos, &value, 1, &v) != 1) {
			assert_true(stored.left == 0 && v.sig == 7); /* no block for it */
			continue;
		}
		if (pos < stored.size) /* what lies behind the end is nobody's */
			model[pos] = value;
	}
	host_switch(NULL);
}

static void check_disk(void)
{
	stored_sync();
	stored_check_freed();
	stored_content(stored_scratch);
	for (u64 i = 0; i < stored.size; i++)
		if (stored_scratch[i] != model[i])
			fail_msg("byte %lu of %lu (block %lu at %lu): disk %#x, written %#x", (unsigned long)i, (unsigned long)stored.size,
			         (unsigned long)(i >> stored.store.block_shift), (unsigned long)stored.blocks[i >> stored.store.block_shift], stored_scratch[i], model[i]);
	/* The last page's tail is zero on the disk, whatever mappings wrote there. */
	for (u64 i = stored.size; i < min(PAGE_ALIGN_UP(stored.size), (u64)FILE_MAX); i++)
		if (stored.blocks[i >> stored.store.block_shift])
			assert_int_equal(stored_scratch[i], 0);
}

static void random_calls(unsigned shift, unsigned seed, unsigned nr)
{
	stored_up(shift);
	srand(seed);
	memset(model, 0, sizeof(model));
	if (seed % 4 == 3)
		stored.left = 60; /* a disk that gets full */
	struct space *s = space_create();
	uaddr_t at = 0x10000000;
	struct mmap_request q = { .addr = at, .len = FILE_MAX, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED | MAP_FIXED,
		                      .mapping = &stored.mapping, .file = &stored, .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(s, &q, &at), 0);
	for (unsigned i = 0; i < nr; i++) {
		switch (rand() % 18) {
		case 0: case 1: case 2: case 3: random_write(); break;
		case 4: case 5: case 6: random_read(); break;
		case 7: random_truncate(); break;
		case 8: case 9: case 10: random_touch(s, at); break;
		case 11: check_disk(); break;
		case 12: mapping_drop_clean(&stored.mapping, 0, ~0ull); break;
		case 13: flusher_round(&stored_dev->flusher, hal_clock_ns() + (rand() % 2 ? 40000000000ull : 0)); break;
		case 14: stored_sync(); assert_int_equal(space_madvise(s, at, FILE_MAX, MADV_DONTNEED), 0); mapping_drop_clean(&stored.mapping, 0, ~0ull); break;
		case 15: assert_int_equal(mapping_invalidate(&stored.mapping, 0, (u64)rand() % FILE_MAX + 1), 0); break;
		case 16: case 17: random_punch(); break;
		}
		stored_assert_valid();
		assert_valid(s);
	}
	check_disk();
	space_put(s);
	stored_down();
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

/* A sequential reader asks the disk in few, growing pieces; a random one for what it needs. */
static void read_ahead_follows_the_reader(void **state)
{
	stored_up(12);
	stored.next = 100;
	srand(1);
	for (u64 b = 0; b < 64; b++) /* one piece on the disk */
		stored.blocks[b] = 200 + b;
	stored_fill(64 * PAGE_SIZE);
	u64 before = stored_dev->stats.requests[BLOCK_READ];
	u8 page[PAGE_SIZE];
	for (u64 i = 0; i < 64; i++)
		assert_int_equal(stored_read(i * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_in_range(stored_dev->stats.requests[BLOCK_READ] - before, 2, 6);
	mapping_drop_clean(&stored.mapping, 0, ~0ull);
	before = stored_dev->stats.sectors[BLOCK_READ];
	static const u8 places[] = { 50, 3, 41, 17, 29, 60, 11 };
	for (unsigned i = 0; i < sizeof(places); i++)
		assert_int_equal(stored_read(places[i] * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_int_equal(stored_dev->stats.sectors[BLOCK_READ] - before, sizeof(places) * 8);
	stored_down();
}

static void a_read_error_is_one_page_and_can_be_tried_again(void **state)
{
	u8 page[PAGE_SIZE];
	stored_up(12);
	for (u64 b = 0; b < 16; b++)
		stored.blocks[b] = 200 + b;
	stored_fill(16 * PAGE_SIZE);
	host_disk_fail(stored_disk, BLOCK_READ, 203 * 8, 204 * 8, 0, ~0ull);
	for (u64 i = 0; i < 16; i++)
		assert_int_equal(stored_read(i * PAGE_SIZE, PAGE_SIZE, page), i == 3 ? -EIO : (long)PAGE_SIZE);
	host_disk_heal(stored_disk);
	assert_int_equal(stored_read(3 * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	stored_assert_valid();
	stored_down();
}

/* The part of a page that stays mapped after a hole asks for its block again. */
static void a_write_into_a_hole_of_a_mapped_page_gets_a_block(void **state)
{
	(void)state;
	stored_up(10);
	stored_fill(2 * PAGE_SIZE);
	struct space *s = space_create();
	uaddr_t at = 0x10000000;
	struct mmap_request q = { .addr = at, .len = FILE_MAX, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED | MAP_FIXED,
		                      .mapping = &stored.mapping, .file = &stored, .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(s, &q, &at), 0);
	host_switch(s);
	put_byte(at + 1500, 7); /* the page is writable, all its blocks are there */
	stored_punch(1024, 3072);
	assert_int_equal(stored.blocks[1] | stored.blocks[2], 0);
	assert_int_equal(get_byte(at + 1500), 0);
	put_byte(at + 2500, 9);
	assert_true(stored.blocks[1] && stored.blocks[2]);
	host_switch(NULL);
	stored_sync();
	assert_int_equal(host_disk_bytes(stored_disk)[(stored.blocks[2] << 10) + 2500 - 2048], 9);
	assert_int_equal(host_disk_bytes(stored_disk)[(stored.blocks[1] << 10) + 500], 0);
	space_put(s);
	stored_down();
}

/* /proc/PID/io: pages made dirty, once each; bytes asked of the disk; what never had to be written. */
static void io_counts_for_who_causes_it(void **state)
{
	(void)state;
	u64 before[HOST_NR_IO];
	u8 page[PAGE_SIZE];
	stored_up(12);
	for (unsigned n = 0; n < HOST_NR_IO; n++)
		before[n] = host_io_bytes(n);
	memset(page, 1, sizeof(page));
	for (unsigned round = 0; round < 2; round++)
		for (u64 i = 0; i < 5; i++)
			assert_int_equal(stored_write(i * PAGE_SIZE, PAGE_SIZE, page, PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_WRITE) - before[HOST_IO_WRITE], 5 * PAGE_SIZE);
	stored_truncate(3 * PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_CANCELLED) - before[HOST_IO_CANCELLED], 2 * PAGE_SIZE);
	stored_sync();
	mapping_drop_clean(&stored.mapping, 0, ~0ull);
	assert_int_equal(host_io_bytes(HOST_IO_READ), before[HOST_IO_READ]);
	assert_int_equal(stored_read(PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
	assert_in_range(host_io_bytes(HOST_IO_READ) - before[HOST_IO_READ], PAGE_SIZE, 3 * PAGE_SIZE);
	assert_int_equal(host_io_bytes(HOST_IO_WRITE) - before[HOST_IO_WRITE], 5 * PAGE_SIZE);
	stored_down();
}

/* A file larger than memory is read through; what is used again stays, and nothing dirty is dropped. */
static void reading_more_than_memory_reclaims_what_is_cold(void **state)
{
	static u8 page[PAGE_SIZE];
	machine_up(2ul << 20, 1);
	struct host_disk_config c = { .nr_sectors = 16384 };
	stored_disk = host_disk_create(&c);
	stored_dev = host_disk_device(stored_disk);
	for (u64 i = 0; i < 2048; i++)
		memset(host_disk_bytes(stored_disk) + i * PAGE_SIZE, (int)i, PAGE_SIZE);
	struct mapping *m = &stored_dev->mapping;
	struct readahead ra;
	readahead_init(&ra, READAHEAD_DEFAULT_PAGES);
	struct buffer b;
	assert_int_equal(buffer_read(stored_dev, 2000, 12, &b), 0);
	memset(b.data, 0xaa, PAGE_SIZE);
	buffer_dirty(&b);
	buffer_put(&b);
	for (unsigned round = 0; round < 2; round++) {
		for (u64 i = 0; i < 1900; i++) {
			assert_int_equal(mapping_read(m, &ra, i * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
			assert_int_equal(page[77], (u8)i);
			if (i % 8 == 0) /* the hot page */
				assert_int_equal(mapping_read(m, &ra, 5 * PAGE_SIZE, PAGE_SIZE, page), PAGE_SIZE);
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
	host_disk_destroy(stored_disk);
	machine_down();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reading_more_than_memory_reclaims_what_is_cold),
	cmocka_unit_test(random_calls_on_4k_blocks),
	cmocka_unit_test(random_calls_on_1k_blocks),
	cmocka_unit_test(read_ahead_follows_the_reader),
	cmocka_unit_test(a_read_error_is_one_page_and_can_be_tried_again),
	cmocka_unit_test(a_write_into_a_hole_of_a_mapped_page_gets_a_block),
	cmocka_unit_test(io_counts_for_who_causes_it),
};

int run_cache_tests(void) { return run_group("cache", tests, sizeof(tests) / sizeof(tests[0])); }
