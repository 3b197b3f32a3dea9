/* SPDX-License-Identifier: MIT */
/* The machine and its kernel: stat, uptime, loadavg, version, cpuinfo, devices ... */
#include "proc.h"
#include <asm/poll.h>
#include <fs/tty.h>
#include <hal/boot.h>
#include <hal/mem.h>
#include <hal/time.h>
#include <kernel/klog.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/uts.h>

static unsigned long long ticks(u64 ns) { return ns / TICK_NS; }

static void cpu_line(struct seq *s, const char *name, const struct cpu_times *t)
{
	seq_printf(s, "%s %llu %llu %llu %llu %llu %llu 0 0 0 0\n", name, ticks(t->user_ns), ticks(t->nice_ns), ticks(t->system_ns), ticks(t->idle_ns),
	           ticks(t->iowait_ns), ticks(t->irq_ns));
}

static void add_times(struct cpu_times *sum, const struct cpu_times *t)
{
	sum->user_ns += t->user_ns;
	sum->nice_ns += t->nice_ns;
	sum->system_ns += t->system_ns;
	sum->idle_ns += t->idle_ns;
	sum->iowait_ns += t->iowait_ns;
	sum->irq_ns += t->irq_ns;
}

int show_stat(struct seq *s, struct pseudo_node *n)
{
	struct cpu_times sum = { 0 }, each;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		sched_cpu_times(cpu, &each);
		add_times(&sum, &each);
	}
	cpu_line(s, "cpu ", &sum);
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		char name[12];
		sched_cpu_times(cpu, &each);
		snprintf(name, sizeof(name), "cpu%u", cpu);
		cpu_line(s, name, &each);
	}
	show_interrupt_sums(s);
	seq_printf(s, "ctxt %llu\nbtime %llu\nprocesses %llu\nprocs_running %u\nprocs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
	           (unsigned long long)sched_nr_switches(), (unsigned long long)(clock_realtime_offset_ns() / (s64)NSEC_PER_SEC),
	           (unsigned long long)sched_nr_forks(), sched_nr_running(), sched_nr_blocked());
	return 0;
}

int show_uptime(struct seq *s, struct pseudo_node *n)
{
	u64 up = hal_clock_ns() / 10000000, idle = 0;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		struct cpu_times t;
		sched_cpu_times(cpu, &t);
		idle += t.idle_ns;
	}
	idle /= 10000000;
	seq_printf(s, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / 100), (unsigned long long)(up % 100), (unsigned long long)(idle / 100),
	           (unsigned long long)(idle % 100));
	return 0;
}

int show_loadavg(struct seq *s, struct pseudo_node *n)
{
	u64 avg[3];
	sched_load_average(avg);
	for (unsigned i = 0; i < 3; i++) {
		u64 v = avg[i] + 10; /* to the nearest hundredth: half of one is 10/2048 */
		seq_printf(s, "%llu.%02llu ", (unsigned long long)(v >> 11), (unsigned long long)((v & 2047) * 100 >> 11));
	}
	seq_printf(s, "%u/%u %u\n", sched_nr_running(), task_count(), task_last_pid());
	return 0;
}

int show_version(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "Linux version " UTS_RELEASE " (quire@quire) (gcc " __VERSION__ ") " UTS_VERSION "\n");
	return 0;
}

int show_cmdline(struct seq *s, struct pseudo_node *n)
{
	seq_printf(s, "%s\n", hal_boot_info()->cmdline);
	return 0;
}

int show_cpuinfo(struct seq *s, struct pseudo_node *n)
{
	char *text = kmalloc(PAGE_SIZE, ALLOC_KERNEL);
	if (!text)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		hal_cpu_describe(cpu, text, PAGE_SIZE);
		seq_puts(s, text);
		seq_putc(s, '\n');
	}
	kfree(text);
	return 0;
}

/* Where what lies is nothing for everybody: without CAP_SYS_ADMIN addresses are 0. */
int show_iomem(struct seq *s, struct pseudo_node *n)
{
	paddr_t start, end;
	const char *name;
	bool may_see = capable(CAP_SYS_ADMIN);
	for (unsigned i = 0; (name = hal_memory_map(i, &start, &end)) != NULL; i++)
		seq_printf(s, "%08llx-%08llx : %s\n", may_see ? (unsigned long long)start : 0, may_see ? (unsigned long long)end - 1 : 0, name);
	return 0;
}

static bool add_type(const struct fs_type *t, void *arg)
{
	seq_printf(arg, "%s\t%s\n", t->needs_device ? "" : "nodev", t->name);
	return true;
}

int show_filesystems(struct seq *s, struct pseudo_node *n)
{
	vfs_for_each_type(add_type, s);
	return 0;
}

struct device_names {
	struct seq *seq;
	u32 major;
};

static bool add_device(struct chrdev *d, void *arg)
{
	struct device_names *w = arg;
	static const char *const by_major[] = { [1] = "mem", [4] = "ttyS", [136] = "pts" };
	if (d->major != w->major)
		return true;
	if (d->major == 5) {
		seq_printf(w->seq, "%3u /dev/%s\n", d->major, d->name);
		return true;
	}
	seq_printf(w->seq, "%3u %s\n", d->major, d->major < ARRAY_SIZE(by_major) && by_major[d->major] ? by_major[d->major] : d->name);
	return false;
}

int show_devices(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, "Character devices:\n");
	for (u32 major = 1; major < 512; major++) {
		struct device_names w = { s, major };
		chrdev_for_each(add_device, &w);
	}
	seq_puts(s, "\nBlock devices:\n");
	show_block_drivers(s);
	return 0;
}

/* Flags: it can read and write, and it is the one that /dev/console means. */
int show_consoles(struct seq *s, struct pseudo_node *n)
{
	char name[16];
	u32 major, minor;
	if (tty_console(name, sizeof(name), &major, &minor))
		seq_printf(s, "%-20s -W- (EC   a)    %u:%u\n", name, major, minor);
	return 0;
}

int show_nothing(struct seq *s, struct pseudo_node *n) { return 0; }

/* /proc/kmsg is syslog(2)'s reading by another name. */

static long kmsg_read(struct file *f, struct iov *iov, u64 *pos)
{
	if (iov->kernel || !iov->left)
		return iov->left ? -EINVAL : 0;
	if ((f->flags & O_NONBLOCK) && klog_syslog(9, 0, 0) == 0)
		return -EAGAIN;
	return klog_syslog(2, iov->vec[0].base + iov->offset, (s64)min(iov->vec[0].len - iov->offset, iov->left));
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	poll_add(pt, &klog_waitq);
	if (klog_syslog(9, 0, 0) > 0)
		return POLLIN | POLLRDNORM;
	if (pt && pt->add)
		klog_watch();
	return 0;
}

const struct file_ops proc_kmsg_fops = { .read = kmsg_read, .poll = kmsg_poll, .name = "kmsg" };
