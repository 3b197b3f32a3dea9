/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2): one task, the tracer, sees and steers another, the tracee, while that stands still.
 *
 * A tracee stops (TASK_TRACED) on its own way to user mode, at a system call's begin or end, or at an event
 * (fork, exec, exit); its tracer is told by SIGCHLD and wait, reads and changes it, and resumes it.
 *
 * T1  tracer, link and the tracer's list of tracees change under tasklist_lock, tracer under the tracee's
 *     signal_lock too: either to read.
 * T2  is_stopped is set by the tracee before it sleeps and cleared by who resumes it, or by itself when it is
 *     killed. While it is set the tracee runs no code but that of its stop.
 * T3  A tracee that is_held does not leave its stop, whatever wakes it: its registers, and the stack on which they lie,
 *     stay for its tracer's request.
 *
 * Source: ptrace(2), "The lifetime of stops".
 */
#ifndef KERNEL_PTRACE_H
#define KERNEL_PTRACE_H

#include <kernel/task.h>
#include <linux/ptrace.h>

/* How far a tracee runs when it is resumed. */
enum trace_mode { TRACE_CONT, TRACE_CALLS, TRACE_STEP, TRACE_EMULATE, TRACE_EMULATE_STEP };

/* Made when a task is traced first, freed with the task. */
struct trace {
	struct task *task, *tracer;  /* tracer (t) and (s); NULL: not traced now */
	struct list_head link;       /* (t) in tracer->tracees */
	u32 options;                 /* (s) PTRACE_O_* */
	bool is_seized;              /* (s) by PTRACE_SEIZE: stops of its process are told apart */
	bool has_privilege;          /* the tracer had CAP_SYS_PTRACE: exec may gain rights */
	bool wants_trap;             /* (s) has to stop for PTRACE_INTERRUPT, or since its process goes on */
	bool is_stopped;             /* (s) */
	bool is_held;                /* (s) a request is under way */
	bool is_killed;              /* since the stop began */
	bool is_unreported;          /* (s) wait() has not told of the stop */
	bool is_listening;           /* (s) PTRACE_LISTEN: stopped, but not the tracer's to steer */
	bool has_info;               /* (s) of the stop: a signal, and not its process's stop */
	bool forced_step;            /* the step flag is the tracer's, not the program's */
	u8 mode;                     /* (s) enum trace_mode */
	u32 code;                    /* (s) of the last stop: what wait() shifts left by 8 */
	u32 resume_signal;           /* (s) */
	u64 message;                 /* (s) PTRACE_GETEVENTMSG */
	siginfo_t info;              /* (s) */
};

static inline void trace_note_kill(struct task *t)
{
	if (t->trace)
		WRITE_ONCE(t->trace->is_killed, true);
}

static inline bool task_is_traced(const struct task *t) { return t->trace && READ_ONCE(t->trace->tracer); }

/* ---- for signals; the tracee is the running task, signal_lock is held ---- */

/* The tracer is asked about a signal that was taken. What is to be delivered (then *info is it) or 0. The lock is
 * released and taken again. */
int ptrace_signal_locked(struct task *t, int sig, siginfo_t *info, unsigned long *flags);
/* wants_trap. Releases the lock. */
void ptrace_trap_unlock(struct task *t, unsigned long flags);
/* Its process's stop. Releases the lock. */
void ptrace_group_stop_unlock(struct task *t, unsigned long flags);
/* Not for the running task alone: its process has got SIGCONT. */
void ptrace_continued_locked(struct task *t);
/* A handler's frame is about to be built: the program's flags without the tracer's step. Was it stepping? */
bool ptrace_leave_step(struct hal_regs *regs);
void ptrace_stepped_into_handler(void);

/* ---- for system calls, with task->stops_at_calls ---- */

bool ptrace_call_begins(struct hal_regs *regs); /* false: the call is not to be made */
void ptrace_call_ended(struct hal_regs *regs);

/* ---- for fork, exec, exit, wait ---- */

/* An event of the running task: a stop when the tracer asked for it. */
void ptrace_event(unsigned event, u64 message);
/* What clone() tells its tracer: PTRACE_EVENT_* or 0. */
unsigned ptrace_clone_event(u64 clone_flags, u64 exit_signal);
/* Memory for tracing a child of the running task, if that will be. 0 or -ENOMEM. */
int ptrace_prepare_child(struct task *child, u64 clone_flags, unsigned event);
void ptrace_attach_child_locked(struct task *child); /* tasklist_lock held */
void ptrace_exec(u32 old_tid);
/* t is not traced any more, and goes on with `sig`; tasklist_lock held. */
void ptrace_unlink_locked(struct task *t, u32 sig);
/* A signal (info's number; 0: none) and a wake-up for the tracer of t; tasklist_lock held. */
void ptrace_tell_tracer_locked(struct task *t, const siginfo_t *info);

/* May the running task look into t, with its real ids or (by_fs_ids: /proc) those for files? Takes tasklist_lock.
 * Source: ptrace(2), "Ptrace access mode checking". */
bool ptrace_may_access(struct task *t, bool by_fs_ids);

#endif
