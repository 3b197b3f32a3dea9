/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on the host: one condition for all queues. Without threads only an event (a disk's answer) can
 * end a wait: virtual time passes to the next one. When none is to come it is a deadlock and stops the run.
 * CPUs that take turns wait in turns.c.
 */
#include <errno.h>
#include <hal/log.h>
#include <hal/time.h>
#include <host/machine.h>
#include <mm/host.h>
#include <pthread.h>
#include <time.h>
#include "internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

void host_waitq_init(struct host_waitq *q)
{
	spin_lock_init(&q->lock, RANK_WAITQ);
	list_init(&q->waiters);
}

bool host_is_ready(struct host_waitq *q, bool (*ready)(void *), void *arg)
{
	spin_lock(&q->lock);
	bool yes = ready(arg);
	spin_unlock(&q->lock);
	return yes;
}

/* Sleeping takes virtual time: a wait that times out moves the clock past its end. */
static int time_out(u64 deadline)
{
	host_clock_pass(deadline);
	return -ETIMEDOUT;
}

/* Those to come, by time; they are few. */
static struct list_head events = LIST_HEAD_INIT(events);

void host_event_init(struct host_event *e, void (*fn)(struct host_event *e))
{
	list_init(&e->link);
	e->fn = fn;
}

void host_event_cancel(struct host_event *e) { list_del(&e->link); }

void host_event_add(struct host_event *e, u64 due_ns)
{
	struct host_event *o;
	e->due_ns = due_ns;
	list_for_each_entry(o, &events, link)
		if (o->due_ns > due_ns)
			break;
	list_add_tail(&e->link, &o->link); /* in front of o, or at the end */
}

bool host_run_event(u64 deadline)
{
	if (list_is_empty(&events))
		return false;
	struct host_event *e = list_first_entry(&events, struct host_event, link);
	if (deadline && e->due_ns > deadline)
		return false;
	list_del(&e->link);
	host_clock_pass(e->due_ns);
	e->fn(e);
	return true;
}

static int wait_for_events(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 deadline)
{
	while (host_run_event(deadline))
		if (host_is_ready(q, ready, arg))
			return 0;
	if (!deadline)
		hal_panic("deadlock: the only thread waits");
	return time_out(deadline);
}

int host_wait(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 timeout_ns)
{
	u64 deadline = timeout_ns ? hal_clock_ns() + timeout_ns : 0;
	struct timespec until;
	if (host_turns)
		return host_turn_wait(q, ready, arg, deadline);
	bool yes = host_is_ready(q, ready, arg);
	if (yes)
		return 0;
	if (!host_threads)
		return wait_for_events(q, ready, arg, deadline);
	clock_gettime(CLOCK_REALTIME, &until);
	u64 ns = (u64)until.tv_nsec + timeout_ns;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	int err = 0;
	pthread_mutex_lock(&mutex);
	while (!(yes = host_is_ready(q, ready, arg)) && !err)
		err = deadline ? pthread_cond_timedwait(&condition, &mutex, &until) : pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
	return yes ? 0 : time_out(deadline);
}

int host_wait_io(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 timeout_ns) { return host_wait(q, ready, arg, timeout_ns); }

/* Of all CPUs together. */
static u64 io_bytes[HOST_NR_IO]; /* atomic */

void host_count_io(enum host_io what, u64 bytes) { __atomic_fetch_add(&io_bytes[what], bytes, __ATOMIC_RELAXED); }
u64 host_io_bytes(enum host_io what) { return __atomic_load_n(&io_bytes[what], __ATOMIC_RELAXED); }

void host_wake_all(struct host_waitq *q)
{
	if (host_turns)
		host_turn_wake(q);
	if (!host_threads)
		return;
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
}

struct host_stalls host_stalls;
static __thread bool is_stalled;
static __thread u64 stalled_since;

bool host_stall_begin(void)
{
	if (is_stalled)
		return false;
	stalled_since = hal_clock_ns();
	return is_stalled = true;
}

void host_stall_end(bool began)
{
	if (!began)
		return;
	is_stalled = false;
	__atomic_fetch_add(&host_stalls.nr, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&host_stalls.ns, hal_clock_ns() - stalled_since, __ATOMIC_RELAXED);
}

void host_give_way(void) { hal_switch_point(); }
void host_visit_cpus(void (*fn)(void)) { fn(); }

/* Without threads there is nothing that could run beside the caller. */
bool host_has_workers(void) { return false; }
int host_worker_start(const char *name, void (*fn)(void *arg), void *arg) { return 0; }
