/* SPDX-License-Identifier: MIT */
/* The figures of a process in one line: stat, statm; and schedstat, io. */
#include "proc.h"
#include <asm/resource.h>
#include <fs/tty.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/time.h>
#include <mm/frame.h>
#include <mm/space.h>

/* PF_* of Linux that have a meaning here. */
#define PF_EXITING    0x00000004u
#define PF_FORKNOEXEC 0x00000040u
#define PF_SIGNALED   0x00000400u
#define PF_KTHREAD    0x00200000u
#define PF_RANDOMIZE  0x00400000u

static u32 linux_flags(const struct task *t)
{
	u32 f = 0;
	if (t->flags & TASK_EXITING)
		f |= PF_EXITING;
	if (t->flags & TASK_FORKED)
		f |= PF_FORKNOEXEC;
	if (t->flags & TASK_SIGNALED)
		f |= PF_SIGNALED;
	return f | (t->flags & TASK_KTHREAD ? PF_KTHREAD : PF_RANDOMIZE);
}

static unsigned long long ticks(u64 ns) { return ns / TICK_NS; }

struct totals {
	u64 utime, stime, min_faults, maj_faults;
	u32 nr_threads;
};

/* Of the thread, or of the whole process, exited threads included. */
static void add_up(struct pseudo_node *n, struct task *t, struct totals *out)
{
	struct process *p = n->process;
	struct task *each;
	if (n->tid)
		task_cpu_times(t, &out->utime, &out->stime);
	else
		process_cpu_times(p, &out->utime, &out->stime);
	spin_lock(&tasklist_lock);
	out->nr_threads = p->nr_threads;
	out->min_faults = n->tid ? t->min_faults : p->min_faults;
	out->maj_faults = n->tid ? t->maj_faults : p->maj_faults;
	if (!n->tid)
		list_for_each_entry(each, &p->threads, thread_link) {
			if (each->state == TASK_ZOMBIE)
				continue; /* in the process's sums */
			out->min_faults += each->min_faults;
			out->maj_faults += each->maj_faults;
		}
	spin_unlock(&tasklist_lock);
}

static s32 priority_of(const struct task *t)
{
	return t->sched_policy == 1 || t->sched_policy == 2 ? -1 - (s32)t->rt_priority : 20 + t->nice;
}

struct signal_sets {
	sigset_bits pending, blocked, ignored, caught;
};

static void signal_sets(struct task *t, struct signal_sets *out)
{
	*out = (struct signal_sets){ .pending = t->pending.set, .blocked = t->blocked };
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	struct sighand *h = t->process->sighand;
	for (unsigned i = 0; h && i < 64; i++) {
		if (h->actions[i].handler == 1)
			out->ignored |= 1ull << i;
		else if (h->actions[i].handler)
			out->caught |= 1ull << i;
	}
	spin_unlock_irq(&t->process->signal_lock, flags);
}

int process_stat(struct seq *s, struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ESRCH;
	struct process *p = n->process;
	struct space *m = task_get_space(t);
	struct totals sum;
	struct signal_sets sig;
	u32 tty;
	s32 foreground;
	bool open = may_inspect(t);
	add_up(n, t, &sum);
	signal_sets(t, &sig);
	tty_of_process(p, &tty, &foreground);
	spin_lock(&tasklist_lock);
	u32 ppid = p->parent ? p->parent->pid : 0, pgid = p->pgid, sid = p->sid;
	spin_unlock(&tasklist_lock);
	u64 rss = m ? (u64)(m->rss[RSS_ANON] + m->rss[RSS_FILE] + m->rss[RSS_SHMEM]) : 0;
	seq_printf(s, "%u (", n->tid ? n->tid : p->pid);
	seq_comm(s, t, true);
	seq_printf(s, ") %c %u %u %u %d %d %u", task_state_name(t)[0], ppid, pgid, sid, (s32)tty, foreground, linux_flags(t));
	seq_printf(s, " %llu %llu %llu %llu", (unsigned long long)sum.min_faults, (unsigned long long)p->child_min_faults,
	           (unsigned long long)sum.maj_faults, (unsigned long long)p->child_maj_faults);
	seq_printf(s, " %llu %llu %llu %llu %d %d %u 0 %llu", ticks(sum.utime), ticks(sum.stime), ticks(p->child_utime_ns), ticks(p->child_stime_ns),
	           priority_of(t), t->nice, sum.nr_threads, ticks(t->start_ns));
	seq_printf(s, " %llu %llu %llu", (unsigned long long)(m ? m->total_pages * PAGE_SIZE : 0), (unsigned long long)rss,
	           (unsigned long long)p->rlimits[RLIMIT_RSS].cur);
	seq_printf(s, " %lu %lu %lu 0 0", m ? (open ? m->code_start : 1ul) : 0, m ? (open ? m->code_end : 1ul) : 0, m && open ? m->stack_start : 0ul);
	seq_printf(s, " %llu %llu %llu %llu", (unsigned long long)(sig.pending & 0x7fffffff), (unsigned long long)(sig.blocked & 0x7fffffff),
	           (unsigned long long)(sig.ignored & 0x7fffffff), (unsigned long long)(sig.caught & 0x7fffffff));
	seq_printf(s, " %d 0 0 %d %u %u %u 0 0 0", open && READ_ONCE(t->state) != TASK_RUNNING, (s32)p->exit_signal, t->cpu, t->rt_priority, t->sched_policy);
	if (m && open)
		seq_printf(s, " %lu %lu %lu %lu %lu %lu %lu %u\n", m->data_start, m->data_end, m->brk_start, m->args_start, m->args_end, m->env_start,
		           m->env_end, p->exit_code);
	else
		seq_puts(s, " 0 0 0 0 0 0 0 0\n");
	if (m)
		space_put(m);
	task_put(t);
	return 0;
}

int process_statm(struct seq *s, struct pseudo_node *n)
{
	struct space *m = node_space(n);
	if (!m) {
		seq_puts(s, "0 0 0 0 0 0 0\n");
		return 0;
	}
	u64 shared = (u64)(m->rss[RSS_FILE] + m->rss[RSS_SHMEM]);
	u64 text = (PAGE_ALIGN_UP(m->code_end) - PAGE_ALIGN_DOWN(m->code_start)) >> PAGE_SHIFT;
	seq_printf(s, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)m->total_pages, (unsigned long long)(shared + (u64)m->rss[RSS_ANON]),
	           (unsigned long long)shared, (unsigned long long)text, (unsigned long long)(m->data_pages + m->stack_pages));
	space_put(m);
	return 0;
}

int process_io(struct seq *s, struct pseudo_node *n)
{
	struct io_figures io = { 0 };
	struct task *t;
	spin_lock(&tasklist_lock);
	if (!n->tid) { /* with those of threads that have exited and children that were waited for */
		io = n->process->io;
		io_figures_add(&io, &n->process->child_io);
	}
	list_for_each_entry(t, &n->process->threads, thread_link)
		if (n->tid ? n->tid == t->tid : t->state != TASK_ZOMBIE)
			io_figures_add(&io, &t->io);
	spin_unlock(&tasklist_lock);
	seq_printf(s, "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n", (unsigned long long)io.read_chars, (unsigned long long)io.write_chars,
	           (unsigned long long)io.read_calls, (unsigned long long)io.write_calls);
	seq_printf(s, "read_bytes: %llu\nwrite_bytes: %llu\ncancelled_write_bytes: %llu\n", (unsigned long long)io.bytes[HOST_IO_READ],
	           (unsigned long long)io.bytes[HOST_IO_WRITE], (unsigned long long)io.bytes[HOST_IO_CANCELLED]);
	return 0;
}
