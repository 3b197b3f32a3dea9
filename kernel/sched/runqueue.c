/* SPDX-License-Identifier: MIT */
/*
 * One CPU's run queue: who is runnable, who is next.
 *
 * Real-time tasks (SCHED_FIFO, SCHED_RR) stand in one list per priority and go first. All others share
 * the CPU by weight: each carries a virtual run time that advances by its CPU time times 1024 over its
 * weight, and the one that is furthest behind runs next. A task that slept is not owed all it missed:
 * it is placed at most half a latency period behind the queue's minimum.
 *
 * I1  curr is counted (nr_running, weight) unless it is the idle task, and never linked.
 * I2  leftmost is the first node of `fair`.
 * I3  min_vruntime never decreases; it is what virtual times are compared with across queues.
 *
 * Source: Stoica and others, "A Proportional Share Resource Allocation Algorithm" (RTSS 1996); the
 * ratio of 1.25 per step of nice is Linux's documented one.
 */
#include "runqueue.h"

struct runqueue runqueues[HAL_MAX_CPUS];

/* 1024 * 1.25^-nice, rounded. */
static const u32 weights[40] = {
	88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921, 9537, 7629, 6104, 4883,
	3906,  3125,  2500,  2000,  1600,  1280,  1024,  819,   655,   524,   419,  336,  268,  215,
	172,   137,   110,   88,    70,    56,    45,    36,    29,    23,    18,   15,
};

u32 nice_to_weight(int nice) { return weights[nice + 20]; }

static struct task *node_task(struct rb_node *n) { return container_of(n, struct task, run_node); }

struct runqueue *rq_lock_task(struct task *t)
{
	for (;;) {
		unsigned cpu = READ_ONCE(t->cpu);
		struct runqueue *rq = &runqueues[cpu];
		spin_lock(&rq->lock);
		if (likely(t->cpu == cpu))
			return rq;
		spin_unlock(&rq->lock);
	}
}

static void advance_min(struct runqueue *rq)
{
	const struct task *c = rq->curr;
	u64 v = rq->min_vruntime;
	bool has_curr = c != rq->idle && c->on_rq && !task_is_rt(c);
	if (rq->leftmost) {
		u64 left = node_task(rq->leftmost)->vruntime;
		v = has_curr && (s64)(c->vruntime - left) < 0 ? c->vruntime : left;
	} else if (has_curr) {
		v = c->vruntime;
	}
	if ((s64)(v - rq->min_vruntime) > 0)
		rq->min_vruntime = v;
}

void rq_account(struct runqueue *rq, u64 now)
{
	struct task *t = rq->curr;
	if (t == rq->idle || (s64)(now - t->exec_start_ns) <= 0)
		return;
	u64 delta = now - t->exec_start_ns;
	t->exec_start_ns = now;
	t->sum_exec_ns += delta;
	rq->unsplit_ns += delta;
	if (task_is_rt(t))
		return;
	t->vruntime += t->weight == WEIGHT_NICE_0 ? delta : delta * WEIGHT_NICE_0 / t->weight;
	advance_min(rq);
}

void rq_count(struct runqueue *rq, const struct task *t, int sign)
{
	rq->nr_running += sign;
	if (task_is_rt(t))
		rq->nr_rt += sign;
	else
		rq->weight += (s64)t->weight * sign;
}

static void link_fair(struct runqueue *rq, struct task *t)
{
	struct rb_node **link = &rq->fair.node, *parent = NULL;
	bool is_first = true;
	while (*link) {
		parent = *link;
		if ((s64)(t->vruntime - node_task(parent)->vruntime) < 0) {
			link = &parent->left;
		} else {
			link = &parent->right;
			is_first = false;
		}
	}
	rb_insert(&rq->fair, &t->run_node, parent, link, NULL);
	if (is_first)
		rq->leftmost = &t->run_node;
}

void rq_link(struct runqueue *rq, struct task *t)
{
	if (!task_is_rt(t)) {
		link_fair(rq, t);
		return;
	}
	unsigned p = t->rt_priority;
	/* Whoever used up its slice, or is new, goes last; a preempted one keeps its place. */
	if (t == rq->curr && t->rt_slice_ns)
		list_add(&t->run_link, &rq->rt[p]);
	else
		list_add_tail(&t->run_link, &rq->rt[p]);
	rq->rt_bitmap[p / 64] |= 1ull << p % 64;
}

void rq_unlink(struct runqueue *rq, struct task *t)
{
	if (!task_is_rt(t)) {
		if (rq->leftmost == &t->run_node)
			rq->leftmost = rb_next(&t->run_node);
		rb_erase(&rq->fair, &t->run_node, NULL);
		return;
	}
	unsigned p = t->rt_priority;
	list_del(&t->run_link);
	if (list_is_empty(&rq->rt[p]))
		rq->rt_bitmap[p / 64] &= ~(1ull << p % 64);
}

void rq_enqueue(struct runqueue *rq, struct task *t)
{
	rq_count(rq, t, 1);
	rq_link(rq, t);
	t->on_rq = true;
}

void rq_dequeue(struct runqueue *rq, struct task *t)
{
	rq_unlink(rq, t);
	rq_count(rq, t, -1);
	t->on_rq = false;
}

static int highest_rt(const struct runqueue *rq)
{
	if (rq->rt_bitmap[1])
		return 127 - __builtin_clzll(rq->rt_bitmap[1]);
	return rq->rt_bitmap[0] ? 63 - __builtin_clzll(rq->rt_bitmap[0]) : -1;
}

struct task *rq_first(struct runqueue *rq)
{
	int p = rq->nr_rt ? highest_rt(rq) : -1;
	if (p >= 0)
		return list_first_entry(&rq->rt[p], struct task, run_link);
	return rq->leftmost ? node_task(rq->leftmost) : NULL;
}

void rq_place_woken(struct runqueue *rq, struct task *t)
{
	u64 earliest = rq->min_vruntime - SLICE_LATENCY / 2;
	if ((s64)(t->vruntime - earliest) < 0)
		t->vruntime = earliest;
}

u64 rq_slice(const struct runqueue *rq, const struct task *t)
{
	if (t->sched_policy == SCHED_FIFO)
		return ~0ull;
	if (t->sched_policy == SCHED_RR)
		return t->rt_slice_ns;
	if (rq->nr_running <= 1)
		return ~0ull;
	u64 slice = SLICE_LATENCY * t->weight / rq->weight;
	return max(slice, SLICE_MIN);
}

bool rq_preempts(const struct runqueue *rq, const struct task *t)
{
	const struct task *c = rq->curr;
	if (c == rq->idle)
		return true;
	if (task_is_rt(t))
		return !task_is_rt(c) || t->rt_priority > c->rt_priority;
	if (task_is_rt(c) || t->sched_policy == SCHED_BATCH || t->sched_policy == SCHED_IDLE)
		return false;
	return c->sched_policy == SCHED_IDLE || (s64)(c->vruntime - t->vruntime) > (s64)WAKE_GRANULARITY;
}
