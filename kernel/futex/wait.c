/* SPDX-License-Identifier: MIT */
/*
 * Waiting and waking.
 *
 * A waiter queues itself first and compares the word afterwards. So a waker that changes the word and
 * then looks at the queue either finds the waiter or has changed the word before the waiter read it:
 * no lock is held over the access to user memory, which may fault.
 *
 * A waker takes the waiter off the list, marks it and wakes its task, all under the bucket's lock; the
 * waiter takes that lock before it leaves, so its stack outlives the waker's use of it.
 */
#include "internal.h"
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/futex.h>
#include <kernel/time.h>
#include <kernel/wait.h>

void futex_wake_waiter_locked(struct futex_waiter *w)
{
	list_del(&w->link);
	__atomic_store_n(&w->is_woken, true, __ATOMIC_SEQ_CST);
	task_wake(w->task);
}

/* The bucket w stands in, locked: a requeue may move it meanwhile. */
static struct futex_bucket *lock_waiter(struct futex_waiter *w)
{
	for (;;) {
		struct futex_bucket *b = __atomic_load_n(&w->bucket, __ATOMIC_ACQUIRE);
		spin_lock(&b->lock);
		if (b == w->bucket)
			return b;
		spin_unlock(&b->lock);
	}
}

/* Leaves the queue. Was it woken? */
static bool leave(struct futex_waiter *w)
{
	struct futex_bucket *b = lock_waiter(w);
	bool woken = w->is_woken;
	list_del(&w->link);
	spin_unlock(&b->lock);
	return woken;
}

static int sleep_until_woken(struct futex_waiter *w, u64 deadline_ns)
{
	struct task *t = current;
	int err = 0;
	t->wait_name = "futex_wait_queue";
	while (!err) {
		__atomic_store_n(&t->state, TASK_INTERRUPTIBLE, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&w->is_woken, __ATOMIC_SEQ_CST))
			break;
		err = wait_sleep(true, deadline_ns);
	}
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_RELAXED);
	return err;
}

static long restart(struct task *t)
{
	const u64 *a = t->restart.args;
	return futex_wait(a[0], a[1], (u32)a[2], a[3], (u32)a[4]);
}

static long interrupted(uaddr_t addr, bool is_private, u32 value, u64 deadline_ns, u32 bitset)
{
	struct restart_block *r = &current->restart;
	if (!deadline_ns)
		return -ERESTARTSYS;
	r->fn = restart;
	r->args[0] = addr;
	r->args[1] = is_private;
	r->args[2] = value;
	r->args[3] = deadline_ns;
	r->args[4] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

long futex_wait(uaddr_t addr, bool is_private, u32 value, u64 deadline_ns, u32 bitset)
{
	struct futex_waiter w = { .task = current, .bitset = bitset };
	u32 found;
	if (!bitset)
		return -EINVAL;
	int err = futex_key_make(addr, is_private, &w.key);
	if (err)
		return err;
	w.bucket = futex_bucket_of(&w.key);
	spin_lock(&w.bucket->lock);
	list_add_tail(&w.link, &w.bucket->waiters);
	spin_unlock(&w.bucket->lock);

	err = user_load_u32(addr, &found);
	if (!err && found != value)
		err = -EAGAIN;
	if (!err)
		err = sleep_until_woken(&w, deadline_ns);
	if (leave(&w))
		return 0;
	return err == -ERESTARTSYS ? interrupted(addr, is_private, value, deadline_ns, bitset) : err;
}

long futex_wake(uaddr_t addr, bool is_private, s32 nr, u32 bitset)
{
	struct futex_key key;
	struct futex_waiter *w, *next;
	long woken = 0;
	if (!bitset)
		return -EINVAL;
	int err = futex_key_make(addr, is_private, &key);
	if (err)
		return err;
	struct futex_bucket *b = futex_bucket_of(&key);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (list_is_empty(&b->waiters)) /* whoever comes now reads the word after we were called */
		return 0;
	spin_lock(&b->lock);
	list_for_each_entry_safe(w, next, &b->waiters, link) {
		if (!futex_key_equal(&w->key, &key) || !(w->bitset & bitset))
			continue;
		futex_wake_waiter_locked(w);
		if (++woken >= nr)
			break;
	}
	spin_unlock(&b->lock);
	return woken;
}

void futex_wake_address(uaddr_t addr, u32 nr) { futex_wake(addr, false, (s32)nr, ~0u); }
