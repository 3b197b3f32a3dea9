/* SPDX-License-Identifier: MIT */
/* fork, then writes: faults, proportional size, and who sees what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES 2048

static long faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
}

/* A field of the region at p in /proc/self/smaps, in kB. */
static long smaps(const void *p, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, end;
	int inside = 0;
	long value = -1;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (unsigned long)p >= start && (unsigned long)p < end;
		else if (inside && !strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			value = atol(line + strlen(field) + 1);
	}
	if (f)
		fclose(f);
	return value;
}

static long fork_ns(void)
{
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000000000l + (b.tv_nsec - a.tv_nsec);
}

int main(void)
{
	/* Between two pages of other rights, so that the region is ours alone. */
	char *p = mmap(NULL, (PAGES + 2) * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p += 4096;
	mprotect(p, PAGES * 4096, PROT_READ | PROT_WRITE);
	int up[2], down[2];
	char c;
	memset(p, 1, PAGES * 4096);
	printf("Rss before fork = %ld\nPss before fork = %ld\n", smaps(p, "Rss"), smaps(p, "Pss"));
	if (pipe(up) || pipe(down))
		return 1;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		printf("Rss in the child = %ld\nPss in the child = %ld\n", smaps(p, "Rss"), smaps(p, "Pss"));
		long before = faults();
		for (int i = 0; i < PAGES / 2; i++)
			p[i * 4096] = 2;
		printf("faults for %d writes = %ld\n", PAGES / 2, faults() - before);
		printf("Pss after half was written = %ld\n", smaps(p, "Pss"));
		printf("Private_Dirty after half was written = %ld\n", smaps(p, "Private_Dirty"));
		fflush(stdout);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	if (read(up[0], &c, 1) != 1)
		return 1;
	printf("the parent still reads = %d\n", p[0]);
	printf("Pss in the parent = %ld\n", smaps(p, "Pss"));
	if (write(down[1], "x", 1) != 1)
		return 1;
	waitpid(pid, NULL, 0);
	printf("Pss when the child is gone = %ld\n", smaps(p, "Pss"));
	munmap(p, PAGES * 4096);
	fork_ns();
	long small = fork_ns();
	p = mmap(NULL, 128l << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long large = fork_ns();
	printf("fork and exit of a small process = %ld us\n", small / 1000);
	printf("fork and exit with 128 MiB resident = %ld us\n", large / 1000);
	return 0;
}
