/* SPDX-License-Identifier: MIT */
/* Sleeping on the host: one condition for all queues. Without threads a wait that has to sleep can
 * never end, so it is a deadlock and stops the run. */
#include <errno.h>
#include <hal/log.h>
#include <hal/time.h>
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

static bool is_ready(struct host_waitq *q, bool (*ready)(void *), void *arg)
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

int host_wait(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 timeout_ns)
{
	u64 deadline = timeout_ns ? hal_clock_ns() + timeout_ns : 0;
	struct timespec until;
	bool yes = is_ready(q, ready, arg);
	if (yes)
		return 0;
	if (!host_threads) {
		if (deadline)
			return time_out(deadline);
		hal_panic("deadlock: the only thread waits");
	}
	clock_gettime(CLOCK_REALTIME, &until);
	u64 ns = (u64)until.tv_nsec + timeout_ns;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	int err = 0;
	pthread_mutex_lock(&mutex);
	while (!(yes = is_ready(q, ready, arg)) && !err)
		err = deadline ? pthread_cond_timedwait(&condition, &mutex, &until) : pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
	return yes ? 0 : time_out(deadline);
}

void host_wake_all(struct host_waitq *q)
{
	(void)q;
	if (!host_threads)
		return;
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
}
