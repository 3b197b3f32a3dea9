/* SPDX-License-Identifier: MIT */
/* Free memory that is scattered becomes large blocks, and no page is lost. */
#include "tests.h"
#include <mm/compact.h>
#include <mm/stat.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define NR_PAGES 12000u
#define FILE_PAGES 400u

static u8 values[NR_PAGES];
static struct test_file file;

/* Free pages, and how many of them lie in blocks of a page block's size at least. */
static u64 free_in_page_blocks(u64 *all)
{
	struct frame_node_stat st;
	frame_drain_pcp();
	frame_node_stat(0, &st);
	*all = st.free;
	return st.nr_free_blocks[9] * 512 + st.nr_free_blocks[10] * 1024;
}

/* Fills nearly all memory, then frees pages here and there, until no page block is free. */
static struct space *scatter(void)
{
	struct space *s = space_create();
	host_switch(s);
	file_init(&file, FILE_PAGES * PAGE_SIZE);
	map(s, AT, NR_PAGES * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(s, AT + NR_PAGES * PAGE_SIZE, FILE_PAGES * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	for (unsigned i = 0; i < NR_PAGES; i++)
		put_byte(AT + i * PAGE_SIZE, values[i] = (u8)(1 + rand() % 250));
	for (unsigned i = 0; i < FILE_PAGES; i++)
		put_byte(AT + (NR_PAGES + i) * PAGE_SIZE, (u8)i);
	for (u64 all; free_in_page_blocks(&all) * 20 > all;) {
		uaddr_t out, more = 512 * PAGE_SIZE;
		struct mmap_request q = { .len = more, .prot = RW, .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE };
		assert_int_equal(space_mmap(s, &q, &out), 0);
	}
	for (unsigned i = 0; i < NR_PAGES; i++)
		if (rand() % 5 < 3) {
			assert_int_equal(space_madvise(s, AT + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
			values[i] = 0;
		}
	return s;
}

static void check_pages(struct space *s)
{
	assert_valid(s);
	assert_null(frame_validate());
	assert_null(mapping_validate(&file.mapping));
	for (unsigned i = 0; i < NR_PAGES; i++)
		assert_int_equal(get_byte(AT + i * PAGE_SIZE), values[i]);
	for (unsigned i = 0; i < FILE_PAGES; i++)
		assert_int_equal(get_byte(AT + (NR_PAGES + i) * PAGE_SIZE), (u8)i);
}

static void gather(struct space *s)
{
	host_switch(NULL);
	space_put(s);
	mapping_destroy(&file.mapping);
	machine_down();
}

static void scattered_memory_becomes_page_blocks(void **state)
{
	(void)state;
	u64 all;
	machine_up(64ul << 20, 1);
	srand(17);
	struct space *s = scatter();
	assert_true(free_in_page_blocks(&all) * 20 <= all);
	assert_true(compact_unusable_index(0, 9) >= 950);
	compact_all();
	u64 now_all, now = free_in_page_blocks(&now_all);
	assert_int_equal(now_all, all);
	assert_true(now * 10 >= all * 8);
	assert_true(stat_read(STAT_PGMIGRATE_SUCCESS) > 100);
	check_pages(s);
	gather(s);
}

/* An allocation that needs a block has memory compacted as far as it takes. */
static void an_allocation_compacts_what_it_needs(void **state)
{
	(void)state;
	struct frame *held[64];
	unsigned nr = 0;
	machine_up(64ul << 20, 1);
	srand(18);
	struct space *s = scatter();
	while (nr < ARRAY_SIZE(held) && compact_fragmentation_index(0, 8) < 0)
		held[nr++] = frame_alloc(8, ALLOC_MOVABLE, FRAME_ANON); /* the blocks there are */
	assert_null(frame_alloc(8, 0, FRAME_KERNEL)); /* may not wait */
	assert_int_equal(stat_read(STAT_COMPACT_STALL), 0);
	for (unsigned i = 0; i < 8; i++) {
		held[nr] = frame_alloc(8, ALLOC_KERNEL, FRAME_KERNEL);
		assert_non_null(held[nr++]);
	}
	assert_true(stat_read(STAT_COMPACT_STALL) > 0);
	assert_int_equal(stat_read(STAT_COMPACT_STALL), stat_read(STAT_COMPACT_SUCCESS) + stat_read(STAT_COMPACT_FAIL));
	while (nr)
		frame_free(held[--nr], 8);
	check_pages(s);
	gather(s);
}

/* Who may not wait has a block made for the next time. */
static void the_background_makes_what_was_missing(void **state)
{
	(void)state;
	machine_up(64ul << 20, 1);
	srand(19);
	struct space *s = scatter();
	assert_int_equal(compact_fragmentation_index(0, 9) > 500, 1);
	assert_false(compact_round(0));
	assert_null(frame_alloc(9, 0, FRAME_KERNEL));
	assert_null(frame_alloc(9, 0, FRAME_KERNEL)); /* the same request */
	assert_true(compact_round(0));
	assert_false(compact_round(0));
	struct frame *f = frame_alloc(9, 0, FRAME_KERNEL);
	assert_non_null(f);
	frame_free(f, 9);
	assert_int_equal(stat_read(STAT_COMPACT_DAEMON_WAKE), 1);
	assert_int_equal(stat_read(STAT_COMPACT_STALL), 0);
	assert_true(stat_read(STAT_PGMIGRATE_SUCCESS) > 0);
	assert_true(stat_read(STAT_COMPACT_DAEMON_MIGRATE_SCANNED) > stat_read(STAT_PGMIGRATE_SUCCESS));
	assert_int_equal(stat_read(STAT_COMPACT_DAEMON_MIGRATE_SCANNED), stat_read(STAT_COMPACT_MIGRATE_SCANNED));
	assert_int_equal(stat_read(STAT_COMPACT_DAEMON_FREE_SCANNED), stat_read(STAT_COMPACT_FREE_SCANNED));
	/* Each page that moved was taken up once, and so was a frame for it; frames for more are given back. */
	assert_true(stat_read(STAT_COMPACT_ISOLATED) >= 2 * stat_read(STAT_PGMIGRATE_SUCCESS));
	assert_true(stat_read(STAT_COMPACT_ISOLATED) <= stat_read(STAT_COMPACT_MIGRATE_SCANNED) + stat_read(STAT_COMPACT_FREE_SCANNED) + 1024);
	check_pages(s);
	gather(s);
}

/* Too little is free to move anything: the worker waits for reclaim, which frees that much more. */
static void the_background_waits_for_reclaim(void **state)
{
	(void)state;
	static struct frame *held[16384];
	unsigned nr = 0;
	machine_up(64ul << 20, 1);
	srand(20);
	struct space *s = scatter();
	frame_drain_pcp();
	while (nr < ARRAY_SIZE(held) && (held[nr] = frame_alloc(0, ALLOC_MOVABLE, FRAME_KERNEL)) != NULL)
		nr++;
	frame_drain_pcp();
	assert_int_equal(compact_nr_wanted(0), 0);
	assert_null(frame_alloc(4, 0, FRAME_KERNEL));
	assert_int_equal(compact_nr_wanted(0), 2ul << 4);
	assert_false(compact_round(0));
	compact_after_reclaim(); /* it did not help */
	assert_int_equal(compact_nr_wanted(0), 0);
	assert_false(compact_round(0));
	assert_null(frame_alloc(4, 0, FRAME_KERNEL));
	for (unsigned i = 0; i < 200; i++)
		frame_free(held[--nr], 0);
	frame_drain_pcp();
	bool is_scattered = compact_fragmentation_index(0, 4) >= 0;
	compact_after_reclaim();
	assert_int_equal(compact_round(0), is_scattered);
	assert_int_equal(compact_nr_wanted(0), 0);
	while (nr)
		frame_free(held[--nr], 0);
	check_pages(s);
	gather(s);
}

/* What cannot be moved is not looked at for each request: the first is tried, two are passed over, the next is tried, four
 * are passed over. */
static void the_background_gives_up_for_a_while(void **state)
{
	(void)state;
	static struct frame *held[16384];
	static const bool tried[] = { true, false, false, true, false, false, false, false, true, false };
	unsigned nr = 0;
	machine_up(64ul << 20, 1);
	while (nr < ARRAY_SIZE(held) && (held[nr] = frame_alloc(0, ALLOC_RESERVE, FRAME_KERNEL)) != NULL)
		nr++;
	for (unsigned i = 0; i < nr; i += 2)
		frame_free(held[i], 0);
	frame_drain_pcp();
	for (unsigned i = 0; i < ARRAY_SIZE(tried); i++) {
		assert_null(frame_alloc(6, 0, FRAME_KERNEL));
		assert_int_equal(compact_round(0), tried[i]);
	}
	assert_null(frame_alloc(5, 0, FRAME_KERNEL)); /* a smaller one may be made yet */
	assert_true(compact_round(0));
	for (unsigned i = 1; i < nr; i += 2)
		frame_free(held[i], 0);
	machine_down();
}

static pfn_t pfn_at(struct space *s, unsigned page)
{
	struct frame *f = mapped_frame(s, AT + page * PAGE_SIZE);
	if (!f)
		return 0;
	frame_put(f);
	return frame_pfn(f);
}

/* Compacts; how many of the pages are elsewhere afterwards. */
static unsigned compact_and_count_moved(struct space *s)
{
	static pfn_t before[NR_PAGES + FILE_PAGES];
	unsigned nr = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		before[i] = pfn_at(s, i);
	compact_all();
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		nr += pfn_at(s, i) != before[i];
	return nr;
}

/* What is not to be moved stays. */
static void locked_pages_can_be_left_alone(void **state)
{
	(void)state;
	u64 all;
	machine_up(64ul << 20, 1);
	srand(21);
	struct space *s = scatter();
	assert_int_equal(space_mlock(s, AT, NR_PAGES * PAGE_SIZE, true), 0);
	assert_int_equal(space_mlock(s, AT + NR_PAGES * PAGE_SIZE, FILE_PAGES * PAGE_SIZE, true), 0);
	compact_unevictable_allowed = 0;
	assert_int_equal(compact_and_count_moved(s), 0);
	compact_unevictable_allowed = 1;
	assert_true(compact_and_count_moved(s) > 100);
	assert_true(free_in_page_blocks(&all) * 10 >= all * 8);
	check_pages(s);
	gather(s);
}

int run_compact_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scattered_memory_becomes_page_blocks),
		cmocka_unit_test(an_allocation_compacts_what_it_needs),
		cmocka_unit_test(the_background_makes_what_was_missing),
		cmocka_unit_test(the_background_waits_for_reclaim),
		cmocka_unit_test(the_background_gives_up_for_a_while),
		cmocka_unit_test(locked_pages_can_be_left_alone),
	};
	return run_group("compact", tests, ARRAY_SIZE(tests));
}
