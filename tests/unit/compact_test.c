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

int run_compact_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scattered_memory_becomes_page_blocks),
		cmocka_unit_test(an_allocation_compacts_what_it_needs),
	};
	return run_group("compact", tests, ARRAY_SIZE(tests));
}
