/* SPDX-License-Identifier: MIT */
/*
 * Sending: what becomes pending where, and which thread is made to look.
 *
 * A signal is dropped at once when the receiver would ignore it and does not block it. A stop signal
 * removes a pending SIGCONT and the other way round; SIGCONT lets a stopped process go on whether or
 * not it is blocked or ignored. A process's signal goes to one thread that does not block it, the
 * first one by preference; a fatal one wakes them all, so that none sleeps on.
 *
 * Locking: signal_lock of the receiving process, interrupts off, guards its queues, its threads' and
 * its handlers. thread lists change under it as well, so that a timer interrupt may send.
 */
#include "internal.h"
#include <hal/irq.h>
#include <kernel/ptrace.h>
#include <lib/string.h>
#include <mm/slab.h>

static bool init_is_at_fault; /* init's own fault may end it */

bool process_is_protected(const struct process *p) { return p == init_process && !init_is_at_fault; }

static uaddr_t handler_of(const struct process *p, int sig) { return p->sighand->actions[sig - 1].handler; }

bool signal_is_ignored_locked(struct process *p, struct task *t, int sig)
{
	uaddr_t handler = handler_of(p, sig);
	if ((t->blocked | t->real_blocked) & SIG_BIT(sig))
		return false;
	if (task_is_traced(t) && sig != SIGKILL) /* its tracer wants to see it */
		return false;
	if (handler == HANDLER_DEFAULT)
		return (SIG_BIT(sig) & SIGS_IGNORE) || process_is_protected(p);
	return handler == HANDLER_IGNORE;
}

/* It ends the process, and no tracer is asked first. */
static bool is_fatal_locked(const struct process *p, const struct task *t, int sig)
{
	if (t && task_is_traced(t) && sig != SIGKILL)
		return false;
	return handler_of(p, sig) == HANDLER_DEFAULT && !(SIG_BIT(sig) & (SIGS_IGNORE | SIGS_STOP)) && !process_is_protected(p);
}

void signal_wake(struct task *t, int sig, bool is_fatal)
{
	task_set_work(t, WORK_SIGNAL);
	u32 state = READ_ONCE(t->state);
	bool stands = state == TASK_STOPPED || state == TASK_TRACED;
	if (state == TASK_INTERRUPTIBLE || (stands && sig == SIGKILL) || (state == TASK_UNINTERRUPTIBLE && is_fatal))
		task_wake(t);
	else if (t != current && READ_ONCE(t->on_cpu))
		hal_cpu_kick(t->cpu);
}

static bool wants(const struct task *t, int sig)
{
	if ((t->blocked & SIG_BIT(sig)) || (t->flags & TASK_EXITING))
		return false;
	if (sig == SIGKILL)
		return true;
	u32 state = READ_ONCE(t->state);
	return state != TASK_STOPPED && state != TASK_TRACED && (t == current || !(READ_ONCE(t->work) & WORK_SIGNAL));
}

static struct task *choose_thread(struct process *p, int sig)
{
	struct task *t;
	if (p->leader && wants(p->leader, sig))
		return p->leader;
	list_for_each_entry(t, &p->threads, thread_link)
		if (wants(t, sig))
			return t;
	return NULL;
}

static void wake_all_threads(struct process *p, int sig)
{
	struct task *t;
	list_for_each_entry(t, &p->threads, thread_link)
		if (!((t->blocked | t->real_blocked) & SIG_BIT(sig)) && !(t->flags & TASK_EXITING)) {
			if (sig == SIGKILL)
				trace_note_kill(t);
			signal_wake(t, sig, true);
		}
}

/* sig has become pending for t, or for the process. */
static void notice_locked(struct process *p, struct task *t, int sig)
{
	signalfd_wake();
	if (!t && is_fatal_locked(p, p->leader, sig)) {
		wake_all_threads(p, sig);
		return;
	}
	bool is_direct = t != NULL;
	if (is_direct ? (t->blocked & SIG_BIT(sig)) || (t->flags & TASK_EXITING) : !(t = choose_thread(p, sig)))
		return;
	signal_wake(t, sig, is_direct && is_fatal_locked(p, t, sig));
}

/* What stop signals and SIGCONT do by being sent. */
static void prepare_locked(struct process *p, int sig, struct list_head *doomed)
{
	if (SIG_BIT(sig) & SIGS_STOP) {
		queue_remove_all_locked(p, SIG_BIT(SIGCONT), doomed);
	} else if (sig == SIGCONT) {
		queue_remove_all_locked(p, SIGS_STOP, doomed);
		jobctl_continue_locked(p);
	}
}

/* *q is taken when it was queued. t NULL: for the process. */
static int send_locked(struct process *p, struct task *t, int sig, const siginfo_t *info, struct queued_signal **q,
                       struct list_head *doomed)
{
	if (!p->sighand)
		return 0;
	prepare_locked(p, sig, doomed);
	struct task *receiver = t ? t : p->leader;
	if (!receiver || signal_is_ignored_locked(p, receiver, sig))
		return 0;
	struct signal_queue *queue = t ? &t->pending : &p->pending;
	if (sig < SIGRTMIN && (queue->set & SIG_BIT(sig)))
		return 0;
	if (*q) {
		list_add_tail(&(*q)->link, &queue->infos);
		*q = NULL;
	} else if (sig >= SIGRTMIN && info && info->si_code != SI_USER) {
		return -EAGAIN;
	}
	queue->set |= SIG_BIT(sig);
	notice_locked(p, t, sig);
	return 0;
}

static int send(struct process *p, struct task *t, int sig, const siginfo_t *info)
{
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	struct queued_signal *q = NULL;
	if (info && sig != SIGKILL) {
		/* A plain kill() always arrives, whatever the limit. */
		q = queued_signal_alloc(p, sig < SIGRTMIN && info->si_code >= 0);
		if (q) {
			q->info = *info;
			q->info.si_signo = sig;
		}
	}
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	int err = send_locked(p, t, sig, info, &q, &doomed);
	spin_unlock_irq(&p->signal_lock, flags);
	if (q)
		queued_signal_free(q);
	queued_signals_free(&doomed);
	return err;
}

int signal_send_process(struct process *p, int sig, const siginfo_t *info) { return send(p, NULL, sig, info); }

void signal_info_user(siginfo_t *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_USER;
	info->si_pid = (int)current->process->pid;
	info->si_uid = current->cred->uid;
}

int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
	siginfo_t own;
	if (!info && t == current && (sig == SIGPIPE || sig == SIGXFSZ)) {
		signal_info_user(&own, sig); /* what the program's own call caused comes from itself */
		info = &own;
	}
	return send(t->process, t, sig, info);
}

int signal_send_pgrp_locked(u32 pgid, int sig, const siginfo_t *info)
{
	struct list_head *members = pgrp_members_locked(pgid);
	struct process *p;
	int reached = 0;
	if (members)
		list_for_each_entry(p, members, pgrp_link) {
			signal_send_process(p, sig, info);
			reached++;
		}
	return reached;
}

int signal_send_pgrp(u32 pgid, int sig, const siginfo_t *info)
{
	spin_lock(&tasklist_lock);
	int reached = signal_send_pgrp_locked(pgid, sig, info);
	spin_unlock(&tasklist_lock);
	return reached;
}

int signal_send_prepared_locked(struct process *p, struct task *t, int sig, struct queued_signal *q)
{
	if (!p->sighand || !list_is_empty(&q->link))
		return 0;
	struct task *receiver = t ? t : p->leader;
	if (!receiver || signal_is_ignored_locked(p, receiver, sig))
		return 1;
	struct signal_queue *queue = t ? &t->pending : &p->pending;
	if (sig < SIGRTMIN && (queue->set & SIG_BIT(sig)))
		return 1;
	list_add_tail(&q->link, &queue->infos);
	queue->set |= SIG_BIT(sig);
	notice_locked(p, t, sig);
	return 0;
}

/* ---- faults ---- */

static void force(int sig, const siginfo_t *info, bool with_default)
{
	struct task *t = current;
	struct process *p = t->process;
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	struct queued_signal *q = info ? queued_signal_alloc(p, true) : NULL;
	if (q)
		q->info = *info;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	if (p->sighand) {
		struct sigaction_k *a = &p->sighand->actions[sig - 1];
		bool blocked = t->blocked & SIG_BIT(sig);
		if (blocked || with_default || a->handler == HANDLER_IGNORE) {
			a->handler = HANDLER_DEFAULT;
			t->blocked &= ~SIG_BIT(sig);
		}
		if (a->handler == HANDLER_DEFAULT && p == init_process)
			init_is_at_fault = true;
		send_locked(p, t, sig, info, &q, &doomed);
		signal_recalc_locked(t);
	}
	spin_unlock_irq(&p->signal_lock, flags);
	queued_signal_free(q);
	queued_signals_free(&doomed);
}

void signal_force_fault(int sig, int code, uaddr_t addr)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_addr = (void *)addr;
	force(sig, &info, false);
}

void signal_force(int sig) { force(sig, NULL, false); }
void signal_force_fatal(int sig) { force(sig, NULL, true); }

/* ---- questions ---- */

bool signal_is_blocked_or_ignored(int sig)
{
	struct task *t = current;
	struct process *p = t->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	bool yes = (t->blocked & SIG_BIT(sig)) || handler_of(p, sig) == HANDLER_IGNORE;
	spin_unlock_irq(&p->signal_lock, flags);
	return yes;
}

bool signal_is_fatal_pending(struct task *t)
{
	struct process *p = t->process;
	sigset_bits set = (t->pending.set | p->pending.set) & ~(t->blocked | t->real_blocked);
	for (; set; set &= set - 1)
		if (p->sighand && is_fatal_locked(p, t, __builtin_ctzll(set) + 1))
			return true;
	return false;
}

sigset_bits signal_pending_set(struct task *t) { return READ_ONCE(t->pending.set) | READ_ONCE(t->process->pending.set); }
