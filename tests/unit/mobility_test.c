/* SPDX-License-Identifier: MIT */
/* Page blocks keep what can move apart from what cannot. */
#include "tests.h"
#include <mm/frame.h>
#include <mm/slab.h>
#include <stdlib.h>
#include <string.h>

static struct frame *block_of(struct frame *f) { return pfn_frame(frame_pfn(f) & ~(FRAME_BLOCK_PAGES - 1)); }

/* How many page blocks hold one of these frames. */
static unsigned count_page_blocks(struct frame **held, unsigned nr)
{
	static u8 seen[4096];
	unsigned n = 0;
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < nr; i++) {
		pfn_t block = frame_pfn(held[i]) / FRAME_BLOCK_PAGES;
		n += held[i] && !seen[block];
		seen[block] = 1;
	}
	return n;
}

/* Both kinds come and go at random: those that stay lie in few page blocks, and the others' become whole. */
static void kinds_lie_apart(void **state)
{
	(void)state;
	enum { N = 6000, NR_FIXED = 600 };
	static struct frame *movable[N], *fixed[NR_FIXED];
	struct frame_node_stat st;
	machine_up(64ul << 20, 1);
	srand(3);
	for (unsigned i = 0; i < N; i++) {
		movable[i] = frame_alloc(0, ALLOC_USER, FRAME_ANON);
		assert_non_null(movable[i]);
		if (i % 10 == 0)
			fixed[i / 10] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % N, k = (unsigned)rand() % NR_FIXED;
		frame_free(movable[i], 0);
		frame_free(fixed[k], 0);
		fixed[k] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
		movable[i] = frame_alloc(0, ALLOC_USER, FRAME_ANON);
	}
	assert_null(frame_validate());
	assert_in_range(count_page_blocks(fixed, NR_FIXED), 2, 4);
	for (unsigned i = 0; i < N; i++)
		frame_free(movable[i], 0);
	frame_drain_pcp();
	frame_node_stat(0, &st);
	assert_true((st.nr_free_blocks[FRAME_MAX_ORDER] * 2 + st.nr_free_blocks[FRAME_BLOCK_ORDER]) >= 32 - 6);
	for (unsigned i = 0; i < NR_FIXED; i++)
		frame_free(fixed[i], 0);
	machine_down();
}

/* When one kind has no free memory left it takes page blocks of another, and gives them back when they are free. */
static void page_blocks_change_sides(void **state)
{
	(void)state;
	enum { N = 16384 };
	static struct frame *held[N];
	struct frame_mobility_stat at_first, st;
	machine_up(32ul << 20, 1);
	frame_mobility_stat(0, &at_first);
	for (unsigned round = 0; round < 4; round++) {
		unsigned alloc = round % 2 ? ALLOC_MOVABLE : round ? ALLOC_RECLAIMABLE : 0, n = 0;
		enum frame_kind kind = round % 2 ? FRAME_ANON : FRAME_KERNEL;
		while ((held[n] = frame_alloc(0, alloc, kind)) != NULL)
			n++;
		assert_null(frame_validate());
		frame_mobility_stat(0, &st);
		assert_true(st.nr_page_blocks[alloc_mobility(alloc)] >= 13);
		assert_true(n > 7000);
		while (n)
			frame_free(held[--n], 0);
		frame_drain_pcp();
		assert_null(frame_validate());
	}
	u64 nr = 0;
	for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
		nr += st.nr_page_blocks[m];
	assert_int_equal(nr, at_first.nr_page_blocks[0] + at_first.nr_page_blocks[1] + at_first.nr_page_blocks[2]);
	machine_down();
}

/* What cannot move goes on filling the page block that it took over, not one more each time. */
static void one_page_block_is_taken_over_at_a_time(void **state)
{
	(void)state;
	enum { N = 16384 };
	static struct frame *held[N], *fixed[200];
	unsigned n = 0;
	machine_up(32ul << 20, 1);
	while ((held[n] = frame_alloc(0, ALLOC_MOVABLE, FRAME_ANON)) != NULL)
		n++;
	for (unsigned i = 0; i < n; i++) /* holes in every page block */
		if (i % 8 >= 4) {
			frame_free(held[i], 0);
			held[i] = NULL;
		}
	frame_drain_pcp();
	for (unsigned i = 0; i < 200; i++)
		fixed[i] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	assert_in_range(count_page_blocks(fixed, 200), 1, 2);
	assert_int_equal(block_of(fixed[0])->mobility, FRAME_UNMOVABLE);
	assert_null(frame_validate());
	for (unsigned i = 0; i < n; i++)
		if (held[i])
			frame_free(held[i], 0);
	for (unsigned i = 0; i < 200; i++)
		frame_free(fixed[i], 0);
	machine_down();
}

/* Frames of several page blocks given back together go to the stack of their own. */
static void freed_together_they_part_again(void **state)
{
	(void)state;
	enum { N = 16384 };
	static struct frame *held[N];
	unsigned n = 0;
	machine_up(32ul << 20, 1);
	struct frame *kernel = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL); /* an unmovable page block, nearly empty */
	while ((held[n] = frame_alloc(0, ALLOC_MOVABLE, FRAME_ANON)) != NULL)
		n++;
	frame_put_many(held, n);
	assert_null(frame_validate());
	frame_free(kernel, 0);
	frame_drain_pcp();
	assert_null(frame_validate());
	machine_down();
}

int run_mobility_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_lie_apart),
		cmocka_unit_test(page_blocks_change_sides),
		cmocka_unit_test(one_page_block_is_taken_over_at_a_time),
		cmocka_unit_test(freed_together_they_part_again),
	};
	return run_group("mobility", tests, ARRAY_SIZE(tests));
}
