/* SPDX-License-Identifier: MIT */
/*
 * Compaction in the background. An allocation of a block that may not wait fails when free memory is scattered; that the
 * next one finds a block is the work of one worker for each node ("kcompactd0", ...).
 *
 *   compact_wake(order) --- free memory is scattered ------------> the worker compacts until there is a block
 *            \------------- too little is free: reclaim is woken --> compact_after_reclaim: the same, if it helped
 *
 * Requests are not queued: the largest order counts. A worker that made no block passes over requests for this
 * order and larger ones: the next 2, and after each further failure twice as many, up to 64. So memory that cannot be
 * compacted is not looked at again and again.
 *
 * Whoever asks may hold spin locks up to RANK_BUDDY; a node's worker has its queue's lock for what is asked of it.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/compact.h>
#include <mm/host.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

#define MAX_PASS_SHIFT 6

struct worker {
	struct host_waitq queue;
	unsigned order;        /* (queue.lock) the largest asked for; 0: none */
	bool must_run;         /* (queue.lock) */
	unsigned failed_order; /* (queue.lock) the smallest that it failed to make a block of; 0: none */
	unsigned pass_shift;   /* (queue.lock) 2^it requests are passed over */
	unsigned nr_passed;    /* (queue.lock) */
};

static struct worker workers[FRAME_MAX_NODES];

void compact_init(void)
{
	memset(workers, 0, sizeof(workers)); /* a host process boots several machines */
	for (unsigned i = 0; i < FRAME_MAX_NODES; i++)
		host_waitq_init(&workers[i].queue);
}

/* ---- what is asked for ---- */

static bool is_passed_over(struct worker *w, unsigned order)
{
	return w->failed_order && order >= w->failed_order && w->nr_passed++ < 1u << w->pass_shift;
}

/* False: not now. */
static bool note(struct worker *w, unsigned order)
{
	unsigned long flags = spin_lock_irq(&w->queue.lock);
	bool is_noted = order <= w->order || !is_passed_over(w, order);
	if (is_noted)
		WRITE_ONCE(w->order, max(w->order, order));
	spin_unlock_irq(&w->queue.lock, flags);
	return is_noted;
}

/* What was asked for can be done now, or will not be. */
static void decide(struct worker *w, bool can_be_done)
{
	unsigned long flags = spin_lock_irq(&w->queue.lock);
	if (!can_be_done && !w->must_run)
		WRITE_ONCE(w->order, 0);
	w->must_run = w->order != 0;
	bool must_wake = w->must_run;
	spin_unlock_irq(&w->queue.lock, flags);
	if (must_wake)
		host_wake_all(&w->queue);
}

void compact_wake(unsigned order)
{
	for (unsigned i = 0; i < frame_node_count; i++) {
		struct worker *w = &workers[i];
		if (!frame_nodes[i].managed || !note(w, order))
			continue;
		if (compact_suits(i, order))
			decide(w, true);
		else if (compact_lacks(i, order))
			reclaim_wake();
		else
			decide(w, false);
	}
}

u64 compact_nr_wanted(unsigned node)
{
	unsigned order = READ_ONCE(workers[node].order);
	return order ? 2ul << order : 0;
}

void compact_after_reclaim(void)
{
	for (unsigned i = 0; i < frame_node_count; i++) {
		unsigned order = READ_ONCE(workers[i].order);
		if (order)
			decide(&workers[i], compact_suits(i, order));
	}
}

/* ---- the work ---- */

static unsigned take_order(struct worker *w)
{
	unsigned long flags = spin_lock_irq(&w->queue.lock);
	unsigned order = w->must_run ? w->order : 0;
	w->must_run = false;
	spin_unlock_irq(&w->queue.lock, flags);
	return order;
}

/* `order` was asked for and done, or not. */
static void finish(struct worker *w, unsigned order, bool is_made)
{
	unsigned long flags = spin_lock_irq(&w->queue.lock);
	if (w->order <= order && !w->must_run)
		WRITE_ONCE(w->order, 0);
	if (is_made && order >= w->failed_order) {
		w->failed_order = w->pass_shift = 0;
	} else if (!is_made) {
		w->failed_order = w->failed_order ? min(w->failed_order, order) : order;
		w->pass_shift = min(w->pass_shift + 1, (unsigned)MAX_PASS_SHIFT);
	}
	w->nr_passed = 0;
	spin_unlock_irq(&w->queue.lock, flags);
}

bool compact_round(unsigned node)
{
	struct worker *w = &workers[node];
	unsigned order = take_order(w);
	if (!order)
		return false;
	stat_add(STAT_COMPACT_DAEMON_WAKE, 1);
	host_visit_cpus(frame_drain_pcp); /* what CPUs keep for themselves lies between free frames */
	finish(w, order, compact_has_block(&frame_nodes[node], order) || compact_node(&frame_nodes[node], order, true));
	return true;
}

static bool is_woken(void *arg) { return ((struct worker *)arg)->must_run; }

static void work(void *arg)
{
	struct worker *w = arg;
	for (;;) {
		host_wait(&w->queue, is_woken, w, 0);
		compact_round((unsigned)(w - workers));
	}
}

int compact_start(void)
{
	int err = 0;
	for (unsigned i = 0; i < frame_node_count && !err && host_has_workers(); i++) {
		char name[] = "kcompactd0";
		name[sizeof(name) - 2] = (char)('0' + i);
		if (frame_nodes[i].managed)
			err = host_worker_start(name, work, &workers[i]);
	}
	return err;
}
