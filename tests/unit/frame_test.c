/* SPDX-License-Identifier: MIT */
/* Frames and slabs under random load, against their validators. */
#include "tests.h"
#include <mm/frame.h>
#include <mm/slab.h>
#include <stdlib.h>
#include <string.h>

static void buddy_random_load_returns_everything(void **state)
{
	(void)state;
	enum { N = 400 };
	static struct frame *held[N];
	static unsigned orders[N];
	machine_up(32ul << 20, 1);
	memset(held, 0, sizeof(held));
	srand(11);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned i = (unsigned)rand() % N;
		if (held[i]) {
			assert_int_equal(held[i]->owner, i);
			frame_free(held[i], orders[i]);
			held[i] = NULL;
		} else {
			orders[i] = (unsigned)rand() % 100 < 70 ? 0 : (unsigned)rand() % 6;
			held[i] = frame_alloc(orders[i], ALLOC_KERNEL, FRAME_KERNEL);
			if (held[i])
				held[i]->owner = i;
		}
		if (step % 50 == 0)
			assert_null(frame_validate());
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			frame_free(held[i], orders[i]);
	machine_down();
}

static void alloc_stops_at_the_watermark(void **state)
{
	(void)state;
	static struct frame *held[16384];
	unsigned n = 0;
	machine_up(16ul << 20, 1);
	while ((held[n] = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)) != NULL)
		n++;
	struct frame_node_stat st;
	frame_node_stat(0, &st);
	assert_in_range(frame_nr_free(), st.wmark_min, st.wmark_min + 1);
	struct frame *reserve = frame_alloc(0, ALLOC_KERNEL | ALLOC_RESERVE, FRAME_KERNEL);
	assert_non_null(reserve);
	frame_free(reserve, 0);
	while (n)
		frame_free(held[--n], 0);
	machine_down();
}

static void slab_objects_do_not_overlap(void **state)
{
	(void)state;
	enum { N = 1000 };
	static unsigned char *held[N];
	machine_up(32ul << 20, 1);
	struct slab_cache *c = slab_cache_create("test", 72, 0, 0);
	memset(held, 0, sizeof(held));
	srand(13);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % N;
		if (held[i]) {
			for (unsigned k = 0; k < 72; k++)
				assert_int_equal(held[i][k], (unsigned char)i);
			slab_free(c, held[i]);
			held[i] = NULL;
		} else {
			held[i] = slab_alloc(c, ALLOC_KERNEL);
			memset(held[i], (int)i, 72);
		}
		if (step % 500 == 0)
			assert_null(slab_validate());
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			slab_free(c, held[i]);
	slab_cache_destroy(c);
	machine_down();
}

static void kmalloc_all_sizes(void **state)
{
	(void)state;
	machine_up(32ul << 20, 1);
	for (size_t size = 1; size < 100000; size = size * 5 / 4 + 1) {
		char *p = kmalloc(size, ALLOC_KERNEL | ALLOC_ZERO);
		assert_non_null(p);
		assert_true(kmalloc_size(p) >= size);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 1, size);
		kfree(p);
	}
	machine_down();
}

int run_frame_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buddy_random_load_returns_everything),
		cmocka_unit_test(alloc_stops_at_the_watermark),
		cmocka_unit_test(slab_objects_do_not_overlap),
		cmocka_unit_test(kmalloc_all_sizes),
	};
	return cmocka_run_group_tests_name("frame and slab", tests, NULL, NULL);
}
