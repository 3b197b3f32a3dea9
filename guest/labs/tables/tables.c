/* SPDX-License-Identifier: MIT */
/*
 * 64 pages, near each other and far apart: how much memory do the page tables take? Then many tables at once, with a
 * command beside them.
 *
 *   tables COMMAND
 */
#define _GNU_SOURCE
#include "../proc_field.h"
#include "../step.h"
#include <sys/mman.h>

#define PAGE  4096ul
#define PAGES 64ul
#define BASE  0x10000000000ul /* below all that the system places */
#define MANY  2048ul

static const struct {
	const char *name;
	unsigned shift;
} distances[] = { { "side by side", 12 }, { "2 MiB apart", 21 }, { "1 GiB apart", 30 }, { "512 GiB apart", 39 } };

static long tables_kb(void) { return proc_field("/proc/self/status", "VmPTE:"); }

static char *map_and_touch(unsigned long at)
{
	char *p = mmap((void *)at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED)
		exit(1);
	*p = 1;
	return p;
}

/* Tables that the pages need, counted from their addresses: one for each 2 MiB, 1 GiB and 512 GiB in which a page lies. */
static unsigned long needed(unsigned shift)
{
	unsigned long nr = 0;
	for (unsigned level = 21; level <= 39; level += 9)
		for (unsigned long i = 0; i < PAGES; i++)
			nr += !i || (BASE + (i << shift)) >> level != (BASE + ((i - 1) << shift)) >> level;
	return nr;
}

/* Tables below the PML4 that /proc/self/explain, which only Quire has, meets on its way to the pages; 0: it is not there. */
static unsigned long walked(unsigned shift)
{
	static unsigned long frames[PAGES * 3];
	unsigned long nr = 0;
	for (unsigned long i = 0; i < PAGES; i++) {
		char line[512], name[64], level[8];
		unsigned long frame;
		snprintf(name, sizeof(name), "/proc/self/explain/%lx", BASE + (i << shift));
		FILE *f = fopen(name, "r");
		while (f && fgets(line, sizeof(line), f)) {
			unsigned long known = 0;
			if (sscanf(line, "walk %7s frame %lx", level, &frame) != 2 || !strcmp(level, "PML4"))
				continue;
			while (known < nr && frames[known] != frame)
				known++;
			if (known == nr)
				frames[nr++] = frame;
		}
		if (f)
			fclose(f);
	}
	return nr;
}

int main(int argc, char **argv)
{
	step("64 pages, near and far");
	for (unsigned d = 0; d < 4; d++) {
		long before = tables_kb();
		for (unsigned long i = 0; i < PAGES; i++)
			map_and_touch(BASE + (i << distances[d].shift));
		printf("%s, tables needed = %lu\n%s, VmPTE grew by = %ld\n", distances[d].name, needed(distances[d].shift), distances[d].name, tables_kb() - before);
		printf("%s, tables met by explain = %lu\n", distances[d].name, walked(distances[d].shift));
		for (unsigned long i = 0; i < PAGES; i++)
			munmap((void *)(BASE + (i << distances[d].shift)), PAGE);
		printf("%s, left after munmap = %ld\n", distances[d].name, tables_kb() - before);
	}
	step("the machine's page tables, with 2,048 pages 2 MiB apart");
	printf("PageTables before = %ld\n", proc_field("/proc/meminfo", "PageTables:"));
	fflush(stdout);
	for (unsigned long i = 0; i < MANY; i++)
		map_and_touch(BASE + (i << 21));
	printf("PageTables with them = %ld\n", proc_field("/proc/meminfo", "PageTables:"));
	fflush(stdout);
	return argc > 1 ? system(argv[1]) : 0;
}
