/* SPDX-License-Identifier: MIT */
/*
 * The way in and out: system calls, faults and exceptions of user mode, and what is done before the
 * return to it. current->in_syscall tells the tick that time is spent in kernel mode on the task's
 * behalf.
 */
#include "table.h"
#include <hal/log.h>
#include <hal/uaccess.h>
#include <kernel/entry.h>
#include <kernel/ptrace.h>
#include <kernel/rseq.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <mm/fault.h>
#include <mm/oom.h>
#include <mm/space.h>

static u64 reported[(SYSCALL_TABLE_SIZE + 63) / 64];

struct hal_regs *syscall_regs(void) { return hal_context_regs(&current->ctx); }

static __attribute__((noinline, cold)) long syscall_unknown(u64 nr)
{
	if (nr >= SYSCALL_TABLE_SIZE) {
		static u32 strange;
		if (!__atomic_exchange_n(&strange, 1, __ATOMIC_RELAXED))
			hal_log(LOG_INFO, "system call %llu is unknown (%s, pid %u)", (unsigned long long)nr, current->comm, current->process->pid);
		return -ENOSYS;
	}
	u64 bit = 1ull << nr % 64;
	if (!(__atomic_fetch_or(&reported[nr / 64], bit, __ATOMIC_RELAXED) & bit))
		hal_log(LOG_INFO, "system call %s (%llu) is not supported (%s, pid %u)", syscall_names[nr] ? syscall_names[nr] : "?",
		        (unsigned long long)nr, current->comm, current->process->pid);
	return -ENOSYS;
}

static inline void call(struct hal_regs *regs)
{
	u64 nr = hal_regs_syscall_nr(regs);
	syscall_fn fn = likely(nr < SYSCALL_TABLE_SIZE) ? syscall_table[nr] : NULL;
	long ret;
	if (likely(fn))
		ret = fn(hal_regs_syscall_arg(regs, 0), hal_regs_syscall_arg(regs, 1), hal_regs_syscall_arg(regs, 2),
		         hal_regs_syscall_arg(regs, 3), hal_regs_syscall_arg(regs, 4), hal_regs_syscall_arg(regs, 5));
	else
		ret = syscall_unknown(nr);
	hal_regs_set_ret(regs, (u64)ret);
}

static __attribute__((noinline, cold)) void call_traced(struct hal_regs *regs)
{
	if (ptrace_call_begins(regs) && (s64)hal_regs_syscall_nr(regs) != -1) /* the tracer may have changed it */
		call(regs);
	ptrace_call_ended(regs);
}

void kernel_syscall(struct hal_regs *regs)
{
	struct task *t = current;
	t->in_syscall = true;
	if (likely(!t->stops_at_calls))
		call(regs);
	else
		call_traced(regs);
	t->in_syscall = false;
}

/* ---- faults ---- */

/* Memory ran out for a page that the task cannot go on without, and nobody can be killed for it: all that is
 * left is exempt. The task goes, so that the machine lives; init waits for better times. */
static void end_for_memory(void)
{
	struct process *p = current->process;
	if (p == init_process) {
		oom_wait();
		return;
	}
	hal_log(LOG_ERR, "Out of memory: process %u (%s) ends: nobody else can be killed for it", p->pid, current->comm);
	process_begin_group_exit(p, SIGKILL);
}

static void count_fault(struct task *t, struct fault_verdict v)
{
	if (v.major)
		t->maj_faults++;
	else
		t->min_faults++;
}

void kernel_user_fault(struct hal_regs *regs, uaddr_t addr, unsigned access)
{
	struct task *t = current;
	u64 error = hal_regs_syscall_nr(regs); /* the CPU's error code stands there */
	t->in_syscall = true;
	hal_regs_leave_syscall(regs);
	struct fault_verdict v = fault_handle(t->space, addr, access);
	if (likely(v.kind == FAULT_MAPPED)) {
		count_fault(t, v);
	} else if (v.kind == FAULT_SIGNAL) {
		if (!host_current()->is_being_killed) /* its memory may have been taken already */
			signal_force_page_fault(v.sig, v.code, addr, error);
	} else if (v.kind == FAULT_OOM && !oom_fault()) {
		end_for_memory();
	}
	t->in_syscall = false;
}

bool kernel_uaccess_fault(uaddr_t addr, unsigned access)
{
	struct task *t = current;
	if (!t->space || t->no_faults)
		return false;
	struct fault_verdict v = fault_handle(t->space, addr, access);
	if (v.kind == FAULT_MAPPED) {
		count_fault(t, v);
		return true;
	}
	return v.kind == FAULT_RETRY && !host_current()->is_being_killed;
}

/* ---- the way out ---- */

static void child_set_tid(struct task *t)
{
	u32 tid = t->tid;
	if (t->set_child_tid && put_user(tid, t->set_child_tid))
		t->set_child_tid = 0;
	t->set_child_tid = 0;
}

void kernel_exit_to_user(struct hal_regs *regs)
{
	struct task *t = current;
	t->in_syscall = true;
	u32 work;
	while ((work = READ_ONCE(t->work))) {
		if (work & WORK_RESCHED)
			schedule();
		if (work & WORK_OTHER) {
			__atomic_fetch_and(&t->work, ~WORK_OTHER, __ATOMIC_RELAXED);
			child_set_tid(t);
			rseq_exit_to_user(regs);
		}
		if (work & WORK_KILL)
			task_exit(t->process->group_exiting ? t->process->exit_code : SIGKILL);
		if (work & WORK_SIGNAL)
			signal_deliver(regs);
	}
	t->in_syscall = false;
}
