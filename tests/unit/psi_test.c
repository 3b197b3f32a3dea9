/* SPDX-License-Identifier: MIT */
/* Pressure: states, sums, averages and triggers against values worked out by hand on a virtual clock; who stalls. */
#include "tests.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <mm/policy.h>
#include <mm/psi.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <string.h>

#define MS 1000000ull
#define S  1000000000ull

/* The clock goes on by a nanosecond with each look: what shall be a share of a period is a little more. */
#define MORE 1000ull

static struct psi_report reports[2];
static bool has_second;
static struct psi_group group;
static u64 at; /* the clock */

static bool report(struct psi_group *g, unsigned cpu, u64 now, struct psi_report *out)
{
	(void)g;
	(void)now;
	*out = reports[cpu];
	return cpu == 0 || has_second;
}

static void up(void)
{
	machine_up(16ul << 20, 2);
	memset(reports, 0, sizeof(reports));
	has_second = false;
	at = S;
	host_clock_pass(at);
	psi_group_init(&group, report);
}

/* ns pass, in which CPU 0 is busy and loses `lost` of them in one way. */
static void pass(u64 ns, enum psi_time stall, u64 lost)
{
	at += ns;
	host_clock_pass(at);
	reports[0].nonidle_ns += ns;
	reports[0].ns[stall] += lost;
}

static void expect_averages(enum psi_time stall, u32 a10, u32 a60, u32 a300)
{
	struct psi_figures f;
	psi_group_read(&group, stall, &f);
	assert_int_equal(f.average[0], a10);
	assert_int_equal(f.average[1], a60);
	assert_int_equal(f.average[2], a300);
}

/* ---- one CPU ---- */

struct situation {
	u32 nr_running, nr_io, nr_memory, nr_memory_running;
	bool is_idle, is_stalled;
	u32 states;
};

#define BIT(s) (1u << PSI_##s)

static const struct situation situations[] = {
	{ 1, 0, 0, 0, false, false, 0 },
	{ 0, 0, 0, 0, true, false, 0 },
	{ 0, 1, 0, 0, true, false, BIT(IO_SOME) | BIT(IO_FULL) | BIT(IDLE_STALLED) },
	{ 1, 1, 0, 0, false, false, BIT(IO_SOME) },
	{ 0, 0, 1, 0, true, false, BIT(MEMORY_SOME) | BIT(MEMORY_FULL) | BIT(IDLE_STALLED) },
	{ 1, 0, 1, 0, false, false, BIT(MEMORY_SOME) },                    /* another one works */
	{ 1, 0, 1, 1, false, true, BIT(MEMORY_SOME) | BIT(MEMORY_FULL) },  /* it reclaims, alone */
	{ 2, 0, 1, 1, false, true, BIT(MEMORY_SOME) | BIT(MEMORY_FULL) },  /* another one has to wait for that */
	{ 2, 0, 1, 1, false, false, BIT(MEMORY_SOME) },                    /* the other one is let run */
	{ 2, 0, 2, 2, false, true, BIT(MEMORY_SOME) | BIT(MEMORY_FULL) },
	{ 1, 2, 3, 0, false, false, BIT(IO_SOME) | BIT(MEMORY_SOME) },
	{ 0, 1, 1, 0, true, false, BIT(IO_SOME) | BIT(IO_FULL) | BIT(MEMORY_SOME) | BIT(MEMORY_FULL) | BIT(IDLE_STALLED) },
};

static void a_cpu_is_in_the_states_that_its_tasks_make(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(situations); i++) {
		const struct situation *t = &situations[i];
		struct psi_cpu c = { .nr_io = t->nr_io, .nr_memory = t->nr_memory, .nr_memory_running = t->nr_memory_running };
		u64 ns[PSI_NR_STATES], before[PSI_NR_STATES];
		psi_cpu_update(&c, t->nr_running, t->is_idle, t->is_stalled, 1000);
		assert_int_equal(c.is_watched, t->nr_io || t->nr_memory);
		psi_cpu_read(&c, 1700, before); /* going on */
		c.nr_io = c.nr_memory = c.nr_memory_running = 0;
		psi_cpu_update(&c, 1, false, false, 1700); /* over */
		psi_cpu_read(&c, 5000, ns);
		assert_memory_equal(ns, before, sizeof(ns));
		for (unsigned s = 0; s < PSI_NR_STATES; s++)
			if (ns[s] != (t->states >> s & 1 ? 700 : 0))
				fail_msg("situation %u: %lu ns in state %u", i, (unsigned long)ns[s], s);
	}
}

static void waiting_for_the_cpu_begins_and_ends(void **state)
{
	(void)state;
	struct psi_cpu c = { .nr_io = 0 };
	u64 ns[PSI_NR_STATES];
	psi_cpu_wanted(&c, 100);
	psi_cpu_wanted(&c, 150); /* a third one */
	psi_cpu_switched(&c, 2, 200);
	psi_cpu_read(&c, 260, ns);
	assert_int_equal(ns[PSI_CPU_SOME], 160);
	psi_cpu_switched(&c, 1, 300);
	psi_cpu_read(&c, 900, ns);
	assert_int_equal(ns[PSI_CPU_SOME], 200);
}

/* ---- sums and averages ---- */

/* 50 % of one period: 50 * 371 / 2048 = 9.05 of 100 over 10 s, 50 * 67 / 2048, 50 * 14 / 2048. */
static void averages_follow_the_share_of_time_lost(void **state)
{
	(void)state;
	up();
	expect_averages(PSI_MEMORY_SOME, 0, 0, 0);
	pass(S, PSI_MEMORY_SOME, S);
	expect_averages(PSI_MEMORY_SOME, 0, 0, 0); /* not yet */
	pass(S + MORE, PSI_MEMORY_SOME, MORE);
	expect_averages(PSI_MEMORY_SOME, 18550, 3350, 700);
	expect_averages(PSI_MEMORY_FULL, 0, 0, 0);
	pass(2 * S, PSI_MEMORY_SOME, 0);
	expect_averages(PSI_MEMORY_SOME, 15189, 3240, 695);
	/* All of ten periods: 1 - exp(-20 s / 10 s) = 86 %. */
	for (unsigned i = 0; i < 10; i++) {
		pass(2 * S, PSI_MEMORY_FULL, 2 * S);
		psi_group_update(&group);
	}
	struct psi_figures f;
	psi_group_read(&group, PSI_MEMORY_FULL, &f);
	assert_in_range(f.average[0] >> PSI_FRACTION, 86, 87);
	assert_in_range(f.average[1] >> PSI_FRACTION, 28, 29);
	assert_in_range(f.average[2] >> PSI_FRACTION, 6, 7);
	assert_int_equal(f.total_us, 20000000);
	machine_down();
}

/* Nobody came to look for a minute: 29 quiet periods, and what was lost counts in the last. */
static void periods_that_nobody_saw_were_quiet(void **state)
{
	(void)state;
	up();
	pass(2 * S + MORE, PSI_IO_SOME, 2 * S + MORE);
	struct psi_figures before, f;
	psi_group_read(&group, PSI_IO_SOME, &before);
	assert_int_equal(before.average[0], 37100);
	pass(60 * S, PSI_IO_SOME, S + 2 * MORE);
	psi_group_read(&group, PSI_IO_SOME, &f);
	/* 18.1 % * exp(-29 * 0.2) * exp(-0.2) is nearly nothing; 50 % of the last period */
	assert_in_range(f.average[0], 18550, 18550 + 100);
	assert_in_range(f.average[1], 3350 + before.average[1] * 36 / 100, 3350 + before.average[1] * 38 / 100);
	assert_int_equal(f.total_us, 3000000 + 3 * MORE / 1000);
	machine_down();
}

/* Three times as long busy, three times the weight. */
static void cpus_weigh_as_much_as_they_had_to_do(void **state)
{
	(void)state;
	struct psi_figures f;
	up();
	has_second = true;
	pass(S, PSI_MEMORY_SOME, S);
	reports[1].nonidle_ns = 3 * S;
	psi_group_read(&group, PSI_MEMORY_SOME, &f);
	assert_in_range(f.total_us, 249990, 250010);
	pass(S, PSI_MEMORY_SOME, S); /* the second one is idle */
	psi_group_read(&group, PSI_MEMORY_SOME, &f);
	assert_in_range(f.total_us, 1249990, 1250010);
	reports[1].nonidle_ns += 2 * S; /* it stalls all the time; the first one is idle */
	reports[1].ns[PSI_MEMORY_SOME] += 2 * S;
	psi_group_read(&group, PSI_MEMORY_SOME, &f);
	assert_in_range(f.total_us, 3249990, 3250010);
	machine_down();
}

/* ---- triggers ---- */

static void triggers_are_parsed_as_on_linux(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		{ "some 150000 1000000", 0 },        { "full 1 500000", 0 },         { "some 10000000 10000000", 0 },
		{ "some 150000 499999", -EINVAL },   { "some 1 10000001", -EINVAL }, { "some 0 1000000", -EINVAL },
		{ "some 1000001 1000000", -EINVAL }, { "some 150000", -EINVAL },     { "none 150000 1000000", -EINVAL },
		{ "", -EINVAL },                     { "full", -EINVAL },            { "some x y", -EINVAL },
	};
	machine_up(16ul << 20, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct psi_trigger t;
		if (psi_trigger_parse(&t, PSI_MEMORY, cases[i].text) != cases[i].err)
			fail_msg("'%s'", cases[i].text);
	}
	struct psi_trigger t;
	assert_int_equal(psi_trigger_parse(&t, PSI_IO, "full 150000 1000000"), 0);
	assert_int_equal(t.stall, PSI_IO_FULL);
	assert_int_equal(t.threshold_ns, 150 * MS);
	assert_int_equal(t.window_ns, S);
	machine_down();
}

static void a_trigger_fires_once_for_each_window(void **state)
{
	(void)state;
	struct psi_trigger t;
	up();
	assert_int_equal(psi_trigger_parse(&t, PSI_MEMORY, "some 150000 1000000"), 0);
	psi_trigger_add(&group, &t);
	pass(100 * MS, PSI_MEMORY_SOME, 100 * MS);
	assert_true(psi_group_update(&group) <= at + 101 * MS); /* a tenth of the window */
	assert_false(psi_trigger_take(&t));
	pass(100 * MS, PSI_MEMORY_SOME, 60 * MS);
	psi_group_update(&group);
	assert_true(psi_trigger_take(&t));
	assert_false(psi_trigger_take(&t));
	for (unsigned i = 0; i < 9; i++) { /* 900 ms later: not again, though it goes on */
		pass(100 * MS, PSI_MEMORY_SOME, 100 * MS);
		psi_group_update(&group);
		assert_false(psi_trigger_take(&t));
	}
	pass(101 * MS, PSI_MEMORY_SOME, 0);
	psi_group_update(&group);
	assert_true(psi_trigger_take(&t));
	for (unsigned i = 0; i < 100; i++) { /* little, for a long time */
		pass(100 * MS, PSI_MEMORY_SOME, i < 25 ? 0 : 10 * MS);
		psi_group_update(&group);
		if (i > 22)
			assert_false(psi_trigger_take(&t));
		else
			psi_trigger_take(&t);
	}
	psi_trigger_remove(&group, &t);
	pass(100 * MS, PSI_MEMORY_SOME, 100 * MS);
	psi_group_update(&group);
	machine_down();
}

/* ---- who stalls ---- */

#define AT    0x10000000ul
#define PAGES 64u

static struct host_disk *disk;
static struct space *space;
static unsigned area;

static void up_with_swap(const char *policy, u64 delay_ns)
{
	machine_up(64ul << 20, 1);
	policy_switch(policy_find(policy));
	disk = swap_disk(2048, delay_ns);
	assert_int_equal(swap_on(disk, 2048, -1, &area), 0);
	space = space_create();
	host_switch(space);
	map(space, AT, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, NULL, 0);
}

/* As many pages beside them stay in memory. */
static void touch_others(void)
{
	map(space, 2 * AT, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < PAGES; i++)
		put_byte(2 * AT + i * PAGE_SIZE, (u8)i);
}

static void down_with_swap(void)
{
	host_switch(NULL);
	space_put(space);
	host_disk_run(disk);
	assert_int_equal(swap_area_remove(area), 0);
	host_disk_destroy(disk);
	policy_switch(policy_at(0));
	machine_down();
}

static void touch_all(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)i);
}

static u64 refaults(enum mm_counter anon) { return stat_read(anon); }

/* A page that comes back out of swap is waited for; that is a stall as long as the disk takes, if the page belongs
 * to the working set. */
static void waiting_for_a_page_that_was_wanted_is_a_stall(void **state)
{
	(void)state;
	up_with_swap("fifo", 5 * MS);
	mm_tunables.page_cluster = 0;
	touch_all();
	touch_others();
	push_out(disk, space, AT, PAGES);
	struct host_stalls before = host_stalls;
	get_byte(AT);
	assert_int_equal(host_stalls.nr - before.nr, 2); /* the request, and the wait */
	assert_in_range(host_stalls.ns - before.ns, 5 * MS, 6 * MS);
	before = host_stalls;
	get_byte(AT); /* it is there */
	put_byte(AT + PAGES * PAGE_SIZE - 1, 1);
	assert_int_equal(refaults(STAT_WORKINGSET_REFAULT_ANON), 2);
	mm_tunables.page_cluster = 3;
	down_with_swap();
}

/* lru: a page that was never active, and comes back, is not missed. */
static void pages_that_were_not_active_are_not_missed(void **state)
{
	(void)state;
	up_with_swap("lru", 5 * MS);
	mm_tunables.page_cluster = 0;
	touch_all();
	touch_others();
	push_out(disk, space, AT, PAGES);
	struct host_stalls before = host_stalls;
	get_byte(AT);
	assert_int_equal(host_stalls.nr, before.nr);
	assert_int_equal(refaults(STAT_WORKINGSET_REFAULT_ANON), 1);
	assert_int_equal(refaults(STAT_WORKINGSET_RESTORE_ANON), 0);
	mm_tunables.page_cluster = 3;
	down_with_swap();
}

static void reclaim_is_a_stall(void **state)
{
	(void)state;
	up_with_swap("lru", 0);
	touch_all();
	u64 before = host_stalls.nr;
	reclaim_pages(8, ALLOC_KERNEL);
	assert_int_equal(host_stalls.nr - before, 1);
	down_with_swap();
}

/* ---- refaults, whatever the policy ---- */

static u64 nr_active(void) { return stat_read(STAT_NR_ACTIVE_ANON); }

static void refault_figures_hold_for(const char *policy)
{
	up_with_swap(policy, 0);
	touch_all();
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < 64 && space->rss[RSS_ANON]; i++)
			reclaim_pages(PAGES, ALLOC_KERNEL);
		u64 nr_out = (u64)space->rss[RSS_SWAP], active = nr_active(), was[3];
		assert_int_equal(space->rss[RSS_ANON] + (s64)nr_out, PAGES);
		assert_true(nr_out > 0);
		static const enum mm_counter counters[3] = { STAT_WORKINGSET_REFAULT_ANON, STAT_WORKINGSET_ACTIVATE_ANON, STAT_WORKINGSET_RESTORE_ANON };
		for (unsigned c = 0; c < 3; c++)
			was[c] = stat_read(counters[c]);
		u64 cached = swap_nr_cached(); /* these did not go */
		touch_all();
		u64 refaulted = stat_read(counters[0]) - was[0], activated = stat_read(counters[1]) - was[1], restored = stat_read(counters[2]) - was[2];
		if (refaulted != nr_out - cached || activated != nr_active() - active || restored > activated)
			fail_msg("%s, round %u: %lu of %lu came back, %lu active (by the lists %ld), %lu were active before", policy, round, (unsigned long)refaulted,
			         (unsigned long)(nr_out - cached), (unsigned long)activated, (long)(nr_active() - active), (unsigned long)restored);
		if (!strcmp(policy, "lru") && round > 1 && restored != activated)
			fail_msg("%s, round %u: %lu active, of which only %lu were so before", policy, round, (unsigned long)activated, (unsigned long)restored);
	}
	assert_int_equal(stat_read(STAT_WORKINGSET_NODERECLAIM), 0);
	down_with_swap();
}

static void refault_figures_are_true_for_every_policy(void **state)
{
	(void)state;
	const struct policy *p;
	for (unsigned i = 0; (p = policy_at(i)) != NULL; i++)
		refault_figures_hold_for(p->name);
}

int run_psi_tests(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_is_in_the_states_that_its_tasks_make),
		cmocka_unit_test(waiting_for_the_cpu_begins_and_ends),
		cmocka_unit_test(averages_follow_the_share_of_time_lost),
		cmocka_unit_test(periods_that_nobody_saw_were_quiet),
		cmocka_unit_test(cpus_weigh_as_much_as_they_had_to_do),
		cmocka_unit_test(triggers_are_parsed_as_on_linux),
		cmocka_unit_test(a_trigger_fires_once_for_each_window),
		cmocka_unit_test(waiting_for_a_page_that_was_wanted_is_a_stall),
		cmocka_unit_test(pages_that_were_not_active_are_not_missed),
		cmocka_unit_test(reclaim_is_a_stall),
		cmocka_unit_test(refault_figures_are_true_for_every_policy),
	};
	return run_group("psi", tests, ARRAY_SIZE(tests));
}
