/* SPDX-License-Identifier: MIT */
/* CPUs as free-running threads: faults, maps and forks in one space and its children at once. */
#include "tests.h"
#include <hal/log.h>
#include <pthread.h>
#include <stdlib.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define NR_CPUS 4

static struct space *shared_space;

static void *hammer(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	host_be_cpu(me);
	host_switch(shared_space);
	uaddr_t mine = AT + (uaddr_t)me * 64 * PAGE_SIZE;
	for (unsigned round = 0; round < 60; round++) {
		u8 b = (u8)(round + me), back = 0;
		struct fault_verdict v;
		for (unsigned i = 0; i < 64; i++)
			host_store(mine + i * PAGE_SIZE, &b, 1, &v);
		for (unsigned i = 0; i < 64; i++) {
			host_load(mine + i * PAGE_SIZE, &back, 1, &v);
			if (back != b)
				abort();
		}
		if (round % 4 == me % 4)
			space_madvise(shared_space, mine, 32 * PAGE_SIZE, MADV_DONTNEED);
		if (round % 8 == me) {
			struct space *child;
			if (space_fork(shared_space, &child) == 0) {
				host_switch(child);
				host_store(mine, &b, 1, &v);
				host_switch(shared_space);
				space_put(child);
			}
		}
	}
	host_switch(NULL);
	return NULL;
}

static void threads_share_a_space_and_fork(void **state)
{
	(void)state;
	pthread_t t[NR_CPUS];
	struct host_config c = { .ram_bytes = 64ul << 20, .nr_cpus = NR_CPUS, .nr_nodes = 1, .seed = 1, .threads = true };
	hal_debug_checks = false;
	host_machine_create(&c);
	shared_space = space_create();
	map(shared_space, AT, NR_CPUS * 64 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < NR_CPUS; i++)
		pthread_create(&t[i], NULL, hammer, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < NR_CPUS; i++)
		pthread_join(t[i], NULL);
	host_be_cpu(0);
	assert_valid(shared_space);
	space_put(shared_space);
	assert_null(frame_validate());
	host_machine_destroy();
}

int run_thread_tests(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(threads_share_a_space_and_fork) };
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
