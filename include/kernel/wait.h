/* SPDX-License-Identifier: MIT */
/*
 * Sleeping and waking on top of struct host_waitq (mm/host.h). The usual form:
 *
 *   err = wait_event_interruptible(&q, condition);        // 0 or -ERESTARTSYS
 *   wait_event(&q, condition);                            // not interrupted
 *   err = wait_event_timeout(&q, condition, deadline_ns); // 0, -ERESTARTSYS, -ETIMEDOUT; absolute ns, 0 = none
 *
 * `condition` is evaluated without the queue's lock, after the task has queued itself, so a wake-up
 * between the check and the sleep is not lost. Wake-ups may come from interrupt handlers.
 */
#ifndef KERNEL_WAIT_H
#define KERNEL_WAIT_H

#include <hal/types.h>
#include <kernel/errno.h>
#include <lib/list.h>
#include <mm/host.h>

struct task;

/* A poll() caller registers itself on many queues: `wake` is called under the queue's lock. */
struct wait_entry {
	struct list_head link; /* in host_waitq.waiters */
	struct task *task;
	void (*wake)(struct wait_entry *e); /* NULL: wakes `task`, and a wake-up takes the entry off the queue */
	bool exclusive; /* wake_one() stops after it */
};

void wait_entry_init(struct wait_entry *e);
void wait_prepare(struct host_waitq *q, struct wait_entry *e, bool interruptible); /* queue, set state */
void wait_finish(struct host_waitq *q, struct wait_entry *e);
/* Sleeps unless woken since wait_prepare. deadline_ns absolute, 0 = none. 0, -ERESTARTSYS (a signal
 * is pending and the sleep is interruptible), -ETIMEDOUT. */
int wait_sleep(bool interruptible, u64 deadline_ns);

void wake_all(struct host_waitq *q);
void wake_one(struct host_waitq *q);

#define wait_event_core_(q, cond, intr, deadline)                                                   \
	({                                                                                              \
		int we_err_ = 0;                                                                            \
		struct wait_entry we_;                                                                      \
		wait_entry_init(&we_);                                                                      \
		for (;;) {                                                                                  \
			wait_prepare((q), &we_, (intr));                                                        \
			if (cond) {                                                                             \
				we_err_ = 0;                                                                        \
				break;                                                                              \
			}                                                                                       \
			if (we_err_)                                                                            \
				break;                                                                              \
			we_err_ = wait_sleep((intr), (deadline));                                               \
		}                                                                                           \
		wait_finish((q), &we_);                                                                     \
		we_err_;                                                                                    \
	})
#define wait_event(q, cond)                        ((void)wait_event_core_(q, cond, false, 0))
#define wait_event_interruptible(q, cond)          wait_event_core_(q, cond, true, 0)
#define wait_event_timeout(q, cond, deadline)      wait_event_core_(q, cond, true, deadline)

/* Sleeping mutex. */
struct mutex {
	struct rwlock rw;
};
/* For a static one. */
#define MUTEX_INIT(m, lock_rank) \
	{ .rw = { .rank = (lock_rank), .waiters = { .lock = { .rank = RANK_WAITQ }, .waiters = LIST_HEAD_INIT((m).rw.waiters.waiters) } } }
static inline void mutex_init(struct mutex *m, enum lock_rank rank) { rwlock_init(&m->rw, rank); }
static inline void mutex_lock(struct mutex *m) { rwlock_write(&m->rw); }
static inline void mutex_unlock(struct mutex *m) { rwlock_write_unlock(&m->rw); }

#endif
