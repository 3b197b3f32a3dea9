/* SPDX-License-Identifier: MIT */
/* Sleeping on the host: one condition for all queues. Without threads a wait that has to sleep can
 * never end, so it is a deadlock and stops the run. */
#include <hal/log.h>
#include <mm/host.h>
#include <pthread.h>
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

int host_wait(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 timeout_ns)
{
	(void)timeout_ns;
	if (is_ready(q, ready, arg))
		return 0;
	if (!host_threads)
		hal_panic("deadlock: the only thread waits");
	pthread_mutex_lock(&mutex);
	while (!is_ready(q, ready, arg))
		pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
	return 0;
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
