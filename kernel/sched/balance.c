/* SPDX-License-Identifier: MIT */
/*
 * Which CPU a task runs on. Three occasions: a task wakes or is new (an idle CPU that it may use, else
 * where it was), a CPU runs out of work (pulls one that waits elsewhere), and every few ticks of a busy
 * CPU (pulls from one that is busier by two). All honour task_cpus().
 *
 * Queues of other CPUs are read without their locks to choose, and locked to act. A second queue is
 * only tried: who fails goes without, so no order is needed.
 */
#include "runqueue.h"
#include <kernel/errno.h>

static bool may_run_on(const struct task *t, unsigned cpu)
{
	return (task_cpus(t) >> cpu & 1) && READ_ONCE(runqueues[cpu].is_online);
}

unsigned balance_select_cpu(const struct task *t)
{
	unsigned nr = hal_nr_cpus(), last = t->cpu, best = HAL_MAX_CPUS;
	if (nr == 1)
		return 0;
	if (may_run_on(t, last) && !READ_ONCE(runqueues[last].nr_running))
		return last;
	u32 least = may_run_on(t, last) ? READ_ONCE(runqueues[last].nr_running) : ~0u;
	if (least != ~0u)
		best = last;
	for (unsigned cpu = 0; cpu < nr; cpu++) {
		u32 n = READ_ONCE(runqueues[cpu].nr_running);
		if (n < least && may_run_on(t, cpu) && (best != last || n == 0 || n + 1 < least)) {
			least = n;
			best = cpu;
		}
	}
	return best < HAL_MAX_CPUS ? best : (unsigned)__builtin_ctzll(task_cpus(t) | 1ull << (nr - 1));
}

static struct runqueue *busiest(const struct runqueue *me, u32 at_least)
{
	struct runqueue *found = NULL;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		struct runqueue *rq = &runqueues[cpu];
		u32 n = READ_ONCE(rq->nr_running);
		if (rq != me && n >= at_least) {
			found = rq;
			at_least = n + 1;
		}
	}
	return found;
}

/* A linked task of `from` that may run on cpu; the one that would wait longest. */
static struct task *movable(struct runqueue *from, unsigned cpu)
{
	for (struct rb_node *n = rb_last(&from->fair); n; n = rb_prev(n)) {
		struct task *t = container_of(n, struct task, run_node);
		if (task_cpus(t) >> cpu & 1)
			return t;
	}
	return NULL;
}

bool balance_pull(struct runqueue *rq, u32 min_lead)
{
	if (hal_nr_cpus() == 1 || !rq->is_online)
		return false;
	struct runqueue *from = busiest(rq, max(rq->nr_running + min_lead, 2u));
	if (!from || !spin_trylock(&from->lock))
		return false;
	struct task *t = movable(from, rq->id);
	if (t) {
		rq_dequeue(from, t);
		rq_psi_moved(from, t);
		t->vruntime += rq->min_vruntime - from->min_vruntime;
		t->cpu = rq->id;
		t->nr_migrations++;
		rq_enqueue(rq, t);
		u64 now = hal_clock_ns();
		psi_cpu_wanted(&rq->psi, now);
		rq_psi_enter(rq, t, now);
	}
	spin_unlock(&from->lock);
	return t != NULL;
}

static cpumask_t online_mask(void)
{
	unsigned nr = hal_nr_cpus();
	return nr == 64 ? ~0ull : (1ull << nr) - 1;
}

cpumask_t sched_online_cpus(void) { return online_mask(); }

/* Sets t's word `mask` of CPUs, and moves t where it has to go. */
static void set_cpus(struct task *t, cpumask_t *mask, cpumask_t cpus)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	*mask = cpus;
	bool must_move = !(task_cpus(t) >> rq->id & 1);
	bool is_curr = rq->curr == t;
	if (must_move && is_curr) {
		rq_resched(rq);
	} else if (must_move && t->on_rq) {
		rq_dequeue(rq, t);
		rq_psi_moved(rq, t);
		t->vruntime -= rq->min_vruntime;
		t->wait_ns += hal_clock_ns() - t->queued_ns; /* it begins to wait elsewhere */
		spin_unlock(&rq->lock);
		task_place(t);
		hal_irq_restore(flags);
		return;
	}
	spin_unlock_irq(&rq->lock, flags);
	if (must_move && t == current)
		schedule();
}

int sched_set_affinity(struct task *t, cpumask_t mask)
{
	mask &= online_mask();
	if (!mask)
		return -EINVAL;
	set_cpus(t, &t->allowed, mask);
	return 0;
}

void sched_visit_cpus(void (*fn)(void))
{
	for (cpumask_t left = online_mask(); left; left &= left - 1) {
		if (!READ_ONCE(runqueues[__builtin_ctzll(left)].is_online))
			continue;
		set_cpus(current, &current->visits, left & -left);
		fn();
	}
	set_cpus(current, &current->visits, 0);
}

/* Runs `change` on t while it is off its queue's order. */
void sched_change(struct task *t, void (*change)(struct task *t, const void *arg), const void *arg)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	bool is_curr = rq->curr == t;
	if (t->on_rq && !is_curr)
		rq_unlink(rq, t);
	if (t->on_rq) {
		rq_account(rq, hal_clock_ns());
		rq_count(rq, t, -1);
	}
	change(t, arg);
	if (t->on_rq)
		rq_count(rq, t, 1);
	if (t->on_rq && !is_curr) {
		rq_place_woken(rq, t);
		rq_link(rq, t);
		if (rq_preempts(rq, t))
			rq_resched(rq);
	} else if (is_curr) {
		rq_resched(rq);
	}
	spin_unlock_irq(&rq->lock, flags);
}
