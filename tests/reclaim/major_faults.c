/* SPDX-License-Identifier: MIT */
/*
 * Major faults of four workloads on anonymous memory with swap, on Quire and on Linux: each in a process of its own, after
 * locked memory has made MemAvailable the same on both. Prints "WORKLOAD SEED = FAULTS" lines.
 *
 *     major_faults MIB SEEDS
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

enum workload { LOOP, ZIPF, SCAN_AND_HOT, PHASES, NR_WORKLOADS };
static const char *const names[] = { "loop", "zipf", "scan+hot", "phases" };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) * below >> 31;
}

/* The n-th page, with room for `room` of them. */
static uint64_t next_page(enum workload w, uint64_t n, uint64_t room)
{
	switch (w) {
	case LOOP: /* a little larger than memory */
		return n % (room * 7 / 6);
	case ZIPF: { /* few pages often, many seldom */
		uint64_t x = draw(1u << 16);
		return (x * x >> 16) * (x + 1) * (2 * room) >> 32;
	}
	case SCAN_AND_HOT: /* a quarter of memory all the time, and once through twice as much */
		return n % 2 ? draw(room / 4) : room / 4 + n / 2 % (2 * room);
	default: /* another half of memory after a while, of four */
		return n / room % 4 * (room / 2) + draw(room / 2);
	}
}

static unsigned long available_kb(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* Linux's figure is late by what CPUs have counted and not told yet. */
static void refresh_counts(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");
	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
}

/* Locks memory until only so much is available, or gives some of it back. */
static void lock_rest(unsigned long kb)
{
	static char *last;
	static unsigned long last_len;
	for (int tries = 0; tries < 20; tries++) {
		refresh_counts();
		unsigned long now = available_kb();
		if (now < kb + kb / 200 && now + kb / 200 > kb)
			break;
		if (now < kb) {
			unsigned long back = (kb - now) * 1024 & ~(PAGE - 1);
			back = back < last_len ? back : last_len;
			munmap(last + last_len - back, back);
			last_len -= back;
			continue;
		}
		last_len = (now - kb) * 1024 & ~(PAGE - 1);
		last = mmap(NULL, last_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (last == MAP_FAILED || mlock(last, last_len)) {
			perror("mlock");
			exit(1);
		}
	}
}

static long run(enum workload w, uint64_t room)
{
	uint64_t nr = w == LOOP ? room * 7 / 6 : w == SCAN_AND_HOT ? room / 4 + 2 * room : 2 * room;
	struct rusage before, after;
	volatile uint32_t *p = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -1;
	madvise((void *)p, nr * PAGE, MADV_NOHUGEPAGE);
	getrusage(RUSAGE_SELF, &before);
	for (uint64_t n = 0; n < 24 * room; n++) {
		volatile uint32_t *at = p + next_page(w, n, room) * (PAGE / 4);
		if (draw(3) == 0)
			++*at;
		else
			(void)*at;
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_majflt - before.ru_majflt;
}

int main(int argc, char **argv)
{
	unsigned long kb = strtoul(argv[1], NULL, 10) << 10;
	unsigned seeds = (unsigned)atoi(argv[2]);
	for (unsigned seed = 1; seed <= seeds; seed++)
		for (enum workload w = 0; w < NR_WORKLOADS; w++) {
			lock_rest(kb);
			printf("%s.%u available = %lu\n", names[w], seed, available_kb());
			fflush(stdout);
			if (fork() == 0) {
				state = seed;
				printf("%s.%u = %ld\n", names[w], seed, run(w, kb / 4));
				fflush(stdout);
				_exit(0);
			}
			wait(NULL);
		}
	return 0;
}
