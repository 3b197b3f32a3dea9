/* SPDX-License-Identifier: MIT */
/* Swap: pages go out and come back, whoever maps them, and no slot or frame stays behind. */
#include "tests.h"
#include <host/disk.h>
#include <mm/inspect.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <asm/errno.h>
#include <asm/signal.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static struct space *parent;
static struct host_disk *disk;
static unsigned area;

static void up_with(u64 swap_pages, u64 delay_ns)
{
	machine_up(64ul << 20, 1);
	disk = swap_disk(swap_pages, delay_ns);
	assert_int_equal(swap_on(disk, swap_pages, -1, &area), 0);
	parent = space_create();
	host_switch(parent);
}

static void check(struct space *s)
{
	assert_valid(s);
	assert_null(swap_validate());
	assert_null(stat_validate());
}

static void down(void)
{
	host_switch(NULL);
	space_put(parent);
	host_disk_run(disk);
	struct swap_area_stat st;
	assert_true(swap_area_stat(area, &st));
	assert_int_equal(st.nr_used, 0);
	assert_int_equal(swap_area_remove(area), 0);
	assert_int_equal(swap_nr_total(), 0);
	assert_int_equal(stat_read(STAT_NR_SWAPCACHE), 0);
	host_disk_destroy(disk);
	machine_down();
}

static void fill(uaddr_t at, unsigned nr, u8 plus)
{
	for (unsigned i = 0; i < nr; i++)
		put_byte(at + i * PAGE_SIZE + i % 4096, (u8)(i * 7 + plus));
}

static void expect(uaddr_t at, unsigned nr, u8 plus)
{
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(get_byte(at + i * PAGE_SIZE + i % 4096), (u8)(i * 7 + plus));
}

/* nr pages at AT, all in swap. */
static void begin_swapped(unsigned nr)
{
	up_with(8192, 0);
	map(parent, AT, nr * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, nr, 1);
	assert_int_equal(space_madvise(parent, AT, nr * PAGE_SIZE, MADV_PAGEOUT), 0);
}

/* Major faults of touching the pages first, first + step, ... nr times. */
static u64 majors_of(unsigned first, int step, unsigned nr)
{
	u64 before = stat_read(STAT_PGMAJFAULT);
	for (unsigned i = 0; i < nr; i++)
		get_byte(AT + (first + (unsigned)(step * (int)i)) * PAGE_SIZE);
	return stat_read(STAT_PGMAJFAULT) - before;
}

static void sweeps_are_read_ahead_both_ways(void **state)
{
	(void)state;
	begin_swapped(4096);
	assert_in_range(majors_of(0, 1, 512), 64, 70);
	assert_in_range(majors_of(2047, -1, 512), 64, 70);
	check(parent);
	down();
}

/* Pages that come back in the order in which they went, which is none of addresses: by slots they are read ahead. */
static void slots_are_read_ahead_in_their_order(void **state)
{
	(void)state;
	u64 majors[2];
	for (unsigned by_slot = 0; by_slot < 2; by_slot++) {
		up_with(8192, 0);
		map(parent, AT, 1024 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
		fill(AT, 1024, 1);
		for (unsigned i = 0; i < 1024; i++)
			assert_int_equal(space_madvise(parent, AT + i * 389 % 1024 * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT), 0);
		mm_tunables.swap_ahead_by_slot = by_slot;
		majors[by_slot] = 0;
		for (unsigned i = 0; i < 1024; i++)
			majors[by_slot] += majors_of(i * 389 % 1024, 1, 1);
		mm_tunables.swap_ahead_by_slot = false;
		check(parent);
		expect(AT, 1024, 1);
		down();
	}
	assert_in_range(majors[1], 128, 140);
	assert_true(majors[0] > 2 * majors[1]);
}

/* Slots that are free, held by shared memory or in memory already are passed by; what others have there comes along. */
static void slots_of_others_come_along(void **state)
{
	(void)state;
	up_with(64, 0);
	struct space *child;
	map(parent, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(parent, AT + (1ul << 20), 8 * PAGE_SIZE, RW, MAP_SHARED, NULL, 0);
	fill(AT, 8, 1);
	fill(AT + (1ul << 20), 8, 2);
	assert_int_equal(space_fork(parent, &child), 0);
	host_switch(child);
	fill(AT, 8, 3);
	host_switch(parent);
	for (unsigned i = 0; i < 8; i++) { /* slots: the parent's, the child's, shared ones */
		assert_int_equal(space_madvise(parent, AT + i * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT), 0);
		assert_int_equal(space_madvise(child, AT + i * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT), 0);
		assert_int_equal(space_madvise(parent, AT + (1ul << 20) + i * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT), 0);
	}
	assert_int_equal(space_munmap(parent, AT + 4 * PAGE_SIZE, PAGE_SIZE), 0); /* a hole among the slots */
	mm_tunables.swap_ahead_by_slot = true;
	for (unsigned i = 0; i < 8; i++)
		if (i != 4)
			assert_int_equal(get_byte(AT + i * PAGE_SIZE + i), (u8)(i * 7 + 1));
	u64 before = stat_read(STAT_PGMAJFAULT);
	host_switch(child);
	expect(AT, 8, 3);
	assert_true(stat_read(STAT_PGMAJFAULT) - before < 4); /* they came along with the parent's */
	mm_tunables.swap_ahead_by_slot = false;
	host_switch(parent);
	expect(AT + (1ul << 20), 8, 2);
	check(parent);
	check(child);
	host_switch(NULL);
	space_put(child);
	host_switch(parent);
	down();
}

/* A few pages that are touched beside a scan do not end it, nor do pages of its own that are in memory still. */
static void strays_do_not_end_a_sweep(void **state)
{
	(void)state;
	begin_swapped(4096);
	for (unsigned i = 0; i < 512; i += 3)
		get_byte(AT + i * PAGE_SIZE); /* these are there when the scan comes */
	u64 before = stat_read(STAT_PGMAJFAULT), strays = 0;
	majors_of(600, 1, 16);
	for (unsigned i = 616; i < 1128; i++) {
		get_byte(AT + i * PAGE_SIZE);
		if (i % 16 == 0) {
			get_byte(AT + (2048 + i * 37 % 2000) * PAGE_SIZE);
			strays++;
		}
	}
	assert_true(stat_read(STAT_PGMAJFAULT) - before - strays < 75);
	majors_of(510, 1, 1);
	assert_true(majors_of(1, 1, 511) < 130);
	check(parent);
	down();
}

/* Touches in no order: all is wanted in the end, and read-ahead finds that out; where nothing near is, it reads little. */
static void what_was_of_use_decides_without_order(void **state)
{
	(void)state;
	begin_swapped(4096);
	u64 majors[2];
	for (unsigned pass = 0; pass < 2; pass++) {
		u64 before = stat_read(STAT_PGMAJFAULT);
		for (unsigned i = 0; i < 2048; i++)
			get_byte(AT + i * 1237 % 2048 * PAGE_SIZE);
		majors[pass] = stat_read(STAT_PGMAJFAULT) - before;
		assert_int_equal(space_madvise(parent, AT, 2048 * PAGE_SIZE, MADV_PAGEOUT), 0);
	}
	assert_true(majors[1] < majors[0] * 2 / 3);
	check(parent);
	down();
	begin_swapped(4096);
	u64 read = stat_read(STAT_PSWPIN);
	for (unsigned i = 0; i < 256; i++)
		get_byte(AT + i * 1237 % 256 * 16 * PAGE_SIZE);
	assert_true(stat_read(STAT_PSWPIN) - read < 256 + 256 / 4);
	down();
}

static void pages_go_out_and_come_back(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 700 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 700, 1);
	u64 free_before = frame_nr_free();
	assert_int_equal(space_madvise(parent, AT, 700 * PAGE_SIZE, MADV_PAGEOUT), 0);
	assert_int_equal(parent->rss[RSS_ANON], 0);
	assert_int_equal(parent->rss[RSS_SWAP], 700);
	assert_int_equal(stat_read(STAT_NR_ANON_PAGES), 0);
	assert_true(frame_nr_free() > free_before + 690);
	assert_int_equal(swap_nr_total() - swap_nr_free(), 700);
	check(parent);
	u64 major = stat_read(STAT_PGMAJFAULT), reads = stat_read(STAT_PSWPIN);
	expect(AT, 700, 1);
	assert_int_equal(stat_read(STAT_PSWPIN) - reads, 700);
	assert_true(stat_read(STAT_PGMAJFAULT) - major < 100); /* the others were read ahead */
	assert_int_equal(parent->rss[RSS_ANON], 700);
	check(parent);
	down();
}

/* What came back and was not written to goes out again without a write. */
static void clean_pages_are_not_written_twice(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 100 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 100, 1);
	push_out(disk, parent, AT, 100);
	expect(AT, 100, 1);
	u64 written = stat_read(STAT_PSWPOUT);
	push_out(disk, parent, AT, 100);
	assert_int_equal(stat_read(STAT_PSWPOUT), written);
	assert_int_equal(parent->rss[RSS_SWAP], 100);
	fill(AT, 50, 2);
	push_out(disk, parent, AT, 100);
	assert_int_equal(stat_read(STAT_PSWPOUT), written + 50);
	expect(AT, 50, 2);
	check(parent);
	down();
}

static void forked_pages_go_out_once(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 600 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 600, 3);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	put_byte(AT + 17 * PAGE_SIZE, 99); /* the first table is not shared any more */
	push_out(disk, parent, AT, 600);
	check(parent);
	check(child);
	assert_int_equal(stat_read(STAT_PSWPOUT), 600);
	assert_int_equal(child->rss[RSS_SWAP], 600 - 1); /* the parent's own copy of one page went too, the child's is here */
	host_switch(child);
	expect(AT, 17, 3);
	assert_int_equal(get_byte(AT + 17 * PAGE_SIZE), 0);
	put_byte(AT + 30 * PAGE_SIZE, 1);
	put_byte(AT + 550 * PAGE_SIZE, 2);
	check(parent);
	check(child);
	host_switch(parent);
	assert_int_equal(get_byte(AT + 17 * PAGE_SIZE), 99);
	assert_int_equal(get_byte(AT + 30 * PAGE_SIZE), 0);
	expect(AT + 31 * PAGE_SIZE, 0, 0);
	space_put(child);
	expect(AT, 600, 3);
	check(parent);
	down();
}

static void calls_find_pages_in_swap(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 100 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 100, 5);
	push_out(disk, parent, AT, 100);
	assert_int_equal(space_munmap(parent, AT, 10 * PAGE_SIZE), 0);
	assert_int_equal(swap_nr_total() - swap_nr_free(), 90);
	assert_int_equal(space_mprotect(parent, AT + 10 * PAGE_SIZE, 10 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(get_byte(AT + 15 * PAGE_SIZE + 15), (u8)(15 * 7 + 5));
	assert_int_equal(try_write(AT + 15 * PAGE_SIZE).sig, SIGSEGV);
	check(parent);
	uaddr_t to = AT + (64ul << 20) + 37 * PAGE_SIZE;
	uaddr_t moved = 0;
	assert_int_equal(space_mremap(parent, AT + 20 * PAGE_SIZE, 30 * PAGE_SIZE, 30 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to, &moved), 0);
	check(parent);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(get_byte(to + i * PAGE_SIZE + i + 20), (u8)((i + 20) * 7 + 5));
	assert_int_equal(space_madvise(parent, AT + 50 * PAGE_SIZE, 10 * PAGE_SIZE, MADV_DONTNEED), 0);
	assert_int_equal(get_byte(AT + 55 * PAGE_SIZE + 55), 0);
	check(parent);
	down();
}

static void swapoff_brings_everything_back(void **state)
{
	(void)state;
	up_with(2048, 1000);
	map(parent, AT, 600 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 600, 9);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	push_out(disk, parent, AT, 600);
	assert_int_equal(space_mprotect(parent, AT, 100 * PAGE_SIZE, PROT_NONE), 0);
	u64 requests = host_disk_device(disk)->stats.requests[BLOCK_READ];
	assert_int_equal(swap_area_remove(area), 0);
	assert_true(host_disk_device(disk)->stats.requests[BLOCK_READ] - requests < 600 / 8); /* neighbours together */
	assert_int_equal(parent->rss[RSS_SWAP] + child->rss[RSS_SWAP], 0);
	check(parent);
	check(child);
	assert_int_equal(try_read(AT).sig, SIGSEGV);
	assert_int_equal(space_mprotect(parent, AT, 100 * PAGE_SIZE, RW), 0);
	expect(AT, 600, 9);
	fill(AT, 600, 10);
	expect(AT, 600, 10);
	host_switch(child);
	expect(AT, 600, 9);
	host_switch(parent);
	check(parent);
	space_put(child);
	assert_int_equal(swap_on(disk, 2048, 5, &area), 0);
	down();
}

static void areas_fill_by_priority(void **state)
{
	(void)state;
	up_with(600, 0);
	struct host_disk *second = swap_disk(301, 0);
	unsigned fast;
	assert_int_equal(swap_on(second, 301, 7, &fast), 0);
	map(parent, AT, 700 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 700, 1);
	push_out(disk, parent, AT, 200);
	struct swap_area_stat st;
	assert_true(swap_area_stat(fast, &st));
	assert_int_equal(st.nr_used, 200);
	assert_int_equal(st.priority, 7);
	push_out(disk, parent, AT + 200 * PAGE_SIZE, 500);
	assert_true(swap_area_stat(fast, &st));
	assert_int_equal(st.nr_used, 300);
	assert_true(swap_area_stat(area, &st));
	assert_int_equal(st.nr_used, 400);
	assert_int_equal(st.priority, -2);
	check(parent);
	assert_int_equal(swap_area_remove(fast), 0);
	expect(AT, 700, 1);
	check(parent);
	host_disk_destroy(second);
	down();
}

/* When swap is full the page stays where it is. */
static void a_full_area_refuses(void **state)
{
	(void)state;
	up_with(101, 0);
	map(parent, AT, 150 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 150, 1);
	push_out(disk, parent, AT, 150);
	assert_int_equal(parent->rss[RSS_SWAP], 100);
	assert_int_equal(parent->rss[RSS_ANON], 50);
	check(parent);
	/* Holes are found again. */
	assert_int_equal(space_munmap(parent, AT + 10 * PAGE_SIZE, 20 * PAGE_SIZE), 0);
	push_out(disk, parent, AT, 150);
	assert_int_equal(swap_nr_free(), 0);
	expect(AT, 10, 1);
	check(parent);
	down();
}

static void a_read_error_is_sigbus_for_one_page(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 20 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 20, 1);
	push_out(disk, parent, AT, 20);
	host_disk_fail(disk, BLOCK_READ, 8 * 4, 8 * 5, 0, ~0ull); /* slot 4 is the fourth page's */
	assert_int_equal(try_read(AT + 3 * PAGE_SIZE).sig, SIGBUS);
	expect(AT, 3, 1);
	host_disk_heal(disk);
	expect(AT, 20, 1);
	check(parent);
	down();
}

static void a_write_error_keeps_the_page(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 20 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 20, 1);
	host_disk_fail(disk, BLOCK_WRITE, 0, 1 << 20, 0, ~0ull);
	push_out(disk, parent, AT, 20);
	check(parent);
	host_disk_heal(disk);
	expect(AT, 20, 1);
	check(parent);
	down();
}

static void locked_pages_stay(void **state)
{
	(void)state;
	up_with(2048, 0);
	map(parent, AT, 40 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 40, 1);
	assert_int_equal(space_mlock(parent, AT, 20 * PAGE_SIZE, false), 0);
	push_out(disk, parent, AT, 40);
	assert_int_equal(parent->rss[RSS_ANON], 20);
	assert_int_equal(parent->rss[RSS_SWAP], 20);
	check(parent);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	assert_int_equal(space_munlock(parent, AT, 10 * PAGE_SIZE), 0);
	push_out(disk, parent, AT, 40);
	assert_int_equal(parent->rss[RSS_SWAP], 30);
	assert_int_equal(child->rss[RSS_SWAP], 30);
	check(parent);
	check(child);
	space_put(child);
	expect(AT, 40, 1);
	down();
}

static void shared_pages_go_out_and_come_back(void **state)
{
	(void)state;
	up_with(2048, 1000);
	struct test_file f;
	file_init(&f, 100 * PAGE_SIZE);
	map(parent, AT, 100 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	fill(AT, 100, 4);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	push_out(disk, parent, AT, 100);
	assert_int_equal(f.mapping.nr_pages, 0);
	assert_int_equal(f.mapping.nr_swapped, 100);
	assert_int_equal(stat_read(STAT_NR_SHMEM), 0);
	check(parent);
	check(child);
	expect(AT, 30, 4);
	assert_int_equal(f.mapping.nr_pages + f.mapping.nr_swapped, 100);
	host_switch(child);
	put_byte(AT + 50 * PAGE_SIZE + 50, 77);
	host_switch(parent);
	assert_int_equal(get_byte(AT + 50 * PAGE_SIZE + 50), 77);
	/* Truncation finds them wherever they are; what is left of the last page is zeros. */
	push_out(disk, parent, AT, 100);
	file_truncate(&f, 20 * PAGE_SIZE + 10);
	assert_int_equal(f.mapping.nr_pages + f.mapping.nr_swapped, 21);
	assert_int_equal(get_byte(AT + 20 * PAGE_SIZE + 20), 0);
	expect(AT, 20, 4);
	push_out(disk, parent, AT, 21);
	check(parent);
	/* The area goes, the pages stay. */
	assert_int_equal(swap_area_remove(area), 0);
	assert_int_equal(f.mapping.nr_swapped, 0);
	expect(AT, 20, 4);
	assert_int_equal(swap_on(disk, 2048, -1, &area), 0);
	push_out(disk, parent, AT, 21);
	check(parent);
	space_put(child);
	assert_int_equal(space_munmap(parent, AT, 100 * PAGE_SIZE), 0);
	mapping_destroy(&f.mapping);
	assert_int_equal(swap_nr_free(), swap_nr_total());
	down();
}

static void a_shared_page_that_cannot_be_read(void **state)
{
	(void)state;
	up_with(2048, 0);
	struct test_file f;
	file_init(&f, 20 * PAGE_SIZE);
	map(parent, AT, 20 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	fill(AT, 20, 4);
	push_out(disk, parent, AT, 20);
	host_disk_fail(disk, BLOCK_READ, 8 * 4, 8 * 5, 0, ~0ull);
	assert_int_equal(get_byte(AT), 4); /* reads the bad one ahead */
	assert_int_equal(try_read(AT + 3 * PAGE_SIZE).sig, SIGBUS);
	check(parent);
	host_disk_heal(disk);
	expect(AT, 20, 4);
	check(parent);
	assert_int_equal(space_munmap(parent, AT, 20 * PAGE_SIZE), 0);
	mapping_destroy(&f.mapping);
	down();
}

static struct region_usage usage_of(struct space *s, uaddr_t at)
{
	struct region_usage u;
	rwlock_read(&s->lock);
	region_usage_locked(region_lookup(s, at), &u);
	rwlock_read_unlock(&s->lock);
	return u;
}

/* Swap, SwapPss, pagemap and mincore say what is in swap, shared tables and all. */
static void figures_of_pages_in_swap(void **state)
{
	(void)state;
	u8 there;
	up_with(2048, 0);
	map(parent, AT, 60 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 60, 1);
	push_out(disk, parent, AT, 40);
	struct region_usage u = usage_of(parent, AT);
	assert_int_equal(u.swap, 40 * PAGE_SIZE);
	assert_int_equal(u.swap_pss, 40 * PAGE_SIZE);
	assert_int_equal(u.rss, 20 * PAGE_SIZE);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	assert_int_equal(usage_of(parent, AT).swap_pss, 20 * PAGE_SIZE); /* one table for both */
	put_byte(AT + 50 * PAGE_SIZE, 1);
	assert_int_equal(usage_of(parent, AT).swap_pss, 20 * PAGE_SIZE); /* one each */
	assert_int_equal(usage_of(child, AT).swap_pss, 20 * PAGE_SIZE);
	put_byte(AT + 3 * PAGE_SIZE, 1);
	u = usage_of(parent, AT);
	assert_int_equal(u.swap, 39 * PAGE_SIZE);
	assert_int_equal(u.swap_pss, 39 * PAGE_SIZE / 2);
	u = usage_of(child, AT); /* page 3 came back for both, if they still shared its table */
	assert_int_equal(u.swap_pss, 39 * PAGE_SIZE / 2 + (u.swap - 39 * PAGE_SIZE));
	rwlock_read(&parent->lock);
	assert_int_equal(space_pagemap_locked(parent, AT) >> 61, 2); /* in swap, not present, no file */
	assert_int_equal(space_pagemap_locked(parent, AT + 50 * PAGE_SIZE) >> 62, 2);
	rwlock_read_unlock(&parent->lock);
	assert_int_equal(space_mincore(parent, AT + 39 * PAGE_SIZE, 1, &there), 0);
	assert_int_equal(there, 0);
	assert_int_equal(space_mincore(parent, AT + 50 * PAGE_SIZE, 1, &there), 0);
	assert_int_equal(there, 1);
	space_put(child);
	check(parent);
	down();
}

/* A program that needs three times the memory there is gets on. */
static void three_times_the_memory(void **state)
{
	(void)state;
	/* Small tables, with companions, are a quarter of what they map: three times would not leave room for a page. */
	enum { RAM_PAGES = TABLE_ENTRIES == 512 ? 4096 : 2048, PAGES = TABLE_ENTRIES == 512 ? 3 * RAM_PAGES : RAM_PAGES };
	machine_up(RAM_PAGES * PAGE_SIZE, 1);
	mm_tunables.overcommit_memory = 1;
	disk = swap_disk(30000, 0);
	assert_int_equal(swap_on(disk, 30000, -1, &area), 0);
	parent = space_create();
	host_switch(parent);
	struct test_file f;
	file_init(&f, PAGES / 4 * PAGE_SIZE);
	uaddr_t shared = AT + (1ul << 30);
	map(parent, AT, PAGES * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(parent, shared, PAGES / 4 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	fill(AT, PAGES, 1);
	fill(shared, PAGES / 4, 2);
	check(parent);
	expect(AT, PAGES, 1);
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	fill(AT, PAGES, 3);
	expect(shared, PAGES / 4, 2);
	host_switch(child);
	expect(AT, PAGES, 1);
	check(parent);
	check(child);
	host_switch(parent);
	expect(AT, PAGES, 3);
	assert_null(lru_validate());
	space_put(child);
	assert_int_equal(space_munmap(parent, shared, PAGES / 4 * PAGE_SIZE), 0);
	mapping_destroy(&f.mapping);
	down();
	mm_tunables.overcommit_memory = 0;
}

int run_swap_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sweeps_are_read_ahead_both_ways),
		cmocka_unit_test(slots_are_read_ahead_in_their_order),
	cmocka_unit_test(slots_of_others_come_along),
	cmocka_unit_test(strays_do_not_end_a_sweep),
		cmocka_unit_test(what_was_of_use_decides_without_order),
		cmocka_unit_test(pages_go_out_and_come_back),
		cmocka_unit_test(clean_pages_are_not_written_twice),
		cmocka_unit_test(forked_pages_go_out_once),
		cmocka_unit_test(calls_find_pages_in_swap),
		cmocka_unit_test(swapoff_brings_everything_back),
		cmocka_unit_test(areas_fill_by_priority),
		cmocka_unit_test(a_full_area_refuses),
		cmocka_unit_test(a_read_error_is_sigbus_for_one_page),
		cmocka_unit_test(a_write_error_keeps_the_page),
		cmocka_unit_test(locked_pages_stay),
		cmocka_unit_test(shared_pages_go_out_and_come_back),
		cmocka_unit_test(a_shared_page_that_cannot_be_read),
		cmocka_unit_test(figures_of_pages_in_swap),
		cmocka_unit_test(three_times_the_memory),
	};
	return run_group("swap", tests, ARRAY_SIZE(tests));
}
