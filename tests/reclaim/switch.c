/* SPDX-License-Identifier: MIT */
/*
 * Works on a disk larger than memory, by read and write and through mappings, while the replacement policy is
 * changed all the time; every page must hold what was written last. Then once more under each policy alone.
 *
 *   switch DISK SWITCHES    the disk's content is overwritten
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fs.h>

#define PAGE 4096u
#define POLICY "/sys/kernel/mm/reclaim/policy"
#define MAX_WORKERS 4

static int disk;
static unsigned nr_pages, nr_failed;
static uint64_t *mapped; /* the disk, shared */
static struct {
	_Atomic unsigned starts, stop, done[MAX_WORKERS], wrong;
	_Atomic unsigned version[]; /* of each page, written by its worker alone */
} *common;

static void report(const char *what, int ok)
{
	printf("%s: %s\n", what, ok ? "ok" : "FAILED");
	nr_failed += !ok;
	fflush(stdout);
}

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(2);
}

static void fill(uint64_t *page, unsigned index, unsigned version)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		page[i] = ((uint64_t)index << 40 | (uint64_t)version << 16 | i) * 0x9e3779b97f4a7c15ull;
}

static void check(const uint64_t *page, unsigned index)
{
	uint64_t want[PAGE / 8];
	fill(want, index, common->version[index]);
	if (memcmp(page, want, PAGE)) {
		if (common->wrong++ < 5)
			printf("page %u of version %u is wrong\n", index, common->version[index]);
	}
}

/* One use of one page: seldom a write, mostly of a hot part of the disk. */
static void use(unsigned index, unsigned kind)
{
	uint64_t page[PAGE / 8];
	if (kind == 0) {
		fill(page, index, ++common->version[index]);
		if (pwrite(disk, page, PAGE, (off_t)index * PAGE) != PAGE)
			common->wrong++;
	} else if (kind == 1) {
		fill(&mapped[(size_t)index * (PAGE / 8)], index, ++common->version[index]);
	} else if (kind < 5) {
		check(&mapped[(size_t)index * (PAGE / 8)], index);
	} else {
		if (pread(disk, page, PAGE, (off_t)index * PAGE) != PAGE)
			common->wrong++;
		else
			check(page, index);
	}
}

/* Worker w uses the pages whose number is w modulo the number of workers. */
static void work(unsigned w, unsigned nr_workers)
{
	unsigned own = nr_pages / nr_workers, seed = ++common->starts * 100 + w, scan = (unsigned)rand_r(&seed) % own;
	while (!common->stop) {
		unsigned r = (unsigned)rand_r(&seed);
		unsigned index = r % 4 == 0 ? scan++ % own : r % 4 == 1 ? (unsigned)rand_r(&seed) % own : (unsigned)rand_r(&seed) % (own / 8);
		use(index * nr_workers + w, (unsigned)rand_r(&seed) % 10);
		common->done[w]++;
	}
	exit(0);
}

static void start(pid_t *workers, unsigned nr)
{
	common->stop = 0;
	for (unsigned w = 0; w < nr; w++) {
		common->done[w] = 0;
		workers[w] = fork();
		if (workers[w] == 0)
			work(w, nr);
	}
}

static void stop(pid_t *workers, unsigned nr)
{
	common->stop = 1;
	for (unsigned w = 0; w < nr; w++) {
		int status;
		if (waitpid(workers[w], &status, 0) < 0 || status)
			common->wrong++;
	}
}

static void wait_for(unsigned nr_workers, unsigned each)
{
	for (unsigned w = 0; w < nr_workers; w++)
		while (common->done[w] < each && !common->wrong)
			usleep(2000);
}

static void choose(const char *name)
{
	int fd = open(POLICY, O_WRONLY);
	if (fd < 0 || write(fd, name, strlen(name)) != (ssize_t)strlen(name))
		die(POLICY);
	close(fd);
}

/* "lru [fifo] nur": the names, and which one is in use. */
static unsigned list(char names[][32], unsigned *current)
{
	char text[512] = "";
	int fd = open(POLICY, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die(POLICY);
	close(fd);
	unsigned nr = 0;
	for (char *word = strtok(text, " \n"); word && nr < 16; word = strtok(NULL, " \n")) {
		size_t len = strlen(word);
		if (word[0] == '[') {
			*current = nr;
			word[len - 1] = 0;
			word++;
		}
		strcpy(names[nr++], word);
	}
	return nr;
}

static unsigned long counter(const char *name)
{
	char line[128];
	unsigned long value = 0;
	FILE *f = fopen("/proc/vmstat", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			value = strtoul(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return value;
}

static unsigned long evicted(void) { return counter("pgsteal_kswapd") + counter("pgsteal_direct"); }

static void check_all(void)
{
	uint64_t page[PAGE / 8];
	for (unsigned i = 0; i < nr_pages; i++) {
		if (pread(disk, page, PAGE, (off_t)i * PAGE) != PAGE)
			common->wrong++;
		check(page, i);
	}
}

int main(int argc, char **argv)
{
	char names[16][32];
	unsigned current = 0, nr_workers = 2, nr_switches = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	pid_t workers[MAX_WORKERS];
	uint64_t page[PAGE / 8], size;
	if (argc < 2 || (disk = open(argv[1], O_RDWR)) < 0 || ioctl(disk, BLKGETSIZE64, &size))
		die("disk");
	nr_pages = (unsigned)(size / PAGE) / nr_workers * nr_workers;
	mapped = mmap(NULL, (size_t)nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, disk, 0);
	common = mmap(NULL, sizeof(*common) + nr_pages * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED || common == MAP_FAILED)
		die("mmap");
	for (unsigned i = 0; i < nr_pages; i++) {
		fill(page, i, 0);
		if (pwrite(disk, page, PAGE, (off_t)i * PAGE) != PAGE)
			die("write");
	}
	unsigned nr = list(names, &current);
	report("several policies, one in use", nr >= 6 && current < nr);

	unsigned long before = evicted();
	start(workers, nr_workers);
	for (unsigned i = 0, seed = 9; i < nr_switches && !common->wrong; i++) {
		unsigned next = (unsigned)rand_r(&seed) % nr, now = nr;
		choose(names[next]);
		list(names, &now);
		if (now != next)
			common->wrong++;
		usleep(500);
	}
	wait_for(nr_workers, 5000);
	stop(workers, nr_workers);
	check_all();
	printf("%u switches, %u uses, %lu pages evicted\n", nr_switches, common->done[0] + common->done[1], evicted() - before);
	report("every page is right after switching under load", !common->wrong && evicted() > before);

	for (unsigned i = 0; i < nr; i++) {
		char what[64];
		choose(names[i]);
		before = evicted();
		unsigned long refaults = counter("workingset_refault_file");
		start(workers, nr_workers);
		wait_for(nr_workers, 4000);
		stop(workers, nr_workers);
		snprintf(what, sizeof(what), "every page is right under %.16s", names[i]);
		printf("%lu pages evicted, %lu came back\n", evicted() - before, counter("workingset_refault_file") - refaults);
		report(what, !common->wrong && evicted() > before && counter("workingset_refault_file") > refaults);
	}
	check_all();
	report("nothing was lost", !common->wrong);
	return nr_failed != 0;
}
