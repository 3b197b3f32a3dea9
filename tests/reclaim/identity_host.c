/* SPDX-License-Identifier: MIT */
/* The other side of identity_guest.c: the same references on the host port, for every policy. */
#include "../../guest/labs/policies/references.h"
#include <host/disk.h>
#include <host/machine.h>
#include <linux/mman.h>
#include <mm/group.h>
#include <mm/mapping.h>
#include <mm/mman.h>
#include <mm/readahead.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <mm/writeback.h>
#include <hal/log.h>
#include <stdio.h>
#include <string.h>

#define RAM (64ul << 20)

/* ---- a file on a disk, block by block ---- */

static struct file {
	struct mapping mapping;
	struct backing_store store;
	struct readahead ra;
} file;

static u64 file_size(struct mapping *m) { return REF_FILE * PAGE_SIZE; }
static int file_map(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	*out = (struct block_extent){ .device_block = block, .nr = max };
	return 0;
}
static bool file_pin(struct mapping *m) { return true; }
static void file_unpin(struct mapping *m) {}
static struct readahead *file_ra(void *f) { return &file.ra; }

static const struct mapping_ops file_ops = {
	.size = file_size, .map_blocks = file_map, .pin = file_pin, .unpin = file_unpin, .readahead = file_ra,
};

/* ---- replaying ---- */

static void must(int err, const char *what)
{
	if (err)
		hal_panic("%s: error %d", what, -err);
}

static void touch(struct space *s, uaddr_t at, bool write)
{
	struct fault_verdict v;
	u8 byte = 1;
	if (write ? host_store(at, &byte, 1, &v) != 1 : host_load(at, &byte, 1, &v) != 1)
		hal_panic("page %#lx: verdict %u", (unsigned long)at, v.kind);
	must(space_mprotect(s, at, PAGE_SIZE, PROT_NONE), "mprotect");
	must(space_mprotect(s, at, PAGE_SIZE, PROT_READ | PROT_WRITE), "mprotect");
}

static void replay(struct space *s, uaddr_t base, enum pattern pattern, bool is_file)
{
	struct references r = { .pattern = pattern, .state = 1 };
	for (unsigned i = 0; i < REF_LENGTH; i++) {
		bool write;
		uint32_t page = ref_next(&r, &write);
		touch(s, base + page * PAGE_SIZE, write && !is_file);
	}
}

static void run(const struct policy *p, enum pattern pattern, bool is_file)
{
	struct host_config c = { .ram_bytes = RAM, .nr_cpus = 1, .nr_nodes = 1, .seed = 1 };
	struct host_disk_config swap = { .name = "swap", .nr_sectors = REF_SWAP * 8 }, data = { .name = "data", .nr_sectors = REF_FILE * 8 };
	host_machine_create(&c);
	struct host_disk *swap_disk = host_disk_create(&swap), *data_disk = host_disk_create(&data);
	struct swap_extent e = { 0, REF_SWAP, 0 };
	struct swap_config sc = { .dev = host_disk_device(swap_disk), .extents = &e, .nr_extents = 1, .nr_pages = REF_SWAP, .priority = -1 };
	unsigned area;
	must(swap_area_add(&sc, &area), "swapon");
	mapping_init(&file.mapping, &file_ops, 0);
	backing_store_init(&file.store, &file.mapping, host_disk_device(data_disk), PAGE_SHIFT);
	readahead_init(&file.ra, READAHEAD_DEFAULT_PAGES);
	policy_switch(p);

	struct space *s = space_create();
	host_switch(s);
	struct mem_group *g = mem_group_new(&mem_root, NULL);
	mem_group_set_max(g, REF_LIMIT);
	host_context.group = (u16)g->lru.number;
	struct mmap_request q = { .addr = REF_AT, .len = REF_PAGES * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		                      .flags = MAP_PRIVATE | MAP_FIXED | (is_file ? 0 : MAP_ANONYMOUS), .mapping = is_file ? &file.mapping : NULL,
		                      .file = is_file ? &file : NULL, .file_readable = true, .file_writable = true };
	uaddr_t at;
	must(space_mmap(s, &q, &at), "mmap");
	if (is_file)
		must(space_madvise(s, at, REF_PAGES * PAGE_SIZE, MADV_RANDOM), "madvise");
	replay(s, at, pattern, is_file);
	const struct lru *l = &g->lru.lru[is_file ? LRU_FILE : LRU_ANON];
	printf("%s %s %s %llu %016llx\n", p->name, pattern_names[pattern], is_file ? "file" : "anon", (unsigned long long)l->nr_evicted,
	       (unsigned long long)l->eviction_hash);
	const char *broken = mem_group_validate();
	if (broken)
		hal_panic("%s", broken);

	host_context.group = 0;
	host_switch(NULL);
	space_put(s);
	mapping_destroy(&file.mapping);
	if (g->memory.usage || g->swap.usage)
		hal_panic("the group is charged for %ld pages and %ld slots of nobody", (long)g->memory.usage, (long)g->swap.usage);
	mem_group_close(g);
	must(swap_area_remove(area), "swapoff");
	host_disk_destroy(swap_disk);
	host_disk_destroy(data_disk);
	host_machine_destroy();
}

int main(void)
{
	const struct policy *p;
	for (unsigned is_file = 0; is_file < 2; is_file++)
		for (unsigned i = 0; (p = policy_at(i)) != NULL; i++)
			for (enum pattern k = 0; k < NR_PATTERNS; k++)
				run(p, k, is_file);
	return 0;
}
