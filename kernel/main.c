/* SPDX-License-Identifier: MIT */
/*
 * Boot: from the machine's first call to init's first instruction.
 *
 * kernel_main builds what everything needs (frames, slabs, spaces, tasks) with interrupts off, then
 * starts the init task and becomes the idle task of the first CPU. The init task does the rest, since
 * it may sleep: file systems, drivers, other CPUs, the initial RAM disk, the program.
 *
 * Which program: rdinit= or /init when the RAM disk has it; else init= (and then nothing else); else
 * /sbin/init, /etc/init, /bin/init, /bin/sh. No program at all is a panic, as on Linux.
 */
#include "main.h"
#include "task/task.h"
#include <drivers/drivers.h>
#include <fs/file.h>
#include <fs/pseudo.h>
#include <fs/tty.h>
#include <fs/vfs.h>
#include <hal/boot.h>
#include <hal/irq.h>
#include <hal/log.h>
#include <kernel/cgroup.h>
#include <kernel/entry.h>
#include <kernel/exec.h>
#include <kernel/init.h>
#include <kernel/psi.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/vdso.h>
#include <lib/parse.h>
#include <lib/string.h>
#include <linux/stat.h>
#include <mm/commit.h>
#include <mm/compact.h>
#include <mm/frame.h>
#include <mm/policy.h>
#include <mm/radix.h>
#include <mm/reclaim.h>
#include <mm/swap.h>
#include <mm/slab.h>
#include <mm/space.h>

#define MAX_INIT_WORDS 40

extern const initcall_fn initcalls_start[], initcalls_end[];
extern u32 randomize_va_space;

static void init_main(void *arg);

void kernel_main(void)
{
	struct task *init;
	sched_init();
	cmdline_init();
	hal_log(LOG_NOTICE, "Quire 6.1.0-quire (x86_64)");
	hal_log(LOG_INFO, "Command line: %s", hal_boot_info()->cmdline);
	frame_init();
	slab_keeps_notes = cmdline_get("quire.leaks") != NULL;
	slab_init();
	radix_init_cache();
	reclaim_init();
	compact_init();
	swap_init();
	space_init();
	hal_log(LOG_INFO, "Memory: %lluK/%lluK available", (unsigned long long)frame_nr_free() * 4,
	        (unsigned long long)hal_ram_total() / 1024);
	hal_selftest();
	task_cache_init();
	psi_start();
	clock_set_realtime(hal_boot_time_s() * (s64)NSEC_PER_SEC);
	if (cmdline_get("norandmaps"))
		randomize_va_space = 0;
	cgroup_init();
	kthread_init(&init, init_main);
	sched_task_start(init);
	sched_start_cpu();
}

void kernel_cpu_main(void) { sched_start_cpu(); }

/* Files and directories that a RAM disk may count on; it may bring its own. */
static void make_default_root(void)
{
	vfs_mkdir(AT_FDCWD, "/dev", 0755);
	vfs_mknod(AT_FDCWD, "/dev/console", S_IFCHR | 0600, dev_make(5, 1));
	vfs_mkdir(AT_FDCWD, "/root", 0700);
}

static void unpack_initrd(void)
{
	const struct hal_boot_info *b = hal_boot_info();
	if (!b->initrd)
		return;
	int err = initramfs_unpack(b->initrd, b->initrd_len, hal_boot_release_initrd);
	if (err)
		hal_log(LOG_EMERG, "Initramfs unpacking failed: error %d", err);
	hal_boot_release_initrd(b->initrd_len);
}

static void open_console(void)
{
	struct file *f = vfs_open(AT_FDCWD, "/dev/console", O_RDWR, 0);
	if (IS_ERR(f)) {
		hal_log(LOG_ERR, "Warning: unable to open an initial console (error %ld).", PTR_ERR(f));
		return;
	}
	for (int fd = 0; fd < 3; fd++) {
		file_get(f);
		fd_install(f, 0, false);
	}
	file_put(f);
}

static int try_init(const char *path)
{
	const char *argv[MAX_INIT_WORDS] = { path }, *envp[MAX_INIT_WORDS] = { "HOME=/", "TERM=linux" };
	cmdline_for_init(argv, MAX_INIT_WORDS, envp, MAX_INIT_WORDS);
	hal_log(LOG_INFO, "Run %s as init process", path);
	return exec_kernel(path, argv, envp);
}

static bool exists(const char *path)
{
	struct path p;
	if (vfs_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p))
		return false;
	path_put(&p);
	return true;
}

static void run_init(void)
{
	static const char *const usual[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };
	const char *ram = cmdline_get("rdinit"), *asked = cmdline_get("init");
	if (!ram)
		ram = "/init";
	if (exists(ram)) {
		int err = try_init(ram);
		hal_log(LOG_ERR, "Failed to execute %s (error %d)", ram, err);
	}
	if (asked) {
		int err = try_init(asked);
		hal_panic("Requested init %s failed (error %d).", asked, err);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(usual); i++) {
		int err = try_init(usual[i]);
		if (err && err != -ENOENT)
			hal_log(LOG_ERR, "Starting init: %s exists but couldn't execute it (error %d)", usual[i], err);
	}
	hal_panic("No working init found.  Try passing init= option to kernel.");
}

static unsigned cpus_wanted(void)
{
	u64 n = HAL_MAX_CPUS;
	const char *s = cmdline_get("maxcpus");
	if (cmdline_get("nosmp"))
		return 1;
	if (s && (!parse_u64(s, 10, &n, NULL) || !n))
		return 1;
	return (unsigned)min(n, (u64)HAL_MAX_CPUS);
}

static void choose_policy(void)
{
	const char *name = cmdline_get("quire.policy");
	const struct policy *p = name ? policy_find(name) : NULL;
	if (p)
		policy_switch(p);
	else if (name)
		hal_log(LOG_WARNING, "quire.policy=%s: no such replacement policy, %s is used", name, policy_current()->name);
}

static void init_main(void *arg)
{
	struct task *t = current;
	vfs_init();
	t->files = files_new();
	t->fs = fs_context_new();
	if (!t->files || !t->fs)
		hal_panic("no memory for the first process");
	if (vdso_init)
		vdso_init();
	fs_pseudo_init();
	choose_policy();
	if (reclaim_start())
		hal_panic("no memory for kswapd");
	if (compact_start())
		hal_panic("no memory for kcompactd");
	drivers_init();
	for (const initcall_fn *fn = initcalls_start; fn < initcalls_end; fn++)
		(*fn)();
	hal_start_cpus(cpus_wanted());
	selftest_run();
	make_default_root();
	unpack_initrd();
	space_commit_init();
	tty_await_console();
	open_console();
	hal_log(LOG_INFO, "%llu ms to init, %lluK free", (unsigned long long)(hal_clock_ns() / 1000000),
	        (unsigned long long)frame_nr_free() * 4);
	run_init();
}
