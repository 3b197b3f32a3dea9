/* SPDX-License-Identifier: MIT */
/* fork with shared tables: who sees what, who pays when. */
#include "tests.h"
#include <mm/pagetable.h>
#include <mm/stat.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static struct space *parent;

static struct space *do_fork(void)
{
	struct space *child;
	assert_int_equal(space_fork(parent, &child), 0);
	assert_valid(parent);
	assert_valid(child);
	return child;
}

static void up(void)
{
	machine_up(64ul << 20, 1);
	parent = space_create();
	host_switch(parent);
}

static void down(void)
{
	host_switch(NULL);
	space_put(parent);
	machine_down();
}

/* The tables above the leaf tables that map [start, end), root included. */
static u64 nr_upper_tables(uaddr_t start, uaddr_t end)
{
	u64 nr = 1;
	for (unsigned level = 2; level < HAL_LEVELS; level++)
		nr += (end - 1) / TABLE_SPAN(level) - start / TABLE_SPAN(level) + 1;
	return nr;
}

static void fork_copies_no_page_until_a_write(void **state)
{
	(void)state;
	up();
	map(parent, AT, 600 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 600; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)i);
	u64 anon = stat_read(STAT_NR_ANON_PAGES), tables = stat_read(STAT_NR_PAGE_TABLE);
	struct space *child = do_fork();
	assert_int_equal(stat_read(STAT_NR_ANON_PAGES), anon);
	assert_int_equal(stat_read(STAT_NR_PAGE_TABLE), tables + nr_upper_tables(AT, AT + 600 * PAGE_SIZE));
	assert_int_equal(child->rss[RSS_ANON], 600);
	host_switch(child);
	assert_int_equal(get_byte(AT + 5 * PAGE_SIZE), 5);
	put_byte(AT + 5 * PAGE_SIZE, 99);
	assert_int_equal(stat_read(STAT_NR_ANON_PAGES), anon + 1);
	assert_valid(child);
	assert_valid(parent);
	host_switch(parent);
	assert_int_equal(get_byte(AT + 5 * PAGE_SIZE), 5);
	put_byte(AT + 6 * PAGE_SIZE, 55);
	host_switch(child);
	assert_int_equal(get_byte(AT + 6 * PAGE_SIZE), 6);
	host_switch(parent);
	space_put(child);
	assert_valid(parent);
	for (unsigned i = 0; i < 600; i++) {
		assert_int_equal(get_byte(AT + i * PAGE_SIZE), i == 6 ? 55 : (u8)i);
		put_byte(AT + i * PAGE_SIZE, 1);
	}
	assert_int_equal(stat_read(STAT_NR_ANON_PAGES), anon);
	down();
}

static void last_sharer_takes_the_table_over(void **state)
{
	(void)state;
	up();
	map(parent, AT, 100 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 100; i++)
		put_byte(AT + i * PAGE_SIZE, 1);
	struct space *child = do_fork();
	space_put(child);
	u64 copies = stat_read(STAT_PGCOPY), unshared = stat_read(STAT_PGUNSHARE);
	put_byte(AT, 2);
	assert_int_equal(stat_read(STAT_PGCOPY), copies);
	assert_int_equal(stat_read(STAT_PGUNSHARE), unshared);
	assert_valid(parent);
	down();
}

static void many_generations(void **state)
{
	(void)state;
	enum { N = 12 };
	struct space *spaces[N];
	up();
	map(parent, AT, 64 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	struct space *original = spaces[0] = parent;
	for (unsigned g = 0; g < N; g++) {
		host_switch(spaces[g]);
		put_byte(AT + g * PAGE_SIZE, (u8)(g + 1));
		parent = spaces[g];
		if (g + 1 < N)
			spaces[g + 1] = do_fork();
	}
	for (unsigned g = 0; g < N; g++) {
		host_switch(spaces[g]);
		for (unsigned i = 0; i < N; i++)
			assert_int_equal(get_byte(AT + i * PAGE_SIZE), i <= g ? i + 1 : 0);
		assert_valid(spaces[g]);
	}
	host_switch(original);
	for (unsigned g = 1; g < N; g++)
		space_put(spaces[g]);
	parent = original;
	down();
}

static void dontfork_and_wipeonfork(void **state)
{
	(void)state;
	up();
	map(parent, AT, 3 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 3; i++)
		put_byte(AT + i * PAGE_SIZE, 8);
	assert_int_equal(space_madvise(parent, AT, PAGE_SIZE, MADV_DONTFORK), 0);
	assert_int_equal(space_madvise(parent, AT + PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), 0);
	struct space *child = do_fork();
	host_switch(child);
	try_read(AT);
	assert_int_equal(get_byte(AT + PAGE_SIZE), 0);
	assert_int_equal(get_byte(AT + 2 * PAGE_SIZE), 8);
	put_byte(AT + 2 * PAGE_SIZE, 9);
	host_switch(parent);
	assert_int_equal(get_byte(AT), 8);
	assert_int_equal(get_byte(AT + PAGE_SIZE), 8);
	assert_int_equal(get_byte(AT + 2 * PAGE_SIZE), 8);
	space_put(child);
	down();
}

static void shared_mapping_stays_shared(void **state)
{
	(void)state;
	up();
	struct test_file f;
	file_init(&f, 8 * PAGE_SIZE);
	map(parent, AT, 8 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	map(parent, AT + 8 * PAGE_SIZE, 8 * PAGE_SIZE, RW, MAP_PRIVATE, &f, 0);
	put_byte(AT, 1);
	get_byte(AT + 8 * PAGE_SIZE);
	struct space *child = do_fork();
	host_switch(child);
	put_byte(AT, 2);
	put_byte(AT + 3 * PAGE_SIZE, 3);
	host_switch(parent);
	assert_int_equal(get_byte(AT), 2);
	assert_int_equal(get_byte(AT + 3 * PAGE_SIZE), 3);
	assert_int_equal(get_byte(AT + 8 * PAGE_SIZE), 2); /* not written to: follows the file */
	file_truncate(&f, PAGE_SIZE);
	assert_valid(parent);
	assert_valid(child);
	space_put(child);
	space_munmap(parent, AT, 16 * PAGE_SIZE);
	mapping_destroy(&f.mapping);
	down();
}

static void truncate_reaches_tables_that_are_still_shared(void **state)
{
	(void)state;
	up();
	struct test_file f;
	file_init(&f, 8 * PAGE_SIZE);
	map(parent, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, &f, 0);
	for (unsigned i = 0; i < 8; i++)
		i & 1 ? put_byte(AT + i * PAGE_SIZE, 5) : (void)get_byte(AT + i * PAGE_SIZE);
	struct space *child = do_fork();
	host_switch(child);
	get_byte(AT + 6 * PAGE_SIZE);
	file_truncate(&f, 2 * PAGE_SIZE);
	assert_valid(parent);
	assert_valid(child);
	assert_int_equal(child->rss[RSS_ANON] + child->rss[RSS_SHMEM], 2);
	assert_int_equal(parent->rss[RSS_ANON] + parent->rss[RSS_SHMEM], 2);
	try_read(AT + 6 * PAGE_SIZE);
	host_switch(parent);
	try_read(AT + 6 * PAGE_SIZE);
	space_put(child);
	space_munmap(parent, AT, 8 * PAGE_SIZE);
	mapping_destroy(&f.mapping);
	down();
}

int run_fork_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_copies_no_page_until_a_write),
		cmocka_unit_test(last_sharer_takes_the_table_over),
		cmocka_unit_test(many_generations),
		cmocka_unit_test(dontfork_and_wipeonfork),
		cmocka_unit_test(shared_mapping_stays_shared),
		cmocka_unit_test(truncate_reaches_tables_that_are_still_shared),
	};
	return run_group("fork", tests, ARRAY_SIZE(tests));
}
