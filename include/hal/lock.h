/* SPDX-License-Identifier: MIT */
/*
 * Spin locks. Contents guarded by a plain lock are never touched by interrupt handlers; those that
 * are take the _irq variants everywhere.
 *
 * With checks on, each acquisition is compared with the ranks this CPU already holds
 * (hal/lockrank.h); a violation panics naming both ranks.
 */
#ifndef HAL_LOCK_H
#define HAL_LOCK_H

#include <hal/cpu.h>
#include <hal/lockrank.h>
#include <hal/log.h>
#include <hal/types.h>

struct spinlock {
	u8 held;
	u8 rank; /* enum lock_rank */
};

#define SPINLOCK_INIT(r) ((struct spinlock){ .held = 0, .rank = (r) })

/* Slow paths (lib/spinlock.c): contention and rank checks. */
HAL_SLOW_PATH void spin_wait(u8 *held);
HAL_SLOW_PATH void lock_rank_acquire(unsigned rank, bool nested);
HAL_SLOW_PATH void lock_rank_release(unsigned rank);
/* Around an interrupt handler, interrupts off: ranks are compared within it only. */
unsigned lock_rank_interrupt_enter(void);
void lock_rank_interrupt_leave(unsigned base);

/* Byte locks: a spin lock without storage for its rank, as embedded in struct frame. */
static inline void byte_lock(u8 *held, unsigned rank)
{
	hal_switch_point();
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(rank, false);
	if (unlikely(__atomic_exchange_n(held, 1, __ATOMIC_ACQUIRE)))
		spin_wait(held);
}

/* For a second lock of the same rank, in the order the caller's comment names. */
static inline void byte_lock_nested(u8 *held, unsigned rank)
{
	hal_switch_point();
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(rank, true);
	if (unlikely(__atomic_exchange_n(held, 1, __ATOMIC_ACQUIRE)))
		spin_wait(held);
}

static inline bool byte_trylock(u8 *held, unsigned rank)
{
	hal_switch_point();
	if (__atomic_exchange_n(held, 1, __ATOMIC_ACQUIRE))
		return false;
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(rank, true);
	return true;
}

static inline void byte_unlock(u8 *held, unsigned rank)
{
	__atomic_store_n(held, 0, __ATOMIC_RELEASE);
	if (unlikely(hal_debug_checks))
		lock_rank_release(rank);
	hal_switch_point();
}

static inline void spin_lock_init(struct spinlock *l, enum lock_rank rank) { *l = SPINLOCK_INIT(rank); }
static inline void spin_lock(struct spinlock *l) { byte_lock(&l->held, l->rank); }
static inline void spin_lock_nested(struct spinlock *l) { byte_lock_nested(&l->held, l->rank); }
static inline bool spin_trylock(struct spinlock *l) { return byte_trylock(&l->held, l->rank); }
static inline void spin_unlock(struct spinlock *l) { byte_unlock(&l->held, l->rank); }
static inline bool spin_is_locked(struct spinlock *l) { return __atomic_load_n(&l->held, __ATOMIC_RELAXED); }

static inline unsigned long spin_lock_irq(struct spinlock *l)
{
	unsigned long flags = hal_irq_save();
	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irq(struct spinlock *l, unsigned long flags)
{
	spin_unlock(l);
	hal_irq_restore(flags);
}

#endif
