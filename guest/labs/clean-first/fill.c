/* SPDX-License-Identifier: MIT */
/* Takes memory in steps of 4 MiB, as much as it is told, and prints where memory is after each. */
#include "../proc_field.h"
#include <sys/mman.h>

#define STEP (4ul << 20)

static void row(unsigned long taken)
{
	long shmem = proc_field("/proc/meminfo", "Shmem:");
	printf("row = %lu %ld %ld %ld\n", taken >> 10, proc_field("/proc/meminfo", "MemFree:"), proc_field("/proc/meminfo", "Buffers:") + proc_field("/proc/meminfo", "Cached:") - shmem,
	       proc_field("/proc/meminfo", "SwapTotal:") - proc_field("/proc/meminfo", "SwapFree:"));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned long steps = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	row(0);
	for (unsigned long n = 1; n <= steps; n++) {
		char *p = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return 1;
		madvise(p, STEP, MADV_NOHUGEPAGE);
		memset(p, 1, STEP);
		row(n * STEP);
	}
	return 0;
}
