/* SPDX-License-Identifier: MIT */
/*
 * Replays reference strings in a memory group, once for each replacement policy, and counts what had to come back from swap.
 *
 *     policies              in the guest, swap is on: "PATTERN POLICY = FAULTS", and how many pages there was room for
 *     policies PATTERN      anywhere: prints the string itself, a page number a line
 *
 * Swap read-ahead is off: a page that is missing is one fault.
 */
#define _GNU_SOURCE
#include "replay.h"
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

#define CGROUP "/sys/fs/cgroup"
#define GROUP  CGROUP "/policies"
#define POLICY "/sys/kernel/mm/reclaim/policy"

static volatile long *shared; /* [0]: faults, [1]: done */

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

static void child(enum pattern pattern)
{
	int join = open(GROUP "/cgroup.procs", O_WRONLY);
	unsigned char *warm = map_at(REF_AT - (1ul << 40), -1);
	replay(warm, pattern, false, 50); /* this code, the stack, the C library: charged elsewhere */
	munmap(warm, REF_PAGES * PAGE);
	if (write(join, "0", 1) != 1)
		_exit(4);
	unsigned char *p = map_at(REF_AT, -1);
	for (unsigned i = 0; i < REF_PAGES; i++)
		p[i * PAGE] = 1; /* else reads would see the one page of zeros */
	long before = faults();
	replay(p, pattern, false, REF_LENGTH);
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
