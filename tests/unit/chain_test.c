/* SPDX-License-Identifier: MIT */
/* Chains of slots: pages of a file in many tables at any offset, sharers of tables, pinned tables. */
#include "tests.h"
#include <mm/pagetable.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define FILE_PAGES 700u
#define NR_SPACES 5u
#define SHOWN (2 * LEAF_SPAN) /* what each space shows lies in [AT, AT + this) */

static u64 state_of_random = 1;
static unsigned below(unsigned n)
{
	state_of_random = state_of_random * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state_of_random >> 33) % n;
}

static struct space *spaces[NR_SPACES];
static uaddr_t shown_at[NR_SPACES];

static void all_valid(struct test_file *f)
{
	for (unsigned i = 0; i < NR_SPACES; i++)
		assert_valid(spaces[i]);
	assert_null(mapping_validate(&f->mapping));
}

/*
 * Each space shows the file from another page of a table on, so that neighbours in a chain come to the end
 * of their tables at different pages, and stretches are interrupted by holes and private copies.
 *
 *   space 0   |  file............|..............      |
 *   space 1   |        file......|....................|      | = end of a table
 */
static void pages_of_a_file_in_many_tables(void **state)
{
	struct test_file f;
	(void)state;
	machine_up(64ul << 20, 1);
	file_init(&f, FILE_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < NR_SPACES; i++) {
		spaces[i] = space_create();
		shown_at[i] = AT + below(2 * TABLE_ENTRIES - FILE_PAGES) * PAGE_SIZE;
		map(spaces[i], shown_at[i], FILE_PAGES * PAGE_SIZE, RW, MAP_PRIVATE, &f, 0);
	}
	for (unsigned n = 0; n < 1500; n++) {
		unsigned i = below(NR_SPACES), page = below(FILE_PAGES), nr = min(1 + below(300), FILE_PAGES - page);
		uaddr_t at = shown_at[i] + page * PAGE_SIZE;
		host_switch(spaces[i]);
		switch (below(8)) {
		case 0:
			put_byte(at, (u8)n);
			break;
		case 1:
			assert_int_equal(space_madvise(spaces[i], at, nr * PAGE_SIZE, MADV_DONTNEED), 0);
			break;
		case 2:
			assert_int_equal(space_munmap(spaces[i], shown_at[i], FILE_PAGES * PAGE_SIZE), 0);
			shown_at[i] = AT + below(2 * TABLE_ENTRIES - FILE_PAGES) * PAGE_SIZE;
			map(spaces[i], shown_at[i], FILE_PAGES * PAGE_SIZE, RW, MAP_PRIVATE, &f, 0);
			break;
		case 3: { /* there and back, by another distance than whole tables */
			uaddr_t out, away = AT + SHOWN + (1 + below(400)) * PAGE_SIZE;
			assert_int_equal(space_mremap(spaces[i], at, nr * PAGE_SIZE, nr * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, away, &out), 0);
			all_valid(&f);
			assert_int_equal(space_mremap(spaces[i], away, nr * PAGE_SIZE, nr * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, at, &out), 0);
			break;
		}
		default: /* 64 KiB at once */
			for (unsigned k = 0; k < nr; k += 16)
				get_byte(at + k * PAGE_SIZE);
		}
		if (n % 16 == 0)
			all_valid(&f);
	}
	all_valid(&f);
	host_switch(NULL);
	for (unsigned i = 0; i < NR_SPACES; i++)
		space_put(spaces[i]);
	mapping_destroy(&f.mapping);
	machine_down();
}

/* More tables than are shared at once, with counts that differ; sharers leave in any order. */
static void sharers_leave_in_any_order(void **state)
{
	const unsigned nr_tables = 150;
	(void)state;
	machine_up(64ul << 20, 1);
	struct space *parent = space_create();
	u64 nr_pages = 0;
	map(parent, AT, nr_tables * LEAF_SPAN, RW, MAP_PRIVATE | MAP_NORESERVE, NULL, 0);
	host_switch(parent);
	for (unsigned t = 0; t < nr_tables; t++)
		for (unsigned k = 0; k <= t % 7; k++, nr_pages++)
			put_byte(AT + t * LEAF_SPAN + k * PAGE_SIZE, (u8)t);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < NR_SPACES; i++) {
			assert_int_equal(space_fork(i && below(2) ? spaces[i - 1] : parent, &spaces[i]), 0);
			assert_int_equal(spaces[i]->rss[RSS_ANON], nr_pages);
		}
		host_switch(spaces[1]);
		put_byte(AT + below(nr_tables) * LEAF_SPAN, 1); /* has a table of its own */
		host_switch(parent);
		for (unsigned left = NR_SPACES; left; left--) {
			unsigned i = below(left);
			space_put(spaces[i]);
			spaces[i] = spaces[left - 1];
			assert_valid(parent);
			for (unsigned k = 0; k + 1 < left; k++)
				assert_valid(spaces[k]);
		}
	}
	assert_int_equal(get_byte(AT + 149 * LEAF_SPAN), 149);
	host_switch(NULL);
	space_put(parent);
	machine_down();
}

static void pinned_table_keeps_number_and_companion(void **state)
{
	(void)state;
	machine_up(8ul << 20, 1);
	struct space *s = space_create();
	struct frame *t = table_alloc(s, 1, ALLOC_KERNEL | ALLOC_ZERO), *other;
	assert_int_equal(table_need_companion(t, ALLOC_KERNEL), 0);
	u32 companion = t->companion_pfn, nr = t->table_nr;
	table_get(t);
	table_free(t);
	other = table_alloc(s, 1, ALLOC_KERNEL | ALLOC_ZERO);
	assert_int_not_equal(other->table_nr, nr);
	assert_ptr_equal(table_by_number(nr), t);
	assert_int_equal(t->companion_pfn, companion);
	assert_int_equal(pfn_frame(companion)->kind, FRAME_COMPANION);
	table_put(t);
	assert_int_not_equal(pfn_frame(companion)->kind, FRAME_COMPANION);
	table_free(other);
	s->nr_tables = 0;
	space_put(s);
	machine_down();
}

int run_chain_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_a_file_in_many_tables),
		cmocka_unit_test(sharers_leave_in_any_order),
		cmocka_unit_test(pinned_table_keeps_number_and_companion),
	};
	return run_group("chain", tests, ARRAY_SIZE(tests));
}
