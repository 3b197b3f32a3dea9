/* SPDX-License-Identifier: MIT */
/* The scheduler's figures and settings, for /proc and the sched_* calls. Times in nanoseconds. */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include <kernel/task.h>

struct cpu_times {
	u64 user_ns, nice_ns, system_ns, idle_ns, iowait_ns, irq_ns;
};
void sched_cpu_times(unsigned cpu, struct cpu_times *out);

u64 sched_nr_switches(void);          /* context switches since boot: ctxt */
u64 sched_nr_forks(void);             /* tasks created since boot: processes */
unsigned sched_nr_running(void);      /* runnable or running now: procs_running */
unsigned sched_nr_blocked(void);      /* asleep for a device's answer: procs_blocked */
void sched_load_average(u64 avg[3]);  /* 1, 5, 15 minutes; fixed point, 11 bits of fraction */

/* CPU time of a task, the run in progress included. */
void task_cpu_times(struct task *t, u64 *utime_ns, u64 *stime_ns);
/* Of all threads, exited ones included. Takes tasklist_lock; the other: that or signal_lock is held. */
void process_cpu_times(struct process *p, u64 *utime_ns, u64 *stime_ns);
void process_cpu_times_locked(struct process *p, u64 *utime_ns, u64 *stime_ns);

u32 task_last_pid(void);              /* last pid given out */
u32 task_count(void);                 /* tasks that exist, zombies included */
extern u32 pid_max;                   /* /proc/sys/kernel/pid_max */
extern u32 threads_max;               /* /proc/sys/kernel/threads-max */

/* Called by the tick for the running task with signals to send for CPU-time timers (setitimer
 * VIRTUAL and PROF, RLIMIT_CPU); interrupts off. Weak: defined by who keeps such timers. */
void process_timers_tick(struct task *t, u64 ns, bool user) __attribute__((weak));

cpumask_t sched_online_cpus(void);
int sched_set_affinity(struct task *t, cpumask_t mask); /* 0; -EINVAL: no online CPU in it */
/* The running task calls fn on each online CPU in turn. What CPUs it may use otherwise is left alone. */
void sched_visit_cpus(void (*fn)(void));
/* Applies a change of policy, priority or nice to t wherever it stands; sets t->weight with it. */
void sched_change(struct task *t, void (*change)(struct task *t, const void *arg), const void *arg);
/* Until the tracee t, which is held, has left its CPU: its registers are in its context then. It is not woken. */
void sched_wait_asleep(struct task *t);
void sched_task_start(struct task *t); /* a new task becomes runnable */
u32 nice_to_weight(int nice);

/* The running task's space becomes s (NULL: none) and is loaded. Takes over no reference. */
void sched_use_space(struct space *s);
/* No CPU borrows s any more: before the reference of a task that used it is dropped. */
void sched_drop_space(struct space *s);

/* Boots the other parts: called by kernel_main. */
void sched_init(void);
void sched_start_cpu(void) __attribute__((noreturn)); /* becomes the idle task of this CPU */

#endif
