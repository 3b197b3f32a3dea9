/* SPDX-License-Identifier: MIT */
/* The busy bit of a frame: a sleeping lock without storage; waiters share hashed queues. */
#include <mm/frame.h>
#include <mm/host.h>

#define NR_QUEUES 16

static struct host_waitq queues[NR_QUEUES];
static u8 queues_ready;

static struct host_waitq *queue_of(struct frame *f)
{
	if (unlikely(!__atomic_load_n(&queues_ready, __ATOMIC_ACQUIRE))) {
		for (unsigned i = 0; i < NR_QUEUES; i++)
			host_waitq_init(&queues[i]);
		__atomic_store_n(&queues_ready, 1, __ATOMIC_RELEASE);
	}
	return &queues[frame_pfn(f) % NR_QUEUES];
}

/* Called under the queue's lock: takes the bit, or leaves word that somebody waits. */
static bool try_or_wait(void *arg)
{
	struct frame *f = arg;
	if (frame_busy_trylock(f))
		return true;
	frame_set_flags(f, FRAME_BUSY_WAIT);
	return frame_busy_trylock(f);
}

void frame_busy_lock(struct frame *f)
{
	if (!frame_busy_trylock(f))
		host_wait(queue_of(f), try_or_wait, f, 0);
}

void frame_busy_unlock(struct frame *f)
{
	u32 old = __atomic_fetch_and(&f->flags, ~(FRAME_BUSY | FRAME_BUSY_WAIT), __ATOMIC_RELEASE);
	if (unlikely(old & FRAME_BUSY_WAIT))
		host_wake_all(queue_of(f));
}
