/* SPDX-License-Identifier: MIT */
/*
 * Delivery: what a task does about its signals on the way to user mode.
 *
 * One call takes signals until one has a handler (its frame is pushed, the call ends, and comes again
 * while more is pending), one ends the process, or none is left. A system call that was interrupted is
 * repeated or answered with EINTR here:
 *
 *              no handler ran        handler with SA_RESTART   other handler
 * RESTARTSYS   repeat                repeat                    EINTR
 * RESTARTNOINTR repeat               repeat                    repeat
 * RESTARTNOHAND repeat               EINTR                     EINTR
 * RESTARTBLOCK restart_syscall       EINTR                     EINTR
 *
 * A call that waits with a mask of its own leaves restore_blocked behind: the mask that it replaced is
 * what the handler's frame saves, or comes back when no handler runs.
 */
#include "internal.h"
#include <asm/unistd.h>
#include <hal/sigframe.h>
#include <kernel/ptrace.h>
#include <kernel/rseq.h>
#include <kernel/syscall.h>

void signal_recalc_locked(struct task *t)
{
	struct process *p = t->process;
	if (((t->pending.set | p->pending.set) & ~t->blocked) || t->stop_requested || p->notify_code || (t->trace && t->trace->wants_trap))
		task_set_work(t, WORK_SIGNAL);
	else
		__atomic_fetch_and(&t->work, ~WORK_SIGNAL, __ATOMIC_RELAXED);
}

void signal_notice_pending(void)
{
	struct task *t = current;
	struct process *p = t->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	if ((t->pending.set | p->pending.set) & ~t->blocked)
		task_set_work(t, WORK_SIGNAL);
	spin_unlock_irq(&p->signal_lock, flags);
}

void signal_recalc(void)
{
	struct process *p = current->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	signal_recalc_locked(current);
	spin_unlock_irq(&p->signal_lock, flags);
}

/* The process's signals that t no longer takes need another thread's attention. */
static void retarget_locked(struct task *t, sigset_bits newly_blocked)
{
	struct process *p = t->process;
	sigset_bits set = p->pending.set & newly_blocked;
	struct task *other;
	if (!set)
		return;
	list_for_each_entry(other, &p->threads, thread_link)
		if (other != t && !(other->flags & TASK_EXITING) && (set & ~other->blocked)) {
			signal_wake(other, __builtin_ctzll(set & ~other->blocked) + 1, false);
			set &= other->blocked;
		}
}

void signal_set_blocked(sigset_bits blocked)
{
	struct task *t = current;
	struct process *p = t->process;
	blocked &= ~SIGS_KERNEL_ONLY;
	if (blocked == t->blocked)
		return;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	sigset_bits newly = blocked & ~t->blocked;
	t->blocked = blocked;
	retarget_locked(t, newly);
	signal_recalc_locked(t);
	spin_unlock_irq(&p->signal_lock, flags);
}

void signal_set_blocked_temporarily(sigset_bits blocked)
{
	current->saved_blocked = current->blocked;
	signal_set_blocked(blocked);
	current->restore_blocked = true;
}

void signal_restore_blocked(void)
{
	if (!current->restore_blocked)
		return;
	current->restore_blocked = false;
	signal_set_blocked(current->saved_blocked);
}

int signal_dequeue(sigset_bits wanted, siginfo_t *info)
{
	struct task *t = current;
	struct process *p = t->process;
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	int sig = queue_take_locked(t, ~wanted, info, &doomed);
	signal_recalc_locked(t);
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signals_free(&doomed);
	return sig;
}

/* ---- taking ---- */

/* A terminal's stop signal means nothing to a group that nobody could continue. */
static bool is_orphaned(struct process *p)
{
	bool pgrp_is_orphaned_locked(u32 pgid, const struct process *ignored);
	spin_lock(&tasklist_lock);
	bool yes = pgrp_is_orphaned_locked(p->pgid, NULL);
	spin_unlock(&tasklist_lock);
	return yes;
}

enum fate { FATE_NONE, FATE_HANDLER, FATE_FATAL, FATE_AGAIN };

/* Decides about one signal; signal_lock is held, and released for a moment where the group is asked. */
static enum fate decide(struct task *t, int sig, struct sigaction_k *action, unsigned long *flags)
{
	struct process *p = t->process;
	struct sigaction_k *a = &p->sighand->actions[sig - 1];
	if (a->handler == HANDLER_IGNORE)
		return FATE_AGAIN;
	if (a->handler != HANDLER_DEFAULT) {
		*action = *a;
		if (a->flags & SA_RESETHAND)
			a->handler = HANDLER_DEFAULT;
		return FATE_HANDLER;
	}
	if ((SIG_BIT(sig) & SIGS_IGNORE) || (process_is_protected(p) && sig != SIGKILL))
		return FATE_AGAIN;
	if (!(SIG_BIT(sig) & SIGS_STOP))
		return FATE_FATAL;
	if (sig != SIGSTOP) {
		spin_unlock_irq(&p->signal_lock, *flags);
		bool orphaned = is_orphaned(p);
		*flags = spin_lock_irq(&p->signal_lock);
		if (orphaned)
			return FATE_AGAIN;
	}
	jobctl_start_stop_locked(t, sig);
	return FATE_AGAIN;
}

static bool is_killed_locked(const struct task *t)
{
	return (READ_ONCE(t->work) & WORK_KILL) || ((t->pending.set | t->process->pending.set) & SIG_BIT(SIGKILL));
}

/* The next signal that has a handler: its number with info and action, or 0. */
static int take_signal(siginfo_t *info, struct sigaction_k *action)
{
	struct task *t = current;
	struct process *p = t->process;
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	enum fate fate = FATE_AGAIN;
	int sig = 0;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	while (fate == FATE_AGAIN) {
		if (unlikely(p->notify_code)) {
			int code = (int)p->notify_code;
			p->notify_code = 0;
			spin_unlock_irq(&p->signal_lock, flags);
			jobctl_notify_parent(p, code);
			flags = spin_lock_irq(&p->signal_lock);
		} else if (unlikely(t->stop_requested) && !is_killed_locked(t)) {
			jobctl_stop_unlock(t, flags);
			flags = spin_lock_irq(&p->signal_lock);
		} else if (READ_ONCE(t->work) & WORK_KILL) {
			sig = 0;
			break;
		} else if (unlikely(t->trace) && t->trace->wants_trap) {
			ptrace_trap_unlock(t, flags);
			flags = spin_lock_irq(&p->signal_lock);
		} else {
			sig = queue_take_locked(t, t->blocked, info, &doomed);
			if (unlikely(task_is_traced(t)) && sig && sig != SIGKILL && !(sig = ptrace_signal_locked(t, sig, info, &flags)))
				continue;
			fate = sig ? decide(t, sig, action, &flags) : FATE_NONE;
		}
	}
	signal_recalc_locked(t);
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signals_free(&doomed);
	if (fate == FATE_FATAL) {
		t->flags |= TASK_SIGNALED;
		process_exit_group((u32)sig);
	}
	return sig;
}

/* ---- handlers ---- */

static bool is_in_syscall(const struct hal_regs *regs) { return (s64)hal_regs_syscall_nr(regs) >= 0; }

static void restart_with_handler(struct hal_regs *regs, const struct sigaction_k *a)
{
	switch (-(s64)hal_regs_ret(regs)) {
	case ERESTARTSYS:
		if (a->flags & SA_RESTART) {
			hal_regs_restart_syscall(regs, hal_regs_syscall_nr(regs));
			break;
		}
		/* fall through */
	case ERESTART_RESTARTBLOCK:
	case ERESTARTNOHAND:
		hal_regs_set_ret(regs, (u64)-EINTR);
		break;
	case ERESTARTNOINTR:
		hal_regs_restart_syscall(regs, hal_regs_syscall_nr(regs));
		break;
	}
}

static void restart_without_handler(struct hal_regs *regs)
{
	switch (-(s64)hal_regs_ret(regs)) {
	case ERESTARTSYS:
	case ERESTARTNOHAND:
	case ERESTARTNOINTR:
		hal_regs_restart_syscall(regs, hal_regs_syscall_nr(regs));
		break;
	case ERESTART_RESTARTBLOCK:
		hal_regs_restart_syscall(regs, __NR_restart_syscall);
		break;
	}
}

static int push_frame(struct hal_regs *regs, int sig, const siginfo_t *info, const struct sigaction_k *a)
{
	struct task *t = current;
	uaddr_t sp = hal_regs_sp(regs);
	struct hal_sigframe f = {
		.sig = sig, .info = a->flags & SA_SIGINFO ? info : NULL, .handler = a->handler,
		.restorer = a->flags & SA_RESTORER ? a->restorer : 0,
		.blocked = t->restore_blocked ? t->saved_blocked : t->blocked,
		.stack_sp = t->altstack_sp, .stack_size = t->altstack_size, .stack_flags = t->altstack_flags,
		.trap_nr = t->trap_nr, .trap_error = t->trap_error, .trap_addr = t->trap_addr,
	};
	bool was_on = altstack_contains(t, sp);
	if ((a->flags & SA_ONSTACK) && !altstack_state(t, sp))
		f.start_sp = t->altstack_sp + t->altstack_size;
	/* A frame that began on the alternative stack must not leave it. */
	if (was_on || f.start_sp)
		f.low_limit = t->altstack_sp;
	return hal_sigframe_push(&t->ctx, regs, &f);
}

static void run_handler(struct hal_regs *regs, int sig, const siginfo_t *info, const struct sigaction_k *a)
{
	struct task *t = current;
	if (is_in_syscall(regs))
		restart_with_handler(regs, a);
	hal_regs_leave_syscall(regs);
	rseq_prepare_return(regs);
	bool was_stepping = unlikely(t->trace) && ptrace_leave_step(regs);
	if (push_frame(regs, sig, info, a)) {
		if (sig == SIGSEGV)
			signal_force_fatal(SIGSEGV);
		else
			signal_force(SIGSEGV);
		return;
	}
	t->restore_blocked = false;
	if (t->altstack_flags & SS_AUTODISARM)
		altstack_reset(t);
	signal_set_blocked(t->blocked | a->mask | (a->flags & SA_NODEFER ? 0 : SIG_BIT(sig)));
	if (was_stepping)
		ptrace_stepped_into_handler();
}

void signal_deliver(struct hal_regs *regs)
{
	siginfo_t info;
	struct sigaction_k action = { 0 };
	int sig = take_signal(&info, &action);
	if (sig) {
		run_handler(regs, sig, &info, &action);
		return;
	}
	if (is_in_syscall(regs))
		restart_without_handler(regs);
	hal_regs_leave_syscall(regs); /* decided once */
	signal_restore_blocked();
}

/* ---- the way back ---- */

SYSCALL0(rt_sigreturn)
{
	struct task *t = current;
	struct hal_regs *regs = syscall_regs();
	struct hal_sigframe f;
	if (hal_sigframe_pop(&t->ctx, regs, &f)) {
		signal_force(SIGSEGV);
		return 0;
	}
	signal_set_blocked(f.blocked);
	stack_t ss = { .ss_sp = (void *)f.stack_sp, .ss_flags = (int)f.stack_flags, .ss_size = f.stack_size };
	altstack_set(t, &ss, hal_regs_sp(regs)); /* what does not fit is not restored */
	return (long)hal_regs_ret(regs);
}

SYSCALL0(restart_syscall)
{
	struct restart_block *r = &current->restart;
	return r->fn ? r->fn(current) : -EINTR;
}
