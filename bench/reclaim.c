/* SPDX-License-Identifier: MIT */
/*
 * What taking memory back costs, in instructions: run by ./quire bench inside the Debian image with little memory, its
 * disk and its swap area in RAM, so that a run repeats. Prints "name ticks-per-operation" lines.
 *
 * Background work runs on the only CPU and is part of what is counted.
 */
#define _GNU_SOURCE
#include "report.h"
#include "sys.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB  (1024 * 1024ul)
#define NR   4096u /* pages of the smaller tests */

static volatile char *area;

static char *map(unsigned long len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/* A figure of /proc/meminfo (kB) or /proc/vmstat. */
static unsigned long figure(const char *file, const char *name)
{
	char line[256];
	unsigned long value = 0;
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) && strchr(": ", line[strlen(name)]))
			value = strtoul(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static uint64_t write_pages(unsigned long nr)
{
	uint64_t t = ticks();
	for (unsigned long i = 0; i < nr; i++)
		*(volatile unsigned long *)&area[i * PAGE] = i + 1;
	return ticks() - t;
}

static uint64_t read_pages(unsigned long nr)
{
	uint64_t t = ticks();
	for (unsigned long i = 0; i < nr; i++)
		if (*(volatile unsigned long *)&area[i * PAGE] != i + 1)
			fail("a wrong page");
	return ticks() - t;
}

static uint64_t page_out(unsigned long nr)
{
	unsigned long before = figure("/proc/vmstat", "pswpout");
	uint64_t t = ticks();
	if (madvise((void *)area, nr * PAGE, MADV_PAGEOUT))
		fail("MADV_PAGEOUT");
	t = ticks() - t;
	fprintf(stderr, "%lu of %lu pages written\n", figure("/proc/vmstat", "pswpout") - before, nr);
	return t;
}

/* Out by one call; in by one touch after the other, in order and in none. */
static void swap_calls(void)
{
	area = map(NR * PAGE);
	write_pages(NR);
	report("swap_out_per_page", page_out(NR), NR);
	report("swap_in_per_page", read_pages(NR), NR);
	report("swap_out_clean_per_page", page_out(NR), NR);
	read_pages(NR);
	write_pages(NR);
	page_out(NR);
	uint64_t t = ticks();
	for (unsigned i = 0; i < NR; i++)
		(void)*(volatile unsigned long *)&area[(i * 1579u % NR) * PAGE];
	report("swap_in_anywhere_per_page", ticks() - t, NR);
	munmap((void *)area, NR * PAGE);
}

/* What the reference bits of present pages cost to collect. */
static void harvest(void)
{
	area = map(NR * PAGE);
	write_pages(NR);
	write_text("/proc/self/clear_refs", "1");
	read_pages(NR);
	uint64_t t = ticks();
	write_text("/proc/self/clear_refs", "1");
	report("harvest_per_page", ticks() - t, NR);
	munmap((void *)area, NR * PAGE);
}

static void read_file(int fd, unsigned long len)
{
	static char buf[65536];
	for (unsigned long at = 0; at < len; at += sizeof(buf))
		if (pread(fd, buf, sizeof(buf), (long)at) <= 0)
			fail("pread");
}

/* Memory is full of a file's clean pages; new pages take it. What the same new pages cost otherwise is subtracted. */
static void clean_cache(void)
{
	unsigned long len = figure("/proc/meminfo", "MemAvailable") * 1024 / 4 * 5 & ~(MIB - 1), nr = len / 5 / PAGE;
	int fd = open("/root/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *block = map(MIB);
	for (unsigned long at = 0; at < len; at += MIB)
		if (pwrite(fd, block, MIB, (long)at) != (long)MIB)
			fail("pwrite");
	fsync(fd);
	write_text("/proc/sys/vm/drop_caches", "3");
	area = map(nr * PAGE);
	uint64_t plain = write_pages(nr);
	munmap((void *)area, nr * PAGE);
	read_file(fd, len);
	area = map(nr * PAGE);
	uint64_t taken = write_pages(nr);
	report("reclaim_clean_per_page", taken - plain, (double)nr);
	munmap((void *)area, nr * PAGE);
	/* The file is longer than memory, so pages that are read again were evicted before. */
	unsigned long before = figure("/proc/vmstat", "workingset_refault_file");
	uint64_t t = ticks();
	read_file(fd, len);
	t = ticks() - t;
	fprintf(stderr, "%lu refaults of %lu pages\n", figure("/proc/vmstat", "workingset_refault_file") - before, len / PAGE);
	report("refault_per_page", t, (double)(len / PAGE));
	close(fd);
	unlink("/root/bench-file");
	munmap(block, MIB);
}

static void twice_the_memory(void)
{
	unsigned long nr = figure("/proc/meminfo", "MemTotal") * 1024 / PAGE * 2;
	area = map(nr * PAGE);
	report("write_twice_ram_per_page", write_pages(nr), (double)nr);
	report("read_twice_ram_per_page", read_pages(nr), (double)nr);
	munmap((void *)area, nr * PAGE);
}

/* From the last page that a process got, before it was killed for lack of memory, to its parent's knowing. */
static void out_of_memory(void)
{
	volatile uint64_t *last = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char device[256] = "";
	FILE *f = fopen("/proc/swaps", "r");
	int status;
	if (f && fgets(device, sizeof(device), f) && fscanf(f, "%255s", device) == 1 && swapoff(device))
		fail("swapoff");
	if (f)
		fclose(f);
	pid_t child = fork();
	if (child == 0) {
		write_text("/proc/self/oom_score_adj", "1000");
		char *p = map(4096 * MIB);
		for (unsigned long i = 0; i < MIB; i++) {
			p[i * PAGE] = 1;
			*last = ticks();
		}
		_exit(0);
	}
	while (waitpid(child, &status, 0) != child)
		;
	uint64_t t = ticks();
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("the child was not killed");
	report("oom_to_freed", t - *last, 1);
}

int main(void)
{
	swap_calls();
	harvest();
	clean_cache();
	twice_the_memory();
	out_of_memory();
	puts("BENCH_END");
	return 0;
}
