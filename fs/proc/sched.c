/* SPDX-License-Identifier: MIT */
/* /proc/PID: sched, schedstat, stack: how a task runs, and where it sleeps. */
#include "proc.h"
#include <hal/backtrace.h>
#include <hal/time.h>
#include <kernel/sched.h>
#include <kernel/sched_view.h>

#define STACK_DEPTH 64

static void line(struct seq *s, const char *name, u64 v) { seq_printf(s, "%-45s:%21lld\n", name, (long long)v); }

static void line_ns(struct seq *s, const char *name, u64 ns)
{
	seq_printf(s, "%-45s:%14llu.%06llu\n", name, (unsigned long long)(ns / 1000000), (unsigned long long)(ns % 1000000));
}

/* The scheduler keeps no running averages of load, and there is one memory node: those lines are missing. */
int process_sched(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	struct sched_view v;
	if (!t)
		return -ESRCH;
	sched_view(t, &v);
	seq_comm(s, t, false);
	seq_printf(s, " (%u, #threads: %u)\n", t->tid, n->process->nr_threads);
	for (unsigned i = 0; i < 67; i++)
		seq_putc(s, '-');
	seq_putc(s, '\n');
	line_ns(s, "se.exec_start", v.exec_start_ns);
	line_ns(s, "se.vruntime", v.vruntime);
	line_ns(s, "se.sum_exec_runtime", v.sum_exec_ns);
	line(s, "se.nr_migrations", v.nr_migrations);
	line(s, "nr_switches", v.nr_voluntary + v.nr_involuntary);
	line(s, "nr_voluntary_switches", v.nr_voluntary);
	line(s, "nr_involuntary_switches", v.nr_involuntary);
	line(s, "se.load.weight", (u64)v.weight << 10); /* Linux shows ten bits of fraction */
	line(s, "policy", v.policy);
	line(s, "prio", (u64)v.prio);
	u64 before = hal_clock_ns();
	line(s, "clock-delta", hal_clock_ns() - before);
	task_put(t);
	return 0;
}

/* On Linux a write clears statistics that only some kernels keep; here there are none. */
int store_sched(struct pseudo_node *n, char *text, size_t len)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	task_put(t);
	return 0;
}

int process_schedstat(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	struct sched_view v;
	if (!t)
		return -ESRCH;
	sched_view(t, &v);
	seq_printf(s, "%llu %llu %llu\n", (unsigned long long)v.sum_exec_ns, (unsigned long long)v.wait_ns, (unsigned long long)v.nr_runs);
	task_put(t);
	return 0;
}

/* For root alone, as addresses of the kernel are: those are not shown. */
int process_stack(struct seq *s, struct pseudo_node *n)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	struct task *t = node_task(n);
	u64 *addresses = kmalloc(STACK_DEPTH * sizeof(u64), ALLOC_KERNEL);
	if (t && addresses) {
		unsigned nr = sched_backtrace(t, addresses, STACK_DEPTH);
		for (unsigned i = 0; i < nr; i++) {
			u64 offset, size;
			const char *name = hal_symbol(addresses[i], &offset, &size);
			if (name)
				seq_printf(s, "[<0>] %s+0x%llx/0x%llx\n", name, (unsigned long long)offset, (unsigned long long)size);
		}
	}
	if (t)
		task_put(t);
	kfree(addresses);
	return !t ? -ESRCH : addresses ? 0 : -ENOMEM;
}
