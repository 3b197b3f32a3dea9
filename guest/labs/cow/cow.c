/* SPDX-License-Identifier: MIT */
/* fork, then writes: faults, proportional size, who sees what; what exec drops; what fork costs. */
#include "../proc_field.h"
#include "../smaps.h"
#include "../step.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define PAGES 2048
#define MIB   (1l << 20)

static long faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_minflt;
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

/* A child keeps all of its parent's memory until it calls exec. */
static void exec_drops(void)
{
	char *big = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		printf("VmRSS of the child after fork = %ld\n", proc_field("/proc/self/status", "VmRSS:"));
		fflush(stdout);
		execl("/proc/self/exe", "cow", "after exec", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	munmap(big, 64 * MIB);
}

static void costs(void)
{
	fork_ns();
	for (long mib = 0; mib <= 128; mib = mib ? mib * 2 : 16) {
		char *p = mib ? mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
		if (p) {
			madvise(p, mib * MIB, MADV_NOHUGEPAGE);
			memset(p, 1, mib * MIB);
		}
		long best = fork_ns();
		for (int i = 0; i < 10; i++) {
			long ns = fork_ns();
			best = ns < best ? ns : best;
		}
		printf("fork, exit and wait with %ld MiB resident, microseconds = %ld\n", mib, best / 1000);
		if (p)
			munmap(p, mib * MIB);
	}
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		printf("VmRSS of the child after exec = %ld\n", proc_field("/proc/self/status", "VmRSS:"));
		return 0;
	}
	/* Between two pages of other rights, so that the region is ours alone. */
	char *p = mmap(NULL, (PAGES + 2) * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p += 4096;
	mprotect(p, PAGES * 4096, PROT_READ | PROT_WRITE);
	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	int up[2], down[2];
	char c;
	step("before fork: 8 MiB");
	memset(p, 1, PAGES * 4096);
	printf("Rss before fork = %ld\nPss before fork = %ld\n", smaps(p, "Rss"), smaps(p, "Pss"));
	if (pipe(up) || pipe(down))
		return 1;
	step("fork, and half of it written by the child");
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
	step("exec drops what fork shared");
	exec_drops();
	step("cost of fork against resident size");
	costs();
	return 0;
}
