/* SPDX-License-Identifier: MIT */
/*
 * Trees of generated files: proc and sysfs. A struct pseudo_entry says what a name is and makes its
 * content; a struct pseudo_node is one inode of it, with what the content is about.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "../internal.h"
#include <fs/seq.h>
#include <lib/format.h>

struct pseudo_node;
struct region;

struct pseudo_entry {
	const char *name;
	u32 mode; /* type and rights */
	u32 flags;
	/* Files: the whole text at once ... */
	int (*show)(struct seq *s, struct pseudo_node *n);
	/* ... or in pieces: appends some from *cursor (0 at first) on and moves it. 1: more; 0: end; -errno. */
	int (*piece)(struct seq *s, struct pseudo_node *n, u64 *cursor);
	int (*store)(struct pseudo_node *n, char *text, size_t len); /* one write(2); NUL-terminated */
	/* Files that change by themselves: woken then, *count being how often so far. Seen by poll (POLLPRI). */
	struct host_waitq *(*changes)(struct pseudo_node *n, u64 *count);
	const struct file_ops *fops; /* a file with operations of its own */
	int (*open)(struct inode *i, struct file *f);
	/* Symbolic links. */
	long (*readlink)(struct inode *i, char *buf, size_t size);
	int (*follow)(struct inode *i, struct path *out);
	/* Directories: fixed names, then those that change. */
	const struct pseudo_entry *children;
	u32 nr_children;
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);
	int (*list)(struct file *f, struct dir_emit *e); /* f->pos >= PSEUDO_DYNAMIC */
	/* Directories that people make and remove; NULL: nobody can. */
	int (*mkdir)(struct inode *dir, const char *name, size_t len, struct inode **out);
	int (*rmdir)(struct inode *victim);
	/* Files that show one number or text (value.c). */
	void *data;
	s64 min, max;
};

#define PSEUDO_INSPECT 1u /* only for who may inspect the process (open) */
#define PSEUDO_CHILDREN(table) .children = (table), .nr_children = ARRAY_SIZE(table)
#define PSEUDO_DYNAMIC 256u /* directory position of the first name that changes */

#define DIR_ENTRY(n, table)  { .name = (n), .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(table) }
#define FILE_ENTRY(n, fn)    { .name = (n), .mode = S_IFREG | 0444, .show = (fn) }

struct pseudo_node {
	const struct pseudo_entry *entry;
	struct process *process; /* with a reference; NULL: not about a process */
	u32 tid;                 /* one thread; 0: the process as a whole */
	u64 arg;                 /* the entry's own: descriptor, CPU */
};

static inline struct pseudo_node *pseudo_node_of(struct inode *i) { return i->priv; }

/* A new inode for entry e; process (may be NULL) gets a reference. 0 or -ENOMEM. */
int pseudo_inode_new(struct super *s, const struct pseudo_entry *e, struct process *process, u32 tid, u64 arg, struct inode **out);
/* A mounted tree has one super for ever. */
struct super *pseudo_super_new(const char *type, u32 magic, const struct pseudo_entry *root);
int pseudo_mount(struct super *s, struct super **out);
int pseudo_readdir(struct file *f, struct dir_emit *e);
/* An inode number that stays with the same thing. */
u64 pseudo_ino(const struct pseudo_entry *e, u32 pid, u64 arg);

/* A decimal name without leading zeros. */
bool pseudo_parse_number(const char *name, size_t len, u32 *out);
/* A number that was written, with blanks around it. 0 or -EINVAL. */
int pseudo_parse_value(const char *text, s64 *out);

/* value.c: entries for one number in memory (read by everybody, written by root within bounds), and for
 * a fixed text. */
int show_u32(struct seq *s, struct pseudo_node *n);
int store_u32(struct pseudo_node *n, char *text, size_t len);
int show_u64(struct seq *s, struct pseudo_node *n);
int store_u64(struct pseudo_node *n, char *text, size_t len);
int show_text(struct seq *s, struct pseudo_node *n);
#define U32_ENTRY(n, var, lo, hi) { .name = (n), .mode = S_IFREG | 0644, .show = show_u32, .store = store_u32, .data = &(var), .min = (lo), .max = (hi) }
#define U64_ENTRY(n, var, lo, hi) { .name = (n), .mode = S_IFREG | 0644, .show = show_u64, .store = store_u64, .data = &(var), .min = (lo), .max = (hi) }
#define TEXT_ENTRY(n, text)       { .name = (n), .mode = S_IFREG | 0444, .show = show_text, .data = (void *)(text) }

/* ---- processes (process.c) ---- */

extern const struct pseudo_entry process_dir, thread_dir;
/* The thread that the node is about (the leader for a process) with a reference, or NULL: it is gone. */
struct task *node_task(struct pseudo_node *n);
/* Its memory with a reference, or NULL. */
struct space *node_space(struct pseudo_node *n);
/* May the caller see the insides of t? */
bool may_inspect(struct task *t);
struct files *task_get_files(struct task *t);
/* Its name: for threads their own. */
void seq_comm(struct seq *s, struct task *t, bool escape_blank);

int root_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);

#define PROC_LINK_SIZE 64 /* what links to open files show as their size, as on Linux */

/* fd.c */
int fd_dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int fd_dir_list(struct file *f, struct dir_emit *e);
/* The name of f, whose reference is used up, for readlink(2): its length; -ENOENT: f is NULL; -ENOMEM. */
long file_readlink(struct file *f, char *buf, size_t size);
int map_files_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int map_files_list(struct file *f, struct dir_emit *e);
int explain_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int explain_list(struct file *f, struct dir_emit *e);
int fdinfo_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int file_to_path(struct file *f, struct path *out); /* takes over f */
int nameless_path(struct inode *i, struct path *out); /* a place for an inode that has none */
extern const struct pseudo_entry process_ns_entries[10]; /* ns.c */

/* status.c, stat.c, maps.c, smaps.c, args.c, limits.c: one process */
int process_stat(struct seq *s, struct pseudo_node *n);
int process_statm(struct seq *s, struct pseudo_node *n);
int process_status(struct seq *s, struct pseudo_node *n);
int process_maps(struct seq *s, struct pseudo_node *n, u64 *cursor);
int process_smaps(struct seq *s, struct pseudo_node *n, u64 *cursor);
int process_numa_maps(struct seq *s, struct pseudo_node *n, u64 *cursor);
/* One region as maps has it, with its file's name. */
void show_region(struct seq *s, const struct region *r, char name[FS_PATH_MAX]);
int process_smaps_rollup(struct seq *s, struct pseudo_node *n);
int store_clear_refs(struct pseudo_node *n, char *text, size_t len);
int process_cmdline(struct seq *s, struct pseudo_node *n, u64 *cursor);
int process_environ(struct seq *s, struct pseudo_node *n, u64 *cursor);
int process_auxv(struct seq *s, struct pseudo_node *n);
int process_limits(struct seq *s, struct pseudo_node *n);
int process_io(struct seq *s, struct pseudo_node *n);
int process_sched(struct seq *s, struct pseudo_node *n); /* sched.c, as the next three */
int store_sched(struct pseudo_node *n, char *text, size_t len);
int process_schedstat(struct seq *s, struct pseudo_node *n);
int process_stack(struct seq *s, struct pseudo_node *n);
/* A decimal number that an int holds; -ERANGE: none does, -EINVAL: it is no number (value.c). */
int pseudo_parse_int(const char *text, s64 *v);
int process_oom_score(struct seq *s, struct pseudo_node *n); /* oom.c, as the next four */
int show_oom_score_adj(struct seq *s, struct pseudo_node *n);
int store_oom_score_adj(struct pseudo_node *n, char *text, size_t len);
int show_oom_adj(struct seq *s, struct pseudo_node *n);
int store_oom_adj(struct pseudo_node *n, char *text, size_t len);
int process_mounts(struct seq *s, struct pseudo_node *n);
int process_mountinfo(struct seq *s, struct pseudo_node *n);
int process_mountstats(struct seq *s, struct pseudo_node *n);
s64 proc_any_seek(struct file *f, s64 offset, int whence); /* to any byte: addresses, frames */
extern const struct file_ops process_mem_fops, process_pagemap_fops;

/* the machine and the kernel */
extern const struct pseudo_entry proc_sys_dir, proc_tty_dir, proc_quire_dir, proc_sysvipc_dir, proc_pressure_dir;
int show_leaks(struct seq *s, struct pseudo_node *n); /* leaks.c */
int store_leaks(struct pseudo_node *n, char *text, size_t len);
extern const struct pseudo_entry proc_trace_entries[5]; /* of proc_quire_dir: trace.c */
int show_meminfo(struct seq *s, struct pseudo_node *n);
int show_vmstat(struct seq *s, struct pseudo_node *n);
int show_buddyinfo(struct seq *s, struct pseudo_node *n);
int show_pagetypeinfo(struct seq *s, struct pseudo_node *n);
int show_zoneinfo(struct seq *s, struct pseudo_node *n);
int show_slabinfo(struct seq *s, struct pseudo_node *n);
int show_stat(struct seq *s, struct pseudo_node *n);
int show_uptime(struct seq *s, struct pseudo_node *n);
int show_loadavg(struct seq *s, struct pseudo_node *n);
int show_version(struct seq *s, struct pseudo_node *n);
int show_cmdline(struct seq *s, struct pseudo_node *n);
int show_cpuinfo(struct seq *s, struct pseudo_node *n);
int show_iomem(struct seq *s, struct pseudo_node *n);
int show_filesystems(struct seq *s, struct pseudo_node *n);
int show_devices(struct seq *s, struct pseudo_node *n);
int show_interrupts(struct seq *s, struct pseudo_node *n);
int show_softirqs(struct seq *s, struct pseudo_node *n);
void show_interrupt_sums(struct seq *s); /* a line of /proc/stat */
int show_swaps(struct seq *s, struct pseudo_node *n);
int show_locks(struct seq *s, struct pseudo_node *n);
/* Lines of /proc/locks, each after `prefix`: all, or with f those of this open file (table: its descriptors'). 0 or -ENOMEM. */
int add_locks(struct seq *s, const struct file *f, const struct files *table, const char *prefix);
int show_partitions(struct seq *s, struct pseudo_node *n);
int show_nothing(struct seq *s, struct pseudo_node *n);
int show_diskstats(struct seq *s, struct pseudo_node *n);
void show_block_drivers(struct seq *s); /* lines of /proc/devices */
int show_consoles(struct seq *s, struct pseudo_node *n);
extern const struct file_ops proc_kmsg_fops, proc_kpagecount_fops, proc_kpageflags_fops; /* frames.c */

#endif
