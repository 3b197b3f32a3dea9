/* SPDX-License-Identifier: MIT */
/* The counter table and the trace rings. */
#include "tests.h"
#include <mm/slab.h>
#include <mm/stat.h>
#include <mm/trace.h>
#include <string.h>

static void every_counter_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STAT_NR; i++) {
		assert_true(strlen(stat_name(i)) > 2);
		assert_true(strlen(stat_help(i)) > 8);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(stat_name(i), stat_name(k));
	}
}

static void counters_sum_over_cpus(void **state)
{
	(void)state;
	machine_up(16ul << 20, 4);
	u64 before = stat_read(STAT_DROP_SLAB);
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		host_be_cpu(cpu);
		stat_add(STAT_DROP_SLAB, cpu == 3 ? -1 : 10);
	}
	assert_int_equal(stat_read(STAT_DROP_SLAB) - before, 29);
	host_be_cpu(0);
	stat_add(STAT_DROP_SLAB, -1000);
	assert_int_equal(stat_read(STAT_DROP_SLAB), 0);
	machine_down();
}

static void available_leaves_the_reserve_and_half_of_the_cache(void **state)
{
	(void)state;
	struct frame_node_stat n;
	machine_up(64ul << 20, 1);
	frame_node_stat(0, &n);
	assert_int_equal(stat_available(), frame_nr_free() - n.wmark_high + stat_read(STAT_NR_SLAB_RECLAIMABLE) / 2 +
	                                           stat_read(STAT_NR_SLAB_RECLAIMABLE) % 2);
	u64 before = stat_available();
	stat_add(STAT_NR_FILE_PAGES, 10000);
	assert_int_equal(stat_available() - before, 10000 - n.wmark_low);
	stat_add(STAT_NR_SHMEM, 9900); /* shmem has nowhere to go */
	assert_int_equal(stat_available() - before, 50);
	stat_add(STAT_NR_FILE_PAGES, -10000);
	stat_add(STAT_NR_SHMEM, -9900);
	machine_down();
}

static void drain(unsigned cpu)
{
	struct trace_record r[64];
	u64 lost;
	while (trace_read(cpu, r, ARRAY_SIZE(r), &lost))
		;
}

static void trace_keeps_order_and_counts_what_it_loses(void **state)
{
	(void)state;
	struct trace_record r[8];
	u64 lost;
	machine_up(32ul << 20, 2);
	trace_point(TRACE_MAP, 1, 2, 3, 4); /* off: nothing */
	assert_int_equal(trace_enable(1u << TRACE_MAP | 1u << TRACE_COPY, 0), 0);
	drain(0);
	drain(1);
	trace_point(TRACE_MAP, 1, 2, 3, 4);
	trace_point(TRACE_FAULT, 9, 9, 9, 9); /* not asked for */
	host_be_cpu(1);
	trace_point(TRACE_COPY, 5, 6, 7, 8);
	host_be_cpu(0);
	trace_point(TRACE_COPY, 11, 0, 0, 0);
	assert_int_equal(trace_read(0, r, ARRAY_SIZE(r), &lost), 2);
	assert_int_equal(lost, 0);
	assert_int_equal(r[0].event, TRACE_MAP);
	assert_int_equal(r[0].args[3], 4);
	assert_int_equal(r[1].args[0], 11);
	assert_true(r[1].ns > r[0].ns);
	assert_int_equal(trace_read(1, r, ARRAY_SIZE(r), &lost), 1);
	assert_int_equal(r[0].cpu, 1);
	for (u64 i = 0; i < TRACE_RING_RECORDS + 5; i++)
		trace_point(TRACE_MAP, i, 0, 0, 0);
	assert_int_equal(trace_read(0, r, 1, &lost), 1);
	assert_int_equal(lost, 5);
	assert_int_equal(r[0].args[0], 5);
	drain(0);
	assert_int_equal(trace_read(0, r, ARRAY_SIZE(r), &lost), 0);
	assert_int_equal(trace_enable(0, 0), 0);
	for (unsigned e = 0; e < TRACE_NR; e++)
		assert_non_null(trace_name(e));
	trace_release();
	machine_down();
}

int run_stat_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_a_name_of_its_own),
		cmocka_unit_test(counters_sum_over_cpus),
		cmocka_unit_test(available_leaves_the_reserve_and_half_of_the_cache),
		cmocka_unit_test(trace_keeps_order_and_counts_what_it_loses),
	};
	return run_group("stat", tests, ARRAY_SIZE(tests));
}
