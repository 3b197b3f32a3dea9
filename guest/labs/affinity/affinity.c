/* SPDX-License-Identifier: MIT */
/* CPU affinity: a process stays where it is pinned, and a busy neighbour is preempted. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		perror("sched_setaffinity");
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The longest time that a program that always wants to run did not run, in ms, over half a second. */
static double longest_gap(void)
{
	double start = now(), last = start, gap = 0;
	while (last - start < 0.5) {
		double t = now();
		if (t - last > gap)
			gap = t - last;
		last = t;
	}
	return gap * 1000;
}

int main(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int moved = 0;
	cpu_set_t set;
	printf("CPUs = %ld\n", cpus);
	for (int cpu = 0; cpu < cpus; cpu++) {
		pin(cpu);
		for (int i = 0; i < 1000; i++)
			moved += sched_getcpu() != cpu;
	}
	printf("times seen on another CPU than the one pinned to = %d\n", moved);
	sched_getaffinity(0, sizeof(set), &set);
	printf("CPUs allowed now = %d\n", CPU_COUNT(&set));
	pid_t busy = fork();
	if (busy == 0) {
		pin(0);
		for (;;)
			;
	}
	pin(0);
	double same = longest_gap();
	pin((int)cpus - 1);
	double other = longest_gap();
	kill(busy, SIGKILL);
	waitpid(busy, NULL, 0);
	printf("a busy loop on the same CPU was preempted = %s\n", same < 400 ? "yes" : "no");
	printf("longest gap beside it = %.1f ms\n", same);
	printf("longest gap on the other CPU = %.1f ms\n", other);
	CPU_ZERO(&set);
	printf("an empty set is refused = %s\n", sched_setaffinity(0, sizeof(set), &set) ? "yes" : "no");
	return 0;
}
