/* SPDX-License-Identifier: MIT */
/* Handlers and masks: rt_sigaction, rt_sigprocmask, rt_sigpending; what fork, exec and exit do to them. */
#include "internal.h"
#include <asm/resource.h>
#include <hal/uaccess.h>
#include <kernel/rseq.h>
#include <kernel/syscall.h>
#include <kernel/timers.h>
#include <lib/string.h>
#include <linux/sched.h>
#include <mm/slab.h>

#define KNOWN_FLAGS                                                                                 \
	((u64)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESTORER | SA_EXPOSE_TAGBITS) | \
	 (u64)(u32)SA_RESETHAND)

static bool is_ignoring(const struct sigaction_k *a, int sig)
{
	return a->handler == HANDLER_IGNORE || (a->handler == HANDLER_DEFAULT && (SIG_BIT(sig) & SIGS_IGNORE));
}

SYSCALL4(rt_sigaction, usig, unew, uold, size)
{
	struct process *p = current->process;
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	struct sigaction_k new, old;
	int sig = (int)usig;
	if (size != sizeof(sigset_bits))
		return -EINVAL;
	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (!signal_is_valid((u64)(s64)sig) || (unew && (SIG_BIT(sig) & SIGS_KERNEL_ONLY)))
		return -EINVAL;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct sigaction_k *a = &p->sighand->actions[sig - 1];
	old = *a;
	old.flags &= KNOWN_FLAGS;
	if (unew) {
		new.flags &= KNOWN_FLAGS;
		new.mask &= ~SIGS_KERNEL_ONLY;
		*a = new;
		/* What is ignored is not pending either, blocked or not (POSIX, 3.3.1.3). */
		if (is_ignoring(a, sig))
			queue_remove_all_locked(p, SIG_BIT(sig), &doomed);
	}
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signals_free(&doomed);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -EFAULT : 0;
}

SYSCALL4(rt_sigprocmask, how, unew, uold, size)
{
	sigset_bits old = current->blocked, set;
	if (size != sizeof(sigset_bits))
		return -EINVAL;
	if (unew) {
		if (get_user(set, unew))
			return -EFAULT;
		switch ((int)how) {
		case SIG_BLOCK:
			signal_set_blocked(old | set);
			break;
		case SIG_UNBLOCK:
			signal_set_blocked(old & ~set);
			break;
		case SIG_SETMASK:
			signal_set_blocked(set);
			break;
		default:
			return -EINVAL;
		}
	}
	return uold ? put_user(old, uold) : 0;
}

SYSCALL2(rt_sigpending, uset, size)
{
	if (size > sizeof(sigset_bits))
		return -EINVAL;
	sigset_bits set = signal_pending_set(current) & current->blocked;
	return copy_to_user(uset, &set, size) ? -EFAULT : 0;
}

/* ---- the life of a table of handlers ---- */

struct sighand *sighand_new(void)
{
	struct sighand *h = kzalloc(sizeof(*h), ALLOC_KERNEL);
	if (h)
		h->refs = 1;
	return h;
}

static void sighand_put(struct sighand *h)
{
	if (__atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(h);
}

/* Handlers go, what is ignored stays ignored unless `all`. */
static void reset_handlers(struct sighand *h, bool all)
{
	for (unsigned i = 0; i < NR_SIGNALS; i++) {
		struct sigaction_k *a = &h->actions[i];
		*a = (struct sigaction_k){ .handler = a->handler == HANDLER_IGNORE && !all ? HANDLER_IGNORE : HANDLER_DEFAULT };
	}
}

static struct sighand *sighand_copy(struct process *p)
{
	struct sighand *h = sighand_new();
	if (!h)
		return NULL;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	memcpy(h->actions, p->sighand->actions, sizeof(h->actions));
	spin_unlock_irq(&p->signal_lock, flags);
	return h;
}

int signal_fork(struct task *child, u64 clone_flags)
{
	struct task *me = current;
	if ((clone_flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) {
		altstack_reset(child);
	} else {
		child->altstack_sp = me->altstack_sp;
		child->altstack_size = me->altstack_size;
		child->altstack_flags = me->altstack_flags;
	}
	rseq_fork(child, clone_flags);
	if (clone_flags & CLONE_THREAD)
		return 0;
	struct process *p = child->process;
	if (clone_flags & CLONE_SIGHAND) {
		__atomic_fetch_add(&me->process->sighand->refs, 1, __ATOMIC_RELAXED);
		p->sighand = me->process->sighand;
		return 0;
	}
	struct sighand *h = sighand_copy(me->process);
	if (!h)
		return -ENOMEM;
	if (clone_flags & CLONE_CLEAR_SIGHAND)
		reset_handlers(h, false);
	p->sighand = h;
	return 0;
}

void signal_exec(struct task *t)
{
	struct process *p = t->process;
	if (READ_ONCE(p->sighand->refs) > 1) {
		struct sighand *own = sighand_copy(p), *old = p->sighand;
		if (!own) {
			process_begin_group_exit(p, SIGKILL);
			return;
		}
		unsigned long flags = spin_lock_irq(&p->signal_lock);
		p->sighand = own;
		spin_unlock_irq(&p->signal_lock, flags);
		sighand_put(old);
	}
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	reset_handlers(p->sighand, false);
	spin_unlock_irq(&p->signal_lock, flags);
	t->altstack_sp = t->altstack_size = 0; /* its flags stay, as programs see on Linux */
	t->restart.fn = NULL;
	rseq_exec(t);
	timers_exec(p);
}

void signal_exit_task(struct task *t)
{
	struct process *p = t->process;
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	struct task *other;
	timers_exit_task(t);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	int code = jobctl_forget_locked(t);
	queue_remove_locked(&t->pending, ~0ull, &doomed);
	/* What this thread might have been chosen for needs another. */
	if (p->pending.set)
		list_for_each_entry(other, &p->threads, thread_link)
			if (other != t && !(other->flags & TASK_EXITING) && (p->pending.set & ~other->blocked))
				signal_wake(other, 0, false);
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signals_free(&doomed);
	if (code)
		jobctl_notify_parent(p, code);
}

void signal_exit_process(struct process *p)
{
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	timers_exit_process(p);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct sighand *h = p->sighand;
	p->sighand = NULL;
	queue_remove_locked(&p->pending, ~0ull, &doomed);
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signals_free(&doomed);
	if (h)
		sighand_put(h);
}
