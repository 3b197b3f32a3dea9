/* SPDX-License-Identifier: MIT */
/*
 * Slow paths of the sleeping reader/writer lock. Whoever has to wait sets the WAITERS bit, which sends
 * every later locker and the last unlocker here; the unlocker clears it and wakes all, losers set it
 * again. Readers do not overtake a waiting writer.
 */
#include <mm/host.h>

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
	l->state = 0;
	l->rank = (u8)rank;
	l->writers_waiting = 0;
	host_waitq_init(&l->waiters);
}

static bool try_read(void *arg)
{
	struct rwlock *l = arg;
	u32 s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);
	for (;;) {
		bool blocked = s & RWLOCK_WRITER || l->writers_waiting;
		u32 next = blocked ? s | RWLOCK_WAITERS : s + 1;
		/* A writer that waits while nobody holds the lock is on its way: it will wake us. */
		if (__atomic_compare_exchange_n(&l->state, &s, next, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return !blocked;
	}
}

static bool try_write(void *arg)
{
	struct rwlock *l = arg;
	u32 s = __atomic_load_n(&l->state, __ATOMIC_RELAXED);
	for (;;) {
		bool blocked = s & ~RWLOCK_WAITERS;
		u32 next = blocked ? s | RWLOCK_WAITERS : s | RWLOCK_WRITER;
		if (__atomic_compare_exchange_n(&l->state, &s, next, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			if (!blocked)
				l->writers_waiting--;
			return !blocked;
		}
	}
}

void rwlock_read_slow(struct rwlock *l)
{
	host_wait(&l->waiters, try_read, l, 0);
}

static bool announce_writer(void *arg)
{
	((struct rwlock *)arg)->writers_waiting++;
	return true;
}

void rwlock_write_slow(struct rwlock *l)
{
	host_wait(&l->waiters, announce_writer, l, 0); /* under the queue's lock; does not wait */
	host_wait(&l->waiters, try_write, l, 0);
}

void rwlock_wake(struct rwlock *l)
{
	__atomic_fetch_and(&l->state, ~RWLOCK_WAITERS, __ATOMIC_RELAXED);
	host_wake_all(&l->waiters);
}
