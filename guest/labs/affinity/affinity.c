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

/* Over half a second of always wanting to run: the longest time it did not, in ms, how often it did not for a millisecond,
 * and its part of the CPU in percent. */
struct half_second {
	double gap, share;
	int turns;
};

#define LONGEST 30 /* seconds */

static double cpu_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* It takes longer when the CPU is one of a busy host's and stands still itself: who has lost that time gets it back later. */
static struct half_second half_second(double least, double most)
{
	double start = now(), last = start, gap = 0, used = cpu_time(), share = 0;
	int turns = 0;
	while (last - start < 0.5 || ((share < least || share > most) && last - start < LONGEST)) {
		double t = now();
		turns += t - last >= 0.001;
		if (t - last > gap)
			gap = t - last;
		last = t;
		share = 100 * (cpu_time() - used) / (last - start);
	}
	return (struct half_second){ gap * 1000, share, turns };
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
	struct half_second same = half_second(35, 65);
	pin((int)cpus - 1);
	struct half_second other = half_second(90, 101);
	kill(busy, SIGKILL);
	waitpid(busy, NULL, 0);
	printf("a busy loop on the same CPU was preempted = %s\n", same.turns >= 3 ? "yes" : "no");
	printf("longest gap beside it = %.1f ms\nshare of the CPU beside it = %.1f %%\n", same.gap, same.share);
	printf("longest gap on the other CPU = %.1f ms\nshare of the other CPU = %.1f %%\n", other.gap, other.share);
	CPU_ZERO(&set);
	printf("an empty set is refused = %s\n", sched_setaffinity(0, sizeof(set), &set) ? "yes" : "no");
	return 0;
}
