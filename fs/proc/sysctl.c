/* SPDX-License-Identifier: MIT */
/*
 * /proc/sys. What can be written has an effect; what only has to exist, because programs read it, shows
 * the value that holds here and refuses writes.
 */
#include "proc.h"
#include <fs/blkdev.h>
#include <hal/time.h>
#include <kernel/init.h>
#include <kernel/klog.h>
#include <kernel/sched.h>
#include <kernel/shm.h>
#include <kernel/uts.h>
#include <lib/parse.h>
#include <mm/compact.h>
#include <mm/frame.h>
#include <mm/host.h>
#include <mm/stat.h>
#include <mm/writeback.h>

extern u32 randomize_va_space; /* kernel/exec */

/* ---- kernel ---- */

static int show_hostname(struct seq *s, struct pseudo_node *n)
{
	struct new_utsname u;
	uts_read(&u);
	seq_printf(s, "%s\n", n->entry->data ? u.domainname : u.nodename);
	return 0;
}

static int store_hostname(struct pseudo_node *n, char *text, size_t len)
{
	while (len && text[len - 1] == '\n')
		len--;
	if (n->entry->data)
		uts_set_domainname(text, min(len, (size_t)__NEW_UTS_LEN));
	else
		uts_set_nodename(text, min(len, (size_t)__NEW_UTS_LEN));
	return 0;
}

static void add_uuid(struct seq *s, u64 a, u64 b)
{
	a = (a & ~0xf000ull) | 0x4000;
	b = (b & ~(3ull << 62)) | 2ull << 62;
	seq_printf(s, "%08x-%04x-%04x-%04x-%012llx\n", (u32)(a >> 32), (u32)(a >> 16 & 0xffff), (u32)(a & 0xffff), (u32)(b >> 48),
	           (unsigned long long)(b & 0xffffffffffffull));
}

static int show_uuid(struct seq *s, struct pseudo_node *n)
{
	add_uuid(s, hal_random(), hal_random());
	return 0;
}

static u64 boot_id[2];

static void draw_boot_id(void)
{
	boot_id[0] = hal_random();
	boot_id[1] = hal_random();
}

INITCALL(core, draw_boot_id);

static int show_boot_id(struct seq *s, struct pseudo_node *n)
{
	add_uuid(s, boot_id[0], boot_id[1]);
	return 0;
}

static int show_printk(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\t%u\t%u\t7\n", klog_console_level, klog_default_level, klog_console_min);
	return 0;
}

static int store_printk(struct pseudo_node *n, char *text, size_t len)
{
	u32 *to[3] = { &klog_console_level, &klog_default_level, &klog_console_min };
	const char *p = text;
	for (unsigned i = 0; i < 3; i++) {
		u64 v;
		while (*p == ' ' || *p == '\t')
			p++;
		if (!parse_u64(p, 10, &v, &p))
			return i ? 0 : -EINVAL;
		*to[i] = (u32)min(v, (u64)15);
	}
	return 0;
}

static const struct pseudo_entry random_entries[] = {
	FILE_ENTRY("uuid", show_uuid),
	FILE_ENTRY("boot_id", show_boot_id),
	TEXT_ENTRY("entropy_avail", "256"),
	TEXT_ENTRY("poolsize", "256"),
};

static int show_last_pid(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", task_last_pid());
	return 0;
}

static const struct pseudo_entry kernel_entries[] = {
	DIR_ENTRY("random", random_entries),
	TEXT_ENTRY("ostype", "Linux"),
	TEXT_ENTRY("osrelease", UTS_RELEASE),
	TEXT_ENTRY("version", UTS_VERSION),
	{ .name = "hostname", .mode = S_IFREG | 0644, .show = show_hostname, .store = store_hostname },
	{ .name = "domainname", .mode = S_IFREG | 0644, .show = show_hostname, .store = store_hostname, .data = (void *)1 },
	U32_ENTRY("pid_max", pid_max, 301, 4194304),
	FILE_ENTRY("ns_last_pid", show_last_pid),
	U32_ENTRY("threads-max", threads_max, 1, 0x7fffffff),
	U32_ENTRY("randomize_va_space", randomize_va_space, 0, 2),
	U64_ENTRY("shmmax", shm_max, 0, 0x7fffffffffffffff),
	U64_ENTRY("shmall", shm_all, 0, 0x7fffffffffffffff),
	{ .name = "shmmni", .mode = S_IFREG | 0444, .show = show_u32, .data = &shm_mni },
	{ .name = "printk", .mode = S_IFREG | 0644, .show = show_printk, .store = store_printk },
	TEXT_ENTRY("ngroups_max", "65536"),
	TEXT_ENTRY("cap_last_cap", "40"),
	TEXT_ENTRY("core_pattern", "core"),
	TEXT_ENTRY("core_uses_pid", "0"),
	TEXT_ENTRY("dmesg_restrict", "0"),
	TEXT_ENTRY("kptr_restrict", "0"),
	TEXT_ENTRY("overflowuid", "65534"),
	TEXT_ENTRY("overflowgid", "65534"),
	TEXT_ENTRY("panic", "-1"),
	TEXT_ENTRY("panic_on_oops", "1"),
	TEXT_ENTRY("tainted", "0"),
	TEXT_ENTRY("sched_rr_timeslice_ms", "100"),
};

/* ---- vm ---- */

static int show_min_free(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llu\n", (unsigned long long)frame_min_free());
	return 0;
}

static int store_min_free(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	if (pseudo_parse_value(text, &v) || v < 0)
		return -EINVAL;
	frame_set_min_free((u64)v);
	return 0;
}

static int show_watermark_scale(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%u\n", frame_watermark_scale());
	return 0;
}

static int store_watermark_scale(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	if (pseudo_parse_value(text, &v) || v < 1 || v > 3000)
		return -EINVAL;
	frame_set_watermark_scale((u32)v);
	return 0;
}

/* The limit of mode 2 is given in percent or in KiB: setting one form clears the other. */
static int store_overcommit(struct pseudo_node *n, char *text, size_t len)
{
	bool is_ratio = n->entry->data == &mm_tunables.overcommit_ratio;
	int err = is_ratio ? store_u32(n, text, len) : store_u64(n, text, len);
	if (!err && is_ratio)
		mm_tunables.overcommit_kbytes = 0;
	else if (!err)
		mm_tunables.overcommit_ratio = 0;
	return err;
}

/* 1: clean pages of the cache, 2: names, inodes and other reclaimable slab. */
static int store_drop_caches(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	if (pseudo_parse_value(text, &v) || v < 1 || v > 4)
		return -EINVAL;
	if (v & 1) {
		vfs_drop_pages();
		blkdev_drop_clean_all();
		stat_add(STAT_DROP_PAGECACHE, 1);
	}
	if (v & 2) {
		while (vfs_drop_names())
			cond_resched();
		slab_drain();
		stat_add(STAT_DROP_SLAB, 1);
	}
	return 0;
}

/* A threshold is given in percent or in bytes: setting one form clears the other. */
static int store_dirty(struct pseudo_node *n, char *text, size_t len)
{
	struct writeback_tunables *t = &writeback_tunables;
	bool is_ratio = n->entry->max == 100;
	int err = is_ratio ? store_u32(n, text, len) : store_u64(n, text, len);
	if (err)
		return err;
	if (n->entry->data == &t->dirty_ratio)
		t->dirty_bytes = 0;
	else if (n->entry->data == &t->dirty_background_ratio)
		t->dirty_background_bytes = 0;
	else if (n->entry->data == &t->dirty_bytes)
		t->dirty_ratio = 0;
	else
		t->dirty_background_ratio = 0;
	return 0;
}

static int store_interval(struct pseudo_node *n, char *text, size_t len)
{
	int err = store_u32(n, text, len);
	if (!err)
		flusher_kick_all(); /* it may sleep for ever now */
	return err;
}

#define DIRTY_RATIO(n, field) { .name = (n), .mode = S_IFREG | 0644, .show = show_u32, .store = store_dirty, \
	                            .data = &writeback_tunables.field, .max = 100 }
#define DIRTY_BYTES(n, field) { .name = (n), .mode = S_IFREG | 0644, .show = show_u64, .store = store_dirty, \
	                            .data = &writeback_tunables.field, .min = 2 * PAGE_SIZE, .max = 0x7fffffffffffffff }

/* Any number does, as on Linux. */
static int store_compact_memory(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	int err = pseudo_parse_value(text, &v);
	if (err)
		return err;
	compact_all();
	return 0;
}

static const struct pseudo_entry vm_entries[] = {
	U32_ENTRY("overcommit_memory", mm_tunables.overcommit_memory, 0, 2),
	{ .name = "overcommit_ratio", .mode = S_IFREG | 0644, .show = show_u32, .store = store_overcommit,
	  .data = &mm_tunables.overcommit_ratio, .max = 0x7fffffff },
	{ .name = "overcommit_kbytes", .mode = S_IFREG | 0644, .show = show_u64, .store = store_overcommit,
	  .data = &mm_tunables.overcommit_kbytes, .max = 0x7fffffffffffffff },
	U32_ENTRY("max_map_count", mm_tunables.max_map_count, 0, 0x7fffffff),
	U64_ENTRY("mmap_min_addr", mm_tunables.mmap_min_addr, 0, 0x7fffffffffff),
	{ .name = "min_free_kbytes", .mode = S_IFREG | 0644, .show = show_min_free, .store = store_min_free },
	{ .name = "watermark_scale_factor", .mode = S_IFREG | 0644, .show = show_watermark_scale, .store = store_watermark_scale },
	{ .name = "compact_memory", .mode = S_IFREG | 0200, .store = store_compact_memory },
	U32_ENTRY("extfrag_threshold", compact_extfrag_threshold, 0, 1000),
	U32_ENTRY("compact_unevictable_allowed", compact_unevictable_allowed, 0, 1),
	{ .name = "drop_caches", .mode = S_IFREG | 0200, .store = store_drop_caches },
	U32_ENTRY("swappiness", mm_tunables.swappiness, 0, 200),
	U32_ENTRY("page-cluster", mm_tunables.page_cluster, 0, 31),
	U32_ENTRY("panic_on_oom", mm_tunables.panic_on_oom, 0, 2),
	U32_ENTRY("oom_kill_allocating_task", mm_tunables.oom_kill_allocating_task, 0, 0x7fffffff),
	U32_ENTRY("oom_dump_tasks", mm_tunables.oom_dump_tasks, 0, 0x7fffffff),
	TEXT_ENTRY("nr_hugepages", "0"),
	TEXT_ENTRY("nr_overcommit_hugepages", "0"),
	DIRTY_RATIO("dirty_ratio", dirty_ratio),
	DIRTY_RATIO("dirty_background_ratio", dirty_background_ratio),
	DIRTY_BYTES("dirty_bytes", dirty_bytes),
	DIRTY_BYTES("dirty_background_bytes", dirty_background_bytes),
	U32_ENTRY("dirty_expire_centisecs", writeback_tunables.dirty_expire_centisecs, 0, 0x7fffffff),
	{ .name = "dirty_writeback_centisecs", .mode = S_IFREG | 0644, .show = show_u32, .store = store_interval,
	  .data = &writeback_tunables.dirty_writeback_centisecs, .max = 0x7fffffff },
	U32_ENTRY("vfs_cache_pressure", mm_tunables.vfs_cache_pressure, 0, 0x7fffffff),
	U64_ENTRY("admin_reserve_kbytes", mm_tunables.admin_reserve_kbytes, 0, 0x7fffffffffffffff),
	U64_ENTRY("user_reserve_kbytes", mm_tunables.user_reserve_kbytes, 0, 0x7fffffffffffffff),
	TEXT_ENTRY("laptop_mode", "0"),
	TEXT_ENTRY("unprivileged_userfaultfd", "0"),
	TEXT_ENTRY("zone_reclaim_mode", "0"),
};

/* ---- fs ---- */

struct count {
	const char *name;
	u64 active, total;
};

static bool count_objects(const struct slab_stat *c, void *arg)
{
	struct count *w = arg;
	if (strcmp(c->name, w->name))
		return true;
	w->active = c->active_objects;
	w->total = c->total_objects;
	return false;
}

static int show_file_nr(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%llu\t0\t%llu\n", (unsigned long long)files_count(), (unsigned long long)READ_ONCE(files_max));
	return 0;
}

static int show_inode_nr(struct seq *s, struct pseudo_node *n)
{
	struct count c = { .name = "inode_cache" };
	slab_for_each(count_objects, &c);
	seq_printf(s, n->entry->data ? "%llu\t0\t0\t0\t0\t0\t0\n" : "%llu\t0\n", (unsigned long long)c.active);
	return 0;
}

static int show_dentry_state(struct seq *s, struct pseudo_node *n)
{
	struct count c = { .name = "dentry" };
	slab_for_each(count_objects, &c);
	seq_printf(s, "%llu\t0\t45\t0\t0\t0\n", (unsigned long long)c.active);
	return 0;
}

static const struct pseudo_entry fs_entries[] = {
	U64_ENTRY("file-max", files_max, 0, INT64_MAX),
	FILE_ENTRY("file-nr", show_file_nr),
	FILE_ENTRY("inode-nr", show_inode_nr),
	{ .name = "inode-state", .mode = S_IFREG | 0444, .show = show_inode_nr, .data = (void *)1 },
	FILE_ENTRY("dentry-state", show_dentry_state),
	TEXT_ENTRY("nr_open", "1048576"),
	TEXT_ENTRY("pipe-max-size", "1048576"),
	TEXT_ENTRY("pipe-user-pages-hard", "0"),
	TEXT_ENTRY("pipe-user-pages-soft", "0"),
	TEXT_ENTRY("overflowuid", "65534"),
	TEXT_ENTRY("overflowgid", "65534"),
	TEXT_ENTRY("suid_dumpable", "0"),
	TEXT_ENTRY("protected_fifos", "0"),
	TEXT_ENTRY("protected_hardlinks", "0"),
	TEXT_ENTRY("protected_regular", "0"),
	TEXT_ENTRY("protected_symlinks", "0"),
};

static const struct pseudo_entry sys_entries[] = {
	DIR_ENTRY("kernel", kernel_entries),
	DIR_ENTRY("vm", vm_entries),
	DIR_ENTRY("fs", fs_entries),
};

const struct pseudo_entry proc_sys_dir = DIR_ENTRY("sys", sys_entries);

/* ---- sysvipc ---- */

static bool add_segment(const struct shm_info_k *i, void *arg)
{
	seq_printf(arg, "%10d %10d  %4o %21llu %5d %5d  %5llu %5u %5u %5u %5u %10lld %10lld %10lld %21llu %21llu\n", i->key, i->id, i->mode,
	           (unsigned long long)i->size, i->cpid, i->lpid, (unsigned long long)i->nattch, i->uid, i->gid, i->cuid, i->cgid, (long long)i->atime,
	           (long long)i->dtime, (long long)i->ctime, (unsigned long long)i->rss_bytes, (unsigned long long)i->swap_bytes);
	return !((struct seq *)arg)->failed;
}

static bool count_segment(const struct shm_info_k *i, void *arg)
{
	++*(size_t *)arg;
	return true;
}

static int show_shm(struct seq *s, struct pseudo_node *n)
{
	size_t nr = 0;
	seq_puts(s, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime"
	            "                   rss                  swap\n");
	shm_for_each(count_segment, &nr);
	seq_reserve(s, (nr + 16) * 256); /* the table is locked while lines are added */
	shm_for_each(add_segment, s);
	return 0;
}

static int show_msg(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n");
	return 0;
}

static int show_sem(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	return 0;
}

static const struct pseudo_entry sysvipc_entries[] = { FILE_ENTRY("shm", show_shm), FILE_ENTRY("msg", show_msg), FILE_ENTRY("sem", show_sem) };
const struct pseudo_entry proc_sysvipc_dir = DIR_ENTRY("sysvipc", sysvipc_entries);
