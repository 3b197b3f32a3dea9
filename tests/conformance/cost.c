/* SPDX-License-Identifier: MIT */
/*
 * What mm/ costs, without system calls, traps and scheduler around it. Under QEMU's -icount shift=0 the
 * clock counts instructions, so a figure is a number of instructions and repeats exactly; on other
 * machines it is nanoseconds.
 *
 * With a file that many spaces map, the figures are the gate of the walk back: fault-around and unmap
 * per file page at most 40, whatever the length of the pages' chains.
 */
#include "conformance.h"
#include <hal/time.h>
#include <linux/mman.h>
#include <mm/fault.h>
#include <mm/mapping.h>
#include <mm/mman.h>
#include <mm/pagetable.h>
#include <mm/space.h>

#define AT 0x10000000ul
#define FILE_PAGES 512u
#define AROUND 16u
#define NR_SPACES 500u
#define ANON_PAGES 512u

static u64 file_size(struct mapping *m) { return FILE_PAGES * PAGE_SIZE; }
static const struct mapping_ops ops = { .size = file_size };
static struct mapping file;
static struct space *spaces[NR_SPACES];

static int map(struct space *s, u64 nr_pages, u32 prot, struct mapping *m)
{
	uaddr_t out;
	struct mmap_request q = { .addr = AT, .len = nr_pages * PAGE_SIZE, .prot = prot, .mapping = m,
		                      .flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (m ? 0 : MAP_ANONYMOUS),
		                      .file_readable = true };
	return space_mmap(s, &q, &out);
}

/* Faults every step-th page of [AT, AT + nr_pages); returns what it took. */
static u64 fault_all(struct space *s, u64 nr_pages, u64 step, unsigned access)
{
	u64 start = hal_clock_ns();
	for (u64 i = 0; i < nr_pages; i += step)
		fault_handle(s, AT + i * PAGE_SIZE, access | FAULT_USER);
	return hal_clock_ns() - start;
}

/* One space more on the file: mapped, all pages shown, with fault-around or one by one. */
static u64 show_file(struct space **s, bool around)
{
	*s = space_create();
	if (!*s || map(*s, FILE_PAGES, PROT_READ, &file))
		return 0;
	if (!around)
		space_madvise(*s, AT, FILE_PAGES * PAGE_SIZE, MADV_RANDOM);
	return fault_all(*s, FILE_PAGES, around ? AROUND : 1, 0);
}

static u64 unmap(struct space *s, u64 nr_pages)
{
	u64 start = hal_clock_ns();
	space_munmap(s, AT, nr_pages * PAGE_SIZE);
	return hal_clock_ns() - start;
}

static void cost_of_file_pages(void (*line)(const char *name, u64 cost, u64 pieces))
{
	struct space *single;
	mapping_init(&file, &ops, MAPPING_SHMEM);
	show_file(&spaces[0], false); /* fills the file */
	for (unsigned i = 1; i < NR_SPACES - 1; i++)
		show_file(&spaces[i], true);
	u64 around = show_file(&spaces[NR_SPACES - 1], true), alone = show_file(&single, false);
	/* alone = 512 faults; around = 32 of them and 480 pages by the way */
	u64 fault = alone / FILE_PAGES, by_the_way = around - fault * (FILE_PAGES / AROUND);
	line("file fault, page in the cache", alone, FILE_PAGES);
	line("fault-around, each page by the way", by_the_way, FILE_PAGES - FILE_PAGES / AROUND);
	line("unmap, each file page of 500 spaces", unmap(spaces[NR_SPACES / 2], FILE_PAGES), FILE_PAGES);
	space_put(single);
	for (unsigned i = 0; i < NR_SPACES; i++)
		if (spaces[i])
			space_put(spaces[i]);
	mapping_destroy(&file);
}

static void cost_of_anonymous_pages(void (*line)(const char *name, u64 cost, u64 pieces))
{
	struct space *s = space_create(), *child;
	map(s, ANON_PAGES, PROT_READ | PROT_WRITE, NULL);
	line("anonymous fault, write", fault_all(s, ANON_PAGES, 1, FAULT_WRITE), ANON_PAGES);
	if (space_fork(s, &child))
		return;
	u64 unshare = fault_all(s, 1, 1, FAULT_WRITE);
	line("copy fault", fault_all(s, ANON_PAGES, 1, FAULT_WRITE), ANON_PAGES - 1);
	line("first write under a shared table of 512 pages", unshare, 1);
	space_put(child);
	line("unmap, each anonymous page", unmap(s, ANON_PAGES), ANON_PAGES);
	space_put(s);
}

/* fork and exit of a space with nr_tables leaf tables. */
static u64 fork_and_exit(unsigned nr_tables)
{
	struct space *s = space_create(), *child;
	map(s, (u64)nr_tables * ANON_PAGES, PROT_READ | PROT_WRITE, NULL);
	fault_all(s, (u64)nr_tables * ANON_PAGES, ANON_PAGES, FAULT_WRITE);
	u64 start = hal_clock_ns();
	if (space_fork(s, &child) == 0)
		space_put(child);
	u64 took = hal_clock_ns() - start;
	space_put(s);
	return took;
}

void cost_run(void (*line)(const char *name, u64 cost, u64 pieces))
{
	cost_of_file_pages(line);
	cost_of_anonymous_pages(line);
	fork_and_exit(1);
	u64 few = fork_and_exit(1), many = fork_and_exit(257);
	line("fork and exit of a space with one table", few, 1);
	line("fork and exit, each further table", many > few ? many - few : 0, 256);
}
