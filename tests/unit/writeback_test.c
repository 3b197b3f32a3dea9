/* SPDX-License-Identifier: MIT */
/* Write-back on the disk in memory: what is written when, and what becomes of pages that a disk refuses. */
#include "stored.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <host/disk.h>
#include <mm/buffer.h>
#include <mm/inject.h>
#include <mm/stat.h>
#include <string.h>

static void an_error_of_a_write_is_told_once_to_each_file(void **state)
{
	stored_up(12);
	stored_fill(4 * PAGE_SIZE);
	u64 one = writeback_error_sample(&stored.mapping), two = one;
	u8 byte = 1;
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, 1);
	assert_int_equal(stored_write(100, 1, &byte, 1), 1);
	assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
	assert_int_equal(writeback_error_check(&stored.mapping, &one), -EIO);
	assert_int_equal(writeback_error_check(&stored.mapping, &one), 0);
	assert_int_equal(writeback_error_check(&stored.mapping, &two), -EIO);
	u64 three = writeback_error_sample(&stored.mapping); /* opened afterwards: it was told already */
	assert_int_equal(writeback_error_check(&stored.mapping, &three), 0);
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, 1);
	assert_int_equal(stored_write(100, 1, &byte, 1), 1);
	flusher_round(&stored_dev->flusher, hal_clock_ns() + 40000000000ull);
	u64 four = writeback_error_sample(&stored.mapping); /* nobody was told yet */
	assert_int_equal(writeback_error_check(&stored.mapping, &four), -EIO);
	assert_int_equal(writeback_error_check(&stored.mapping, &three), -EIO);
	stored_down();
}

static bool is_refused(u64 page)
{
	struct frame *f = mapping_find(&stored.mapping, page);
	bool yes = f->flags & FRAME_REFUSED;
	frame_put(f);
	return yes;
}

static void what_a_disk_refuses_for_a_while_is_kept(void **state)
{
	static u8 bytes[8 * PAGE_SIZE];
	stored_up(12);
	memset(bytes, 7, sizeof(bytes));
	assert_int_equal(stored_write(0, sizeof(bytes), bytes, sizeof(bytes)), sizeof(bytes));
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	for (unsigned n = 0; n < 5; n++) {
		assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(stored.store.nr_dirty, 8);
		assert_int_equal(writeback_nr_refused(), 8);
		stored_assert_valid();
	}
	stored_truncate(6 * PAGE_SIZE);
	assert_int_equal(writeback_nr_refused(), 6);
	assert_int_equal(move_page_of(mapping_find(&stored.mapping, 3)), 0);
	assert_true(is_refused(3));
	stored_assert_valid();
	host_disk_heal(stored_disk);
	stored_sync();
	assert_int_equal(writeback_nr_refused(), 0);
	assert_false(is_refused(0));
	assert_false(stored.store.has_lost);
	for (u64 page = 0; page < 6; page++)
		assert_int_equal(host_disk_bytes(stored_disk)[stored.blocks[page] * PAGE_SIZE], 7);
	stored_down();
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
	stored_up(12);
	bounds_of_few_pages(true);
	stored.left = MAX_BLOCKS;
	u64 one = writeback_error_sample(&stored.mapping);
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	for (unsigned n = 0; n < 10; n++) {
		assert_int_equal(stored_write(0, FILE_MAX, bytes, FILE_MAX), FILE_MAX); /* the throttle lets it pass */
		assert_in_range(stored.store.nr_dirty, 0, 96);
		assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
		assert_int_equal(stored.store.nr_dirty, 16);
		assert_int_equal(writeback_nr_refused(), 16);
		assert_int_equal(writeback_error_check(&stored.mapping, &one), -EIO);
		stored_assert_valid();
	}
	assert_int_equal(mapping_drop_clean(&stored.mapping, 0, ~0ull), 80);
	/* The disk is well again; but what is lost is lost, and each fsync says so. */
	host_disk_heal(stored_disk);
	stored_sync();
	assert_int_equal(writeback_nr_refused(), 0);
	u64 two = writeback_error_sample(&stored.mapping);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(writeback_error_check(&stored.mapping, &one), -EIO);
		assert_int_equal(writeback_error_check(&stored.mapping, &two), -EIO);
	}
	stored_truncate(0);
	assert_int_equal(writeback_error_check(&stored.mapping, &one), 0);
	assert_int_equal(writeback_error_check(&stored.mapping, &two), 0);
	bounds_of_few_pages(false);
	stored_down();
}

/* A page that changed while its last try was on its way is dirty with the change, and not lost. */
static void a_page_that_changes_again_is_not_lost(void **state)
{
	static u8 bytes[40 * PAGE_SIZE];
	u8 byte = 5;
	stored_up(12);
	bounds_of_few_pages(true);
	assert_int_equal(stored_write(0, sizeof(bytes), bytes, sizeof(bytes)), sizeof(bytes));
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT), -EIO);
	assert_true(is_refused(39));
	host_disk_set_delay(stored_disk, 1000000);
	assert_int_equal(mapping_writeback(&stored.mapping, 0, PAGE_SIZE, 0), 0);
	assert_int_equal(stored_write(10, 1, &byte, 1), 1);
	mapping_wait_writeback(&stored.mapping, 0, PAGE_SIZE);
	assert_true(is_refused(0));
	assert_false(stored.store.has_lost);
	host_disk_heal(stored_disk);
	stored_sync();
	assert_int_equal(host_disk_bytes(stored_disk)[stored.blocks[0] * PAGE_SIZE + 10], 5);
	bounds_of_few_pages(false);
	stored_down();
}

/* The flusher's list kept a file that was gone: its last write failed while it went. */
static void a_file_that_goes_is_off_the_list_whatever_its_writes_do(void **state)
{
	u8 byte = 1;
	stored_up(12);
	stored_fill(4 * PAGE_SIZE);
	assert_int_equal(stored_write(0, 1, &byte, 1), 1);
	host_disk_set_delay(stored_disk, 1000000);
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(mapping_writeback(&stored.mapping, 0, ~0ull, 0), 0);
	assert_int_equal(stored.store.nr_writeback, 1);
	flusher_round(&stored_dev->flusher, hal_clock_ns() + 40000000000ull); /* nothing to do: off the list, if it can */
	mapping_destroy(&stored.mapping);
	assert_true(list_is_empty(&stored_dev->flusher.dirty));
	assert_int_equal(stat_read(STAT_NR_FILE_DIRTY), 0);
	host_disk_destroy(stored_disk);
	machine_down();
}

static void count_call(void *holder) { ++*(unsigned *)holder; }

/* Who keeps metadata in them is told instead. */
static void a_devices_pages_are_lost_only_without_a_holder(void **state)
{
	unsigned nr_calls = 0;
	struct buffer b;
	stored_up(12);
	bounds_of_few_pages(true);
	block_set_holder(stored_dev, count_call, &nr_calls);
	for (u64 block = 0; block < 40; block++) {
		assert_int_equal(buffer_new(stored_dev, block, 12, &b), 0);
		memset(b.data, 0x55, PAGE_SIZE);
		buffer_put(&b);
	}
	host_disk_fail(stored_disk, BLOCK_WRITE, 0, ~0ull, 0, ~0ull);
	assert_int_equal(flusher_sync(stored_dev), -EIO);
	assert_int_equal(flusher_sync(stored_dev), -EIO);
	assert_true(nr_calls > 0);
	assert_int_equal(stored_dev->store.nr_dirty, 40);
	assert_false(stored_dev->store.has_lost);
	block_set_holder(stored_dev, NULL, NULL);
	assert_int_equal(flusher_sync(stored_dev), -EIO);
	assert_int_equal(stored_dev->store.nr_dirty, 16);
	assert_true(stored_dev->store.has_lost);
	host_disk_heal(stored_disk);
	assert_int_equal(flusher_sync(stored_dev), 0);
	assert_int_equal(writeback_nr_refused(), 0);
	unsigned nr_there = 0;
	for (u64 block = 0; block < 40; block++)
		nr_there += host_disk_bytes(stored_disk)[block * PAGE_SIZE] == 0x55;
	assert_int_equal(nr_there, 16);
	bounds_of_few_pages(false);
	stored_down();
}

/* A block that was metadata and now is a file's data must not be overwritten by the page that held it. */
static void a_forgotten_buffer_is_not_written(void **state)
{
	struct buffer b;
	stored_up(10);
	assert_int_equal(buffer_new(stored_dev, 50, 10, &b), 0);
	memset(b.data, 0x77, 1024);
	buffer_dirty(&b);
	buffer_put(&b);
	assert_int_equal(buffer_read(stored_dev, 51, 10, &b), 0); /* its neighbour on the same page */
	memset(b.data, 0x66, 1024);
	buffer_dirty(&b);
	buffer_put(&b);
	buffer_forget(stored_dev, 50, 1, 10);
	assert_int_equal(flusher_sync(stored_dev), 0);
	assert_int_equal(host_disk_bytes(stored_disk)[50 * 1024], 0xdd);
	assert_int_equal(host_disk_bytes(stored_disk)[51 * 1024], 0x66);
	assert_int_equal(host_disk_bytes(stored_disk)[52 * 1024 - 1], 0x66);
	assert_int_equal(host_disk_bytes(stored_disk)[52 * 1024], 0xdd);
	stored_down();
}

static void old_pages_are_written_and_young_ones_wait(void **state)
{
	u8 byte = 1;
	stored_up(12);
	stored_fill(4 * PAGE_SIZE);
	assert_int_equal(stored_write(0, 1, &byte, 1), 1);
	u64 now = hal_clock_ns();
	assert_int_equal(flusher_round(&stored_dev->flusher, now + 1000), 0);
	assert_int_equal(stored.store.nr_dirty, 1);
	assert_int_equal(flusher_round(&stored_dev->flusher, now + 31000000000ull), 1);
	assert_int_equal(stored.store.nr_dirty, 0);
	stored_down();
}

/* What a round of the flusher has only begun is on the disk when sync ends. */
static void sync_waits_for_what_the_flusher_began(void **state)
{
	u8 byte = 1;
	stored_up(12);
	stored.blocks[0] = 300;
	stored_fill(PAGE_SIZE);
	host_disk_set_delay(stored_disk, 1000000000ull);
	assert_int_equal(stored_write(0, 1, &byte, 1), 1);
	flusher_round(&stored_dev->flusher, hal_clock_ns() + 31000000000ull);
	assert_int_equal(stored.store.nr_dirty, 0);
	assert_int_equal(stored.store.nr_writeback, 1);
	assert_int_equal(flusher_sync(stored_dev), 0);
	assert_int_equal(stored.store.nr_writeback, 0);
	assert_int_equal(host_disk_bytes(stored_disk)[300 * PAGE_SIZE], 1);
	stored_down();
}

/* Write-back that finds no memory says so and leaves the page dirty; the next one writes it. */
static void write_back_without_memory_says_so(void **state)
{
	bool has_failed = false;
	stored_up(12);
	for (u64 b = 0; b < 8; b++)
		stored.blocks[b] = 300 + 2 * b; /* a request each */
	stored_fill(8 * PAGE_SIZE);
	for (long n = 0;; n++) {
		u8 byte = (u8)(n + 1);
		for (u64 page = 0; page < 8; page++)
			assert_int_equal(stored_write(page * PAGE_SIZE, 1, &byte, 1), 1);
		inject_failure(INJECT_FRAMES | INJECT_SLABS, n, NULL);
		int err = mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT);
		inject_stop();
		assert_true(err == 0 || err == -ENOMEM);
		assert_int_equal(!err, !stored.store.nr_dirty);
		has_failed |= err != 0;
		stored_sync();
		for (u64 page = 0; page < 8; page++)
			assert_int_equal(host_disk_bytes(stored_disk)[stored.blocks[page] * PAGE_SIZE], byte);
		if (!inject_struck())
			break;
	}
	assert_true(has_failed);
	stored_down();
}

/* Two CPUs write to one page; each one's write-back has its own bytes on the disk when it ends. */
static void write_and_sync_one_byte(void *arg)
{
	u64 at = (u64)(uintptr_t)arg;
	for (u8 byte = 1; byte < 8; byte++) {
		CHECK(stored_write(at, 1, &byte, 1) == 1);
		CHECK(mapping_writeback(&stored.mapping, 0, ~0ull, WRITEBACK_WAIT) == 0);
		CHECK(host_disk_bytes(stored_disk)[300 * PAGE_SIZE + at] == byte);
	}
}

static void a_mark_of_another_cpu_is_written_too(void **state)
{
	for (u64 seed = 1; seed <= 60; seed++) {
		stored_up_with(12, 2);
		stored.blocks[0] = 300;
		stored_fill(PAGE_SIZE);
		host_turns_begin(seed);
		host_cpu_start(1, write_and_sync_one_byte, (void *)100);
		write_and_sync_one_byte((void *)200);
		host_cpu_join(1);
		host_turns_end();
		stored_down();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_error_of_a_write_is_told_once_to_each_file),
	cmocka_unit_test(what_a_disk_refuses_for_a_while_is_kept),
	cmocka_unit_test(what_a_disk_refuses_for_ever_has_a_bound),
	cmocka_unit_test(a_page_that_changes_again_is_not_lost),
	cmocka_unit_test(a_file_that_goes_is_off_the_list_whatever_its_writes_do),
	cmocka_unit_test(a_devices_pages_are_lost_only_without_a_holder),
	cmocka_unit_test(a_forgotten_buffer_is_not_written),
	cmocka_unit_test(old_pages_are_written_and_young_ones_wait),
	cmocka_unit_test(sync_waits_for_what_the_flusher_began),
	cmocka_unit_test(write_back_without_memory_says_so),
	cmocka_unit_test(a_mark_of_another_cpu_is_written_too),
};

int run_writeback_tests(void) { return run_group("writeback", tests, sizeof(tests) / sizeof(tests[0])); }
