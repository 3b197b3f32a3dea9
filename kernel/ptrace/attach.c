/* SPDX-License-Identifier: MIT */
/* Who traces whom: how it begins, how it ends, and who may. */
#include "internal.h"
#include <hal/ptrace.h>
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <mm/slab.h>

static bool may_access_locked(struct task *t, bool by_fs_ids)
{
	const struct cred *me = current->cred, *c = t->cred;
	u32 uid = by_fs_ids ? me->fsuid : me->uid, gid = by_fs_ids ? me->fsgid : me->gid;
	u64 caps = by_fs_ids ? me->cap_effective : me->cap_permitted;
	if (t->process == current->process)
		return true;
	bool same = uid == c->uid && uid == c->euid && uid == c->suid && gid == c->gid && gid == c->egid && gid == c->sgid &&
	            !(c->cap_permitted & ~caps);
	return (same && t->process->dumpable) || capable(CAP_SYS_PTRACE);
}

bool ptrace_may_access(struct task *t, bool by_fs_ids)
{
	spin_lock(&tasklist_lock);
	bool ok = may_access_locked(t, by_fs_ids);
	spin_unlock(&tasklist_lock);
	return ok;
}

/* With memory for being traced: 0 or -ENOMEM. */
static int trace_prepare(struct task *t)
{
	if (READ_ONCE(t->trace))
		return 0;
	struct trace *tr = kzalloc(sizeof(*tr), ALLOC_KERNEL), *none = NULL;
	if (!tr)
		return -ENOMEM;
	tr->task = t;
	list_init(&tr->link);
	if (!__atomic_compare_exchange_n(&t->trace, &none, tr, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		kfree(tr); /* somebody else did it */
	return 0;
}

/* t is traced by `tracer` from now on; both of T1's locks are held. */
static void trace_link_locked(struct task *t, struct task *tracer, u32 options, bool is_seized)
{
	struct trace *tr = t->trace;
	tr->options = options;
	tr->is_seized = is_seized;
	tr->wants_trap = tr->is_listening = false;
	tr->has_privilege = current->cred->cap_effective >> CAP_SYS_PTRACE & 1; /* whoever asks for it vouches for it */
	tr->mode = TRACE_CONT;
	list_add_tail(&tr->link, &tracer->tracees);
	WRITE_ONCE(tr->tracer, tracer);
}

/* The thread of the parent that made the running process, or whichever it has. */
static struct task *parent_thread_locked(const struct process *p)
{
	struct task *t = task_find_locked(p->parent_tid), *other;
	if (t && t->process == p->parent && !(t->flags & TASK_EXITING))
		return t;
	list_for_each_entry(other, &p->parent->threads, thread_link)
		if (!(other->flags & TASK_EXITING))
			return other;
	return NULL;
}

long ptrace_traceme(void)
{
	struct task *t = current;
	if (trace_prepare(t))
		return -ENOMEM;
	spin_lock(&tasklist_lock);
	struct task *tracer = t->process->parent ? parent_thread_locked(t->process) : NULL;
	long err = task_is_traced(t) ? -EPERM : 0;
	if (!err && tracer) { /* one that is ending would not look after it */
		unsigned long flags = spin_lock_irq(&t->process->signal_lock);
		trace_link_locked(t, tracer, 0, false);
		spin_unlock_irq(&t->process->signal_lock, flags);
	}
	spin_unlock(&tasklist_lock);
	return err;
}

/* A process that stands still by job control is its tracer's to steer: its thread stops again as a tracee. */
static void adopt_stopped_locked(struct task *t)
{
	if (READ_ONCE(t->state) != TASK_STOPPED || t->stop_requested)
		return;
	t->stop_requested = true;
	t->process->nr_stopping++;
	task_set_work(t, WORK_SIGNAL);
	task_wake(t);
}

long ptrace_attach(struct task *t, bool seize, u64 addr, u64 options)
{
	if (seize && (addr || options & ~(u64)PTRACE_O_KNOWN))
		return -EIO;
	if (t->flags & TASK_KTHREAD || t->process == current->process)
		return -EPERM;
	if (trace_prepare(t))
		return -ENOMEM;
	/* Under this lock exec decides whether the program may gain rights (kernel/exec/commit.c), and takes them. */
	spin_lock(&tasklist_lock);
	long err = task_is_traced(t) || !t->pid || t->flags & TASK_EXITING || !may_access_locked(t, false) ? -EPERM : 0;
	if (!err) {
		unsigned long flags = spin_lock_irq(&t->process->signal_lock);
		trace_link_locked(t, current, seize ? (u32)options : 0, seize);
		adopt_stopped_locked(t);
		spin_unlock_irq(&t->process->signal_lock, flags);
		if (!seize)
			signal_send_task(t, SIGSTOP, NULL);
	}
	spin_unlock(&tasklist_lock);
	return err;
}

void ptrace_unlink_locked(struct task *t, u32 sig)
{
	struct trace *tr = t->trace;
	struct process *p = t->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	list_del(&tr->link);
	list_init(&tr->link);
	WRITE_ONCE(tr->tracer, NULL);
	tr->wants_trap = false;
	tr->options = 0;
	t->stops_at_calls = false;
	bool was_stopped = tr->is_stopped;
	if (was_stopped) {
		if (tr->forced_step)
			hal_regs_set_step(hal_context_regs(&t->ctx), false);
		tr->forced_step = false;
		tr->resume_signal = sig;
		tr->is_unreported = false;
		__atomic_store_n(&tr->is_stopped, false, __ATOMIC_RELEASE);
	}
	if ((p->is_stopped || p->nr_stopping) && !t->stop_requested && !(t->flags & TASK_EXITING) && READ_ONCE(t->state) != TASK_STOPPED) {
		t->stop_requested = true; /* its process has stopped, and so does it */
		p->nr_stopping++;
		signal_wake(t, 0, false);
	}
	spin_unlock_irq(&p->signal_lock, flags);
	if (was_stopped)
		task_wake(t);
}

/* ---- children ---- */

unsigned ptrace_clone_event(u64 flags, u64 exit_signal)
{
	if (!task_is_traced(current) || flags & CLONE_UNTRACED)
		return 0;
	unsigned event = flags & CLONE_VFORK ? PTRACE_EVENT_VFORK : exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;
	return READ_ONCE(current->trace->options) & 1u << event ? event : 0;
}

int ptrace_prepare_child(struct task *child, u64 flags, unsigned event)
{
	return event || (flags & CLONE_PTRACE && task_is_traced(current)) ? trace_prepare(child) : 0;
}

/* Its first stop: before it has run. */
void ptrace_attach_child_locked(struct task *child)
{
	const struct trace *of = current->trace;
	if (!child->trace || !of->tracer)
		return;
	struct process *p = child->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	trace_link_locked(child, of->tracer, of->options, of->is_seized);
	child->trace->has_privilege = of->has_privilege;
	child->trace->wants_trap = of->is_seized;
	task_set_work(child, WORK_SIGNAL);
	spin_unlock_irq(&p->signal_lock, flags);
	if (!of->is_seized) {
		siginfo_t info = { .si_signo = SIGSTOP, .si_code = SI_USER };
		signal_send_task(child, SIGSTOP, &info);
	}
}
