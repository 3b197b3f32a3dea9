/* SPDX-License-Identifier: MIT */
/* sysfs: its root, and what the kernel shows of itself. The tree is generated like proc's. */
#include "sysfs.h"
#include <fs/pseudo.h>
#include <kernel/sched.h>
#include <mm/compact.h>
#include <mm/frame.h>
#include <mm/host.h>
#include <mm/policy.h>
#include <mm/stat.h>

/* ---- directories with numbered names ---- */

int sys_numbered_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	const struct sys_numbered *w = n->entry->data;
	size_t skip = strlen(w->prefix);
	u32 number;
	if (len <= skip || memcmp(name, w->prefix, skip) || !pseudo_parse_number(name + skip, len - skip, &number) || number >= w->count() || (w->is_there && !w->is_there(number)))
		return -ENOENT;
	return pseudo_inode_new(dir->super, w->entry, NULL, 0, n->arg | (u64)number << w->shift, out);
}

int sys_numbered_list(struct file *f, struct dir_emit *e)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	const struct sys_numbered *w = n->entry->data;
	for (; f->pos - PSEUDO_DYNAMIC < w->count(); f->pos++) {
		char name[16];
		u64 number = f->pos - PSEUDO_DYNAMIC;
		if (w->is_there && !w->is_there((unsigned)number))
			continue;
		int len = snprintf(name, sizeof(name), "%s%llu", w->prefix, (unsigned long long)number);
		if (!e->emit(e, name, (size_t)len, pseudo_ino(w->entry, 0, n->arg | number << w->shift), 4, f->pos + 1))
			return 0;
	}
	return 0;
}

static const struct pseudo_entry system_entries[] = {
	SYS_NUMBERED_DIR("cpu", sys_cpu_entries, sys_cpus),
	SYS_NUMBERED_DIR("node", sys_node_entries, sys_nodes),
	SYS_NUMBERED_DIR("memory", sys_memory_entries, sys_memory_blocks),
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
