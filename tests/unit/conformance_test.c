/* SPDX-License-Identifier: MIT */
/* The conformance tests of both contracts on the host machine. */
#include "../conformance/conformance.h"
#include "tests.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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

struct start {
	void (*fn)(void *);
	void *arg;
};

static void *run_as_second_cpu(void *arg)
{
	struct start s = *(struct start *)arg;
	free(arg);
	host_be_cpu(1);
	s.fn(s.arg);
	return NULL;
}

static pthread_t second_cpu;
static bool has_second_cpu;

/* One CPU runs one thread at a time. */
static void join(void)
{
	if (has_second_cpu)
		pthread_join(second_cpu, NULL);
	has_second_cpu = false;
}

static void spawn(void (*fn)(void *), void *arg)
{
	struct start *s = malloc(sizeof(*s));
	*s = (struct start){ fn, arg };
	join();
	has_second_cpu = pthread_create(&second_cpu, NULL, run_as_second_cpu, s) == 0;
}

static void report(const char *name, const char *broken)
{
	if (broken)
		print_error("%s: %s\n", name, broken);
}

static void host_machine_keeps_the_contracts(void **state)
{
	(void)state;
	static const struct conformance_machine machine = { host_switch, load_byte, store_byte, spawn, report };
	unsigned nr_run;
	for (unsigned nodes = 1; nodes <= 3; nodes++) {
		struct host_config c = { .ram_bytes = 48ul << 20, .nr_cpus = 2, .nr_nodes = nodes, .seed = 1, .threads = true };
		host_machine_create(&c);
		assert_int_equal(conformance_run(&machine, &nr_run), 0);
		assert_true(nr_run >= 20);
		join();
		host_machine_destroy();
	}
}

int run_conformance_tests(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(host_machine_keeps_the_contracts) };
	return run_group("conformance", tests, ARRAY_SIZE(tests));
}
