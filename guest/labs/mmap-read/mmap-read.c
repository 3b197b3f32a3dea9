/* SPDX-License-Identifier: MIT */
/* Reads a cached file of 16 MiB by read() and through mappings: sums, faults, time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SIZE (16l << 20)

static struct rusage before;
static struct timespec began;

static void start(void)
{
	getrusage(RUSAGE_SELF, &before);
	clock_gettime(CLOCK_MONOTONIC, &began);
}

/* what: NULL for a first round that brings the program's own pages in. */
static void report(const char *what, uint64_t sum)
{
	struct timespec end;
	struct rusage now;
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_SELF, &now);
	if (what)
		printf("%s: sum = %llx\n%s: minor faults = %ld\n%s: major faults = %ld\n%s: microseconds = %ld\n", what, (unsigned long long)sum, what,
	       now.ru_minflt - before.ru_minflt, what, now.ru_majflt - before.ru_majflt, what,
	       (end.tv_sec - began.tv_sec) * 1000000l + (end.tv_nsec - began.tv_nsec) / 1000);
}

static uint64_t sum_of(const uint64_t *p, size_t len)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < len / 8; i++)
		sum += p[i];
	return sum;
}

static void by_read(int fd, size_t piece, const char *what)
{
	static uint64_t buf[65536 / 8];
	uint64_t sum = 0;
	ssize_t n;
	sum_of(buf, piece); /* the buffer's own faults come before */
	for (size_t i = 0; i < piece / 8; i++)
		((volatile uint64_t *)buf)[i] = 0;
	lseek(fd, 0, SEEK_SET);
	start();
	while ((n = read(fd, buf, piece)) > 0)
		sum += sum_of(buf, (size_t)n);
	report(what, sum);
}

static void by_mapping(int fd, int flags, const char *what)
{
	start();
	uint64_t *p = mmap(NULL, SIZE, PROT_READ, flags, fd, 0);
	uint64_t sum = sum_of(p, SIZE);
	report(what, sum);
	munmap(p, SIZE);
}

int main(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	static uint64_t block[8192];
	uint64_t x = 88172645463325252ull;
	for (long done = 0; done < SIZE; done += (long)sizeof(block)) {
		for (size_t i = 0; i < 8192; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			block[i] = x;
		}
		if (write(fd, block, sizeof(block)) != sizeof(block))
			return 1;
	}
	by_read(fd, 4096, NULL);
	by_mapping(fd, MAP_SHARED, NULL);
	printf("file of 16 MiB, cached\n");
	by_read(fd, 4096, "read() of 4 KiB");
	by_read(fd, 65536, "read() of 64 KiB");
	by_mapping(fd, MAP_SHARED, "mapping, shared");
	by_mapping(fd, MAP_PRIVATE, "mapping, private");
	by_mapping(fd, MAP_SHARED | MAP_POPULATE, "mapping, populated");
	return 0;
}
