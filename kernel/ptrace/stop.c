/* SPDX-License-Identifier: MIT */
/*
 * Stops, as the tracee makes them, and how it is resumed.
 *
 * A stop's code is what wait() reports: the signal that is to be delivered; SIGTRAP | 0x80 (or plain SIGTRAP) at a
 * system call's begin and end; SIGTRAP | event << 8.
 */
#include "internal.h"
#include <hal/ptrace.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <lib/string.h>

#define CODE_OF_END (SIGTRAP | PTRACE_EVENT_EXIT << 8)

/* A thread that ends because its process does makes its last stop all the same; what kills it then came later. */
static bool is_killed(const struct task *t, u32 code)
{
	return READ_ONCE(t->trace->is_killed) || (code != CODE_OF_END && READ_ONCE(t->work) & WORK_KILL) ||
	       ((READ_ONCE(t->pending.set) | READ_ONCE(t->process->pending.set)) & SIG_BIT(SIGKILL));
}

void ptrace_tell_tracer_locked(struct task *t, const siginfo_t *info)
{
	struct process *to = t->trace->tracer->process;
	unsigned long flags = spin_lock_irq(&to->signal_lock);
	const struct sigaction_k *a = to->sighand ? &to->sighand->actions[SIGCHLD - 1] : NULL;
	bool is_stop = info->si_code == CLD_TRAPPED || info->si_code == CLD_STOPPED;
	bool is_wanted = a && info->si_signo && a->handler != (uaddr_t)SIG_IGN && !(is_stop && a->flags & SA_NOCLDSTOP);
	spin_unlock_irq(&to->signal_lock, flags);
	if (is_wanted)
		signal_send_process(to, info->si_signo, info);
	wake_all(&to->wait_children);
}

static void tell_of_stop(struct task *t, u32 code, int why)
{
	siginfo_t info;
	u64 utime, stime;
	memset(&info, 0, sizeof(info));
	task_cpu_times(t, &utime, &stime);
	info.si_signo = SIGCHLD;
	info.si_code = why;
	info.si_pid = (int)t->tid;
	info.si_uid = t->cred->uid;
	info.si_status = (int)(code & 0x7f);
	info.si_utime = (long)(utime / TICK_NS);
	info.si_stime = (long)(stime / TICK_NS);
	spin_lock(&tasklist_lock);
	if (t->trace->tracer)
		ptrace_tell_tracer_locked(t, &info);
	spin_unlock(&tasklist_lock);
}

static void sleep_stopped(struct task *t, struct trace *tr)
{
	t->wait_name = "ptrace_stop";
	for (;;) {
		__atomic_store_n(&t->state, TASK_TRACED, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&tr->is_held, __ATOMIC_SEQ_CST) &&
		    (!__atomic_load_n(&tr->is_stopped, __ATOMIC_ACQUIRE) || is_killed(t, tr->code)))
			break;
		schedule();
	}
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_SEQ_CST);
}

void trace_let_go(struct trace *tr)
{
	__atomic_store_n(&tr->is_held, false, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&tr->is_stopped, __ATOMIC_SEQ_CST) || is_killed(tr->task, tr->code))
		task_wake(tr->task);
}

/* Stops for `code` (si_code of the tracer's SIGCHLD: `why`), info NULL: none; releases the lock. The signal to go
 * on with, or 0; 0 as well when it was killed or is not traced any more. */
static u32 stop_unlock(struct task *t, unsigned long flags, u32 code, int why, const siginfo_t *info)
{
	struct trace *tr = t->trace;
	struct process *p = t->process;
	tr->is_killed = false;
	if (!tr->tracer || is_killed(t, code)) {
		spin_unlock_irq(&p->signal_lock, flags);
		return 0;
	}
	tr->code = code;
	tr->resume_signal = 0;
	tr->is_listening = false;
	tr->has_info = info != NULL;
	if (info)
		tr->info = *info;
	tr->is_stopped = tr->is_unreported = true;
	__atomic_store_n(&t->state, TASK_TRACED, __ATOMIC_SEQ_CST);
	spin_unlock_irq(&p->signal_lock, flags);
	tell_of_stop(t, code, why);
	sleep_stopped(t, tr);
	while (flags = spin_lock_irq(&p->signal_lock), tr->is_held) { /* since it looked */
		spin_unlock_irq(&p->signal_lock, flags);
		sleep_stopped(t, tr);
	}
	u32 sig = tr->is_stopped ? 0 : tr->resume_signal;
	tr->is_stopped = tr->is_unreported = tr->has_info = false;
	spin_unlock_irq(&p->signal_lock, flags);
	return sig;
}

void trace_resume(struct trace *tr, enum trace_mode mode, u32 sig)
{
	struct task *t = tr->task;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	bool was_stopped = tr->is_stopped;
	if (was_stopped) {
		bool steps = mode == TRACE_STEP || mode == TRACE_EMULATE_STEP;
		tr->mode = (u8)mode;
		t->stops_at_calls = mode != TRACE_CONT;
		if (steps && !hal_regs_set_step(hal_context_regs(&t->ctx), true))
			tr->forced_step = true;
		else if (!steps && tr->forced_step) {
			hal_regs_set_step(hal_context_regs(&t->ctx), false);
			tr->forced_step = false;
		}
		tr->resume_signal = sig;
		tr->is_unreported = false;
		__atomic_store_n(&tr->is_stopped, false, __ATOMIC_RELEASE);
	}
	spin_unlock_irq(&t->process->signal_lock, flags);
	if (was_stopped)
		task_wake(t);
}

/* ---- signals ---- */

/* The signal that the tracer chose instead. */
static void info_from_tracer(struct task *t, int sig, siginfo_t *info)
{
	spin_lock(&tasklist_lock);
	struct task *tracer = t->trace->tracer;
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = SI_USER;
	info->si_pid = tracer ? (int)tracer->process->pid : 0;
	info->si_uid = tracer ? tracer->cred->uid : 0;
	spin_unlock(&tasklist_lock);
}

int ptrace_signal_locked(struct task *t, int sig, siginfo_t *info, unsigned long *flags)
{
	struct process *p = t->process;
	t->stop_dequeued = true; /* SIGCONT while the tracer thinks undoes a stop signal */
	int now = (int)stop_unlock(t, *flags, (u32)sig, CLD_TRAPPED, info);
	if (now == sig)
		*info = t->trace->info; /* PTRACE_SETSIGINFO */
	if (now && now != info->si_signo)
		info_from_tracer(t, now, info);
	bool is_blocked = now && t->blocked & SIG_BIT(now);
	if (is_blocked)
		signal_send_task(t, now, info);
	*flags = spin_lock_irq(&p->signal_lock);
	return is_blocked ? 0 : now;
}

static void fill_trap_info(struct task *t, u32 code, siginfo_t *info)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = (int)(code & 0x7f);
	info->si_code = (int)code;
	info->si_pid = (int)t->tid;
	info->si_uid = t->cred->uid;
}

void ptrace_trap_unlock(struct task *t, unsigned long flags)
{
	struct process *p = t->process;
	siginfo_t info;
	u32 sig = p->is_stopped || p->nr_stopping ? p->stop_code : SIGTRAP;
	t->trace->wants_trap = false;
	t->trace->message = 0;
	fill_trap_info(t, sig | PTRACE_EVENT_STOP << 8, &info);
	stop_unlock(t, flags, sig | PTRACE_EVENT_STOP << 8, CLD_STOPPED, &info);
}

void ptrace_group_stop_unlock(struct task *t, unsigned long flags)
{
	if (t->trace->is_seized)
		ptrace_trap_unlock(t, flags);
	else
		stop_unlock(t, flags, t->process->stop_code, CLD_STOPPED, NULL);
}

void ptrace_continued_locked(struct task *t)
{
	struct trace *tr = t->trace;
	if (!tr || !tr->tracer || !tr->is_seized)
		return;
	tr->wants_trap = true;
	signal_wake(t, 0, false);
	if (tr->is_listening)
		trace_stop_anew_locked(tr);
}

void trace_stop_anew_locked(struct trace *tr)
{
	tr->is_listening = false;
	__atomic_store_n(&tr->is_stopped, false, __ATOMIC_RELEASE);
	task_wake(tr->task);
}

/* ---- stops that are no signals ---- */

/* The signal that the tracer sends with it. */
static u32 stop_for(u32 code, u64 message)
{
	struct task *t = current;
	siginfo_t info;
	fill_trap_info(t, code, &info);
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	t->trace->message = message;
	u32 sig = stop_unlock(t, flags, code, CLD_TRAPPED, &info);
	signal_notice_pending(); /* what came meanwhile was nobody's to look at */
	return sig;
}

void ptrace_event(unsigned event, u64 message)
{
	struct task *t = current;
	if (task_is_traced(t) && READ_ONCE(t->trace->options) & 1u << event)
		stop_for(SIGTRAP | event << 8, message);
}

void ptrace_exec(u32 old_tid)
{
	struct task *t = current;
	if (!task_is_traced(t))
		return;
	if (READ_ONCE(t->trace->options) & PTRACE_O_TRACEEXEC)
		ptrace_event(PTRACE_EVENT_EXEC, old_tid);
	else if (!t->trace->is_seized) {
		siginfo_t info;
		signal_info_user(&info, SIGTRAP);
		signal_send_task(t, SIGTRAP, &info);
	}
}

bool ptrace_leave_step(struct hal_regs *regs)
{
	struct trace *tr = current->trace;
	if (!tr || !tr->forced_step)
		return false;
	hal_regs_set_step(regs, false);
	tr->forced_step = false;
	return true;
}

void ptrace_stepped_into_handler(void)
{
	if (task_is_traced(current))
		stop_for(SIGTRAP, 0);
}

/* ---- system calls ---- */

static void stop_at_call(u64 message)
{
	struct task *t = current;
	u32 good = READ_ONCE(t->trace->options) & PTRACE_O_TRACESYSGOOD ? 0x80 : 0;
	u32 sig = stop_for(SIGTRAP | good, message);
	if (sig) {
		siginfo_t info;
		signal_info_user(&info, (int)sig);
		signal_send_task(t, (int)sig, &info);
	}
}

bool ptrace_call_begins(struct hal_regs *regs)
{
	struct trace *tr = current->trace;
	bool is_emulated = tr->mode == TRACE_EMULATE || tr->mode == TRACE_EMULATE_STEP;
	if (!task_is_traced(current))
		return true;
	hal_regs_set_ret(regs, (u64)-ENOSYS); /* what the call returns if the tracer takes it away */
	if (tr->mode == TRACE_CALLS || is_emulated)
		stop_at_call(PTRACE_EVENTMSG_SYSCALL_ENTRY);
	return !is_emulated && !is_killed(current, 0);
}

void ptrace_call_ended(struct hal_regs *regs)
{
	struct trace *tr = current->trace;
	if (!task_is_traced(current) || !current->stops_at_calls)
		return;
	if (tr->mode == TRACE_CALLS)
		stop_at_call(PTRACE_EVENTMSG_SYSCALL_EXIT);
	else if (tr->mode == TRACE_STEP) /* the CPU traps only after the next instruction */
		signal_force_fault(SIGTRAP, TRAP_BRKPT, hal_regs_ip(regs));
}
