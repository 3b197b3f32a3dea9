/* SPDX-License-Identifier: MIT */
/*
 * Processes that each use a working set at random, which alone would fit. How much work they get done together, and how
 * much of the time is lost.
 *
 *   thrash PROCESSES PERCENT SECONDS [TURN_MS]
 *
 * PERCENT: of the available memory, for each. TURN_MS: for Quire's turns, 0: none. Each second prints what all have done, and
 * each of them.
 */
#define _GNU_SOURCE
#include "../proc_field.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096ul
#define MOST  16
#define WORDS 200 /* of work for each access */

static struct shared {
	volatile int ready, go;
	volatile unsigned long done[MOST];
	volatile unsigned long wrong;
} *shared;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Each page tells how often it was written to, and whose it is. */
static void work(int me, unsigned long pages)
{
	unsigned long x = 88172645463325252ul + (unsigned)me, sum = 0;
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(2);
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < pages; i++)
		*(unsigned long *)(p + i * PAGE) = (unsigned long)me << 32 | i;
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_RELAXED);
	while (!shared->go)
		usleep(1000);
	for (;;) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		unsigned long i = x % pages, *q = (unsigned long *)(p + i * PAGE);
		if (*q != ((unsigned long)me << 32 | i))
			__atomic_fetch_add(&shared->wrong, 1, __ATOMIC_RELAXED);
		if (x >> 60 == 0) /* one in sixteen */
			q[1]++;
		for (unsigned long k = 0; k < WORDS; k++)
			sum += sum >> 3 ^ k;
		*(volatile unsigned long *)&sum;
		shared->done[me]++;
	}
}

static void pressure(const char *when)
{
	char line[128];
	FILE *f = fopen("/proc/pressure/memory", "r");
	while (f && fgets(line, sizeof line, f))
		printf("%s, %s", when, line);
	if (f)
		fclose(f);
}

static long stall_us(const char *kind)
{
	char line[128];
	long us = -1;
	FILE *f = fopen("/proc/pressure/memory", "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, kind, 4))
			us = atol(strstr(line, "total=") + 6);
	if (f)
		fclose(f);
	return us;
}

static long vm(const char *name) { return proc_field("/proc/vmstat", name); }

int main(int argc, char **argv)
{
	int nr = argc > 1 ? atoi(argv[1]) : 4, seconds = argc > 3 ? atoi(argv[3]) : 10;
	unsigned long percent = argc > 2 ? strtoul(argv[2], NULL, 10) : 50, total = 0, least = ~0ul;
	unsigned long pages = (unsigned long)proc_field("/proc/meminfo", "MemAvailable:") / 4 * percent / 100;
	static const char *const names[] = { "pswpin ", "pswpout ", "workingset_refault_anon ", "workingset_activate_anon ", "workingset_restore_anon " };
	long before[5];
	pid_t pids[MOST];
	if (nr < 1 || nr > MOST)
		return 2;
	if (argc > 4) {
		FILE *f = fopen("/sys/kernel/mm/reclaim/turn_ms", "w");
		if (!f || fputs(argv[4], f) < 0 || fclose(f))
			return 4;
	}
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mlock(shared, PAGE))
		return 3;
	for (int i = 0; i < nr; i++)
		if (!(pids[i] = fork()))
			work(i, pages);
	while (shared->ready < nr)
		usleep(1000);
	for (int i = 0; i < 5; i++)
		before[i] = vm(names[i]);
	long some = stall_us("some"), full = stall_us("full");
	double start = now();
	shared->go = 1;
	for (int s = 1; s <= seconds; s++) {
		unsigned long sum = 0;
		while (now() < start + s)
			usleep(20000);
		for (int i = 0; i < nr; i++)
			sum += shared->done[i];
		printf("%3d s %10lu", s, sum);
		for (int i = 0; i < nr; i++)
			printf(" %9lu", shared->done[i]);
		printf("\n");
		fflush(stdout);
	}
	double passed = now() - start;
	some = stall_us("some") - some, full = stall_us("full") - full;
	for (int i = 0; i < nr; i++) {
		total += shared->done[i];
		least = shared->done[i] < least ? shared->done[i] : least;
	}
	pressure("at the end");
	for (int i = 0; i < nr; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < nr; i++)
		waitpid(pids[i], NULL, 0);
	for (int i = 0; i < 5; i++)
		printf("%s= %ld\n", names[i], vm(names[i]) - before[i]);
	printf("work a second = %.0f\nleast of one = %lu\nsome percent = %.0f\nfull percent = %.0f\nwrong = %lu\n", total / passed, least, some / 1e4 / passed,
	       full / 1e4 / passed, shared->wrong);
	printf("killed for lack of memory = %ld\n", vm("oom_kill "));
	return 0;
}
