/* SPDX-License-Identifier: MIT */
/*
 * Kernel timers: per CPU a tree by deadline, and one one-shot interrupt for the earliest of them or
 * the scheduler's next deadline.
 *
 * A timer belongs to the queue of timer->cpu, whose lock guards it. It fires on that CPU, with the
 * lock released while fn runs; is_running tells others to wait. `armed` is the time the hardware is
 * set to, so that it is only written to fire earlier.
 */
#include <hal/cpu.h>
#include <hal/irq.h>
#include <hal/lock.h>
#include <hal/time.h>
#include <kernel/time.h>
#include "../sched/runqueue.h"

static struct timer_queue {
	struct spinlock lock; /* RANK_TIMER, interrupts off */
	struct rb_root tree;
	struct rb_node *first;
	u64 armed_ns; /* this CPU only; 0 = fresh: nothing armed */
} __attribute__((aligned(64))) queues[HAL_MAX_CPUS] = { [0 ... HAL_MAX_CPUS - 1] = { .lock = { .rank = RANK_TIMER } } };

static struct ktimer *node_timer(struct rb_node *n) { return container_of(n, struct ktimer, node); }

void timer_arm_at_most(u64 deadline_ns)
{
	struct timer_queue *q = &queues[hal_cpu_id()];
	if (q->armed_ns && q->armed_ns <= deadline_ns)
		return;
	q->armed_ns = deadline_ns;
	hal_timer_arm(deadline_ns);
}

void timer_rearm(u64 deadline_ns)
{
	struct timer_queue *q = &queues[hal_cpu_id()];
	spin_lock(&q->lock);
	if (q->first)
		deadline_ns = min(deadline_ns, node_timer(q->first)->deadline_ns);
	spin_unlock(&q->lock);
	q->armed_ns = deadline_ns;
	hal_timer_arm(deadline_ns);
}

static void enqueue(struct timer_queue *q, struct ktimer *t)
{
	struct rb_node **link = &q->tree.node, *parent = NULL;
	bool is_first = true;
	while (*link) {
		parent = *link;
		if (t->deadline_ns < node_timer(parent)->deadline_ns) {
			link = &parent->left;
		} else {
			link = &parent->right;
			is_first = false;
		}
	}
	rb_insert(&q->tree, &t->node, parent, link, NULL);
	if (is_first)
		q->first = &t->node;
	t->is_queued = true;
}

static void dequeue(struct timer_queue *q, struct ktimer *t)
{
	if (q->first == &t->node)
		q->first = rb_next(&t->node);
	rb_erase(&q->tree, &t->node, NULL);
	t->is_queued = false;
}

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
	*t = (struct ktimer){ .fn = fn };
}

/* Locks the queue that t belongs to; interrupts are off. */
static struct timer_queue *lock_queue(struct ktimer *t)
{
	for (;;) {
		u32 cpu = READ_ONCE(t->cpu);
		struct timer_queue *q = &queues[cpu];
		spin_lock(&q->lock);
		if (likely(cpu == t->cpu))
			return q;
		spin_unlock(&q->lock);
	}
}

void ktimer_start(struct ktimer *t, u64 deadline_ns)
{
	unsigned long flags = hal_irq_save();
	struct timer_queue *q = lock_queue(t), *mine = &queues[hal_cpu_id()];
	if (t->is_queued)
		dequeue(q, t);
	if (q != mine && !t->is_running) {
		t->cpu = hal_cpu_id();
		spin_unlock(&q->lock);
		q = lock_queue(t);
		if (t->is_queued) /* somebody else was faster: the later call counts */
			dequeue(q, t);
	}
	t->deadline_ns = deadline_ns;
	enqueue(q, t);
	spin_unlock(&q->lock);
	if (q == mine)
		timer_arm_at_most(deadline_ns);
	else
		hal_cpu_kick((unsigned)(q - queues)); /* it was being run there: see timer_run_expired */
	hal_irq_restore(flags);
}

bool ktimer_cancel(struct ktimer *t)
{
	bool was_queued = false;
	for (;;) {
		unsigned long flags = hal_irq_save();
		struct timer_queue *q = lock_queue(t);
		if (t->is_queued) {
			dequeue(q, t);
			was_queued = true;
		}
		bool wait = t->is_running;
		spin_unlock_irq(&q->lock, flags);
		if (!wait)
			return was_queued;
		hal_cpu_pause();
	}
}

void timer_run_expired(u64 now)
{
	struct timer_queue *q = &queues[hal_cpu_id()];
	spin_lock(&q->lock);
	while (q->first) {
		struct ktimer *t = node_timer(q->first);
		if (t->deadline_ns > now)
			break;
		dequeue(q, t);
		t->is_running = true;
		spin_unlock(&q->lock);
		t->fn(t);
		spin_lock(&q->lock);
		t->is_running = false;
	}
	spin_unlock(&q->lock);
}
