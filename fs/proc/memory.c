/* SPDX-License-Identifier: MIT */
/*
 * The memory of the machine: meminfo, buddyinfo, pagetypeinfo, slabinfo. Every figure comes from
 * the counter table of mm/stat or from the allocators themselves. There is one zone for each node,
 * called Normal. Pages of files on disks are aged apart from anonymous ones, with which tmpfs's count.
 */
#include "proc.h"
#include <lib/string.h>
#include <mm/commit.h>
#include <mm/frame.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/writeback.h>

static void line_kb(struct seq *s, const char *name, u64 kb)
{
	/* Values end in column 24; a long name takes from their width. */
	seq_printf(s, "%s:%*llu kB\n", name, (int)(23 - strlen(name)), (unsigned long long)kb);
}
static void line_pages(struct seq *s, const char *name, u64 pages) { line_kb(s, name, pages << (PAGE_SHIFT - 10)); }
static void line_counter(struct seq *s, const char *name, enum mm_counter c) { line_pages(s, name, stat_read(c)); }

static u64 minus(u64 a, u64 b) { return a > b ? a - b : 0; }

static void show_lists(struct seq *s)
{
	u64 active_anon = stat_read(STAT_NR_ACTIVE_ANON), inactive_anon = stat_read(STAT_NR_INACTIVE_ANON);
	u64 active_file = stat_read(STAT_NR_ACTIVE_FILE), inactive_file = stat_read(STAT_NR_INACTIVE_FILE);
	line_pages(s, "Active", active_anon + active_file);
	line_pages(s, "Inactive", inactive_anon + inactive_file);
	line_pages(s, "Active(anon)", active_anon);
	line_pages(s, "Inactive(anon)", inactive_anon);
	line_pages(s, "Active(file)", active_file);
	line_pages(s, "Inactive(file)", inactive_file);
	line_counter(s, "Unevictable", STAT_NR_UNEVICTABLE);
	line_counter(s, "Mlocked", STAT_NR_MLOCK);
}

static void show_kernel(struct seq *s)
{
	u64 reclaimable = stat_read(STAT_NR_SLAB_RECLAIMABLE), fixed = stat_read(STAT_NR_SLAB_UNRECLAIMABLE);
	line_pages(s, "KReclaimable", reclaimable);
	line_pages(s, "Slab", reclaimable + fixed);
	line_pages(s, "SReclaimable", reclaimable);
	line_pages(s, "SUnreclaim", fixed);
	line_kb(s, "KernelStack", stat_read(STAT_NR_KERNEL_STACK_KB));
	line_counter(s, "PageTables", STAT_NR_PAGE_TABLE);
	line_pages(s, "SecPageTables", 0);
	line_pages(s, "NFS_Unstable", 0);
	line_pages(s, "Bounce", 0);
	line_pages(s, "WritebackTmp", 0);
}

static void show_huge(struct seq *s)
{
	static const char *const none[] = { "Percpu", "HardwareCorrupted", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped", "FileHugePages", "FilePmdMapped" };
	static const char *const counts[] = { "HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp" };
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
		line_kb(s, none[i], 0);
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
		seq_printf(s, "%s:%*s%5u\n", counts[i], (int)(18 - strlen(counts[i])), "", 0u);
	line_kb(s, "Hugepagesize", 2048);
	line_kb(s, "Hugetlb", 0);
}

int show_meminfo(struct seq *s, struct pseudo_node *n)
{
	u64 shmem = stat_read(STAT_NR_SHMEM), buffers = stat_read(STAT_NR_BUFFERS);
	line_pages(s, "MemTotal", frame_total());
	line_pages(s, "MemFree", frame_nr_free());
	line_pages(s, "MemAvailable", stat_available());
	line_pages(s, "Buffers", buffers);
	line_pages(s, "Cached", minus(stat_read(STAT_NR_FILE_PAGES), buffers));
	line_pages(s, "SwapCached", swap_nr_cached());
	show_lists(s);
	line_pages(s, "SwapTotal", swap_nr_total());
	line_pages(s, "SwapFree", swap_nr_free());
	line_counter(s, "Dirty", STAT_NR_FILE_DIRTY);
	line_counter(s, "Writeback", STAT_NR_WRITEBACK);
	line_counter(s, "AnonPages", STAT_NR_ANON_PAGES);
	line_counter(s, "Mapped", STAT_NR_MAPPED);
	line_pages(s, "Shmem", shmem);
	show_kernel(s);
	line_pages(s, "CommitLimit", space_commit_limit());
	line_pages(s, "Committed_AS", space_committed());
	seq_printf(s, "VmallocTotal:   34359738367 kB\n");
	line_kb(s, "VmallocUsed", stat_read(STAT_NR_KERNEL_STACK_KB));
	line_kb(s, "VmallocChunk", 0);
	show_huge(s);
	u64 ram_kb = hal_ram_total() >> 10;
	line_kb(s, "DirectMap4k", ram_kb % 2048);
	line_kb(s, "DirectMap2M", ram_kb - ram_kb % 2048);
	line_kb(s, "DirectMap1G", 0);
	line_counter(s, "Companions", STAT_NR_COMPANION);
	return 0;
}

int show_buddyinfo(struct seq *s, struct pseudo_node *n)
{
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat st;
		frame_node_stat(i, &st);
		seq_printf(s, "Node %u, zone %8s ", i, "Normal");
		for (unsigned k = 0; k <= FRAME_MAX_ORDER; k++)
			seq_printf(s, "%6llu ", (unsigned long long)st.nr_free_blocks[k]);
		seq_putc(s, '\n');
	}
	return 0;
}

/* Linux's types; memory for critical or contiguous allocations is not set apart. */
static const char *const mobility_names[] = { "Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate" };

int show_pagetypeinfo(struct seq *s, struct pseudo_node *n)
{
	struct frame_mobility_stat st;
	seq_printf(s, "Page block order: %u\nPages per block:  %lu\n\nFree pages count per migrate type at order ", FRAME_BLOCK_ORDER, FRAME_BLOCK_PAGES);
	for (unsigned k = 0; k <= FRAME_MAX_ORDER; k++)
		seq_printf(s, "%6u ", k);
	seq_putc(s, '\n');
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		frame_mobility_stat(i, &st);
		for (unsigned t = 0; t < ARRAY_SIZE(mobility_names); t++) {
			seq_printf(s, "Node %4u, zone %8s, type %12s ", i, "Normal", mobility_names[t]);
			for (unsigned k = 0; k <= FRAME_MAX_ORDER; k++)
				seq_printf(s, "%6llu ", t < FRAME_NR_MOBILITIES ? (unsigned long long)st.nr_free_blocks[t][k] : 0ull);
			seq_putc(s, '\n');
		}
	}
	seq_printf(s, "\n%-23s", "Number of blocks type ");
	for (unsigned t = 0; t < ARRAY_SIZE(mobility_names); t++)
		seq_printf(s, "%12s ", mobility_names[t]);
	seq_putc(s, '\n');
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		frame_mobility_stat(i, &st);
		seq_printf(s, "Node %u, zone %8s ", i, "Normal");
		for (unsigned t = 0; t < ARRAY_SIZE(mobility_names); t++)
			seq_printf(s, "%12llu ", t < FRAME_NR_MOBILITIES ? (unsigned long long)st.nr_page_blocks[t] : 0ull);
		seq_putc(s, '\n');
	}
	return 0;
}

static bool add_cache(const struct slab_stat *c, void *arg)
{
	seq_printf(arg, "%-17s %6llu %6llu %6u %4u %4u : tunables %4u %4u %4u : slabdata %6llu %6llu %6u\n", c->name,
	           (unsigned long long)c->active_objects, (unsigned long long)c->total_objects, c->object_size, c->objects_per_slab, c->pages_per_slab,
	           0u, 0u, 0u, (unsigned long long)c->active_slabs, (unsigned long long)c->total_slabs, 0u);
	return true;
}

/* The list's lock is held while a line is added, so the room for all of them is made first. */
int show_slabinfo(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> "
	            "<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	seq_reserve(s, 16384);
	slab_for_each(add_cache, s);
	return 0;
}
