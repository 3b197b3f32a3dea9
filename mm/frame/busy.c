/* SPDX-License-Identifier: MIT */
/* Sleeping until a frame is no longer busy or under write-back, without storage in it: hashed queues. */
#include <mm/frame.h>
#include <mm/host.h>

#define NR_QUEUES 16

struct frame_queue {
	struct host_waitq waiters;
	u64 nr_wakes; /* atomic: for those who do not look at the frame again */
};

static struct frame_queue queues[NR_QUEUES];
static u8 queues_ready;

static struct frame_queue *frame_queue_of(struct frame *f)
{
	if (unlikely(!__atomic_load_n(&queues_ready, __ATOMIC_ACQUIRE))) {
		for (unsigned i = 0; i < NR_QUEUES; i++)
			host_waitq_init(&queues[i].waiters);
		__atomic_store_n(&queues_ready, 1, __ATOMIC_RELEASE);
	}
	return &queues[frame_pfn(f) % NR_QUEUES];
}

static struct host_waitq *queue_of(struct frame *f) { return &frame_queue_of(f)->waiters; }

/* Called under the queue's lock: takes the bit, or leaves word that somebody waits. */
static bool try_or_wait(void *arg)
{
	struct frame *f = arg;
	if (frame_busy_trylock(f))
		return true;
	frame_set_flags(f, FRAME_BUSY_WAIT);
	return frame_busy_trylock(f);
}

/* Whoever waits for a page of the working set to be read again waits for lack of memory. */
static bool is_missed(const struct frame *f) { return (frame_flags(f) & (FRAME_REFAULT | FRAME_UPTODATE)) == FRAME_REFAULT; }

void frame_busy_lock(struct frame *f)
{
	if (likely(frame_busy_trylock(f)))
		return;
	bool stalls = is_missed(f) && host_stall_begin();
	host_wait_io(queue_of(f), try_or_wait, f, 0);
	host_stall_end(stalls);
}

/* Called under the queue's lock: true, or leaves word that somebody waits. */
static bool is_written_or_wait(void *arg)
{
	struct frame *f = arg;
	if (!(frame_flags(f) & FRAME_WRITEBACK))
		return true;
	frame_set_flags(f, FRAME_WRITEBACK_WAIT);
	return !(__atomic_load_n(&f->flags, __ATOMIC_SEQ_CST) & FRAME_WRITEBACK);
}

void frame_wait_writeback(struct frame *f)
{
	if (frame_flags(f) & FRAME_WRITEBACK)
		host_wait_io(queue_of(f), is_written_or_wait, f, 0);
}

void frame_end_writeback(struct frame *f)
{
	u32 old = __atomic_fetch_and(&f->flags, ~(FRAME_WRITEBACK | FRAME_WRITEBACK_WAIT), __ATOMIC_RELEASE);
	if (unlikely(old & FRAME_WRITEBACK_WAIT))
		host_wake_all(queue_of(f));
}

void frame_busy_unlock(struct frame *f)
{
	u32 old = __atomic_fetch_and(&f->flags, ~(FRAME_BUSY | FRAME_BUSY_WAIT), __ATOMIC_SEQ_CST);
	if (unlikely(old & FRAME_BUSY_WAIT)) {
		struct frame_queue *q = frame_queue_of(f);
		__atomic_fetch_add(&q->nr_wakes, 1, __ATOMIC_SEQ_CST);
		host_wake_all(&q->waiters);
	}
}

bool frame_wait_begin(struct frame *f, struct frame_wait *w)
{
	w->queue = frame_queue_of(f);
	w->nr_wakes = __atomic_load_n(&w->queue->nr_wakes, __ATOMIC_SEQ_CST);
	return __atomic_fetch_or(&f->flags, FRAME_BUSY_WAIT, __ATOMIC_SEQ_CST) & FRAME_BUSY;
}

static bool was_woken(void *arg)
{
	struct frame_wait *w = arg;
	return __atomic_load_n(&w->queue->nr_wakes, __ATOMIC_SEQ_CST) != w->nr_wakes;
}

void frame_wait_end(struct frame_wait *w) { host_wait(&w->queue->waiters, was_woken, w, 0); }
