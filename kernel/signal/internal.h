/* SPDX-License-Identifier: MIT */
/* What the files of kernel/signal/ share. */
#ifndef KERNEL_SIGNAL_INTERNAL_H
#define KERNEL_SIGNAL_INTERNAL_H

#include <hal/lock.h>
#include <linux/signal.h>
#include <kernel/errno.h>
#include <kernel/signal.h>
#include <kernel/task.h>

#define NR_SIGNALS 64

/* Signals by default action; the others end the process. */
#define SIGS_KERNEL_ONLY (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP))
#define SIGS_STOP        (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define SIGS_IGNORE      (SIG_BIT(SIGCONT) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGURG))
/* Caused by an instruction: delivered before all others. */
#define SIGS_SYNCHRONOUS                                                                            \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))

#define HANDLER_DEFAULT ((uaddr_t)SIG_DFL)
#define HANDLER_IGNORE  ((uaddr_t)SIG_IGN)

static inline bool signal_is_valid(u64 sig) { return sig >= 1 && sig <= NR_SIGNALS; }

/* The siginfo of one pending signal. */
struct queued_signal {
	struct list_head link; /* (s) in signal_queue.infos; empty: not queued */
	siginfo_t info;
	struct user *user;          /* who is charged, with a reference */
	struct posix_timer *timer;  /* a timer owns it: it is never freed while that exists */
};

/* queue.c. NULL: the limit is reached (ignored with `beyond_limit`) or no memory. */
struct queued_signal *queued_signal_alloc(struct process *p, bool beyond_limit);
void queued_signal_free(struct queued_signal *q); /* NULL is allowed */
void queued_signals_free(struct list_head *list);
/* Takes out everything in `set`; what has to be freed goes to `doomed`. signal_lock held. */
void queue_remove_locked(struct signal_queue *queue, sigset_bits set, struct list_head *doomed);
/* From the process's queue and those of all its threads. */
void queue_remove_all_locked(struct process *p, sigset_bits set, struct list_head *doomed);
/* The next pending signal of t outside `blocked`, with its info: number or 0. */
int queue_take_locked(struct task *t, sigset_bits blocked, siginfo_t *info, struct list_head *doomed);

/* send.c */
bool signal_is_ignored_locked(struct process *p, struct task *t, int sig);
void signal_recalc_locked(struct task *t);
/* init is not harmed by signals that it does not handle, unless it caused them itself. */
bool process_is_protected(const struct process *p);
/* For a signal whose memory is there already (timers); any context. 0: sent or pending, 1: ignored. */
int signal_send_prepared_locked(struct process *p, struct task *t, int sig, struct queued_signal *q);

/* signalfd.c: some signal has become pending; any context, under any signal_lock. */
void signalfd_wake(void);

/* jobctl.c; signal_lock held */
void jobctl_start_stop_locked(struct task *t, int sig);
void jobctl_continue_locked(struct process *p);
/* The running task stops; releases the lock. */
void jobctl_stop_unlock(struct task *t, unsigned long flags);
/* A thread that ends need not stop any more: CLD_STOPPED when it was the last, else 0. */
int jobctl_forget_locked(struct task *t);
void jobctl_notify_parent(struct process *p, int code); /* takes tasklist_lock */

/* altstack.c */
bool altstack_contains(const struct task *t, uaddr_t sp);
u32 altstack_state(const struct task *t, uaddr_t sp); /* SS_DISABLE, SS_ONSTACK or 0 */
long altstack_set(struct task *t, const stack_t *ss, uaddr_t sp);
void altstack_reset(struct task *t);

/* kernel/time/posix_timers.c: a timer's signal was taken from the queue. signal_lock held. */
void posix_timer_taken_locked(struct posix_timer *timer, siginfo_t *info);
/* kernel/time/itimer.c: SIGALRM was taken from the process's queue. */
void itimer_taken_locked(struct process *p);

#endif
