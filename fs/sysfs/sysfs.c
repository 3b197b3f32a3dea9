/* SPDX-License-Identifier: MIT */
/*
 * sysfs: what programs ask of the machine's processors and memory nodes. The tree is generated like
 * proc's; node->arg is the number of the CPU or memory node.
 */
#include "sysfs.h"
#include <fs/pseudo.h>
#include <kernel/sched.h>
#include <mm/compact.h>
#include <mm/frame.h>
#include <mm/host.h>
#include <mm/policy.h>
#include <mm/stat.h>

/* "0-1,3\n" */
static void show_list(struct seq *s, u64 mask)
{
	bool first = true;
	for (unsigned i = 0; i < 64; i++) {
		unsigned end = i;
		if (!(mask >> i & 1))
			continue;
		while (end < 63 && mask >> (end + 1) & 1)
			end++;
		seq_printf(s, first ? "%u" : ",%u", i);
		if (end > i)
			seq_printf(s, "-%u", end);
		first = false;
		i = end;
	}
	seq_putc(s, '\n');
}

static u64 all_cpus(void)
{
	unsigned n = hal_nr_cpus();
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}

static int show_cpus(struct seq *s, struct pseudo_node *n)
{
	show_list(s, all_cpus());
	return 0;
}

static int show_cpu_map(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llx\n", (unsigned long long)all_cpus());
	return 0;
}

static int show_no_cpus(struct seq *s, struct pseudo_node *n)
{
	seq_putc(s, '\n');
	return 0;
}

static int show_nodes(struct seq *s, struct pseudo_node *n)
{
	show_list(s, (1ull << frame_nr_nodes()) - 1);
	return 0;
}

/* ---- one CPU ---- */

static int show_cpu_number(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llu\n", (unsigned long long)n->arg);
	return 0;
}

static int show_own_list(struct seq *s, struct pseudo_node *n)
{
	show_list(s, 1ull << n->arg);
	return 0;
}

static int show_own_map(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llx\n", 1ull << n->arg);
	return 0;
}

static const struct pseudo_entry topology_entries[] = {
	FILE_ENTRY("physical_package_id", show_cpu_number),
	TEXT_ENTRY("core_id", "0"),
	FILE_ENTRY("thread_siblings", show_own_map),
	FILE_ENTRY("thread_siblings_list", show_own_list),
	FILE_ENTRY("core_siblings", show_own_map),
	FILE_ENTRY("core_siblings_list", show_own_list),
	FILE_ENTRY("package_cpus", show_own_map),
	FILE_ENTRY("package_cpus_list", show_own_list),
};
static const struct pseudo_entry cpu_entries[] = { DIR_ENTRY("topology", topology_entries), TEXT_ENTRY("online", "1") };
static const struct pseudo_entry one_cpu = DIR_ENTRY("cpuN", cpu_entries);

/* ---- one node ---- */

static int show_node_meminfo(struct seq *s, struct pseudo_node *n)
{
	struct frame_node_stat st;
	unsigned long long node = n->arg, shmem = stat_read(STAT_NR_SHMEM) * 4, cache = stat_read(STAT_NR_FILE_PAGES) * 4;
	frame_node_stat((unsigned)n->arg, &st);
	unsigned long long total = st.managed * 4, free = (st.free + st.free_pcp) * 4;
	unsigned long long reclaimable = stat_read(STAT_NR_SLAB_RECLAIMABLE) * 4, fixed = stat_read(STAT_NR_SLAB_UNRECLAIMABLE) * 4;
	seq_printf(s, "Node %llu MemTotal:       %8llu kB\nNode %llu MemFree:        %8llu kB\nNode %llu MemUsed:        %8llu kB\n", node, total, node, free, node, total - free);
	if (n->arg) /* the counters are of the machine, shown at its first node */
		return 0;
	seq_printf(s, "Node 0 Mlocked:        %8llu kB\nNode 0 Dirty:          %8llu kB\nNode 0 Writeback:      %8llu kB\nNode 0 FilePages:      %8llu kB\n",
	           (unsigned long long)stat_read(STAT_NR_MLOCK) * 4, (unsigned long long)stat_read(STAT_NR_FILE_DIRTY) * 4,
	           (unsigned long long)stat_read(STAT_NR_WRITEBACK) * 4, cache);
	seq_printf(s, "Node 0 Mapped:         %8llu kB\nNode 0 AnonPages:      %8llu kB\nNode 0 Shmem:          %8llu kB\nNode 0 KernelStack:    %8llu kB\n",
	           (unsigned long long)stat_read(STAT_NR_MAPPED) * 4, (unsigned long long)stat_read(STAT_NR_ANON_PAGES) * 4, shmem,
	           (unsigned long long)stat_read(STAT_NR_KERNEL_STACK_KB));
	seq_printf(s, "Node 0 PageTables:     %8llu kB\nNode 0 KReclaimable:   %8llu kB\nNode 0 Slab:           %8llu kB\nNode 0 SReclaimable:   %8llu kB\nNode 0 SUnreclaim:     %8llu kB\n",
	           (unsigned long long)stat_read(STAT_NR_PAGE_TABLE) * 4, reclaimable, reclaimable + fixed, reclaimable, fixed);
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
	FILE_ENTRY("cpulist", show_cpus),
	FILE_ENTRY("cpumap", show_cpu_map),
	FILE_ENTRY("distance", show_distance),
	FILE_ENTRY("numastat", show_numastat),
};
static const struct pseudo_entry one_node = DIR_ENTRY("nodeN", node_entries);

/* ---- directories with numbered names ---- */

struct numbered {
	const char *prefix;
	const struct pseudo_entry *entry;
	unsigned (*count)(void);
};

static unsigned count_cpus(void) { return hal_nr_cpus(); }

static const struct numbered cpus = { "cpu", &one_cpu, count_cpus };
static const struct numbered nodes = { "node", &one_node, frame_nr_nodes };

static int numbered_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	const struct numbered *w = pseudo_node_of(dir)->entry->data;
	size_t skip = strlen(w->prefix);
	u32 number;
	if (len <= skip || memcmp(name, w->prefix, skip) || !pseudo_parse_number(name + skip, len - skip, &number) || number >= w->count())
		return -ENOENT;
	return pseudo_inode_new(dir->super, w->entry, NULL, 0, number, out);
}

static int numbered_list(struct file *f, struct dir_emit *e)
{
	const struct numbered *w = pseudo_node_of(f->inode)->entry->data;
	for (; f->pos - PSEUDO_DYNAMIC < w->count(); f->pos++) {
		char name[16];
		u64 number = f->pos - PSEUDO_DYNAMIC;
		int len = snprintf(name, sizeof(name), "%s%llu", w->prefix, (unsigned long long)number);
		if (!e->emit(e, name, (size_t)len, pseudo_ino(w->entry, 0, number), 4, f->pos + 1))
			return 0;
	}
	return 0;
}

#define NUMBERED_DIR(n, table, w) { .name = (n), .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(table), .lookup = numbered_lookup, .list = numbered_list, .data = (void *)&(w) }

static const struct pseudo_entry cpu_dir_entries[] = {
	FILE_ENTRY("possible", show_cpus),
	FILE_ENTRY("present", show_cpus),
	FILE_ENTRY("online", show_cpus),
	FILE_ENTRY("offline", show_no_cpus),
	TEXT_ENTRY("kernel_max", "63"),
};
static const struct pseudo_entry node_dir_entries[] = {
	FILE_ENTRY("possible", show_nodes),
	FILE_ENTRY("online", show_nodes),
	FILE_ENTRY("has_normal_memory", show_nodes),
	FILE_ENTRY("has_memory", show_nodes),
	FILE_ENTRY("has_cpu", show_nodes),
};
static const struct pseudo_entry system_entries[] = {
	NUMBERED_DIR("cpu", cpu_dir_entries, cpus),
	NUMBERED_DIR("node", node_dir_entries, nodes),
};
static const struct pseudo_entry devices_entries[] = { DIR_ENTRY("system", system_entries) };

/* ---- kernel/mm ---- */

static const struct pseudo_entry thp_entries[] = {
	TEXT_ENTRY("enabled", "always madvise [never]"),
	TEXT_ENTRY("defrag", "always defer defer+madvise madvise [never]"),
	TEXT_ENTRY("shmem_enabled", "always within_size advise [never] deny force"),
	TEXT_ENTRY("hpage_pmd_size", "2097152"),
};
static const struct pseudo_entry no_entries[0];

static int show_policy(struct seq *s, struct pseudo_node *n)
{
	const struct policy *p;
	for (unsigned i = 0; (p = policy_at(i)) != NULL; i++)
		seq_printf(s, p == policy_current() ? "%s[%s]" : "%s%s", i ? " " : "", p->name);
	seq_putc(s, '\n');
	return 0;
}

static int store_policy(struct pseudo_node *n, char *text, size_t len)
{
	char *end = strchr(text, '\n');
	if (end && !end[1])
		*end = 0;
	const struct policy *p = policy_find(text);
	if (!p)
		return -EINVAL;
	policy_switch(p);
	return 0;
}

static const struct pseudo_entry reclaim_entries[] = {
	{ .name = "policy", .mode = S_IFREG | 0644, .show = show_policy, .store = store_policy },
	U32_ENTRY("turn_ms", mm_tunables.turn_ms, 0, 60000),
};

/* Linux's switch: swap read-ahead by the region's addresses, or by slots. */
static int show_vma_ahead(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, mm_tunables.swap_ahead_by_slot ? "false\n" : "true\n");
	return 0;
}

static int store_vma_ahead(struct pseudo_node *n, char *text, size_t len)
{
	bool is_on = strchr("yYtT1", text[0]) || !strncmp(text, "on", 2), is_off = strchr("nNfF0", text[0]) || !strncmp(text, "of", 2);
	if (!text[0] || !(is_on || is_off))
		return -EINVAL;
	mm_tunables.swap_ahead_by_slot = is_off;
	return 0;
}

static const struct pseudo_entry swap_entries[] = {
	{ .name = "vma_ra_enabled", .mode = S_IFREG | 0644, .show = show_vma_ahead, .store = store_vma_ahead },
};

static const struct pseudo_entry mm_entries[] = {
	DIR_ENTRY("reclaim", reclaim_entries),
	DIR_ENTRY("swap", swap_entries),
	DIR_ENTRY("transparent_hugepage", thp_entries),
	DIR_ENTRY("hugepages", no_entries),
};

/* ---- kernel/debug: there without debugfs being mounted ---- */

static int show_by_order(struct seq *s, int (*figure)(unsigned node, unsigned order))
{
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		seq_printf(s, "Node %u, zone %8s ", i, "Normal");
		for (unsigned k = 0; k <= FRAME_MAX_ORDER; k++) {
			int v = figure(i, k), thousandths = v < 0 ? -v : v;
			seq_printf(s, "%s%d.%03d ", v < 0 ? "-" : "", thousandths / 1000, thousandths % 1000);
		}
		seq_putc(s, '\n');
	}
	return 0;
}

static int show_extfrag_index(struct seq *s, struct pseudo_node *n) { return show_by_order(s, compact_fragmentation_index); }
static int show_unusable_index(struct seq *s, struct pseudo_node *n) { return show_by_order(s, compact_unusable_index); }

static const struct pseudo_entry extfrag_entries[] = {
	FILE_ENTRY("extfrag_index", show_extfrag_index),
	FILE_ENTRY("unusable_index", show_unusable_index),
};
static const struct pseudo_entry debug_entries[] = { DIR_ENTRY("extfrag", extfrag_entries) };
static const struct pseudo_entry kernel_entries[] = { DIR_ENTRY("mm", mm_entries), DIR_ENTRY("debug", debug_entries) };

/* ---- class/tty ---- */

static int show_active(struct seq *s, struct pseudo_node *n)
{
	char name[16];
	u32 major, minor;
	if (tty_console(name, sizeof(name), &major, &minor))
		seq_printf(s, "%s\n", name);
	return 0;
}

static const struct pseudo_entry console_entries[] = { FILE_ENTRY("active", show_active), TEXT_ENTRY("dev", "5:1") };
static const struct pseudo_entry tty_entries[] = { DIR_ENTRY("console", console_entries) };
static const struct pseudo_entry class_entries[] = { DIR_ENTRY("tty", tty_entries), DYNAMIC_DIR("block", sys_class_block) };

static const struct pseudo_entry dev_entries[] = { DYNAMIC_DIR("block", sys_dev_block) };
/* Where control groups are mounted. */
static const struct pseudo_entry fs_entries[] = { DIR_ENTRY("cgroup", no_entries) };
static const struct pseudo_entry root_entries[] = {
	{ .name = "devices", .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(devices_entries), .lookup = sys_places_lookup, .list = sys_places_list },
	DIR_ENTRY("kernel", kernel_entries), DIR_ENTRY("class", class_entries), DIR_ENTRY("fs", fs_entries),
	DYNAMIC_DIR("block", sys_block), DIR_ENTRY("dev", dev_entries),
};
static const struct pseudo_entry root_dir = DIR_ENTRY("sys", root_entries);

static struct super *sys_super;

static int sys_mount(const char *source, u32 flags, const char *data, struct super **out) { return pseudo_mount(sys_super, out); }
static struct fs_type sys_type = { .name = "sysfs", .mount = sys_mount };

void sysfs_init(void)
{
	sys_super = pseudo_super_new("sysfs", 0x62656572, &root_dir);
	vfs_register(&sys_type);
}
