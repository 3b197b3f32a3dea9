/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's figures: CPU time of tasks and CPUs, load average.
 *
 * Busy time is exact: it is charged from the clock at every switch. Its division into user and system
 * comes from the tick, which credits what has passed since the last sample to the mode that it meets,
 * and each task's exact time is divided in the ratio of its samples (as Linux does by default). What
 * is reported never goes back.
 */
#include "runqueue.h"
#include <hal/time.h>

#define LOAD_PERIOD_NS (5 * NSEC_PER_SEC)
#define LOAD_SHIFT 11
#define LOAD_ONE   (1u << LOAD_SHIFT)

static void credit(struct runqueue *rq, const struct task *t, u64 user_ns, u64 system_ns)
{
	if (t->nice > 0)
		rq->times.nice_ns += user_ns;
	else
		rq->times.user_ns += user_ns;
	rq->times.system_ns += system_ns;
}

void cputime_sample(struct runqueue *rq, u64 now, bool user)
{
	u64 ns = min(now - rq->last_sample_ns, 2 * TICK_NS);
	rq->last_sample_ns = now;
	if (user)
		rq->curr->sample_user += ns;
	else
		rq->curr->sample_system += ns;
	credit(rq, rq->curr, user ? rq->unsplit_ns : 0, user ? 0 : rq->unsplit_ns);
	rq->unsplit_ns = 0;
}

/* part of `total` in the ratio a : b, without overflow */
static u64 share(u64 total, u64 a, u64 b)
{
	while ((a | b) >> 20) {
		a >>= 1;
		b >>= 1;
	}
	u64 sum = a + b;
	return sum ? total / sum * a + total % sum * a / sum : 0;
}

void cputime_idle_enter(struct runqueue *rq, u64 now, struct task *prev)
{
	u64 system = share(rq->unsplit_ns, prev->sample_system, prev->sample_user);
	credit(rq, prev, rq->unsplit_ns - system, system);
	rq->unsplit_ns = 0;
	rq->idle_since_ns = now;
}

/* Idle time while somebody who sleeps here waits for a device is iowait; exactly, not by the tick. */
static void credit_idle(struct runqueue *rq, u64 now)
{
	u64 ns = now > rq->idle_since_ns ? now - rq->idle_since_ns : 0;
	if (rq->psi.nr_io)
		rq->times.iowait_ns += ns;
	else
		rq->times.idle_ns += ns;
	rq->idle_since_ns = now;
}

void cputime_idle_leave(struct runqueue *rq, u64 now)
{
	credit_idle(rq, now);
	rq->idle_since_ns = 0;
	rq->last_sample_ns = now;
}

void cputime_io_ends(struct runqueue *rq, u64 now)
{
	if (rq->idle_since_ns)
		credit_idle(rq, now);
}

void sched_cpu_times(unsigned cpu, struct cpu_times *out)
{
	struct runqueue *rq = &runqueues[cpu];
	unsigned long flags = spin_lock_irq(&rq->lock);
	if (rq->idle_since_ns)
		credit_idle(rq, hal_clock_ns());
	*out = rq->times;
	spin_unlock_irq(&rq->lock, flags);
}

void task_cpu_times(struct task *t, u64 *utime_ns, u64 *stime_ns)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	if (rq->curr == t)
		rq_account(rq, hal_clock_ns());
	u64 total = t->sum_exec_ns;
	u64 system = share(total, t->sample_system, t->sample_user);
	if (system < t->stime_ns)
		system = t->stime_ns;
	if (total - system < t->utime_ns)
		system = total - t->utime_ns;
	t->stime_ns = system;
	t->utime_ns = total - system;
	*utime_ns = t->utime_ns;
	*stime_ns = t->stime_ns;
	spin_unlock_irq(&rq->lock, flags);
}

void process_cpu_times_locked(struct process *p, u64 *utime_ns, u64 *stime_ns)
{
	struct task *t;
	*utime_ns = p->utime_ns;
	*stime_ns = p->stime_ns;
	list_for_each_entry(t, &p->threads, thread_link) {
		u64 u, s;
		if (t->flags & TASK_ACCOUNTED)
			continue;
		task_cpu_times(t, &u, &s);
		*utime_ns += u;
		*stime_ns += s;
	}
}

void process_cpu_times(struct process *p, u64 *utime_ns, u64 *stime_ns)
{
	spin_lock(&tasklist_lock);
	process_cpu_times_locked(p, utime_ns, stime_ns);
	spin_unlock(&tasklist_lock);
}

u64 sched_nr_switches(void)
{
	u64 n = 0;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
		n += READ_ONCE(runqueues[cpu].nr_switches);
	return n;
}

unsigned sched_nr_running(void)
{
	unsigned n = 0;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
		n += READ_ONCE(runqueues[cpu].nr_running);
	return n;
}

unsigned sched_nr_blocked(void)
{
	unsigned n = 0;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
		n += READ_ONCE(runqueues[cpu].psi.nr_io);
	return n;
}

/* ---- load average: every 5 s, load = load * e + running * (1 - e), e = exp(-5 s / period) ---- */

static const u32 decay[3] = { 1884, 2014, 2037 }; /* times 2048 */
static u64 load[3], load_next_ns = LOAD_PERIOD_NS;
static u8 load_lock;

void load_update(u64 now)
{
	if (likely(now < READ_ONCE(load_next_ns)) || __atomic_exchange_n(&load_lock, 1, __ATOMIC_ACQUIRE))
		return;
	u64 active = (u64)sched_nr_running() << LOAD_SHIFT;
	while (now >= load_next_ns) {
		WRITE_ONCE(load_next_ns, load_next_ns + LOAD_PERIOD_NS);
		for (unsigned i = 0; i < 3; i++)
			load[i] = (load[i] * decay[i] + active * (LOAD_ONE - decay[i]) + (active > load[i] ? LOAD_ONE - 1 : 0)) >> LOAD_SHIFT;
	}
	__atomic_store_n(&load_lock, 0, __ATOMIC_RELEASE);
}

void sched_load_average(u64 avg[3])
{
	load_update(hal_clock_ns());
	for (unsigned i = 0; i < 3; i++)
		avg[i] = load[i];
}
