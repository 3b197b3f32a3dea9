/* SPDX-License-Identifier: MIT */
/*
 * The system call ptrace: what a tracer asks of its tracee. But for PTRACE_KILL and PTRACE_INTERRUPT the tracee stands
 * still meanwhile, even when it is killed at that moment.
 */
#include "internal.h"
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/rseq.h>
#include <mm/inspect.h>
#include <mm/space.h>

#define PTRACE_GETREGS          12
#define PTRACE_SETREGS          13
#define PTRACE_GETFPREGS        14
#define PTRACE_SETFPREGS        15
#define PTRACE_ARCH_PRCTL       30
#define PTRACE_SYSEMU           31
#define PTRACE_SYSEMU_SINGLESTEP 32

#define NR_SIGNALS 64

/* ---- memory ---- */

static long move_word(struct task *t, uaddr_t at, u64 *word, bool write)
{
	struct space *s = task_get_space(t);
	size_t done = s ? space_access(s, at, word, sizeof(*word), write, true) : 0;
	if (s)
		space_put(s);
	return done == sizeof(*word) ? 0 : -EIO;
}

static long peek(struct task *t, uaddr_t at, uaddr_t to)
{
	u64 word;
	long err = move_word(t, at, &word, false);
	return err ? err : put_user(word, to) ? -EFAULT : 0;
}

/* ---- signals ---- */

static long move_siginfo(struct trace *tr, uaddr_t at, bool write)
{
	struct process *p = tr->task->process;
	siginfo_t info;
	if (write && copy_from_user(&info, at, sizeof(info)))
		return -EFAULT;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	long err = tr->has_info ? 0 : -EINVAL;
	if (!err && write)
		tr->info = info;
	else
		info = tr->info;
	spin_unlock_irq(&p->signal_lock, flags);
	return err || write ? err : copy_to_user(at, &info, sizeof(info)) ? -EFAULT : 0;
}

static long move_sigmask(struct trace *tr, u64 size, uaddr_t at, bool write)
{
	struct task *t = tr->task;
	sigset_bits set;
	if (size != sizeof(set))
		return -EINVAL;
	if (!write) {
		set = t->restore_blocked ? t->saved_blocked : t->blocked;
		return put_user(set, at) ? -EFAULT : 0;
	}
	if (copy_from_user(&set, at, sizeof(set)))
		return -EFAULT;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	t->blocked = set & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
	t->restore_blocked = false;
	task_set_work(t, WORK_SIGNAL); /* it looks again what is pending */
	spin_unlock_irq(&t->process->signal_lock, flags);
	return 0;
}

static long peek_siginfo(struct trace *tr, uaddr_t uargs, uaddr_t to)
{
	struct ptrace_peeksiginfo_args a;
	struct task *t = tr->task;
	s32 done = 0;
	if (copy_from_user(&a, uargs, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~(u32)PTRACE_PEEKSIGINFO_SHARED || a.nr < 0)
		return -EINVAL;
	for (; done < a.nr; done++) {
		siginfo_t info;
		unsigned long flags = spin_lock_irq(&t->process->signal_lock);
		bool found = signal_peek_locked(a.flags ? &t->process->pending : &t->pending, a.off + (u64)done, &info);
		spin_unlock_irq(&t->process->signal_lock, flags);
		if (!found)
			break;
		if (copy_to_user(to + (u64)done * sizeof(info), &info, sizeof(info)))
			return done ? done : -EFAULT;
	}
	return done;
}

/* ---- going on ---- */

static long resume(struct trace *tr, enum trace_mode mode, u64 sig)
{
	if (sig > NR_SIGNALS)
		return -EIO;
	trace_resume(tr, mode, (u32)sig);
	return 0;
}

static long detach(struct trace *tr, u64 sig)
{
	if (sig > NR_SIGNALS)
		return -EIO;
	spin_lock(&tasklist_lock);
	if (tr->tracer == current)
		ptrace_unlink_locked(tr->task, (u32)sig);
	spin_unlock(&tasklist_lock);
	return 0;
}

static long set_options(struct trace *tr, u64 options)
{
	if (options & ~(u64)PTRACE_O_KNOWN)
		return -EINVAL;
	WRITE_ONCE(tr->options, (u32)options);
	return 0;
}

/* It stops as soon as it can; one that listens stops anew. */
static long interrupt(struct trace *tr)
{
	struct task *t = tr->task;
	if (!tr->is_seized)
		return -EIO;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	tr->wants_trap = true;
	signal_wake(t, 0, false);
	if (tr->is_listening)
		trace_stop_anew_locked(tr);
	spin_unlock_irq(&t->process->signal_lock, flags);
	return 0;
}

static long listen(struct trace *tr)
{
	struct task *t = tr->task;
	long err = -EIO;
	if (!tr->is_seized)
		return err;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	if (tr->is_stopped && tr->code >> 8 == PTRACE_EVENT_STOP) {
		tr->is_listening = true;
		if (tr->wants_trap) /* its process went on before this call */
			trace_stop_anew_locked(tr);
		err = 0;
	}
	spin_unlock_irq(&t->process->signal_lock, flags);
	return err;
}

/* ---- other state ---- */

static long rseq_configuration(struct task *t, u64 size, uaddr_t to)
{
	struct ptrace_rseq_configuration c = {
		.rseq_abi_pointer = t->rseq_area, .rseq_abi_size = t->rseq_len, .signature = t->rseq_sig,
	};
	return copy_to_user(to, &c, min(size, sizeof(c))) ? -EFAULT : (long)sizeof(c);
}

/* PTRACE_ARCH_PRCTL: as arch_prctl(2), of the tracee. */
static long arch_prctl(struct trace *tr, uaddr_t addr, u64 code)
{
	enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };
	struct hal_context *c = &tr->task->ctx;
	u64 value = addr;
	switch (code) {
	case SET_GS:
	case SET_FS:
		if (!hal_user_base_ok(value))
			return -EPERM;
		*(code == SET_FS ? &c->fs_base : &c->gs_base) = value;
		return 0;
	case GET_FS:
	case GET_GS:
		value = code == GET_FS ? c->fs_base : c->gs_base;
		return put_user(value, addr) ? -EFAULT : 0;
	}
	return -EINVAL;
}

static long request_of(struct trace *tr, u64 request, u64 addr, u64 data)
{
	struct task *t = tr->task;
	u64 message = tr->message;
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(t, addr, data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return move_word(t, addr, &data, true);
	case PTRACE_PEEKUSR:
		return ptrace_peek_user(tr, addr, data);
	case PTRACE_POKEUSR:
		return ptrace_poke_user(tr, addr, data);
	case PTRACE_CONT:
		return resume(tr, TRACE_CONT, data);
	case PTRACE_SYSCALL:
		return resume(tr, TRACE_CALLS, data);
	case PTRACE_SINGLESTEP:
		return resume(tr, TRACE_STEP, data);
	case PTRACE_SYSEMU:
		return resume(tr, TRACE_EMULATE, data);
	case PTRACE_SYSEMU_SINGLESTEP:
		return resume(tr, TRACE_EMULATE_STEP, data);
	case PTRACE_DETACH:
		return detach(tr, data);
	case PTRACE_GETREGS:
		return ptrace_get_regs(tr, data);
	case PTRACE_SETREGS:
		return ptrace_set_regs(tr, data);
	case PTRACE_GETFPREGS:
	case PTRACE_SETFPREGS:
		return ptrace_fpregs(tr, data, request == PTRACE_SETFPREGS);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return ptrace_regset(tr, addr, data, request == PTRACE_SETREGSET);
	case PTRACE_SETOPTIONS:
		return set_options(tr, data);
	case PTRACE_GETEVENTMSG:
		return put_user(message, data) ? -EFAULT : 0;
	case PTRACE_GETSIGINFO:
	case PTRACE_SETSIGINFO:
		return move_siginfo(tr, data, request == PTRACE_SETSIGINFO);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return move_sigmask(tr, addr, data, request == PTRACE_SETSIGMASK);
	case PTRACE_PEEKSIGINFO:
		return peek_siginfo(tr, addr, data);
	case PTRACE_LISTEN:
		return listen(tr);
	case PTRACE_GET_SYSCALL_INFO:
		return ptrace_call_info(tr, addr, data);
	case PTRACE_GET_RSEQ_CONFIGURATION:
		return rseq_configuration(t, addr, data);
	case PTRACE_ARCH_PRCTL:
		return arch_prctl(tr, addr, data);
	}
	return -EIO;
}

/* The tracee stands still, is held there (T3), and has left its CPU, where its registers were. */
static bool hold(struct trace *tr)
{
	struct task *t = tr->task;
	unsigned long flags = spin_lock_irq(&t->process->signal_lock);
	bool ok = tr->is_stopped && !tr->is_listening;
	if (ok)
		__atomic_store_n(&tr->is_held, true, __ATOMIC_SEQ_CST);
	spin_unlock_irq(&t->process->signal_lock, flags);
	if (ok)
		sched_wait_asleep(t);
	return ok;
}

SYSCALL4(ptrace, request, pid, addr, data)
{
	if (request == PTRACE_TRACEME)
		return ptrace_traceme();
	struct task *t = task_find((u32)pid);
	long ret = -ESRCH;
	if (!t)
		return ret;
	struct trace *tr = t->trace;
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		ret = ptrace_attach(t, request == PTRACE_SEIZE, addr, data);
	else if (!tr || READ_ONCE(tr->tracer) != current)
		ret = -ESRCH;
	else if (request == PTRACE_KILL)
		ret = signal_send_task(t, SIGKILL, NULL);
	else if (request == PTRACE_INTERRUPT)
		ret = interrupt(tr);
	else if (hold(tr)) {
		ret = request_of(tr, request, addr, data);
		trace_let_go(tr);
	}
	task_put(t);
	return ret;
}
