/* SPDX-License-Identifier: MIT */
/* A process's own timers, private to kernel/time/. */
#ifndef KERNEL_TIME_TIMERS_H
#define KERNEL_TIME_TIMERS_H

#include <kernel/time.h>
#include <kernel/timers.h>
#include "../signal/internal.h"

/* One of ITIMER_VIRTUAL and ITIMER_PROF: counted down by the tick. */
struct cpu_itimer {
	u64 left_ns; /* 0: off */
	u64 interval_ns;
};

/* Made at the first use; lives until the process ends. All but `process` is guarded by signal_lock. */
struct posix_timers {
	struct process *process;
	struct ktimer real;
	u64 real_interval_ns;
	struct cpu_itimer virtual, prof;
	struct list_head list; /* struct posix_timer */
	s32 next_id;
	u32 nr_cpu_timers;     /* of list, on CPU-time clocks */
};

/* p->timers, made when missing; NULL: no memory. */
struct posix_timers *timers_get(struct process *p);

/* posix_timers.c: CPU-time timers that have come due. Tick of one of the process's threads. */
void posix_timers_tick_locked(struct process *p);
void posix_timers_delete_all(struct process *p);
void posix_timers_forget_task(struct task *t);

#endif
