/* SPDX-License-Identifier: MIT */
/* Minor and major faults: first touch, a file on the disk, a file in the cache, read-ahead, copy-on-write, swap. */
#define _GNU_SOURCE
#include "../step.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGES 256
#define SIZE  (PAGES * 4096l)

static struct rusage before;

static void start(void) { getrusage(RUSAGE_SELF, &before); }

static void report(const char *what)
{
	struct rusage now;
	getrusage(RUSAGE_SELF, &now);
	printf("%s, minor = %ld\n%s, major = %ld\n", what, now.ru_minflt - before.ru_minflt, what, now.ru_majflt - before.ru_majflt);
	fflush(stdout);
}

static int touch(volatile char *p, int write_it)
{
	int sum = 0;
	for (long at = 0; at < SIZE; at += 4096)
		sum += write_it ? (p[at] = 1) : p[at];
	return sum;
}

/* Pages of the file that are in memory. */
static int resident(void *p)
{
	unsigned char there[PAGES];
	int n = 0;
	if (mincore(p, SIZE, there))
		return -1;
	for (int i = 0; i < PAGES; i++)
		n += there[i] & 1;
	return n;
}

/* Another process takes memory until the idle pages at p are out, then ends. */
static void push_out(char *p)
{
	pid_t pid = fork();
	if (pid == 0) {
		munmap(p, SIZE); /* they are not its own */
		for (;;) {
			char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (more == MAP_FAILED)
				_exit(1);
			memset(more, 1, 1 << 20);
		}
	}
	for (int i = 0; i < 3000 && resident(p) > 0; i++)
		usleep(10000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void set_page_cluster(int n)
{
	FILE *f = fopen("/proc/sys/vm/page-cluster", "w");
	if (f) {
		fprintf(f, "%d\n", n);
		fclose(f);
	}
}

/* Anonymous pages come back from swap, one by one and with read-ahead. */
static void swapped(char *p)
{
	set_page_cluster(0); /* from here on: what others swap in meanwhile brings none of these along */
	push_out(p);
	printf("pages in memory before they are swapped in = %d\n", resident(p));
	start();
	touch(p, 0);
	report("swapped page, no read-ahead");
	push_out(p);
	set_page_cluster(3);
	start();
	touch(p, 0);
	report("swapped page, read-ahead");
}

int main(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	step("first touch of anonymous memory");
	start();
	touch(p, 1);
	report("first touch of 256 pages");

	step("a file, on the disk and in the cache");
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, p, SIZE) != SIZE || fsync(fd))
		return 1;
	posix_fadvise(fd, 0, SIZE, POSIX_FADV_DONTNEED);
	char *f = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("pages in memory before the first read = %d\n", resident(f));
	madvise(f, SIZE, MADV_RANDOM);
	start();
	touch(f, 0);
	report("file on the disk, no read-ahead");
	munmap(f, SIZE);

	f = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("pages in memory before the second read = %d\n", resident(f));
	start();
	touch(f, 0);
	report("file in the cache");
	start();
	touch(f, 1);
	report("write to pages that were read");
	munmap(f, SIZE);

	posix_fadvise(fd, 0, SIZE, POSIX_FADV_DONTNEED);
	f = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	start();
	touch(f, 0);
	report("file on the disk, read-ahead");

	step("pages that were swapped out");
	swapped(p);
	step("ps counts the same");

	char command[96];
	snprintf(command, sizeof(command), "echo \"ps says = $(ps -o min_flt=,maj_flt= -p %d)\"", (int)getpid());
	struct rusage now;
	getrusage(RUSAGE_SELF, &now);
	printf("getrusage says = %ld %ld\n", now.ru_minflt, now.ru_majflt);
	fflush(stdout);
	return system(command);
}
