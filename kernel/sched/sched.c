/* SPDX-License-Identifier: MIT */
/*
 * The switch from task to task: sleeping, waking, slices, the idle task.
 *
 * Life of a task here: created RUNNING and placed (task_start); runs and is put back (preempted at the
 * end of its slice or by a woken one) or sleeps (sets its state, calls schedule); is woken by
 * task_wake, on the CPU that balance_select_cpu names; ends as TASK_DEAD in schedule, and the context
 * that runs next releases it.
 *
 * The queue's lock is taken by the task that leaves and released by the one that arrives. So whoever
 * holds the lock of a sleeping task's queue knows that its registers are saved, and may hand it to
 * another CPU at once. A running task changes its CPU by being left in rq->push, which the arriving
 * task queues elsewhere.
 *
 * Kernel threads and the idle task have no space: they borrow the one that is loaded. A space is
 * never freed while a CPU borrows it: see sched_drop_space().
 *
 * A lost wake-up cannot happen: a sleeper stores its state before it checks its condition, a waker
 * makes the condition true before task_wake reads the state.
 */
#include "../task/task.h"
#include "runqueue.h"
#include <hal/irq.h>
#include <kernel/entry.h>
#include <kernel/ptrace.h>
#include <lib/string.h>
#include <mm/space.h>
#include <mm/trace.h>

#define BALANCE_PERIOD_NS 40000000ull

static struct task boot_tasks[HAL_MAX_CPUS]; /* the idle tasks, which need no stack of ours */

void rq_resched(struct runqueue *rq)
{
	u32 old = __atomic_fetch_or(&rq->curr->work, WORK_RESCHED, __ATOMIC_RELEASE);
	if (!(old & WORK_RESCHED) && rq->id != hal_cpu_id())
		hal_cpu_kick(rq->id);
}

/* An interrupt is due when curr's slice ends, and at the next tick. */
static void arm_tick(struct runqueue *rq, struct task *t, u64 now)
{
	if (rq->next_tick_ns <= now)
		rq->next_tick_ns = (now / TICK_NS + 1) * TICK_NS;
	u64 slice = rq_slice(rq, t);
	u64 end = slice == ~0ull ? ~0ull : t->slice_start_ns + slice;
	timer_arm_at_most(min(end, rq->next_tick_ns));
}

/* ---- the switch ---- */

/* What the arriving task does for the one that left. */
static __attribute__((noinline)) void finish_switch(void)
{
	struct runqueue *rq = this_rq();
	struct task *push = rq->push, *dead = rq->dead;
	rq->push = rq->dead = NULL;
	spin_unlock(&rq->lock);
	if (unlikely(push))
		task_place(push);
	if (unlikely(dead)) {
		task_release_context(dead); /* a zombie needs no stack */
		task_put(dead);
	}
}

void kernel_context_started(void) { finish_switch(); }

static __attribute__((noinline)) void trace_switch(const struct task *prev, const struct task *next)
{
	u64 root = next->space ? (u64)next->space->root_pfn << PAGE_SHIFT : 0;
	trace_write(TRACE_SWITCH, next->tid, root, prev->state != TASK_RUNNING, 0);
}

static void switch_to(struct runqueue *rq, struct task *prev, struct task *next, u64 now)
{
	rq->nr_switches++;
	if (unlikely(next == rq->idle))
		cputime_idle_enter(rq, now, prev);
	else if (unlikely(prev == rq->idle))
		cputime_idle_leave(rq, now);
	rq->curr = next;
	rq->user_space = next->space;
	next->exec_start_ns = next->slice_start_ns = now;
	next->wait_ns += now - next->queued_ns;
	next->nr_runs++;
	/* A preempted or moved task with a restartable sequence is told. */
	if (prev->rseq_area && prev->state == TASK_RUNNING)
		task_set_work(prev, WORK_OTHER);
	if (next->rseq_area && next->rseq_cpu != rq->id)
		task_set_work(next, WORK_OTHER);
	prev->on_cpu = false;
	next->on_cpu = true;
	if (trace_is_on(TRACE_SWITCH))
		trace_switch(prev, next);
	if (next->space && next->space != rq->loaded) {
		space_switch(rq->loaded, next->space);
		rq->loaded = next->space;
	}
	if (next != rq->idle)
		arm_tick(rq, next, now);
	hal_set_current(next);
	hal_context_switch(&prev->ctx, &next->ctx);
	finish_switch(); /* here `next` is the task that called schedule() long ago */
}

/* Takes prev off the CPU: back into the queue, off it, or to another CPU. */
static void put_prev(struct runqueue *rq, struct task *prev, u64 now)
{
	if (prev->state == TASK_INTERRUPTIBLE && (READ_ONCE(prev->work) & WORK_INTERRUPTS))
		prev->state = TASK_RUNNING;
	if (prev->state == TASK_RUNNING && likely(task_cpus(prev) >> rq->id & 1)) {
		rq_link(rq, prev);
		prev->queued_ns = now;
		return;
	}
	rq_count(rq, prev, -1);
	prev->on_rq = false;
	if (unlikely(prev->stall))
		rq_psi_leave(rq, prev);
	if (prev->state == TASK_RUNNING) {
		prev->vruntime -= rq->min_vruntime;
		rq->push = prev;
	} else {
		prev->nr_switches_voluntary++;
		if (prev->state == TASK_DEAD || prev->state == TASK_ZOMBIE)
			rq->dead = prev;
	}
}

void schedule(void)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = this_rq();
	struct task *prev = rq->curr;
	spin_lock(&rq->lock);
	u64 now = hal_clock_ns();
	rq_account(rq, now);
	__atomic_fetch_and(&prev->work, ~WORK_RESCHED, __ATOMIC_RELAXED);
	if (prev != rq->idle)
		put_prev(rq, prev, now);
	struct task *next = rq_first(rq);
	if (!next && balance_pull(rq, 1))
		next = rq_first(rq);
	if (next) {
		rq_unlink(rq, next);
		if (unlikely(!next->rt_slice_ns))
			next->rt_slice_ns = SLICE_RR;
	} else {
		next = rq->idle;
	}
	psi_cpu_switched(&rq->psi, rq->nr_running, now);
	if (unlikely(rq->psi.is_watched))
		rq_psi_update(rq, next, now);
	if (next != prev) {
		if (prev->state == TASK_RUNNING && prev != rq->idle)
			prev->nr_switches_involuntary++;
		switch_to(rq, prev, next, now);
	} else {
		prev->slice_start_ns = now;
		if (prev != rq->idle)
			arm_tick(rq, prev, now);
		spin_unlock(&rq->lock);
	}
	hal_irq_restore(flags);
}

void cond_resched(void)
{
	if (unlikely(READ_ONCE(current->work) & WORK_RESCHED))
		schedule();
}

void sched_yield_current(void)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = this_rq();
	struct task *t = rq->curr;
	spin_lock(&rq->lock);
	rq_account(rq, hal_clock_ns());
	if (task_is_rt(t))
		t->rt_slice_ns = 0; /* to the end of its list */
	else if (rq->leftmost) /* behind everybody who waits */
		t->vruntime = max(t->vruntime, container_of(rb_last(&rq->fair), struct task, run_node)->vruntime);
	spin_unlock(&rq->lock);
	schedule();
	hal_irq_restore(flags);
}

/* ---- waking ---- */

/* rq is t's, locked; t is RUNNING, on no queue, with a vruntime that fits rq. */
static void activate(struct runqueue *rq, struct task *t)
{
	u64 now = hal_clock_ns();
	rq_account(rq, now);
	t->queued_ns = now;
	rq_place_woken(rq, t);
	rq_enqueue(rq, t);
	psi_cpu_wanted(&rq->psi, now);
	if (unlikely(t->stall || rq->psi.is_watched))
		rq_psi_enter(rq, t, now);
	if (rq_preempts(rq, t))
		rq_resched(rq);
	else if (rq->nr_running == 2 && rq->id == hal_cpu_id())
		arm_tick(rq, rq->curr, rq->curr->exec_start_ns); /* the slice of one alone was endless */
}

void task_place(struct task *t)
{
	struct runqueue *rq = rq_lock_task(t);
	t->cpu = balance_select_cpu(t);
	t->nr_migrations += t->cpu != rq->id && t->nr_runs;
	spin_unlock(&rq->lock);
	rq = rq_lock_task(t);
	t->vruntime += rq->min_vruntime;
	activate(rq, t);
	spin_unlock(&rq->lock);
}

static bool is_asleep(const struct task *t)
{
	return t->state == TASK_INTERRUPTIBLE || t->state == TASK_UNINTERRUPTIBLE || t->state == TASK_STOPPED ||
	       (t->state == TASK_TRACED && !READ_ONCE(t->trace->is_held));
}

/* The queue's lock is held until the switch is over: who has it finds the registers saved. */
void sched_wait_asleep(struct task *t)
{
	for (bool is_asleep = false; !is_asleep;) {
		unsigned long flags = hal_irq_save();
		struct runqueue *rq = rq_lock_task(t);
		is_asleep = t->state == TASK_TRACED && !t->on_cpu && !t->on_rq;
		spin_unlock_irq(&rq->lock, flags);
		if (!is_asleep) {
			hal_cpu_pause();
			cond_resched();
		}
	}
}

void task_wake(struct task *t)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = rq_lock_task(t);
	if (!is_asleep(t))
		goto out;
	t->state = TASK_RUNNING;
	if (unlikely(t->stall) && !t->on_rq)
		rq_psi_wake(rq, t);
	if (t->on_rq) /* it has not left the CPU yet, and will not now */
		goto out;
	unsigned cpu = balance_select_cpu(t);
	if (cpu == rq->id) {
		activate(rq, t);
		goto out;
	}
	t->vruntime -= rq->min_vruntime;
	spin_unlock(&rq->lock);
	task_place(t);
	hal_irq_restore(flags);
	return;
out:
	spin_unlock_irq(&rq->lock, flags);
}

void sched_task_start(struct task *t)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = this_rq();
	u64 slice = SLICE_MIN;
	t->vruntime = task_is_rt(t) ? 0 : slice * WEIGHT_NICE_0 / t->weight; /* its parent goes on first */
	t->cpu = rq->id;
	t->state = TASK_RUNNING;
	task_place(t);
	hal_irq_restore(flags);
}

/* ---- interrupts ---- */

/* The slice is over, or somebody waits who comes first: curr has to go. */
static bool slice_is_over(struct runqueue *rq, struct task *t, u64 now)
{
	if (t->sched_policy == SCHED_RR) {
		u64 used = now - t->slice_start_ns;
		if (used < t->rt_slice_ns)
			return false;
		t->rt_slice_ns = 0;
		return true;
	}
	return rq->nr_running > 1 && now - t->slice_start_ns >= rq_slice(rq, t);
}

static u64 tick(struct runqueue *rq, u64 now)
{
	struct task *t = rq->curr;
	if (t == rq->idle)
		return ~0ull;
	spin_lock(&rq->lock);
	rq_account(rq, now);
	bool user = !t->in_syscall && t->space;
	if (now >= rq->next_tick_ns) {
		u64 ns = now - rq->last_sample_ns;
		cputime_sample(rq, now, user);
		rq->next_tick_ns = (now / TICK_NS + 1) * TICK_NS;
		if (process_timers_tick) {
			spin_unlock(&rq->lock);
			process_timers_tick(t, ns, user);
			spin_lock(&rq->lock);
		}
	}
	if (now >= rq->next_balance_ns && hal_nr_cpus() > 1) {
		rq->next_balance_ns = now + BALANCE_PERIOD_NS;
		balance_pull(rq, 2);
	}
	if (slice_is_over(rq, t, now))
		rq_resched(rq);
	u64 slice = rq_slice(rq, t);
	u64 next = slice == ~0ull ? ~0ull : max(t->slice_start_ns + slice, now + WAKE_GRANULARITY);
	next = min(next, rq->next_tick_ns);
	spin_unlock(&rq->lock);
	return next;
}

void kernel_timer(void)
{
	u64 now = hal_clock_ns();
	timer_run_expired(now);
	u64 next = psi_tick(now, tick(this_rq(), now));
	load_update(now);
	timer_rearm(next);
}

/* Asked for attention: to look at its work flags (done by the return path and the idle loop), or to
 * let go of a space that it only borrows: a CPU that is woken from another rarely goes on with the
 * space it ran last. */
void kernel_kick(void)
{
	struct runqueue *rq = this_rq();
	spin_lock(&rq->lock);
	struct space *s = rq->loaded;
	if (s && !rq->user_space) {
		rq->loaded = NULL;
		space_switch(s, NULL);
	}
	spin_unlock(&rq->lock);
}

/* ---- spaces ---- */

void sched_use_space(struct space *s)
{
	unsigned long flags = hal_irq_save();
	struct runqueue *rq = this_rq();
	spin_lock(&rq->lock);
	current->space = rq->user_space = s;
	if (rq->loaded != s) {
		space_switch(rq->loaded, s);
		rq->loaded = s;
	}
	spin_unlock_irq(&rq->lock, flags);
}

/* CPUs that have s loaded although no task there uses it. */
static cpumask_t borrowers(struct space *s)
{
	cpumask_t borrowed = 0;
	for (cpumask_t left = READ_ONCE(s->cpus); left; left &= left - 1) {
		unsigned cpu = (unsigned)__builtin_ctzll(left);
		if (READ_ONCE(runqueues[cpu].user_space) != s)
			borrowed |= 1ull << cpu;
	}
	return borrowed;
}

void sched_drop_space(struct space *s)
{
	cpumask_t left;
	while ((left = borrowers(s))) {
		for (; left; left &= left - 1)
			hal_cpu_kick((unsigned)__builtin_ctzll(left));
		for (unsigned i = 0; i < 1000 && borrowers(s); i++)
			hal_cpu_pause();
	}
}

/* ---- start ---- */

static void init_cpu(unsigned cpu)
{
	struct runqueue *rq = &runqueues[cpu];
	struct task *t = &boot_tasks[cpu];
	spin_lock_init(&rq->lock, RANK_RUNQUEUE);
	for (unsigned i = 0; i < RT_PRIORITIES; i++)
		list_init(&rq->rt[i]);
	rq->id = cpu;
	t->refs = 1;
	t->flags = TASK_KTHREAD;
	t->state = TASK_RUNNING;
	t->cpu = cpu;
	t->weight = WEIGHT_NICE_0;
	t->allowed = 1ull << cpu;
	t->cred = &cred_root;
	t->on_cpu = true;
	t->in_syscall = true;
	list_init(&t->all_link);
	memcpy(t->comm, "idle", 5);
	rq->curr = rq->idle = t;
}

void sched_init(void)
{
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		init_cpu(i);
	hal_set_current(&boot_tasks[0]);
	runqueues[0].is_online = true;
}

void sched_start_cpu(void)
{
	struct runqueue *rq = this_rq();
	hal_irq_disable();
	if (!rq->is_online)
		hal_set_current(rq->idle);
	u64 now = hal_clock_ns();
	rq->idle_since_ns = now;
	WRITE_ONCE(rq->is_online, true);
	timer_rearm(~0ull);
	for (;;) {
		while (!READ_ONCE(rq->nr_running) && !(READ_ONCE(rq->idle->work) & WORK_RESCHED))
			hal_cpu_idle();
		schedule();
	}
}
