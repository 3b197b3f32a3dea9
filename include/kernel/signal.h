/* SPDX-License-Identifier: MIT */
/* Sending and delivering signals. */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <kernel/task.h>

/*
 * info NULL: from the kernel (SI_KERNEL), no memory needed; then also from interrupt handlers and
 * under tasklist_lock. With info: any task context. 0 or -EAGAIN (real-time queue full). A process
 * that has ended takes signals without effect.
 */
int signal_send_process(struct process *p, int sig, const siginfo_t *info);
int signal_send_task(struct task *t, int sig, const siginfo_t *info);
/* To all processes of a group; takes tasklist_lock. Number reached. */
int signal_send_pgrp(u32 pgid, int sig, const siginfo_t *info);
int signal_send_pgrp_locked(u32 pgid, int sig, const siginfo_t *info);

/* siginfo of kill(2): SI_USER, the running task's pid and real uid. */
void signal_info_user(siginfo_t *info, int sig);

/* A fault of the running task: cannot be blocked or ignored (then it kills). */
void signal_force_fault(int sig, int code, uaddr_t addr);
void signal_force(int sig); /* SI_KERNEL */
/* The same for a page fault: address and the machine's error code go into the handler's context. */
void signal_force_page_fault(int sig, int code, uaddr_t addr, u64 error);
/* The program cannot go on: `sig` with its default action. */
void signal_force_fatal(int sig);

/* From kernel_exit_to_user: delivers what is pending, sets up handler frames, restarts calls. */
void signal_deliver(struct hal_regs *regs);

/* Would this signal be ignored or blocked by the running task (tty: SIGTTIN/SIGTTOU)? */
bool signal_is_blocked_or_ignored(int sig);

bool signal_is_fatal_pending(struct task *t);
/* t looks for signals, and whether it has to stop, before it runs on: ends an interruptible sleep (sig SIGKILL: a stop too;
 * is_fatal: any sleep). signal_lock held. */
void signal_wake(struct task *t, int sig, bool is_fatal);
/* Sets the running task's WORK_SIGNAL if something is pending. */
void signal_notice_pending(void);
/* Recomputes the running task's WORK_SIGNAL after a change of `blocked`. */
void signal_recalc(void);
/* The running task's mask becomes `blocked` (never SIGKILL and SIGSTOP); signals of the process that it
 * blocks from now on go to other threads. */
void signal_set_blocked(sigset_bits blocked);
/* ppoll & co: `blocked` until the call is over; the old mask comes back on the way to user mode. */
void signal_set_blocked_temporarily(sigset_bits blocked);
/* The call ended without being interrupted: the old mask comes back at once. */
void signal_restore_blocked(void);

/* Takes the next signal of `wanted` that is pending for the running task: its number or 0. */
int signal_dequeue(sigset_bits wanted, siginfo_t *info);
/* Pending for t or its process (for signalfd, /proc). */
sigset_bits signal_pending_set(struct task *t);
/* The n-th info of a queue, or false: there are fewer. signal_lock held. */
bool signal_peek_locked(const struct signal_queue *queue, u64 n, siginfo_t *info);
/* Signals queued for the real user of p, against RLIMIT_SIGPENDING (/proc/PID/status SigQ). */
u32 signal_queued_count(struct process *p);

/* fork/exec/exit hooks. */
int signal_fork(struct task *child, u64 clone_flags); /* 0 or -ENOMEM */
void signal_exec(struct task *t);  /* handlers to default, timers gone, altstack off */
void signal_exit_task(struct task *t);
void signal_exit_process(struct process *p);
struct sighand *sighand_new(void); /* all default; NULL: no memory */

#endif
