/* SPDX-License-Identifier: MIT */
/* What the scheduler knows of one task, for /proc/PID/sched and stack. */
#ifndef KERNEL_SCHED_VIEW_H
#define KERNEL_SCHED_VIEW_H

#include <kernel/task.h>

struct sched_view {
	u64 exec_start_ns, vruntime, sum_exec_ns; /* up to now when it runs */
	u64 nr_voluntary, nr_involuntary;
	u64 wait_ns, nr_runs, nr_migrations;      /* see struct task */
	u32 weight, policy;
	s32 prio;                                 /* as Linux numbers it: 120 is nice 0, real time lies below 100 */
};
void sched_view(struct task *t, struct sched_view *out);

/* Where t stands in the kernel, the innermost address first: how many; 0 while it runs or has ended. */
unsigned sched_backtrace(struct task *t, u64 *addresses, unsigned max);

#endif
