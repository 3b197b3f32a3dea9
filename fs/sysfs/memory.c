/* SPDX-License-Identifier: MIT */
/*
 * /sys/devices/system/memory: the machine's memory in blocks of one size, which lsmem sums up. None can be taken away
 * while the machine runs. node->arg is the block's number.
 */
#include "sysfs.h"
#include <hal/mem.h>

#define BLOCK_BYTES (128ull << 20) /* as on Linux, for machines up to 64 GiB */

static bool has_memory(unsigned block)
{
	paddr_t start, end;
	const char *name;
	u64 from = block * BLOCK_BYTES;
	for (unsigned i = 0; (name = hal_memory_map(i, &start, &end)) != NULL; i++)
		if (!strcmp(name, "System RAM") && start < from + BLOCK_BYTES && end > from)
			return true;
	return false;
}

static unsigned count_blocks(void)
{
	paddr_t start, end;
	const char *name;
	unsigned nr = 0;
	for (unsigned i = 0; (name = hal_memory_map(i, &start, &end)) != NULL; i++)
		if (!strcmp(name, "System RAM"))
			nr = max(nr, (unsigned)((end + BLOCK_BYTES - 1) / BLOCK_BYTES));
	return nr;
}

static int show_block_bytes(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llx\n", BLOCK_BYTES);
	return 0;
}

static int show_index(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%08llx\n", (unsigned long long)n->arg);
	return 0;
}

static const struct pseudo_entry block_entries[] = {
	FILE_ENTRY("phys_index", show_index), TEXT_ENTRY("online", "1"),          TEXT_ENTRY("state", "online"),
	TEXT_ENTRY("phys_device", "0"),       TEXT_ENTRY("removable", "0"),       TEXT_ENTRY("valid_zones", "Normal"),
};
static const struct pseudo_entry one_block = DIR_ENTRY("memoryN", block_entries);
const struct sys_numbered sys_memory_blocks = { .prefix = "memory", .entry = &one_block, .count = count_blocks, .is_there = has_memory };

const struct pseudo_entry sys_memory_entries[1] = { FILE_ENTRY("block_size_bytes", show_block_bytes) };
