/* SPDX-License-Identifier: MIT */
/*
 * Fragmentation outside: memory is filled, then every other page is given back, at random. The sum is large, the blocks are
 * small; compaction moves what is left together, and every byte is where it was. Fragmentation inside: pages and slab
 * objects that are larger than what they hold.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ul
#define RESERVE_KB (3ul << 10)

static char text[1 << 16];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, have = 0;
	while (fd >= 0 && (n = read(fd, text + have, sizeof(text) - 1 - (size_t)have)) > 0)
		have += n;
	if (fd >= 0)
		close(fd);
	text[have] = 0;
	return text;
}

static unsigned long meminfo(const char *name)
{
	char *at = strstr(slurp("/proc/meminfo"), name);
	return at ? strtoul(at + strlen(name) + 1, NULL, 10) : 0;
}

static unsigned long vmstat(const char *name)
{
	size_t len = strlen(name);
	for (char *line = strtok(slurp("/proc/vmstat"), "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtoul(line + len, NULL, 10);
	return 0;
}

/* Pages free in blocks of `order` or more. */
static unsigned long free_from(unsigned order)
{
	unsigned long pages = 0;
	for (char *line = strtok(slurp("/proc/buddyinfo"), "\n"); line; line = strtok(NULL, "\n")) {
		char *at = strstr(line, "zone");
		at = at ? strchr(at, ' ') : NULL;
		at = at ? at + strspn(at, " ") : line;
		at += strcspn(at, " "); /* the zone's name */
		for (unsigned k = 0; k <= 10; k++) {
			unsigned long nr = strtoul(at, &at, 10);
			pages += k >= order ? nr << k : 0;
		}
	}
	return pages;
}

/* The kernel's verdict on a request for a block of 2 MiB: below 0, some zone has one; else why it fails, towards 0 for lack of
 * memory, towards 1 because memory is scattered. */
static double index_of_2_mib(void)
{
	double least = 2;
	for (char *line = strtok(slurp("/sys/kernel/debug/extfrag/extfrag_index"), "\n"); line; line = strtok(NULL, "\n")) {
		char *at = strstr(line, "zone");
		at = at ? at + 4 + strspn(at + 4, " ") : line;
		at += strcspn(at, " ");
		double index = 2;
		for (unsigned k = 0; k <= 9; k++)
			index = strtod(at, &at);
		least = index < least ? index : least;
	}
	return least;
}

static void show(const char *when)
{
	unsigned long all = free_from(0), large = free_from(9);
	printf("%s: %s", when, slurp("/proc/buddyinfo"));
	printf("%s: free pages = %lu\n%s: free in blocks of 2 MiB, percent = %lu\n", when, all, when, all ? large * 100 / all : 0);
	double index = index_of_2_mib();
	printf("%s: extfrag_index for 2 MiB = %.3f\n%s: a request for 2 MiB = %s\n", when, index, when,
	       index < 0 ? "finds a block" : index > 0.5 ? "fails, memory is scattered" : "fails, memory is short");
}

static unsigned long stamp(unsigned long page) { return page * 0x9e3779b97f4a7c15ul + 1; }

static unsigned long count_wrong(const unsigned long *memory, const char *kept, unsigned long nr)
{
	unsigned long wrong = 0;
	for (unsigned long i = 0; i < nr; i++) {
		unsigned long want = kept[i] ? stamp(i) : 0;
		wrong += memory[i * PAGE / 8] != want || memory[(i + 1) * PAGE / 8 - 1] != want;
	}
	return wrong;
}

static void outside(void)
{
	unsigned long nr = (meminfo("MemFree") - RESERVE_KB) / 4, before = vmstat("pgmigrate_success");
	unsigned long *memory = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *kept = calloc(nr, 1);
	madvise(memory, nr * PAGE, MADV_NOHUGEPAGE);
	show("at first");
	for (unsigned long i = 0; i < nr; i++) {
		memory[i * PAGE / 8] = memory[(i + 1) * PAGE / 8 - 1] = stamp(i);
		kept[i] = 1;
	}
	srandom(1);
	for (unsigned long i = 0; i < nr; i++)
		if (random() % 2) {
			madvise(&memory[i * PAGE / 8], PAGE, MADV_DONTNEED);
			kept[i] = 0;
		}
	show("scattered");
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	printf("compaction was asked for = %s\n", write(fd, "1", 1) == 1 ? "yes" : "no");
	close(fd);
	show("compacted");
	printf("pages moved = %lu\n", vmstat("pgmigrate_success") - before);
	printf("pages with wrong content = %lu\n", count_wrong(memory, kept, nr));
	munmap(memory, nr * PAGE);
}

/* Small objects of the kernel share a page: 256 of 16 bytes fill one. */
static void slab(void)
{
	unsigned long active, total, size, in_slab, pages;
	printf("objects: size, in a slab of pages, bytes lost in a slab\n");
	for (char *line = strtok(slurp("/proc/slabinfo"), "\n"); line; line = strtok(NULL, "\n")) {
		static const char *const names[] = { "kmalloc-16 ", "kmalloc-96 ", "kmalloc-192 ", "vm_area_struct ", "dentry " };
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strncmp(line, names[i], strlen(names[i])) && sscanf(line + strlen(names[i]), "%lu %lu %lu %lu %lu", &active, &total, &size, &in_slab, &pages) == 5) {
				printf("%-15s %4lu bytes %4lu in %lu pages %5lu lost\n", names[i], size, in_slab, pages, pages * PAGE - in_slab * size);
				if (!i)
					printf("objects of 16 bytes in a page = %lu\n", in_slab / pages);
			}
	}
}

/* 3,300 bytes take a page. */
static void inside(void)
{
	enum { NR = 1000, BYTES = 3300 };
	static char bytes[BYTES];
	char name[64];
	unsigned long before = meminfo("Shmem:");
	mkdir("/tmp/inside", 0700);
	for (unsigned i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "/tmp/inside/%u", i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (write(fd, bytes, BYTES) != BYTES)
			exit(1);
		close(fd);
	}
	printf("kB in 1000 files of 3300 bytes = %u\nkB that they take = %lu\n", NR * BYTES / 1024, meminfo("Shmem:") - before);
	for (unsigned i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "/tmp/inside/%u", i);
		unlink(name);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL); /* for Linux; in Quire the file is there anyway */
	outside();
	inside();
	slab();
	return 0;
}
