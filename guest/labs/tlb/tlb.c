/* SPDX-License-Identifier: MIT */
/*
 * Quire's mm/ on the host machine, whose software MMU counts: translations found in the TLB, and those that took a walk.
 * Its TLB is direct mapped and has TLB_SETS entries in this program.
 */
#include <host/machine.h>
#include <linux/mman.h>
#include <mm/mman.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE     4096ul
#define ACCESSES 200000ul

static u64 state = 1;

static u64 draw(u64 below)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % below;
}

static uaddr_t sequential(u64 n, u64 pages) { return n * 8 % (pages * PAGE); }
static uaddr_t strided(u64 n, u64 pages) { return n % pages * PAGE; }
static uaddr_t at_random(u64 n, u64 pages) { (void)n; return draw(pages) * PAGE; }
/* Nine of ten in a tenth of the pages. */
static uaddr_t local(u64 n, u64 pages) { return n % 10 ? draw(pages / 10) * PAGE : draw(pages) * PAGE; }

static const struct {
	const char *name;
	uaddr_t (*next)(u64 n, u64 pages);
} patterns[] = { { "sequential", sequential }, { "a page at a time", strided }, { "random", at_random }, { "random, mostly near", local } };

static void load(uaddr_t a)
{
	struct fault_verdict v;
	u64 word;
	if (host_load(a, &word, sizeof(word), &v) != sizeof(word))
		exit(1);
}

static void touch_all(uaddr_t base, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		load(base + i * PAGE);
}

static void fill(uaddr_t base, u64 pages)
{
	struct fault_verdict v;
	for (u64 i = 0; i < pages; i++)
		if (host_store(base + i * PAGE, &i, sizeof(i), &v) != sizeof(i))
			exit(1);
}

static void measure(uaddr_t base, u64 pages, unsigned pattern)
{
	state = 1;
	u64 hits = host_mmu_stat.tlb_hits, misses = host_mmu_stat.tlb_misses;
	for (u64 n = 0; n < ACCESSES; n++)
		load(base + patterns[pattern].next(n, pages));
	printf("%s, %lu pages = %lu %lu\n", patterns[pattern].name, (unsigned long)pages, (unsigned long)(host_mmu_stat.tlb_hits - hits),
	       (unsigned long)(host_mmu_stat.tlb_misses - misses));
}

static u64 misses_of(uaddr_t base, u64 pages)
{
	u64 before = host_mmu_stat.tlb_misses;
	touch_all(base, pages);
	return host_mmu_stat.tlb_misses - before;
}

static struct space *new_space(void)
{
	struct space *s = space_create();
	if (!s)
		exit(1);
	return s;
}

int main(void)
{
	static const u64 sizes[] = { 32, 256, 1024 };
	struct host_config config = { .ram_bytes = 64ul << 20, .nr_cpus = 1, .nr_nodes = 1, .seed = 1 };
	host_machine_create(&config);
	struct space *ours = new_space(), *other = new_space();
	struct mmap_request q = { .len = 1024 * PAGE, .prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE | MAP_ANONYMOUS };
	uaddr_t base;
	if (space_mmap(ours, &q, &base))
		return 1;
	host_switch(ours);
	fill(base, 1024);
	for (unsigned s = 0; s < 3; s++)
		for (unsigned p = 0; p < 4; p++)
			measure(base, sizes[s], p);
	touch_all(base, 32);
	printf("32 pages again, misses = %lu\n", (unsigned long)misses_of(base, 32));
	host_switch(other);
	host_switch(ours);
	printf("after a switch to another process and back, misses = %lu\n", (unsigned long)misses_of(base, 32));
	space_mprotect(ours, base, PAGE, PROT_READ);
	printf("after a change of one page's rights, misses = %lu\n", (unsigned long)misses_of(base, 32));
	host_switch(NULL);
	return 0;
}
