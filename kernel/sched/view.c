/* SPDX-License-Identifier: MIT */
/*
 * What others may see of a task's place in the scheduler. The lock of its queue is held while it is looked at: then it
 * neither starts to run nor ends, and the registers of a task that does not run are saved.
 */
#include "runqueue.h"
#include <hal/backtrace.h>
#include <hal/time.h>
#include <kernel/sched_view.h>

void sched_view(struct task *t, struct sched_view *out)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	if (t->on_cpu)
		rq_account(rq, hal_clock_ns());
	*out = (struct sched_view){
		.exec_start_ns = t->exec_start_ns, .vruntime = t->vruntime, .sum_exec_ns = t->sum_exec_ns, .nr_voluntary = t->nr_switches_voluntary,
		.nr_involuntary = t->nr_switches_involuntary, .wait_ns = t->wait_ns, .nr_runs = t->nr_runs, .nr_migrations = t->nr_migrations, .weight = t->weight, .policy = t->sched_policy,
		.prio = task_is_rt(t) ? 99 - (s32)t->rt_priority : 120 + t->nice,
	};
	spin_unlock_irq(&rq->lock, flags);
}

unsigned sched_backtrace(struct task *t, u64 *addresses, unsigned max)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	bool is_there = !t->on_cpu && t->state != TASK_ZOMBIE && t->state != TASK_DEAD;
	unsigned nr = is_there ? hal_context_backtrace(&t->ctx, addresses, max) : 0;
	spin_unlock_irq(&rq->lock, flags);
	return nr;
}
