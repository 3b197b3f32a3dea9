/* SPDX-License-Identifier: MIT */
/* Block requests, partitions and figures, on the host's disk in memory. */
#include "tests.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <host/disk.h>
#include <mm/stat.h>
#include <pthread.h>
#include <string.h>

static struct frame *new_page(u8 fill)
{
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	assert_non_null(f);
	memset(frame_ptr(f), fill, PAGE_SIZE);
	return f;
}

static struct host_disk *disk_up(struct host_disk_config c)
{
	machine_up(16ul << 20, 1);
	return host_disk_create(&c);
}

static void disk_down(struct host_disk *d)
{
	host_disk_destroy(d);
	machine_down();
}

static void bytes_reach_the_disk_and_come_back(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64 });
	struct block_device *b = host_disk_device(d);
	struct frame *f = new_page(0x5a), *g = new_page(0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 3, f, 512, 1024), 0);
	assert_int_equal(host_disk_bytes(d)[3 * 512 - 1], 0);
	assert_int_equal(host_disk_bytes(d)[3 * 512], 0x5a);
	assert_int_equal(host_disk_bytes(d)[5 * 512 - 1], 0x5a);
	assert_int_equal(host_disk_bytes(d)[5 * 512], 0);
	assert_int_equal(block_rw(b, BLOCK_READ, 2, g, 0, 4096), 0);
	assert_memory_equal(frame_ptr(g), host_disk_bytes(d) + 1024, 4096);
	assert_int_equal(block_flush(b), 0);
	frame_put(f);
	frame_put(g);
	disk_down(d);
}

static void what_a_device_cannot_do_is_refused(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64, .logical_block = 1024 });
	struct block_device *b = host_disk_device(d);
	struct frame *f = new_page(1);
	assert_int_equal(block_rw(b, BLOCK_READ, 64, f, 0, 1024), -ENXIO);
	assert_int_equal(block_rw(b, BLOCK_READ, 62, f, 0, 2048), -ENXIO);
	assert_int_equal(block_rw(b, BLOCK_READ, ~0ull & ~1ull, f, 0, 2048), -ENXIO);
	assert_int_equal(block_rw(b, BLOCK_READ, 62, f, 0, 1024), 0);
	assert_int_equal(block_rw(b, BLOCK_READ, 61, f, 0, 1024), -EINVAL);
	assert_int_equal(block_rw(b, BLOCK_READ, 60, f, 0, 512), -EINVAL);
	b->is_read_only = true;
	assert_int_equal(block_rw(b, BLOCK_WRITE, 0, f, 0, 1024), -EROFS);
	assert_int_equal(b->stats.requests[BLOCK_READ], 1); /* the refused ones do not count */
	assert_int_equal(b->stats.requests[BLOCK_WRITE], 0);
	frame_put(f);
	disk_down(d);
}

static void partition_shifts_and_stays_inside(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64 });
	struct block_device *whole = host_disk_device(d);
	struct block_device part = { .parent = whole, .start_sector = 10, .nr_sectors = 8, .logical_block = 512, .physical_block = 512,
		                         .max_segments = whole->max_segments, .max_sectors = whole->max_sectors, .name = "disk1" };
	block_device_init(&part);
	struct frame *f = new_page(7);
	assert_int_equal(block_rw(&part, BLOCK_WRITE, 2, f, 0, 512), 0);
	assert_int_equal(host_disk_bytes(d)[12 * 512], 7);
	assert_int_equal(block_rw(&part, BLOCK_READ, 8, f, 0, 512), -ENXIO);
	assert_int_equal(block_rw(&part, BLOCK_READ, 4, f, 0, 4096), -ENXIO);
	assert_int_equal(block_flush(&part), 0);
	assert_int_equal(part.stats.requests[BLOCK_WRITE], 1);
	assert_int_equal(part.stats.sectors[BLOCK_WRITE], 1);
	assert_int_equal(whole->stats.requests[BLOCK_WRITE], 1);
	assert_int_equal(whole->stats.requests[BLOCK_FLUSH], 1);
	whole->is_read_only = true;
	assert_int_equal(block_rw(&part, BLOCK_WRITE, 2, f, 0, 512), -EROFS);
	frame_put(f);
	block_device_destroy(&part);
	disk_down(d);
}

static unsigned nr_ended;
static u64 sector_in_done;
static void ended(struct block_request *r)
{
	nr_ended++;
	sector_in_done = r->sector;
}

static void figures_are_true(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64, .delay_ns = 1000000 });
	struct block_device *b = host_disk_device(d);
	struct frame *f = new_page(1);
	struct block_segment s[2] = { { f, 0, 512 }, { f, 512, 1024 } };
	struct block_request r[2] = { { .op = BLOCK_READ, .nr_segments = 2, .segments = s, .done = ended },
		                          { .op = BLOCK_WRITE, .nr_segments = 1, .sector = 9, .segments = s, .done = ended } };
	u64 in = stat_read(STAT_PGPGIN), out = stat_read(STAT_PGPGOUT);
	nr_ended = 0;
	host_disk_stall(d, true);
	block_submit(b, &r[0]);
	host_clock_pass(hal_clock_ns() + 5000000);
	block_submit(b, &r[1]);
	assert_int_equal(block_nr_in_flight(b), 2);
	assert_true(block_busy_ns(b) >= 5000000 && block_busy_ns(b) < 5100000);
	host_disk_stall(d, false);
	assert_int_equal(host_disk_run(d), 2);
	assert_int_equal(nr_ended, 2);
	assert_int_equal(block_nr_in_flight(b), 0);
	u64 busy = block_busy_ns(b);
	assert_true(busy >= 6000000 && busy < 6100000);
	host_clock_pass(hal_clock_ns() + 5000000);
	assert_int_equal(block_busy_ns(b), busy); /* an idle disk is not busy */
	assert_int_equal(b->stats.sectors[BLOCK_READ], 3);
	assert_true(b->stats.ns[BLOCK_READ] >= 5000000 && b->stats.ns[BLOCK_WRITE] >= 1000000 && b->stats.ns[BLOCK_WRITE] < 1100000);
	assert_int_equal(stat_read(STAT_PGPGIN) - in, 1);
	assert_int_equal(block_rw(b, BLOCK_READ, 0, f, 0, 512), 0); /* two halves are one KiB */
	assert_int_equal(stat_read(STAT_PGPGIN) - in, 2);
	assert_int_equal(stat_read(STAT_PGPGOUT) - out, 0);
	frame_put(f);
	disk_down(d);
}

static void request_comes_back_as_it_was_submitted(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64 });
	struct block_device part = { .parent = host_disk_device(d), .start_sector = 10, .nr_sectors = 8, .logical_block = 512,
		                         .physical_block = 512, .max_segments = 1, .max_sectors = 8 };
	block_device_init(&part);
	struct frame *f = new_page(1);
	struct block_segment s = { f, 0, 512 };
	struct block_request r = { .op = BLOCK_WRITE, .nr_segments = 1, .sector = 5, .segments = &s, .done = ended };
	nr_ended = 0;
	block_submit(&part, &r);
	block_submit(&part, &r);
	assert_int_equal(nr_ended, 2);
	assert_int_equal(sector_in_done, 5);
	assert_int_equal(host_disk_bytes(d)[15 * 512], 1);
	assert_int_equal(host_disk_bytes(d)[25 * 512], 0);
	frame_put(f);
	block_device_destroy(&part);
	disk_down(d);
}

static void faults_strike_as_told(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64 });
	struct block_device *b = host_disk_device(d);
	struct frame *f = new_page(3);
	host_disk_fail(d, BLOCK_WRITE, 8, 16, 1, 2);
	host_disk_fail(d, BLOCK_FLUSH, 0, 0, 0, ~0ull);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 0, f, 0, 4096), 0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 12, f, 0, 512), 0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 4, f, 0, 4096), -EIO);
	assert_int_equal(block_rw(b, BLOCK_READ, 8, f, 0, 512), 0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 15, f, 0, 512), -EIO);
	assert_int_equal(host_disk_bytes(d)[15 * 512], 0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 15, f, 0, 512), 0);
	assert_int_equal(block_flush(b), -EIO);
	assert_int_equal(host_disk_nr_failed(d), 3);
	host_disk_heal(d);
	assert_int_equal(block_flush(b), 0);
	frame_put(f);
	disk_down(d);
}

static void crash_image_keeps_what_was_flushed(void **state)
{
	(void)state;
	struct host_disk *d = disk_up((struct host_disk_config){ .nr_sectors = 64, .records = true });
	struct block_device *b = host_disk_device(d);
	struct frame *f = new_page(1);
	const struct host_disk_record *rec;
	u8 image[64 * 512];
	bool kept = false, lost = false;
	assert_int_equal(block_rw(b, BLOCK_WRITE, 0, f, 0, 512), 0);
	assert_int_equal(block_flush(b), 0);
	memset(frame_ptr(f), 2, PAGE_SIZE);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 0, f, 0, 512), 0);
	assert_int_equal(block_rw(b, BLOCK_WRITE, 8, f, 0, 512), 0);
	assert_int_equal(host_disk_records(d, &rec), 4);
	assert_true(rec[1].op == BLOCK_FLUSH && rec[3].sector == 8 && rec[3].data[0] == 2);
	for (u64 seed = 0; seed < 64; seed++) {
		host_disk_crash_image(d, 4, seed, image);
		assert_true(image[0] == 1 || image[0] == 2);
		kept |= image[8 * 512] == 2;
		lost |= image[8 * 512] == 0;
		host_disk_crash_image(d, 2, seed, image);
		assert_int_equal(image[0], 1);
		assert_int_equal(image[8 * 512], 0);
	}
	assert_true(kept && lost);
	frame_put(f);
	disk_down(d);
}

/* With threads: two CPUs wait for one disk that takes its time. */
static struct block_device *shared;
static void *write_many(void *arg)
{
	u64 cpu = (u64)arg;
	host_be_cpu((unsigned)cpu);
	struct frame *f = new_page((u8)cpu);
	for (u64 i = 0; i < 50; i++)
		assert_int_equal(block_rw(shared, BLOCK_WRITE, cpu * 100 + i, f, 0, 512), 0);
	frame_put(f);
	return NULL;
}

static void waiters_on_several_cpus_are_all_woken(void **state)
{
	(void)state;
	pthread_t t;
	machine_up_free_running(16ul << 20, 3);
	struct host_disk *d = host_disk_create(&(struct host_disk_config){ .nr_sectors = 400, .delay_ns = 20000, .worker_cpu = 2 });
	shared = host_disk_device(d);
	assert_int_equal(pthread_create(&t, NULL, write_many, (void *)1), 0);
	write_many((void *)0);
	pthread_join(t, NULL);
	assert_int_equal(shared->stats.requests[BLOCK_WRITE], 100);
	assert_int_equal(host_disk_bytes(d)[149 * 512], 1);
	host_be_cpu(0);
	disk_down(d);
}

int run_block_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_reach_the_disk_and_come_back), cmocka_unit_test(what_a_device_cannot_do_is_refused),
		cmocka_unit_test(partition_shifts_and_stays_inside),  cmocka_unit_test(figures_are_true),
		cmocka_unit_test(request_comes_back_as_it_was_submitted), cmocka_unit_test(faults_strike_as_told),
		cmocka_unit_test(crash_image_keeps_what_was_flushed), cmocka_unit_test(waiters_on_several_cpus_are_all_woken),
	};
	return run_group("block", tests, ARRAY_SIZE(tests));
}
