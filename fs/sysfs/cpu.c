/* SPDX-License-Identifier: MIT */
/* /sys/devices/system/cpu: CPUs, how they sit together, and their caches. node->arg: the CPU | a cache's index << 16 */
#include "sysfs.h"
#include <hal/topology.h>
#include <kernel/sched.h>

void sys_show_list(struct seq *s, u64 mask)
{
	seq_ranges(s, mask);
	seq_putc(s, '\n');
}

static u64 all_cpus(void)
{
	unsigned n = hal_nr_cpus();
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}

int sys_show_cpus(struct seq *s, struct pseudo_node *n)
{
	sys_show_list(s, all_cpus());
	return 0;
}

int sys_show_cpu_map(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llx\n", (unsigned long long)all_cpus());
	return 0;
}

static int show_no_cpus(struct seq *s, struct pseudo_node *n)
{
	seq_putc(s, '\n');
	return 0;
}

static unsigned cpu_of(const struct pseudo_node *n) { return n->arg & 0xffff; }

static void show_mask(struct seq *s, u64 mask) { seq_printf(s, "%llx\n", (unsigned long long)mask); }

/* ---- topology ---- */

static u64 same_package(unsigned cpu)
{
	u64 mask = 0;
	for (unsigned other = 0; other < hal_nr_cpus(); other++)
		if (hal_cpu_place(other).package == hal_cpu_place(cpu).package)
			mask |= 1ull << other;
	return mask;
}

static u64 same_core(unsigned cpu)
{
	u64 mask = 0;
	for (unsigned other = 0; other < hal_nr_cpus(); other++)
		if (same_package(cpu) >> other & 1 && hal_cpu_place(other).core == hal_cpu_place(cpu).core)
			mask |= 1ull << other;
	return mask;
}

static int show_package_id(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", hal_cpu_place(cpu_of(n)).package);
	return 0;
}

static int show_core_id(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", hal_cpu_place(cpu_of(n)).core);
	return 0;
}

#define MASK_FILES(name, set)                                                                                          \
	static int show_##name(struct seq *s, struct pseudo_node *n) { return show_mask(s, set(cpu_of(n))), 0; }           \
	static int show_##name##_list(struct seq *s, struct pseudo_node *n)                                                \
	{                                                                                                                  \
		return sys_show_list(s, set(cpu_of(n))), 0;                                                                    \
	}
MASK_FILES(core, same_core)
MASK_FILES(package, same_package)

static const struct pseudo_entry topology_entries[] = {
	FILE_ENTRY("physical_package_id", show_package_id), FILE_ENTRY("core_id", show_core_id),
	FILE_ENTRY("thread_siblings", show_core),           FILE_ENTRY("thread_siblings_list", show_core_list),
	FILE_ENTRY("core_cpus", show_core),                 FILE_ENTRY("core_cpus_list", show_core_list),
	FILE_ENTRY("core_siblings", show_package),          FILE_ENTRY("core_siblings_list", show_package_list),
	FILE_ENTRY("package_cpus", show_package),           FILE_ENTRY("package_cpus_list", show_package_list),
};

/* ---- caches ---- */

/* What a cache's file shows: entry->data. */
enum cache_figure { LEVEL, SIZE, LINE, WAYS, SETS, PARTITIONS };

static bool cache_of(const struct pseudo_node *n, struct hal_cache *c) { return hal_cpu_cache((unsigned)(n->arg >> 16), c); }

static int show_cache_figure(struct seq *s, struct pseudo_node *n)
{
	struct hal_cache c;
	if (!cache_of(n, &c))
		return -ENODEV;
	u32 size_kib = (u32)((u64)c.line_bytes * c.partitions * c.nr_ways * c.nr_sets >> 10);
	const u32 figures[] = { [LEVEL] = c.level, [SIZE] = size_kib, [LINE] = c.line_bytes, [WAYS] = c.nr_ways, [SETS] = c.nr_sets,
		                    [PARTITIONS] = c.partitions };
	enum cache_figure which = (enum cache_figure)(u64)n->entry->data;
	seq_printf(s, which == SIZE ? "%uK\n" : "%u\n", figures[which]);
	return 0;
}

static int show_cache_kind(struct seq *s, struct pseudo_node *n)
{
	static const char *const names[] = { [HAL_CACHE_DATA] = "Data", [HAL_CACHE_INSTRUCTION] = "Instruction", [HAL_CACHE_UNIFIED] = "Unified" };
	struct hal_cache c;
	if (!cache_of(n, &c))
		return -ENODEV;
	seq_printf(s, "%s\n", names[c.kind]);
	return 0;
}

static int show_cache_id(struct seq *s, struct pseudo_node *n)
{
	struct hal_cache c;
	if (!cache_of(n, &c))
		return -ENODEV;
	seq_printf(s, "%u\n", hal_cache_id(cpu_of(n), &c));
	return 0;
}

static u64 sharers(const struct pseudo_node *n)
{
	struct hal_cache c;
	u64 mask = 0;
	for (unsigned other = 0; cache_of(n, &c) && other < hal_nr_cpus(); other++)
		if (hal_cpus_share(cpu_of(n), other, &c))
			mask |= 1ull << other;
	return mask;
}

static int show_sharers(struct seq *s, struct pseudo_node *n) { return show_mask(s, sharers(n)), 0; }
static int show_sharers_list(struct seq *s, struct pseudo_node *n) { return sys_show_list(s, sharers(n)), 0; }

static unsigned count_caches(void)
{
	struct hal_cache c;
	unsigned nr = 0;
	while (hal_cpu_cache(nr, &c))
		nr++;
	return nr;
}

#define CACHE_ENTRY(n, which) { .name = (n), .mode = S_IFREG | 0444, .show = show_cache_figure, .data = (void *)(which) }

static const struct pseudo_entry cache_entries[] = {
	CACHE_ENTRY("level", LEVEL), CACHE_ENTRY("size", SIZE), CACHE_ENTRY("coherency_line_size", LINE), CACHE_ENTRY("ways_of_associativity", WAYS),
	CACHE_ENTRY("number_of_sets", SETS), CACHE_ENTRY("physical_line_partition", PARTITIONS),
	FILE_ENTRY("id", show_cache_id), FILE_ENTRY("type", show_cache_kind), FILE_ENTRY("shared_cpu_map", show_sharers), FILE_ENTRY("shared_cpu_list", show_sharers_list),
};
static const struct pseudo_entry one_cache = DIR_ENTRY("indexN", cache_entries);
static const struct sys_numbered caches = { .prefix = "index", .entry = &one_cache, .count = count_caches, .shift = 16 };

/* ---- CPUs ---- */

static const struct pseudo_entry no_entries[0];
static const struct pseudo_entry cpu_entries[] = {
	DIR_ENTRY("topology", topology_entries), SYS_NUMBERED_DIR("cache", no_entries, caches), TEXT_ENTRY("online", "1"),
};
static const struct pseudo_entry one_cpu = DIR_ENTRY("cpuN", cpu_entries);

static unsigned count_cpus(void) { return hal_nr_cpus(); }
const struct sys_numbered sys_cpus = { .prefix = "cpu", .entry = &one_cpu, .count = count_cpus };

const struct pseudo_entry sys_cpu_entries[5] = {
	FILE_ENTRY("possible", sys_show_cpus), FILE_ENTRY("present", sys_show_cpus), FILE_ENTRY("online", sys_show_cpus),
	FILE_ENTRY("offline", show_no_cpus), TEXT_ENTRY("kernel_max", "63"),
};
