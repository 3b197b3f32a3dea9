/* SPDX-License-Identifier: MIT */
/*
 * Directories of processes and threads: /proc/PID, /proc/PID/task/TID.
 *
 * A node holds its process by reference, so a pid that is given out again never shows another process
 * through an old descriptor: node_task() finds the threads of that very process, or nobody. What shows
 * a process's insides (memory, environment, descriptors) is for itself, its user, and CAP_SYS_PTRACE.
 */
#include "proc.h"
#include <kernel/cgroup.h>
#include <kernel/ptrace.h>
#include <lib/parse.h>
#include <mm/slab.h>

/* ---- who is meant, and who may look ---- */

struct task *node_task(struct pseudo_node *n)
{
	struct task *t = NULL;
	if (!n->process)
		return NULL;
	spin_lock(&tasklist_lock);
	if (process_find_locked(n->process->pid) == n->process) {
		t = n->tid ? task_find_locked(n->tid) : n->process->leader;
		if (t && t->process != n->process)
			t = NULL;
		if (t)
			task_get(t);
	}
	spin_unlock(&tasklist_lock);
	return t;
}

bool may_inspect(struct task *t) { return ptrace_may_access(t, true); }

struct space *node_space(struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return NULL;
	struct space *s = task_get_space(t);
	task_put(t);
	return s;
}

struct files *task_get_files(struct task *t)
{
	spin_lock(&tasklist_lock);
	struct files *f = t->files;
	if (f)
		files_get(f);
	spin_unlock(&tasklist_lock);
	return f;
}

void seq_comm(struct seq *s, struct task *t, bool escape_blank)
{
	char comm[sizeof(t->comm)];
	memcpy(comm, t->comm, sizeof(comm));
	comm[sizeof(comm) - 1] = 0;
	if (escape_blank)
		seq_escape(s, comm, "\n\\");
	else
		seq_puts(s, comm);
}

/* ---- links ---- */

/* The caller's checks for following a link into a process. */
static int inspected_task(struct inode *i, struct task **out)
{
	struct task *t = node_task(pseudo_node_of(i));
	if (!t)
		return -ESRCH;
	if (!may_inspect(t)) {
		task_put(t);
		return -EACCES;
	}
	*out = t;
	return 0;
}

static int exe_follow(struct inode *i, struct path *out)
{
	struct task *t;
	int err = inspected_task(i, &t);
	if (err)
		return err;
	spin_lock(&tasklist_lock);
	struct file *f = t->process->exe_file;
	if (f)
		file_get(f);
	spin_unlock(&tasklist_lock);
	task_put(t);
	return f ? file_to_path(f, out) : -ENOENT;
}

static int place_follow(struct inode *i, struct path *out, void (*get)(struct fs_context *, struct path *))
{
	struct task *t;
	int err = inspected_task(i, &t);
	if (err)
		return err;
	spin_lock(&tasklist_lock);
	struct fs_context *c = t->fs;
	if (c)
		fs_context_get(c);
	spin_unlock(&tasklist_lock);
	task_put(t);
	if (!c)
		return -ENOENT;
	get(c, out);
	fs_context_put(c);
	return 0;
}

static int cwd_follow(struct inode *i, struct path *out) { return place_follow(i, out, fs_context_cwd); }
static int root_follow(struct inode *i, struct path *out) { return place_follow(i, out, fs_context_root); }

/* The name of the place that a link leads to. */
static long place_readlink(struct inode *i, char *buf, size_t size)
{
	struct path p;
	int err = pseudo_node_of(i)->entry->follow(i, &p);
	if (err)
		return err;
	char *name = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
	long n = name ? path_name(&p, name, FS_PATH_MAX) : -ENOMEM;
	path_put(&p);
	if (n > 0) {
		n = min(n, (long)size);
		memcpy(buf, name, (size_t)n);
	}
	kfree(name);
	return n;
}

/* ---- small files ---- */

static int show_comm(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	seq_comm(s, t, false);
	seq_putc(s, '\n');
	task_put(t);
	return 0;
}

static int store_comm(struct pseudo_node *n, char *text, size_t len)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	int err = t->process == current->process ? 0 : -EINVAL;
	if (!err) {
		char comm[sizeof(t->comm)] = { 0 };
		memcpy(comm, text, min(len, sizeof(comm) - 1));
		memcpy(t->comm, comm, sizeof(comm));
	}
	task_put(t);
	return err;
}

static int show_wchan(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	const char *name = may_inspect(t) ? task_wchan(t) : NULL;
	seq_puts(s, name ? name : "0");
	task_put(t);
	return 0;
}

static int show_personality(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	seq_printf(s, "%08x\n", (u32)t->personality);
	task_put(t);
	return 0;
}

static int show_cgroup(struct seq *s, struct pseudo_node *n)
{
	char *path = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	if (!path)
		return -ENOMEM;
	cgroup_lock();
	spin_lock(&tasklist_lock);
	const struct cgroup *g = n->process->cgroup;
	spin_unlock(&tasklist_lock);
	long len = cgroup_path(g ? g : &cgroup_root, path, PAGE_SIZE); /* it stays as long as the lock is held */
	cgroup_unlock();
	if (len > 0)
		seq_printf(s, "0::%s\n", path);
	kfree(path);
	return len < 0 ? (int)len : 0;
}

static int show_no_id(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "4294967295");
	return 0;
}

static int show_slack(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	seq_printf(s, "%llu\n", (unsigned long long)t->timer_slack_ns);
	task_put(t);
	return 0;
}

/* One name space: all ids are themselves. */
static int show_id_map(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%10u %10u %10u\n", 0u, 0u, 4294967295u);
	return 0;
}

/* ---- threads of a process ---- */

/* The lowest tid >= from among p's threads, or 0. */
static u32 next_tid(struct process *p, u32 from)
{
	u32 best = 0;
	struct task *t;
	spin_lock(&tasklist_lock);
	if (process_find_locked(p->pid) == p)
		list_for_each_entry(t, &p->threads, thread_link)
			if (t->tid >= from && (!best || t->tid < best))
				best = t->tid;
	spin_unlock(&tasklist_lock);
	return best;
}

static int task_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	u32 tid;
	if (!pseudo_parse_number(name, len, &tid) || !tid)
		return -ENOENT;
	struct pseudo_node wanted = { .process = n->process, .tid = tid };
	struct task *t = node_task(&wanted);
	if (!t)
		return -ENOENT;
	task_put(t);
	return pseudo_inode_new(dir->super, &thread_dir, n->process, tid, 0, out);
}

static int task_list(struct file *f, struct dir_emit *e)
{
	struct process *p = pseudo_node_of(f->inode)->process;
	for (u32 tid; (tid = next_tid(p, (u32)(f->pos - PSEUDO_DYNAMIC))) != 0;) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%u", tid);
		u64 next = (u64)tid + 1 + PSEUDO_DYNAMIC;
		if (!e->emit(e, name, (size_t)len, pseudo_ino(&thread_dir, p->pid, tid), 4, next))
			return 0;
		f->pos = next;
	}
	return 0;
}

/* ---- the tables ---- */

#define LINK_ENTRY(n, fn) { .name = (n), .mode = S_IFLNK | 0777, .readlink = place_readlink, .follow = (fn) }
#define PIECE_ENTRY(n, m, fn, fl) { .name = (n), .mode = S_IFREG | (m), .piece = (fn), .flags = (fl) }
#define PRIVATE_ENTRY(n, fn) { .name = (n), .mode = S_IFREG | 0400, .show = (fn), .flags = PSEUDO_INSPECT }

#define COMMON_ENTRIES                                                                              \
	{ .name = "fd", .mode = S_IFDIR | 0500, .lookup = fd_dir_lookup, .list = fd_dir_list },          \
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .lookup = fdinfo_lookup, .list = fd_dir_list },      \
	{ .name = "ns", .mode = S_IFDIR | 0511, PSEUDO_CHILDREN(process_ns_entries) },                   \
	PIECE_ENTRY("environ", 0400, process_environ, PSEUDO_INSPECT),                                  \
	PRIVATE_ENTRY("auxv", process_auxv),                                                            \
	FILE_ENTRY("status", process_status),                                                           \
	PRIVATE_ENTRY("personality", show_personality),                                                 \
	PRIVATE_ENTRY("syscall", show_syscall),                                                         \
	FILE_ENTRY("limits", process_limits),                                                           \
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm },              \
	PIECE_ENTRY("cmdline", 0444, process_cmdline, 0),                                               \
	FILE_ENTRY("stat", process_stat),                                                               \
	FILE_ENTRY("statm", process_statm),                                                             \
	PIECE_ENTRY("maps", 0444, process_maps, PSEUDO_INSPECT),                                        \
	{ .name = "mem", .mode = S_IFREG | 0600, .fops = &process_mem_fops, .flags = PSEUDO_INSPECT },   \
	LINK_ENTRY("cwd", cwd_follow),                                                                  \
	LINK_ENTRY("root", root_follow),                                                                \
	LINK_ENTRY("exe", exe_follow),                                                                  \
	FILE_ENTRY("mounts", process_mounts),                                                           \
	FILE_ENTRY("mountinfo", process_mountinfo),                                                     \
	PIECE_ENTRY("smaps", 0444, process_smaps, PSEUDO_INSPECT),                                      \
	PIECE_ENTRY("numa_maps", 0444, process_numa_maps, PSEUDO_INSPECT),                              \
	{ .name = "smaps_rollup", .mode = S_IFREG | 0444, .show = process_smaps_rollup, .flags = PSEUDO_INSPECT }, \
	{ .name = "clear_refs", .mode = S_IFREG | 0200, .store = store_clear_refs },                     \
	{ .name = "pagemap", .mode = S_IFREG | 0400, .fops = &process_pagemap_fops, .flags = PSEUDO_INSPECT }, \
	FILE_ENTRY("wchan", show_wchan),                                                                \
	PRIVATE_ENTRY("stack", process_stack),                                                           \
	{ .name = "sched", .mode = S_IFREG | 0644, .show = process_sched, .store = store_sched },        \
	FILE_ENTRY("schedstat", process_schedstat),                                                     \
	TEXT_ENTRY("cpuset", "/"), /* no group restricts them */                                         \
	FILE_ENTRY("cgroup", show_cgroup),                                                              \
	FILE_ENTRY("oom_score", process_oom_score),                                                     \
	{ .name = "oom_adj", .mode = S_IFREG | 0644, .show = show_oom_adj, .store = store_oom_adj },     \
	{ .name = "oom_score_adj", .mode = S_IFREG | 0644, .show = show_oom_score_adj, .store = store_oom_score_adj }, \
	FILE_ENTRY("loginuid", show_no_id),                                                             \
	FILE_ENTRY("sessionid", show_no_id),                                                            \
	PRIVATE_ENTRY("io", process_io),                                                                \
	FILE_ENTRY("uid_map", show_id_map),                                                             \
	FILE_ENTRY("gid_map", show_id_map)

/* Inherited by children, kept by exec: which regions a core dump has. Nothing here dumps cores. */
static int show_dump_filter(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%08x\n", READ_ONCE(n->process->dump_filter));
	return 0;
}

static int store_dump_filter(struct pseudo_node *n, char *text, size_t len)
{
	s64 filter;
	int err = pseudo_parse_int(text, &filter);
	if (!err)
		WRITE_ONCE(n->process->dump_filter, (u32)filter & DUMP_FILTER_ALL);
	return err;
}

/* What t entered the kernel with. Whoever is not at its end yet keeps its stack while the lock is held. */
static bool sleeping_regs(struct task *t, struct hal_regs *out)
{
	spin_lock(&tasklist_lock);
	bool ok = !(t->flags & (TASK_KTHREAD | TASK_EXITING)) && (t == current || (READ_ONCE(t->state) != TASK_RUNNING && !READ_ONCE(t->on_cpu)));
	if (ok)
		*out = *hal_context_regs(&t->ctx);
	spin_unlock(&tasklist_lock);
	return ok;
}

/* The call that it sleeps in, with arguments, stack pointer and address. */
static int show_syscall(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	struct hal_regs r;
	bool found = sleeping_regs(t, &r);
	s64 nr = found ? (s64)hal_regs_syscall_nr(&r) : 0;
	if (!found) {
		seq_puts(s, "running\n");
	} else {
		seq_printf(s, "%lld", (long long)nr);
		for (unsigned i = 0; nr >= 0 && i < 6; i++)
			seq_printf(s, " 0x%llx", (unsigned long long)hal_regs_syscall_arg(&r, i));
		seq_printf(s, " 0x%llx 0x%llx\n", (unsigned long long)hal_regs_sp(&r), (unsigned long long)hal_regs_ip(&r));
	}
	task_put(t);
	return 0;
}

static const struct pseudo_entry process_entries[] = {
	{ .name = "task", .mode = S_IFDIR | 0555, .lookup = task_lookup, .list = task_list },
	{ .name = "map_files", .mode = S_IFDIR | 0500, .lookup = map_files_lookup, .list = map_files_list },
	{ .name = "explain", .mode = S_IFDIR | 0500, .lookup = explain_lookup, .list = explain_list },
	{ .name = "coredump_filter", .mode = S_IFREG | 0644, .show = show_dump_filter, .store = store_dump_filter },
	COMMON_ENTRIES,
	PRIVATE_ENTRY("mountstats", process_mountstats),
	FILE_ENTRY("timerslack_ns", show_slack),
};
static const struct pseudo_entry thread_entries[] = { COMMON_ENTRIES };

const struct pseudo_entry process_dir = { .name = "PID", .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(process_entries) };
const struct pseudo_entry thread_dir = { .name = "TID", .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(thread_entries) };
