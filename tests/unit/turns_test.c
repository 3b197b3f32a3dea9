/* SPDX-License-Identifier: MIT */
/*
 * CPUs in turns (arch/host/turns.c): each seed is another order in which two or three CPUs meet at locks,
 * entries and flushes. QUIRE_SEED is the first seed (1), QUIRE_TURNS how many (40); a failure names its seed.
 */
#include "live.h"
#include <hal/entry.h>
#include <hal/lock.h>
#include <hal/time.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *s = getenv(name);
	return s ? strtoul(s, NULL, 0) : otherwise;
}

void run_in_turns(u64 seed, unsigned nr_cpus, void (*fn)(void *))
{
	host_turns_begin(seed);
	for (unsigned i = 1; i < nr_cpus; i++)
		host_cpu_start(i, fn, (void *)(uintptr_t)i);
	fn(NULL);
	for (unsigned i = 1; i < nr_cpus; i++)
		host_cpu_join(i);
	host_turns_end();
}

/* ---- the machine itself ---- */

static pte_t shared_word;

static void add_without_a_lock(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20; i++)
		hal_entry_store(&shared_word, (pte_t){ hal_entry_load(&shared_word).bits + 1 });
}

/* Two CPUs that add without a lock lose some of it, in every run of a seed the same. */
static void failing_seed_repeats_exactly(void **state)
{
	(void)state;
	unsigned nr_failing = 0;
	for (u64 seed = 1; seed <= 30; seed++) {
		u64 sums[3], traces[3];
		for (unsigned run = 0; run < 3; run++) {
			machine_up(4ul << 20, 2);
			shared_word = (pte_t){ 0 };
			run_in_turns(seed, 2, add_without_a_lock);
			sums[run] = shared_word.bits;
			traces[run] = host_turns_trace();
			machine_down();
		}
		assert_true(sums[0] == sums[1] && sums[1] == sums[2]);
		assert_true(traces[0] == traces[1] && traces[1] == traces[2]);
		nr_failing += sums[0] < 40;
	}
	assert_true(nr_failing > 10);
}

static struct spinlock lock;
static u64 last_seen;

static void add_under_a_lock(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 20; i++) {
		spin_lock(&lock);
		hal_entry_store(&shared_word, (pte_t){ hal_entry_load(&shared_word).bits + 1 });
		spin_unlock(&lock);
		u64 now = hal_clock_ns();
		CHECK(now >= last_seen); /* on all CPUs together */
		last_seen = now;
	}
}

static void locks_and_clock_hold_in_every_order(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= 30; seed++) {
		machine_up(4ul << 20, 3);
		spin_lock_init(&lock, RANK_VFS);
		shared_word = (pte_t){ 0 };
		last_seen = 0;
		run_in_turns(seed, 3, add_under_a_lock);
		assert_int_equal(shared_word.bits, 60);
		machine_down();
	}
}

/* ---- memory calls ---- */

#define NR_PHASES 4u

static struct live_cpu lives[LIVE_MAX_CPUS];

static void live(void *arg) { live_rounds(&lives[(uintptr_t)arg], 6); }

/* Several phases, with every validator where no call runs. */
static u64 run_lives(u64 seed)
{
	unsigned nr_cpus = 2 + seed % 2;
	u64 trace = 0;
	snprintf(host_panic_note, sizeof(host_panic_note), "again: QUIRE_SEED=%lu QUIRE_TURNS=1 UNIT turns", (unsigned long)seed);
	machine_up(24ul << 20, nr_cpus);
	live_begin();
	for (unsigned i = 0; i < nr_cpus; i++)
		lives[i] = (struct live_cpu){ .id = i, .seed = (unsigned)seed * 31 + i };
	for (unsigned phase = 0; phase < NR_PHASES; phase++) {
		run_in_turns(seed << 8 | phase, nr_cpus, live);
		const char *broken = live_validate();
		if (broken)
			fail_msg("seed %lu, after phase %u: %s", (unsigned long)seed, phase, broken);
		trace = trace * 31 + host_turns_trace();
	}
	for (unsigned i = nr_cpus; i-- > 0;) {
		host_be_cpu(i);
		host_switch(NULL);
	}
	live_end();
	machine_down();
	host_panic_note[0] = 0;
	return trace;
}

static void every_order_of_memory_calls_is_sound(void **state)
{
	(void)state;
	unsigned long first = from_environment("QUIRE_SEED", 1), nr = from_environment("QUIRE_TURNS", 40);
	for (unsigned long seed = first; seed < first + nr; seed++) {
		u64 trace = run_lives(seed);
		if (seed % 16 == 0)
			assert_true(run_lives(seed) == trace);
	}
}

int run_turns_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_seed_repeats_exactly),
		cmocka_unit_test(locks_and_clock_hold_in_every_order),
		cmocka_unit_test(every_order_of_memory_calls_is_sound),
	};
	return run_group("turns", tests, ARRAY_SIZE(tests));
}
