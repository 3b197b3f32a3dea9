/* SPDX-License-Identifier: MIT */
/*
 * Wait queues: the kernel's side of host.h and wait.h.
 *
 * A sleeper links an entry and sets its state under the queue's lock; a waker takes the entry off the
 * queue and wakes its task, or calls the entry's own function. An entry that a waker took off is
 * linked again by the next wait_prepare.
 *
 * The queue itself may live on the stack of a sleeper: a waker holds no pointer to it after releasing
 * the lock, and completion_wait takes the lock once more before it returns.
 */
#include <hal/time.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/wait.h>

void host_waitq_init(struct host_waitq *q)
{
	spin_lock_init(&q->lock, RANK_WAITQ);
	list_init(&q->waiters);
}

void wait_entry_init(struct wait_entry *e)
{
	list_init(&e->link);
	e->task = current;
	e->wake = NULL;
	e->exclusive = false;
}

/* Full barrier: the state is visible before the condition is read. */
static void set_state(enum task_state s) { __atomic_store_n(&current->state, s, __ATOMIC_SEQ_CST); }

void wait_prepare(struct host_waitq *q, struct wait_entry *e, bool interruptible)
{
	unsigned long flags = spin_lock_irq(&q->lock);
	if (list_is_empty(&e->link)) {
		if (e->exclusive)
			list_add_tail(&e->link, &q->waiters);
		else
			list_add(&e->link, &q->waiters);
	}
	set_state(interruptible ? TASK_INTERRUPTIBLE : TASK_UNINTERRUPTIBLE);
	spin_unlock_irq(&q->lock, flags);
}

void wait_finish(struct host_waitq *q, struct wait_entry *e)
{
	set_state(TASK_RUNNING);
	unsigned long flags = spin_lock_irq(&q->lock);
	list_del(&e->link);
	spin_unlock_irq(&q->lock, flags);
}

struct sleep_timer {
	struct ktimer timer;
	struct task *task;
};

static void sleep_timer_fired(struct ktimer *k)
{
	task_wake(container_of(k, struct sleep_timer, timer)->task);
}

int wait_sleep(bool interruptible, u64 deadline_ns)
{
	struct task *t = current;
	if (interruptible && signal_is_pending()) {
		set_state(TASK_RUNNING);
		return -ERESTARTSYS;
	}
	if (!deadline_ns) {
		schedule();
	} else {
		struct sleep_timer st = { .task = t };
		ktimer_init(&st.timer, sleep_timer_fired);
		if (hal_clock_ns() >= deadline_ns) {
			set_state(TASK_RUNNING);
			return -ETIMEDOUT;
		}
		ktimer_start(&st.timer, deadline_ns);
		schedule();
		ktimer_cancel(&st.timer);
	}
	if (interruptible && signal_is_pending())
		return -ERESTARTSYS;
	return deadline_ns && hal_clock_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

/* The queue's lock is held. A task's entry is taken off and may be gone afterwards; one with a function
 * of its own stays until its owner removes it. */
static void wake_entry(struct wait_entry *e)
{
	if (e->wake) {
		e->wake(e);
		return;
	}
	struct task *t = e->task;
	list_del(&e->link);
	task_wake(t);
}

static void wake_locked(struct host_waitq *q, bool only_one)
{
	struct wait_entry *e, *next;
	list_for_each_entry_safe(e, next, &q->waiters, link) {
		bool exclusive = e->exclusive;
		wake_entry(e);
		if (only_one && exclusive)
			break;
	}
}

/* Nobody waits. Whoever queues itself from now on sees what the caller changed: see set_state. */
static bool is_idle(struct host_waitq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return READ_ONCE(q->waiters.next) == &q->waiters;
}

void wake_all(struct host_waitq *q)
{
	if (is_idle(q))
		return;
	unsigned long flags = spin_lock_irq(&q->lock);
	wake_locked(q, false);
	spin_unlock_irq(&q->lock, flags);
}

void wake_one(struct host_waitq *q)
{
	if (is_idle(q))
		return;
	unsigned long flags = spin_lock_irq(&q->lock);
	wake_locked(q, true);
	spin_unlock_irq(&q->lock, flags);
}

void host_wake_all(struct host_waitq *q) { wake_all(q); }

int host_wait(struct host_waitq *q, bool (*ready)(void *arg), void *arg, u64 timeout_ns)
{
	u64 deadline = timeout_ns ? hal_clock_ns() + timeout_ns : 0;
	struct wait_entry e;
	wait_entry_init(&e);
	int err = 0;
	for (;;) {
		unsigned long flags = spin_lock_irq(&q->lock);
		bool done = ready(arg);
		if (!done && !err) {
			/* Once more when queued: a waker that changed the condition without the lock, and before that saw
			 * nobody here (is_idle), does not come back. */
			if (list_is_empty(&e.link))
				list_add_tail(&e.link, &q->waiters);
			set_state(TASK_UNINTERRUPTIBLE);
			done = ready(arg);
		}
		if (done || err) {
			list_del(&e.link);
			set_state(TASK_RUNNING);
			spin_unlock_irq(&q->lock, flags);
			return done ? 0 : err;
		}
		spin_unlock_irq(&q->lock, flags);
		err = wait_sleep(false, deadline);
	}
}

int host_wait_io(struct host_waitq *q, bool (*ready)(void *arg), void *arg, u64 timeout_ns)
{
	struct task *t = current;
	u8 before = t->stall & STALL_IO;
	t->stall |= STALL_IO;
	int err = host_wait(q, ready, arg, timeout_ns);
	t->stall = (u8)((t->stall & ~STALL_IO) | before);
	return err;
}

/* ---- completions ---- */

void completion_init(struct completion *c)
{
	c->done = false;
	host_waitq_init(&c->wait);
}

static bool completion_is_done(void *arg) { return ((struct completion *)arg)->done; }

void completion_wait(struct completion *c) { host_wait(&c->wait, completion_is_done, c, 0); }
void completion_wait_io(struct completion *c) { host_wait_io(&c->wait, completion_is_done, c, 0); }

bool completion_wait_killable(struct completion *c)
{
	struct wait_entry e;
	wait_entry_init(&e);
	bool done;
	for (;;) {
		unsigned long flags = spin_lock_irq(&c->wait.lock);
		done = c->done;
		if (done || host_current()->is_being_killed) {
			list_del(&e.link);
			spin_unlock_irq(&c->wait.lock, flags);
			return done;
		}
		if (list_is_empty(&e.link))
			list_add_tail(&e.link, &c->wait.waiters);
		set_state(TASK_UNINTERRUPTIBLE);
		spin_unlock_irq(&c->wait.lock, flags);
		schedule();
	}
}

void completion_done(struct completion *c)
{
	unsigned long flags = spin_lock_irq(&c->wait.lock);
	c->done = true;
	wake_locked(&c->wait, false);
	spin_unlock_irq(&c->wait.lock, flags);
}
