/* SPDX-License-Identifier: MIT */
/*
 * clone, and everything that is it by another name: fork, vfork, clone3, kernel threads.
 *
 * First all that can fail is made (task, stack, number, space, descriptor table ...), then the task
 * joins the tree under tasklist_lock and is started; nothing after that fails. The child begins in
 * kernel_exit_to_user, where it stores its own tid (CLONE_CHILD_SETTID) into its own space.
 *
 * A signal to a group must reach parent and child or find only the parent: a clone that meets a pending
 * signal when it wants to join is undone and restarted.
 */
#include "task.h"
#include <fs/file.h>
#include <fs/vfs.h>
#include <hal/mmu.h>
#include <hal/ptrace.h>
#include <hal/uaccess.h>
#include <kernel/cgroup.h>
#include <kernel/pidfd.h>
#include <kernel/ptrace.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/user.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <mm/space.h>
#include <mm/trace.h>

#define CLONE_NAMESPACES                                                                            \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static long check_flags(const struct clone_args_k *a)
{
	u64 f = a->flags;
	if (f & CLONE_NAMESPACES)
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_PARENT) && current->process == init_process)
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & CLONE_THREAD))
		return -EINVAL;
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return -EINVAL;
	return (f & CLONE_SETTLS) && a->tls >= HAL_USER_END ? -EPERM : 0;
}

static long check_limits(void)
{
	struct task *me = current;
	u64 limit = me->process->rlimits[RLIMIT_NPROC].cur;
	if (READ_ONCE(me->cred->user->nr_tasks) >= limit && me->cred->uid != 0 && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return -EAGAIN;
	me->flags &= ~TASK_TOO_MANY;
	return nr_tasks >= threads_max ? -EAGAIN : 0;
}

/* What is plainly the parent's. */
static void inherit(struct task *t, const struct task *from)
{
	t->cred = cred_get(from->cred);
	memcpy(t->comm, from->comm, sizeof(t->comm));
	t->flags = TASK_FORKED;
	t->host.may_fail = from->host.may_fail;
	t->allowed = from->allowed;
	t->cpu = from->cpu;
	if (from->reset_on_fork) {
		t->nice = from->nice < 0 ? 0 : from->nice;
		t->sched_policy = from->sched_policy == SCHED_FIFO || from->sched_policy == SCHED_RR ? SCHED_NORMAL : from->sched_policy;
		t->weight = t->sched_policy == SCHED_IDLE ? 3 : nice_to_weight(t->nice);
	} else {
		t->nice = from->nice;
		t->sched_policy = from->sched_policy;
		t->rt_priority = from->rt_priority;
		t->weight = from->weight;
	}
	t->blocked = from->blocked;
	t->personality = from->personality;
	t->no_new_privs = from->no_new_privs;
	t->timer_slack_ns = from->timer_slack_ns;
	t->mempolicy = from->mempolicy;
	t->mempolicy_nodes = from->mempolicy_nodes;
	t->ioprio = from->ioprio;
	random_inherit(t);
}

static long copy_context(struct task *t, const struct clone_args_k *a, const struct hal_regs *regs)
{
	struct hal_regs *child = hal_context_init_user(&t->ctx, t->ctx.stack_top);
	*child = *regs;
	hal_regs_set_ret(child, 0);
	if (unlikely(current->trace) && current->trace->forced_step)
		hal_regs_set_step(child, false);
	if (a->stack)
		hal_regs_set_sp(child, a->stack + a->stack_size);
	t->ctx.fs_base = a->flags & CLONE_SETTLS ? a->tls : current->ctx.fs_base;
	t->ctx.gs_base = current->ctx.gs_base;
	return hal_fpu_copy(&t->ctx, &current->ctx);
}

static long copy_space(struct task *t, u64 flags)
{
	if (!(flags & CLONE_VM))
		return space_fork(current->space, &t->space);
	space_get(current->space);
	t->space = current->space;
	return 0;
}

static long copy_files(struct task *t, u64 flags)
{
	if (flags & CLONE_FILES) {
		files_get(current->files);
		t->files = current->files;
	} else {
		t->files = files_copy(current->files);
	}
	return t->files ? 0 : -ENOMEM;
}

static long copy_fs(struct task *t, u64 flags)
{
	if (flags & CLONE_FS) {
		fs_context_get(current->fs);
		t->fs = current->fs;
	} else {
		t->fs = fs_context_copy(current->fs);
	}
	return t->fs ? 0 : -ENOMEM;
}

static void process_inherit(struct process *p, const struct process *from)
{
	memcpy(p->rlimits, from->rlimits, sizeof(p->rlimits));
	p->oom_score_adj = from->oom_score_adj;
	p->oom_score_adj_min = from->oom_score_adj_min;
	p->dumpable = from->dumpable;
	p->dump_filter = from->dump_filter;
	p->membarrier_registered = from->membarrier_registered;
	p->has_child_subreaper = from->has_child_subreaper || from->is_child_subreaper;
	if (from->exe_file) {
		file_get(from->exe_file);
		p->exe_file = from->exe_file;
	}
}

static long copy_process(struct task *t, const struct clone_args_k *a)
{
	if (a->flags & CLONE_THREAD) {
		process_get(current->process);
		t->process = current->process;
	} else {
		t->process = process_alloc();
		if (!t->process)
			return -ENOMEM;
		t->process->leader = t;
		process_set_user(t->process, t->cred->user);
		t->process->exit_signal = (u32)a->exit_signal;
		process_inherit(t->process, current->process);
	}
	return signal_fork(t, a->flags);
}

static void drop_process(struct task *t)
{
	if (!t->process || t->process->leader != t)
		return;
	if (t->process->sighand)
		signal_exit_process(t->process);
	if (t->process->exe_file)
		file_put(t->process->exe_file);
}

/* Makes everything but the place in the tree. On failure nothing is left. */
static struct task *copy_task(const struct clone_args_k *a, const struct hal_regs *regs)
{
	struct task *t = task_alloc();
	if (!t)
		return ERR_PTR(-ENOMEM);
	inherit(t, current);
	long err = copy_context(t, a, regs);
	if (err)
		goto fail_task;
	err = copy_files(t, a->flags);
	if (err)
		goto fail_task;
	err = copy_fs(t, a->flags);
	if (err)
		goto fail_files;
	err = copy_process(t, a);
	if (err)
		goto fail_process;
	err = copy_space(t, a->flags);
	if (err)
		goto fail_process;
	if (a->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid = a->child_tid;
		t->work |= WORK_OTHER;
	}
	t->clear_child_tid = a->flags & CLONE_CHILD_CLEARTID ? a->child_tid : 0;
	return t;
fail_process:
	drop_process(t);
	fs_context_put(t->fs);
fail_files:
	files_put(t->files);
fail_task:
	task_free(t);
	return ERR_PTR(err);
}

static void undo_task(struct task *t)
{
	signal_exit_task(t);
	space_put(t->space);
	drop_process(t);
	fs_context_put(t->fs);
	files_put(t->files);
	task_free(t);
}

/* The new task joins the tree, or meets a signal. */
static long join_tree(struct task *t, struct pid *pid, u64 flags)
{
	struct process *me = current->process, *p = t->process;
	spin_lock(&tasklist_lock);
	if (signal_is_pending()) {
		spin_unlock(&tasklist_lock);
		return -ERESTARTNOINTR;
	}
	tree_add_task(t, pid);
	random_child_joined();
	if (!(flags & CLONE_THREAD)) {
		struct process *parent = me;
		if (flags & CLONE_PARENT) {
			parent = me->parent;
			p->exit_signal = me->exit_signal;
		}
		p->parent_tid = flags & CLONE_PARENT ? me->parent_tid : current->tid;
		tree_add_process(p, parent);
		cgroup_join_locked(p, me->cgroup);
		process_set_session_locked(p, me->sid);
		process_set_pgrp_locked(p, me->pgid);
		p->tty = me->tty;
	}
	if (unlikely(t->trace))
		ptrace_attach_child_locked(t);
	spin_unlock(&tasklist_lock);
	return 0;
}

static void discard_pid(struct pid *pid)
{
	spin_lock(&tasklist_lock);
	pid_release_locked(pid);
	spin_unlock(&tasklist_lock);
}

static long clone_joined(struct task *t, const struct clone_args_k *a, unsigned event)
{
	struct completion vfork;
	u32 tid = t->tid;
	if (a->flags & CLONE_VFORK) {
		completion_init(&vfork);
		t->vfork_done = &vfork;
		t->flags |= TASK_VFORKED;
	}
	trace_point(TRACE_FORK, tid, a->flags, 0, 0);
	sched_task_start(t);
	if (unlikely(event))
		ptrace_event(event, tid);
	/* A parent that is killed while it waits takes its completion back. */
	if ((a->flags & CLONE_VFORK) && !completion_wait_killable(&vfork)) {
		spin_lock(&tasklist_lock);
		struct task *child = task_find_locked(tid);
		if (child && child->vfork_done == &vfork)
			child->vfork_done = NULL;
		else
			child = NULL;
		spin_unlock(&tasklist_lock);
		if (!child)
			completion_wait(&vfork);
	} else if (a->flags & CLONE_VFORK) {
		ptrace_event(PTRACE_EVENT_VFORK_DONE, tid);
	}
	return tid;
}

long task_clone(const struct clone_args_k *a, struct hal_regs *regs)
{
	int pidfd = -1;
	long err = check_flags(a);
	if (!err)
		err = check_limits();
	if (err)
		return err;
	struct task *t = copy_task(a, regs);
	if (IS_ERR(t))
		return PTR_ERR(t);
	unsigned event = ptrace_clone_event(a->flags, a->exit_signal);
	err = ptrace_prepare_child(t, a->flags, event);
	if (err)
		goto fail_pid;
	struct pid *pid = pid_alloc();
	if (IS_ERR(pid)) {
		err = PTR_ERR(pid);
		goto fail_pid;
	}
	if (a->flags & CLONE_PIDFD) {
		err = pidfd = pidfd_install_new(t->process, 0);
		if (err >= 0)
			err = put_user(pidfd, a->pidfd);
		if (err)
			goto fail_pidfd;
	}
	if (a->flags & CLONE_PARENT_SETTID) {
		u32 nr = pid->nr;
		err = put_user(nr, a->parent_tid); /* Linux ignores a bad address here as well */
	}
	err = join_tree(t, pid, a->flags);
	if (err)
		goto fail_pidfd;
	return clone_joined(t, a, event);
fail_pidfd:
	if (pidfd >= 0)
		fd_close(pidfd);
	discard_pid(pid);
fail_pid:
	undo_task(t);
	return err;
}

/* ---- system calls ---- */

SYSCALL0(fork)
{
	struct clone_args_k a = { .exit_signal = SIGCHLD };
	return task_clone(&a, syscall_regs());
}

SYSCALL0(vfork)
{
	struct clone_args_k a = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };
	return task_clone(&a, syscall_regs());
}

SYSCALL5(clone, flags, stack, parent_tid, child_tid, tls)
{
	struct clone_args_k a = {
		.flags = (u32)flags & ~(u64)CSIGNAL, .exit_signal = flags & CSIGNAL, .stack = stack,
		.parent_tid = parent_tid, .child_tid = child_tid, .pidfd = parent_tid, .tls = tls,
	};
	if ((a.flags & CLONE_PIDFD) && (a.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
		return -EINVAL;
	return task_clone(&a, syscall_regs());
}

/* Bytes after those known must be zero: a newer program asks for nothing we lack. */
static long tail_is_zero(uaddr_t addr, u64 len)
{
	for (u64 done = 0; done < len;) {
		u8 buf[64];
		u64 n = min(len - done, (u64)sizeof(buf));
		if (copy_from_user(buf, addr + done, n))
			return -EFAULT;
		for (u64 i = 0; i < n; i++)
			if (buf[i])
				return -E2BIG;
		done += n;
	}
	return 0;
}

SYSCALL2(clone3, uargs, size)
{
	struct clone_args u = { 0 };
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (copy_from_user(&u, uargs, min(size, sizeof(u))))
		return -EFAULT;
	if (size > sizeof(u)) {
		long err = tail_is_zero(uargs + sizeof(u), size - sizeof(u));
		if (err)
			return err;
	}
	if (u.set_tid_size > 32 || (!u.set_tid && u.set_tid_size) || (u.set_tid && !u.set_tid_size))
		return -EINVAL;
	if ((u.exit_signal & ~(u64)CSIGNAL) || u.exit_signal > 64)
		return -EINVAL;
	if ((u.flags & CLONE_INTO_CGROUP) || u.set_tid_size)
		return u.set_tid_size ? -EPERM : -EINVAL;
	if (u.flags & ~(u64)(0xffffffffull & ~CSIGNAL) & ~CLONE_CLEAR_SIGHAND)
		return -EINVAL;
	if (u.flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)))
		return -EINVAL;
	if ((u.flags & (CLONE_THREAD | CLONE_PARENT)) && u.exit_signal)
		return -EINVAL;
	if (u.stack ? !u.stack_size : u.stack_size != 0)
		return -EINVAL;
	if (u.stack && (u.stack >= HAL_USER_END || u.stack_size > HAL_USER_END - u.stack))
		return -EINVAL;
	struct clone_args_k a = {
		.flags = u.flags, .pidfd = u.pidfd, .child_tid = u.child_tid, .parent_tid = u.parent_tid,
		.exit_signal = u.exit_signal, .stack = u.stack, .stack_size = u.stack_size, .tls = u.tls,
	};
	return task_clone(&a, syscall_regs());
}

SYSCALL1(set_tid_address, addr)
{
	current->clear_child_tid = addr;
	return current->tid;
}

#define UNSHARE_KNOWN (CLONE_THREAD | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VM | CLONE_SYSVSEM)

SYSCALL1(unshare, flags)
{
	if (flags & ~(u64)UNSHARE_KNOWN)
		return -EINVAL;
	/* What threads share cannot be parted while there are several. */
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && current->process->nr_threads > 1)
		return -EINVAL;
	int err = 0;
	if (flags & CLONE_FS)
		err = fs_unshare_current();
	if (!err && (flags & CLONE_FILES))
		err = files_unshare_current();
	return err;
}
