/* SPDX-License-Identifier: MIT */
/* Sending and delivering signals. */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include <kernel/task.h>

/* info may be NULL (SI_KERNEL). Any task context; takes signal_lock. 0 or -EAGAIN (real-time queue full). */
int signal_send_process(struct process *p, int sig, const siginfo_t *info);
int signal_send_task(struct task *t, int sig, const siginfo_t *info);
/* To all processes of a group / a session's foreground; takes tasklist_lock. Number reached. */
int signal_send_pgrp(u32 pgid, int sig, const siginfo_t *info);

/* A fault of the running task: cannot be blocked or ignored (then it kills). */
void signal_force_fault(int sig, int code, uaddr_t addr);
void signal_force(int sig);

/* From kernel_exit_to_user: delivers what is pending, sets up handler frames, restarts calls. */
void signal_deliver(struct hal_regs *regs);

/* Would this signal be ignored or blocked by the running task (tty: SIGTTIN/SIGTTOU)? */
bool signal_is_blocked_or_ignored(int sig);

bool signal_is_fatal_pending(struct task *t);
/* Recomputes WORK_SIGNAL after a change of `blocked`. */
void signal_recalc(void);

/* fork/exec/exit hooks. */
int signal_fork(struct task *child, u64 clone_flags);
void signal_exec(struct task *t);  /* handlers to default, timers gone, altstack off */
void signal_exit_task(struct task *t);
void signal_exit_process(struct process *p);
struct sighand *sighand_new(void);

#endif
