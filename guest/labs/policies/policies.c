/* SPDX-License-Identifier: MIT */
/*
 * Replays reference strings in a memory group, once for each replacement policy, and counts what had to come back from swap.
 *
 *     policies              in the guest, swap is on: "PATTERN POLICY = FAULTS", and how many pages there was room for
 *     policies PATTERN      anywhere: prints the string itself, a page number a line
 *
 * After each reference its translation is dropped (by two changes of rights), as other work would on a busy machine: so each
 * use shows in the accessed bit. Swap read-ahead is off: a page that is missing is one fault.
 */
#define _GNU_SOURCE
#include "references.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE   4096ul
#define CGROUP "/sys/fs/cgroup"
#define GROUP  CGROUP "/policies"
#define POLICY "/sys/kernel/mm/reclaim/policy"

static volatile long *shared; /* [0]: faults, [1]: done */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(file);
	close(fd);
}

static void get(const char *file, char *text, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = read(fd, text, size - 1);
	if (n < 0)
		die(file);
	text[n] = 0;
	close(fd);
}

static long faults(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_majflt;
}

static void replay(unsigned char *base, enum pattern pattern, unsigned length)
{
	struct references r = { .pattern = pattern, .state = 1 };
	for (unsigned i = 0; i < length; i++) {
		bool write;
		volatile unsigned char *p = base + ref_next(&r, &write) * PAGE;
		if (write)
			*p = 1;
		else
			(void)*p;
		if (mprotect((void *)p, PAGE, PROT_NONE) || mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE))
			_exit(3);
	}
}

static unsigned char *map_at(unsigned long at)
{
	unsigned char *p = mmap((void *)at, REF_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(2);
	return p;
}

static void child(enum pattern pattern)
{
	int join = open(GROUP "/cgroup.procs", O_WRONLY);
	unsigned char *warm = map_at(REF_AT - (1ul << 40));
	replay(warm, pattern, 50); /* this code, the stack, the C library: charged elsewhere */
	munmap(warm, REF_PAGES * PAGE);
	if (write(join, "0", 1) != 1)
		_exit(4);
	unsigned char *p = map_at(REF_AT);
	for (unsigned i = 0; i < REF_PAGES; i++)
		p[i * PAGE] = 1; /* else reads would see the one page of zeros */
	long before = faults();
	replay(p, pattern, REF_LENGTH);
	shared[0] = faults() - before;
	shared[1] = 1;
	pause();
}

static long stat_pages(const char *name)
{
	char text[2048], *at;
	get(GROUP "/memory.stat", text, sizeof(text));
	at = strstr(text, name);
	return at ? atol(at + strlen(name)) / (long)PAGE : 0;
}

static void run(const char *policy, enum pattern pattern)
{
	char limit[32];
	int status;
	snprintf(limit, sizeof(limit), "%lu", REF_LIMIT * PAGE);
	put(POLICY, policy);
	if (mkdir(GROUP, 0755))
		die(GROUP);
	put(GROUP "/memory.max", limit);
	shared[0] = shared[1] = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		child(pattern);
	while (!shared[1] && waitpid(pid, &status, WNOHANG) == 0)
		usleep(10000);
	printf("%s %s = %ld\n", pattern_names[pattern], policy, shared[0]);
	printf("room %s %s = %ld\n", pattern_names[pattern], policy, (long)REF_LIMIT - stat_pages("pagetables "));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (rmdir(GROUP))
		die("rmdir");
}

int main(int argc, char **argv)
{
	char names[256];
	for (enum pattern p = 0; argc > 1 && p < NR_PATTERNS; p++) {
		struct references r = { .pattern = p, .state = 1 };
		bool write;
		if (!strcmp(argv[1], pattern_names[p]))
			for (unsigned i = 0; i < REF_LENGTH; i++)
				printf("%u\n", ref_next(&r, &write));
	}
	if (argc > 1)
		return 0;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	put(CGROUP "/cgroup.subtree_control", "+memory");
	put("/proc/sys/vm/page-cluster", "0");
	get(POLICY, names, sizeof(names));
	for (char *policy = strtok(names, " []\n"); policy; policy = strtok(NULL, " []\n"))
		for (enum pattern p = 0; p < NR_PATTERNS; p++)
			run(policy, p);
	return 0;
}
