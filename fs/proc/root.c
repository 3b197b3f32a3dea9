/* SPDX-License-Identifier: MIT */
/* The root of proc: fixed names, self, and a directory for each process. */
#include "proc.h"
#include <fs/pseudo.h>

#define LIST_BATCH 64

static struct super *proc_super;

static long self_readlink(struct inode *i, char *buf, size_t size) { return snprintf(buf, size, "%u", current->process->pid); }

static long thread_self_readlink(struct inode *i, char *buf, size_t size)
{
	return snprintf(buf, size, "%u/task/%u", current->process->pid, current->tid);
}

static long mounts_readlink(struct inode *i, char *buf, size_t size) { return snprintf(buf, size, "self/mounts"); }

int root_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	u32 pid;
	if (!pseudo_parse_number(name, len, &pid) || !pid)
		return -ENOENT;
	struct process *p = process_find(pid);
	u32 tid = 0;
	if (!p) { /* a thread has a directory too, though it is not listed */
		struct task *t = task_find(pid);
		if (!t)
			return -ENOENT;
		p = t->process;
		process_get(p);
		tid = pid;
		task_put(t);
	}
	int err = pseudo_inode_new(dir->super, &process_dir, p, tid, 0, out);
	process_put(p);
	return err;
}

/* The lowest pids >= from, sorted; how many. */
static unsigned collect_pids(u32 from, u32 pids[LIST_BATCH])
{
	unsigned nr = 0;
	struct task *t;
	spin_lock(&tasklist_lock);
	list_for_each_entry(t, &all_tasks, all_link) {
		u32 pid = t->tid;
		if (pid < from || t->process->leader != t || (nr == LIST_BATCH && pid > pids[nr - 1]))
			continue;
		unsigned at = nr < LIST_BATCH ? nr++ : nr - 1;
		for (; at > 0 && pids[at - 1] > pid; at--)
			pids[at] = pids[at - 1];
		pids[at] = pid;
	}
	spin_unlock(&tasklist_lock);
	return nr;
}

static int root_list(struct file *f, struct dir_emit *e)
{
	u32 pids[LIST_BATCH];
	unsigned nr;
	do {
		nr = collect_pids((u32)(f->pos - PSEUDO_DYNAMIC), pids);
		for (unsigned i = 0; i < nr; i++) {
			char name[12];
			int len = snprintf(name, sizeof(name), "%u", pids[i]);
			u64 next = (u64)pids[i] + 1 + PSEUDO_DYNAMIC;
			if (!e->emit(e, name, (size_t)len, pseudo_ino(&process_dir, pids[i], 0), 4, next))
				return 0;
			f->pos = next;
		}
	} while (nr == LIST_BATCH);
	return 0;
}

/* fs/proc/config_image.S; bytes, not lines. */
extern const char proc_config[], proc_config_end[];

static int show_config(struct seq *s, struct pseudo_node *n)
{
	seq_write(s, proc_config, (size_t)(proc_config_end - proc_config));
	return 0;
}

#define SHORT_LINK(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = (fn) }

static const struct pseudo_entry root_entries[] = {
	SHORT_LINK("self", self_readlink),
	SHORT_LINK("thread-self", thread_self_readlink),
	SHORT_LINK("mounts", mounts_readlink),
	FILE_ENTRY("meminfo", show_meminfo),
	FILE_ENTRY("vmstat", show_vmstat),
	FILE_ENTRY("buddyinfo", show_buddyinfo),
	{ .name = "pagetypeinfo", .mode = S_IFREG | 0400, .show = show_pagetypeinfo },
	FILE_ENTRY("zoneinfo", show_zoneinfo),
	{ .name = "slabinfo", .mode = S_IFREG | 0400, .show = show_slabinfo },
	FILE_ENTRY("stat", show_stat),
	FILE_ENTRY("uptime", show_uptime),
	FILE_ENTRY("loadavg", show_loadavg),
	FILE_ENTRY("version", show_version),
	FILE_ENTRY("cmdline", show_cmdline),
	FILE_ENTRY("cpuinfo", show_cpuinfo),
	FILE_ENTRY("iomem", show_iomem),
	FILE_ENTRY("filesystems", show_filesystems),
	FILE_ENTRY("devices", show_devices),
	FILE_ENTRY("interrupts", show_interrupts),
	FILE_ENTRY("softirqs", show_softirqs),
	FILE_ENTRY("config.gz", show_config),
	FILE_ENTRY("swaps", show_swaps),
	FILE_ENTRY("locks", show_locks),
	FILE_ENTRY("partitions", show_partitions),
	FILE_ENTRY("diskstats", show_diskstats),
	FILE_ENTRY("consoles", show_consoles),
	{ .name = "kmsg", .mode = S_IFREG | 0400, .fops = &proc_kmsg_fops },
	{ .name = "kpagecount", .mode = S_IFREG | 0400, .fops = &proc_kpagecount_fops },
	{ .name = "kpageflags", .mode = S_IFREG | 0400, .fops = &proc_kpageflags_fops },
};

/* The subdirectories are tables of their own files, put behind these at boot. */
static struct pseudo_entry all_entries[ARRAY_SIZE(root_entries) + 5];
static struct pseudo_entry root_dir = { .name = "proc", .mode = S_IFDIR | 0555, .children = all_entries, .nr_children = ARRAY_SIZE(all_entries), .lookup = root_lookup, .list = root_list };

static int proc_mount(const char *source, u32 flags, const char *data, struct super **out) { return pseudo_mount(proc_super, out); }

static struct fs_type proc_type = { .name = "proc", .mount = proc_mount };

void proc_init(void)
{
	memcpy(all_entries, root_entries, sizeof(root_entries));
	all_entries[ARRAY_SIZE(root_entries)] = proc_sys_dir;
	all_entries[ARRAY_SIZE(root_entries) + 1] = proc_sysvipc_dir;
	all_entries[ARRAY_SIZE(root_entries) + 2] = proc_quire_dir;
	all_entries[ARRAY_SIZE(root_entries) + 3] = proc_pressure_dir;
	all_entries[ARRAY_SIZE(root_entries) + 4] = proc_tty_dir;
	proc_super = pseudo_super_new("proc", 0x9fa0, &root_dir);
	vfs_register(&proc_type);
}

