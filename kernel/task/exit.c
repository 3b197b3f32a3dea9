/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes.
 *
 * A thread that exits gives up what it shares (space, descriptors, path context) and leaves the tree at
 * once, unless it leads its process: then it stays as a zombie, as the process's face, until the
 * process is reaped. A process has ended when its last thread has; it hands its children to the next
 * subreaper or to init, tells its parent, and waits to be reaped, or is reaped on the spot when the
 * parent ignores its children.
 *
 * A traced thread stays as a zombie too, until its tracer has seen it, and its process is nobody's to reap before.
 * A traced process is its tracer's first, then its parent's.
 *
 * A whole process ends by marking every thread (WORK_KILL): each leaves at its next return to user mode
 * or when an interruptible sleep ends.
 */
#include "task.h"
#include <fs/file.h>
#include <fs/vfs.h>
#include <hal/uaccess.h>
#include <kernel/cgroup.h>
#include <kernel/futex.h>
#include <kernel/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <mm/space.h>
#include <mm/trace.h>

/* ---- marking ---- */

void process_kill_threads_locked(struct process *p, struct task *except)
{
	struct task *t;
	list_for_each_entry(t, &p->threads, thread_link) {
		if (t == except || (t->flags & TASK_EXITING))
			continue;
		task_set_work(t, WORK_KILL);
		trace_note_kill(t);
		if (t != current)
			task_wake(t);
	}
}

static void begin_group_exit_locked(struct process *p, u32 code)
{
	if (p->group_exiting || p->is_zombie)
		return;
	p->group_exiting = true;
	p->exit_code = code;
	process_kill_threads_locked(p, NULL);
}

void process_begin_group_exit(struct process *p, u32 code)
{
	spin_lock(&tasklist_lock);
	begin_group_exit_locked(p, code);
	spin_unlock(&tasklist_lock);
}

void process_exit_group(u32 code)
{
	struct process *p = current->process;
	spin_lock(&tasklist_lock);
	begin_group_exit_locked(p, code);
	code = p->exit_code;
	spin_unlock(&tasklist_lock);
	task_exit(code);
}

/* ---- what a thread gives up ---- */

void task_release_vfork(struct task *t)
{
	if (!(t->flags & TASK_VFORKED))
		return;
	spin_lock(&tasklist_lock);
	struct completion *c = t->vfork_done;
	t->vfork_done = NULL;
	t->flags &= ~TASK_VFORKED;
	spin_unlock(&tasklist_lock);
	if (c)
		completion_done(c);
}

void task_clear_tid(struct task *t)
{
	if (futex_exit_task)
		futex_exit_task(t);
	if (t->clear_child_tid && READ_ONCE(t->space->users) > 1) {
		u32 zero = 0;
		if (!put_user(zero, t->clear_child_tid) && futex_wake_address)
			futex_wake_address(t->clear_child_tid, 1);
	}
	t->clear_child_tid = 0;
}

void note_maxrss(struct process *p, struct space *s)
{
	s64 pages = READ_ONCE(s->rss[RSS_ANON]) + READ_ONCE(s->rss[RSS_FILE]) + READ_ONCE(s->rss[RSS_SHMEM]);
	u64 most = max((u64)(pages > 0 ? pages : 0), s->hiwater_rss);
	p->maxrss_kb = max(p->maxrss_kb, most << (PAGE_SHIFT - 10));
}

u64 process_maxrss_kb(struct process *p)
{
	if (current->process == p && current->space)
		note_maxrss(p, current->space);
	return p->maxrss_kb;
}

static void drop_space(struct task *t)
{
	struct space *s = t->space;
	if (!s)
		return;
	task_clear_tid(t);
	note_maxrss(t->process, s);
	spin_lock(&tasklist_lock);
	t->space = NULL;
	spin_unlock(&tasklist_lock);
	sched_use_space(NULL);
	task_release_vfork(t);
	sched_drop_space(s);
	space_put(s);
}

static void drop_files(struct task *t)
{
	spin_lock(&tasklist_lock);
	struct files *files = t->files;
	struct fs_context *fs = t->fs;
	t->files = NULL;
	t->fs = NULL;
	spin_unlock(&tasklist_lock);
	if (files)
		files_put(files);
	if (fs)
		fs_context_put(fs);
}

/* ---- the tree ---- */

/* The sums of a process take over those of a thread that leaves. */
static void account_thread(struct process *p, struct task *t)
{
	u64 u, s;
	task_cpu_times(t, &u, &s);
	p->utime_ns += u;
	p->stime_ns += s;
	p->min_faults += t->min_faults;
	p->maj_faults += t->maj_faults;
	p->nr_switches_voluntary += t->nr_switches_voluntary;
	p->nr_switches_involuntary += t->nr_switches_involuntary;
	io_figures_add(&p->io, &t->io);
	t->flags |= TASK_ACCOUNTED;
}

/* Who adopts p's children: the nearest ancestor that asked to, or init. */
static struct process *find_reaper(struct process *p)
{
	if (p->has_child_subreaper)
		for (struct process *up = p->parent; up && up != init_process; up = up->parent)
			if (up->is_child_subreaper && !up->is_zombie && !up->group_exiting)
				return up;
	return init_process;
}

/* How the parent takes its children's end. */
enum attitude { WAITS, WANTS_NO_ZOMBIES, IGNORES };

static enum attitude attitude_of(struct process *parent, u32 sig)
{
	enum attitude a = WAITS;
	if (sig != SIGCHLD)
		return a;
	unsigned long flags = spin_lock_irq(&parent->signal_lock);
	const struct sigaction_k *act = parent->sighand ? &parent->sighand->actions[SIGCHLD - 1] : NULL;
	if (act && act->handler == (uaddr_t)SIG_IGN)
		a = IGNORES;
	else if (act && (act->flags & SA_NOCLDWAIT))
		a = WANTS_NO_ZOMBIES;
	spin_unlock_irq(&parent->signal_lock, flags);
	return a;
}

static void fill_end_info(const struct task *t, u32 code, u32 sig, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = (int)sig;
	info->si_pid = (int)t->tid;
	info->si_uid = t->cred->uid;
	info->si_status = code & 0x7f ? (int)(code & 0x7f) : (int)(code >> 8 & 0xff);
	info->si_code = !(code & 0x7f) ? CLD_EXITED : code & 0x80 ? CLD_DUMPED : CLD_KILLED;
}

static void fill_exit_info(const struct process *p, siginfo_t *info)
{
	fill_end_info(p->leader, p->exit_code, p->exit_signal, info);
	info->si_utime = (long)(p->utime_ns / 10000000);
	info->si_stime = (long)(p->stime_ns / 10000000);
}

/* A traced process: its tracer is told, and its parent when that has seen it. */
static void notify_tracer_locked(struct process *p)
{
	siginfo_t info;
	fill_exit_info(p, &info);
	if (p->leader->trace->tracer->process != p->parent)
		info.si_signo = SIGCHLD;
	ptrace_tell_tracer_locked(p->leader, &info);
}

/* Tells the parent that p has ended. True: nobody will wait for it. */
static bool notify_parent_locked(struct process *p)
{
	struct process *parent = p->parent;
	siginfo_t info;
	if (task_is_traced(p->leader)) {
		notify_tracer_locked(p);
		return false;
	}
	if (!parent)
		return true;
	enum attitude a = attitude_of(parent, p->exit_signal);
	if (p->exit_signal && a != IGNORES) {
		fill_exit_info(p, &info);
		signal_send_process(parent, (int)p->exit_signal, &info);
	}
	wake_all(&parent->wait_children);
	return a != WAITS;
}

struct orphans { /* groups to hang up once tasklist_lock is released */
	u32 pgids[8];
	unsigned nr;
};

static void note_orphaned_locked(struct orphans *d, u32 pgid)
{
	for (unsigned i = 0; i < d->nr; i++)
		if (d->pgids[i] == pgid)
			return;
	if (d->nr < ARRAY_SIZE(d->pgids))
		d->pgids[d->nr++] = pgid;
}

static void reparent_children_locked(struct process *p, struct orphans *d)
{
	struct process *reaper = find_reaper(p), *child, *next;
	list_for_each_entry_safe(child, next, &p->children, sibling) {
		list_del(&child->sibling);
		child->parent = reaper;
		if (reaper)
			list_add_tail(&child->sibling, &reaper->children);
		if (child->leader->pdeath_signal && !child->is_zombie)
			signal_send_process(child, (int)child->leader->pdeath_signal, NULL);
		if (child->is_zombie) {
			child->exit_signal = SIGCHLD;
			if (process_is_single_locked(child) && !task_is_traced(child->leader) && notify_parent_locked(child))
				process_reap_locked(child);
			continue;
		}
		child->exit_signal = SIGCHLD;
		if (child->pgid != p->pgid && child->sid == p->sid && pgrp_is_orphaned_locked(child->pgid, NULL) &&
		    pgrp_has_stopped_locked(child->pgid))
			note_orphaned_locked(d, child->pgid);
	}
}

void process_reap_locked(struct process *p)
{
	struct task *leader = p->leader;
	if (task_is_traced(leader))
		ptrace_unlink_locked(leader, 0);
	tree_remove_process(p);
	tree_remove_task(leader);
	leader->state = TASK_DEAD;
	task_put(leader);
	process_put(p);
}

bool process_is_single_locked(const struct process *p) { return p->threads.next == p->threads.prev; }

void task_release_zombie_locked(struct task *t)
{
	struct process *p = t->process;
	if (t != p->leader) {
		tree_remove_task(t);
		t->state = TASK_DEAD;
		task_put(t);
	}
	if (p->is_zombie && process_is_single_locked(p) && notify_parent_locked(p))
		process_reap_locked(p);
}

/* The running thread traces nobody any more. */
static void stop_tracing_locked(struct task *t)
{
	struct trace *tr, *next;
	list_for_each_entry_safe(tr, next, &t->tracees, link) {
		struct task *tracee = tr->task;
		bool is_zombie = tracee->state == TASK_ZOMBIE && (tracee != tracee->process->leader || tracee->process->is_zombie);
		if (tr->options & PTRACE_O_EXITKILL)
			signal_send_task(tracee, SIGKILL, NULL);
		/* A signal that nobody was told of is delivered. */
		ptrace_unlink_locked(tracee, tr->is_unreported && tr->code < 64 ? tr->code : 0);
		if (is_zombie)
			task_release_zombie_locked(tracee);
	}
}

/* The running thread, no leader, ends: its tracer has to see it first, or it leaves the tree. */
static void leave_or_linger_locked(struct task *t)
{
	siginfo_t info;
	if (task_is_traced(t)) {
		t->state = TASK_ZOMBIE;
		fill_end_info(t, t->exit_code, SIGCHLD, &info);
		ptrace_tell_tracer_locked(t, &info);
		return;
	}
	tree_remove_task(t);
	t->state = TASK_DEAD;
	task_put(t);
}

/* Whoever waits in exec for all other threads goes on when it is alone. */
static void wake_exec_locked(struct process *p)
{
	if (p->exec_task)
		wake_all(&p->exec_wait);
}

static void end_process(struct process *p)
{
	struct orphans d = { .nr = 0 };
	bool reap = false;
	spin_lock(&tasklist_lock);
	u32 pgid = p->pgid;
	struct process *parent = p->parent;
	bool was_connected = parent && parent->pgid != pgid && parent->sid == p->sid;
	reparent_children_locked(p, &d);
	p->is_zombie = true;
	cgroup_leave_locked(p);
	p->tty = NULL;
	p->leader->state = TASK_ZOMBIE;
	if (was_connected && pgrp_is_orphaned_locked(pgid, p) && pgrp_has_stopped_locked(pgid))
		note_orphaned_locked(&d, pgid);
	wake_all(&p->exit_wait);
	reap = process_is_single_locked(p) && notify_parent_locked(p);
	if (reap)
		process_reap_locked(p);
	spin_unlock(&tasklist_lock);
	for (unsigned i = 0; i < d.nr; i++) {
		signal_send_pgrp(d.pgids[i], SIGHUP, NULL);
		signal_send_pgrp(d.pgids[i], SIGCONT, NULL);
	}
}

/* What only the last thread does, before the process counts as ended. */
static void release_process(struct process *p)
{
	if (p->is_session_leader && tty_session_exit)
		tty_session_exit(p);
	signal_exit_process(p);
	spin_lock(&tasklist_lock);
	struct file *exe = p->exe_file;
	p->exe_file = NULL;
	spin_unlock(&tasklist_lock);
	if (exe)
		file_put(exe);
}

void task_exit(u32 code)
{
	struct task *t = current;
	struct process *p = t->process;
	if (p == init_process && p->nr_threads == 1)
		hal_panic("Attempted to kill init! exitcode=0x%08x", code);
	t->in_syscall = true;
	ptrace_event(PTRACE_EVENT_EXIT, code);
	spin_lock(&tasklist_lock);
	t->flags |= TASK_EXITING;
	t->exit_code = code;
	trace_point(TRACE_EXIT, code, 0, 0, 0);
	stop_tracing_locked(t);
	spin_unlock(&tasklist_lock);
	drop_space(t);
	drop_files(t);
	signal_exit_task(t);
	spin_lock(&tasklist_lock);
	bool is_last = --p->nr_threads == 0;
	account_thread(p, t);
	if (is_last && !p->group_exiting) {
		p->group_exiting = true;
		p->exit_code = p->leader->exit_code;
	}
	bool is_leader = p->leader == t;
	if (!is_last) {
		if (is_leader)
			t->state = TASK_ZOMBIE;
		else
			leave_or_linger_locked(t);
		wake_exec_locked(p);
	}
	spin_unlock(&tasklist_lock);
	if (is_last) {
		release_process(p);
		if (!is_leader) {
			spin_lock(&tasklist_lock);
			leave_or_linger_locked(t);
			spin_unlock(&tasklist_lock);
		}
		end_process(p);
	}
	schedule();
	hal_panic("a dead task ran");
}

SYSCALL1(exit, code) { task_exit((code & 0xff) << 8); }

SYSCALL1(exit_group, code) { process_exit_group((code & 0xff) << 8); }
