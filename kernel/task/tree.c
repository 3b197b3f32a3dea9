/* SPDX-License-Identifier: MIT */
/*
 * The tree of processes: who is whose child, who is in which group and session. Everything here runs
 * under tasklist_lock.
 *
 * A process group is orphaned when no member has a parent outside the group but in its session: then
 * nobody is left who could continue its stopped members (POSIX, 3.286).
 */
#include "task.h"
#include <kernel/cgroup.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/user.h>

static u64 forks;
u64 sched_nr_forks(void) { return READ_ONCE(forks); }

/* ---- links ---- */

void tree_add_task(struct task *t, struct pid *pid)
{
	t->pid = pid;
	t->tid = pid->nr;
	pid->task = t;
	list_add_tail(&t->all_link, &all_tasks);
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	list_add_tail(&t->thread_link, &t->process->threads);
	spin_unlock_irq(&t->process->signal_lock, flags);
	t->process->nr_threads++;
	cgroup_join_thread_locked(t);
	nr_tasks++;
	forks++;
	__atomic_fetch_add(&t->cred->user->nr_tasks, 1, __ATOMIC_RELAXED);
}

void tree_remove_task(struct task *t)
{
	struct pid *pid = t->pid;
	list_del(&t->all_link);
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	list_del(&t->thread_link);
	spin_unlock_irq(&t->process->signal_lock, flags);
	nr_tasks--;
	__atomic_fetch_sub(&t->cred->user->nr_tasks, 1, __ATOMIC_RELAXED);
	t->pid = NULL;
	if (pid->task == t)
		pid->task = NULL;
	pid_release_locked(pid);
}

void tree_add_process(struct process *p, struct process *parent)
{
	process_get(p); /* the tree's, until process_reap_locked() */
	p->pid = p->leader->tid;
	p->leader->pid->process = p;
	p->parent = parent;
	if (parent)
		list_add_tail(&p->sibling, &parent->children);
}

void tree_remove_process(struct process *p)
{
	struct pid *pid = pid_find_locked(p->pid);
	list_del(&p->sibling);
	pid->process = NULL;
	process_leave_groups_locked(p); /* while the task still carries the number */
	pid_release_locked(pid);
}

/* ---- process groups ---- */

bool pgrp_is_orphaned_locked(u32 pgid, const struct process *ignored)
{
	struct list_head *members = pgrp_members_locked(pgid);
	struct process *p;
	if (!members)
		return true;
	list_for_each_entry(p, members, pgrp_link) {
		struct process *up = p->parent;
		if (p == ignored || p->is_zombie || !up || up == init_process)
			continue;
		if (up->pgid != p->pgid && up->sid == p->sid)
			return false;
	}
	return true;
}

bool pgrp_has_stopped_locked(u32 pgid)
{
	struct list_head *members = pgrp_members_locked(pgid);
	struct process *p;
	if (members)
		list_for_each_entry(p, members, pgrp_link)
			if (p->is_stopped)
				return true;
	return false;
}

SYSCALL0(getpid) { return current->process->pid; }
SYSCALL0(gettid) { return current->tid; }

SYSCALL0(getppid)
{
	spin_lock(&tasklist_lock);
	struct process *up = current->process->parent;
	long pid = up ? up->pid : 0;
	spin_unlock(&tasklist_lock);
	return pid;
}

/* With pid 0 the caller's own. */
static struct process *find_or_self_locked(u32 pid)
{
	return pid ? process_find_locked(pid) : current->process;
}

SYSCALL1(getpgid, pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = (s32)pid < 0 ? NULL : find_or_self_locked((u32)pid);
	long ret = p ? (long)p->pgid : -ESRCH;
	spin_unlock(&tasklist_lock);
	return ret;
}

SYSCALL0(getpgrp) { return current->process->pgid; }

SYSCALL1(getsid, pid)
{
	spin_lock(&tasklist_lock);
	struct process *p = (s32)pid < 0 ? NULL : find_or_self_locked((u32)pid);
	long ret = p ? (long)p->sid : -ESRCH;
	spin_unlock(&tasklist_lock);
	return ret;
}

static long setpgid_locked(struct process *p, u32 pgid)
{
	struct process *me = current->process;
	if (!p)
		return -ESRCH;
	if (p->parent == me) {
		if (p->sid != me->sid)
			return -EPERM;
		if (p->has_execed)
			return -EACCES;
	} else if (p != me) {
		return -ESRCH;
	}
	if (p->is_session_leader)
		return -EPERM;
	if (pgid != p->pid) {
		struct list_head *members = pgrp_members_locked(pgid);
		if (!members || list_first_entry(members, struct process, pgrp_link)->sid != me->sid)
			return -EPERM;
	}
	if (p->pgid != pgid)
		process_set_pgrp_locked(p, pgid);
	return 0;
}

SYSCALL2(setpgid, pid, pgid)
{
	if ((s32)pgid < 0)
		return -EINVAL;
	if ((s32)pid < 0)
		return -ESRCH;
	spin_lock(&tasklist_lock);
	struct process *p = find_or_self_locked((u32)pid);
	long ret = setpgid_locked(p, (u32)pgid ? (u32)pgid : p ? p->pid : 0);
	spin_unlock(&tasklist_lock);
	return ret;
}

SYSCALL0(setsid)
{
	struct process *p = current->process;
	spin_lock(&tasklist_lock);
	long ret = -EPERM;
	if (!p->is_session_leader && !pgrp_members_locked(p->pid)) {
		p->is_session_leader = true;
		p->tty = NULL;
		process_set_session_locked(p, p->pid);
		process_set_pgrp_locked(p, p->pid);
		ret = p->pid;
	}
	spin_unlock(&tasklist_lock);
	return ret;
}
