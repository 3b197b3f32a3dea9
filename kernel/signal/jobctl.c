/* SPDX-License-Identifier: MIT */
/*
 * Job control: a process stops when each of its threads has stopped, and goes on by SIGCONT.
 *
 * The thread that takes a stop signal marks all threads (stop_requested, counted in nr_stopping); each
 * stops on its way to user mode; the last makes the process is_stopped and tells the parent. SIGCONT
 * takes the marks back and wakes whoever has stopped; one of these tells the parent, since the sender
 * may not look at the tree of processes.
 */
#include "internal.h"
#include <kernel/ptrace.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <lib/string.h>

void jobctl_start_stop_locked(struct task *t, int sig)
{
	struct process *p = t->process;
	struct task *other;
	/* A SIGCONT since the stop signal was taken has undone it. */
	if (!t->stop_dequeued || p->group_exiting)
		return;
	if (!p->nr_stopping && !p->is_stopped)
		p->stop_code = (u32)sig;
	list_for_each_entry(other, &p->threads, thread_link) {
		if (other->stop_requested || (other->flags & TASK_EXITING) || READ_ONCE(other->state) == TASK_STOPPED)
			continue;
		other->stop_requested = true;
		p->nr_stopping++;
		if (other != t)
			signal_wake(other, sig, false);
	}
	task_set_work(t, WORK_SIGNAL);
}

static bool one_less_to_stop(struct process *p)
{
	if (--p->nr_stopping || p->is_stopped)
		return false;
	p->is_stopped = true;
	p->stop_pending = true;
	p->continued_pending = false;
	return true;
}

/* A tracee's stop is its tracer's; its process has stopped all the same. */
static void stop_traced_unlock(struct task *t, unsigned long flags, bool is_last)
{
	struct process *p = t->process;
	if (is_last) {
		spin_unlock_irq(&p->signal_lock, flags);
		jobctl_notify_parent(p, CLD_STOPPED);
		flags = spin_lock_irq(&p->signal_lock);
	}
	ptrace_group_stop_unlock(t, flags);
}

void jobctl_stop_unlock(struct task *t, unsigned long flags)
{
	struct process *p = t->process;
	t->stop_requested = false;
	bool is_last = one_less_to_stop(p);
	if (unlikely(task_is_traced(t))) {
		stop_traced_unlock(t, flags, is_last);
		return;
	}
	t->wait_name = "do_signal_stop";
	__atomic_store_n(&t->state, TASK_STOPPED, __ATOMIC_SEQ_CST);
	spin_unlock_irq(&p->signal_lock, flags);
	if (is_last)
		jobctl_notify_parent(p, CLD_STOPPED);
	if (!(READ_ONCE(t->work) & WORK_KILL))
		schedule();
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
}

int jobctl_forget_locked(struct task *t)
{
	if (!t->stop_requested)
		return 0;
	t->stop_requested = false;
	return one_less_to_stop(t->process) ? CLD_STOPPED : 0;
}

void jobctl_continue_locked(struct process *p)
{
	struct task *t;
	if (p->is_stopped) {
		p->notify_code = CLD_CONTINUED;
		p->continued_pending = true;
	} else if (p->nr_stopping) {
		p->notify_code = CLD_STOPPED;
	}
	p->is_stopped = p->stop_pending = false;
	p->nr_stopping = 0;
	list_for_each_entry(t, &p->threads, thread_link) {
		t->stop_requested = t->stop_dequeued = false;
		if (p->notify_code)
			task_set_work(t, WORK_SIGNAL);
		if (READ_ONCE(t->state) == TASK_STOPPED)
			task_wake(t);
		ptrace_continued_locked(t);
	}
}

static void fill_child_info(struct process *p, int code, siginfo_t *info)
{
	u64 utime, stime;
	process_cpu_times_locked(p, &utime, &stime);
	memset(info, 0, sizeof(*info));
	info->si_signo = SIGCHLD;
	info->si_code = code;
	info->si_pid = (int)p->pid;
	info->si_uid = p->leader->cred->uid;
	info->si_status = code == CLD_CONTINUED ? SIGCONT : (int)p->stop_code;
	info->si_utime = (long)(utime / TICK_NS);
	info->si_stime = (long)(stime / TICK_NS);
}

void jobctl_notify_parent(struct process *p, int code)
{
	siginfo_t info;
	spin_lock(&tasklist_lock);
	struct process *parent = p->parent;
	bool is_tracer = task_is_traced(p->leader) && p->leader->trace->tracer->process == parent;
	if (parent && (!is_tracer || code == CLD_CONTINUED)) { /* a tracer has the stop from its tracee */
		fill_child_info(p, code, &info);
		unsigned long flags = spin_lock_irq(&parent->signal_lock);
		const struct sigaction_k *a = parent->sighand ? &parent->sighand->actions[SIGCHLD - 1] : NULL;
		bool wanted = a && a->handler != HANDLER_IGNORE && !(a->flags & SA_NOCLDSTOP);
		spin_unlock_irq(&parent->signal_lock, flags);
		if (wanted)
			signal_send_process(parent, SIGCHLD, &info);
		wake_all(&parent->wait_children);
	}
	spin_unlock(&tasklist_lock);
}
