/* SPDX-License-Identifier: MIT */
/* Takes as many kB of memory as it is told and touches every page, then says what is left. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	long kb = argc > 1 ? atol(argv[1]) : 1024;
	char *p = mmap(NULL, kb * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 1;
	madvise(p, kb * 1024, MADV_NOHUGEPAGE);
	for (long at = 0; at < kb * 1024; at += 4096)
		p[at] = 1;
	printf("touched = %ld\n", kb);
	fflush(stdout);
	return system("awk '/^(MemFree|MemAvailable|Cached):/ { print \"while it is held, \" $1, \"=\", $2 }' /proc/meminfo | sed 's/: =/ =/'");
}
