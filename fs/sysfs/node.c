/* SPDX-License-Identifier: MIT */
/* /sys/devices/system/node: memory nodes. node->arg is the number. */
#include "sysfs.h"
#include <mm/frame.h>
#include <mm/stat.h>

static int show_nodes(struct seq *s, struct pseudo_node *n)
{
	sys_show_list(s, (1ull << frame_nr_nodes()) - 1);
	return 0;
}

/* ---- one node ---- */

static void line_kb(struct seq *s, u64 node, const char *name, u64 kb)
{
	seq_printf(s, "Node %llu %s:%*llu kB\n", (unsigned long long)node, name, (int)(23 - strlen(name)), (unsigned long long)kb);
}

static void line_pages(struct seq *s, u64 node, const char *name, u64 pages) { line_kb(s, node, name, pages << (PAGE_SHIFT - 10)); }

/* The counters are of the machine: they are shown at its first node. There are no huge pages. */
static void show_counters(struct seq *s)
{
	u64 active_anon = stat_read(STAT_NR_ACTIVE_ANON), inactive_anon = stat_read(STAT_NR_INACTIVE_ANON);
	u64 active_file = stat_read(STAT_NR_ACTIVE_FILE), inactive_file = stat_read(STAT_NR_INACTIVE_FILE);
	u64 reclaimable = stat_read(STAT_NR_SLAB_RECLAIMABLE), fixed = stat_read(STAT_NR_SLAB_UNRECLAIMABLE);
	const struct {
		const char *name;
		u64 pages;
	} lines[] = {
		{ "SwapCached", stat_read(STAT_NR_SWAPCACHE) }, { "Active", active_anon + active_file }, { "Inactive", inactive_anon + inactive_file },
		{ "Active(anon)", active_anon }, { "Inactive(anon)", inactive_anon }, { "Active(file)", active_file }, { "Inactive(file)", inactive_file },
		{ "Unevictable", stat_read(STAT_NR_UNEVICTABLE) }, { "Mlocked", stat_read(STAT_NR_MLOCK) }, { "Dirty", stat_read(STAT_NR_FILE_DIRTY) },
		{ "Writeback", stat_read(STAT_NR_WRITEBACK) }, { "FilePages", stat_read(STAT_NR_FILE_PAGES) }, { "Mapped", stat_read(STAT_NR_MAPPED) },
		{ "AnonPages", stat_read(STAT_NR_ANON_PAGES) }, { "Shmem", stat_read(STAT_NR_SHMEM) },
		{ "KernelStack", stat_read(STAT_NR_KERNEL_STACK_KB) >> (PAGE_SHIFT - 10) }, { "PageTables", stat_read(STAT_NR_PAGE_TABLE) },
		{ "SecPageTables", 0 }, { "NFS_Unstable", 0 }, { "Bounce", 0 }, { "WritebackTmp", 0 }, { "KReclaimable", reclaimable },
		{ "Slab", reclaimable + fixed }, { "SReclaimable", reclaimable }, { "SUnreclaim", fixed }, { "AnonHugePages", 0 },
		{ "ShmemHugePages", 0 }, { "ShmemPmdMapped", 0 }, { "FileHugePages", 0 }, { "FilePmdMapped", 0 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		line_pages(s, 0, lines[i].name, lines[i].pages);
	seq_puts(s, "Node 0 HugePages_Total:     0\nNode 0 HugePages_Free:      0\nNode 0 HugePages_Surp:      0\n");
}

static int show_node_meminfo(struct seq *s, struct pseudo_node *n)
{
	struct frame_node_stat st;
	frame_node_stat((unsigned)n->arg, &st);
	line_pages(s, n->arg, "MemTotal", st.managed);
	line_pages(s, n->arg, "MemFree", st.free + st.free_pcp);
	line_pages(s, n->arg, "MemUsed", st.managed - (st.free + st.free_pcp));
	if (!n->arg)
		show_counters(s);
	return 0;
}

static int show_distance(struct seq *s, struct pseudo_node *n)
{
	for (unsigned i = 0; i < frame_nr_nodes(); i++)
		seq_printf(s, i ? " %u" : "%u", i == n->arg ? 10u : 20u);
	seq_putc(s, '\n');
	return 0;
}

static int show_numastat(struct seq *s, struct pseudo_node *n)
{
	unsigned long long hits = n->arg ? 0 : stat_read(STAT_PGALLOC);
	seq_printf(s, "numa_hit %llu\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node %llu\nother_node 0\n", hits, hits);
	return 0;
}

static const struct pseudo_entry node_entries[] = {
	FILE_ENTRY("meminfo", show_node_meminfo),
	FILE_ENTRY("cpulist", sys_show_cpus),
	FILE_ENTRY("cpumap", sys_show_cpu_map),
	FILE_ENTRY("distance", show_distance),
	FILE_ENTRY("numastat", show_numastat),
};
static const struct pseudo_entry one_node = DIR_ENTRY("nodeN", node_entries);

const struct sys_numbered sys_nodes = { .prefix = "node", .entry = &one_node, .count = frame_nr_nodes };

const struct pseudo_entry sys_node_entries[5] = {
	FILE_ENTRY("possible", show_nodes),
	FILE_ENTRY("online", show_nodes),
	FILE_ENTRY("has_normal_memory", show_nodes),
	FILE_ENTRY("has_memory", show_nodes),
	FILE_ENTRY("has_cpu", show_nodes),
};
