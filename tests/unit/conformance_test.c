/* SPDX-License-Identifier: MIT */
/* The conformance tests of both contracts on the host machine. */
#include "../conformance/conformance.h"
#include "tests.h"
#include <stdio.h>

static bool load_byte(uaddr_t addr, u8 *out)
{
	struct fault_verdict v;
	return host_load(addr, out, 1, &v) == 1;
}

static bool store_byte(uaddr_t addr, u8 value)
{
	struct fault_verdict v;
	return host_store(addr, &value, 1, &v) == 1;
}

static bool has_second_cpu;

/* One CPU runs one thread at a time. */
static void join(void)
{
	if (has_second_cpu)
		host_cpu_join(1);
	has_second_cpu = false;
}

static void spawn(void (*fn)(void *), void *arg)
{
	join();
	has_second_cpu = true;
	host_cpu_start(1, fn, arg);
}

static bool spawn_elsewhere(void (*fn)(void *), void *arg)
{
	spawn(fn, arg);
	return true;
}

static void report(const char *name, const char *broken)
{
	if (broken)
		print_error("%s: %s\n", name, broken);
}

static const struct conformance_machine machine = { host_switch, load_byte, store_byte, spawn, spawn_elsewhere, report };

static void host_machine_keeps_the_contracts(void **state)
{
	(void)state;
	unsigned nr_run;
	for (unsigned nodes = 1; nodes <= 3; nodes++) {
		struct host_config c = { .ram_bytes = 48ul << 20, .nr_cpus = 2, .nr_nodes = nodes, .seed = 1, .threads = true };
		host_machine_create(&c);
		assert_int_equal(conformance_run(&machine, &nr_run), 0);
		assert_true(nr_run >= 22);
		join();
		host_machine_destroy();
	}
}

static void host_machine_keeps_them_in_turns(void **state)
{
	(void)state;
	unsigned nr_run;
	for (u64 seed = 1; seed <= 10; seed++) {
		struct host_config c = { .ram_bytes = 48ul << 20, .nr_cpus = 2, .nr_nodes = 1, .seed = 1 };
		host_machine_create(&c);
		host_turns_begin(seed);
		assert_int_equal(conformance_run(&machine, &nr_run), 0);
		join();
		host_turns_end();
		host_machine_destroy();
	}
}

int run_conformance_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_machine_keeps_the_contracts),
		cmocka_unit_test(host_machine_keeps_them_in_turns),
	};
	return run_group("conformance", tests, ARRAY_SIZE(tests));
}
