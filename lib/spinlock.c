/* SPDX-License-Identifier: MIT */
/*
 * Slow paths of spin locks: waiting, and the check of ranks. Each CPU keeps the ranks it holds in a
 * small stack; a lock of a rank not above the highest held is a violation of the order. What an
 * interrupted task holds does not count for the handler: no lock of a handler's is taken with
 * interrupts on.
 */
#include <hal/lock.h>

bool hal_debug_checks;

#define MAX_HELD 24

static struct held {
	unsigned nr;
	unsigned base; /* below: held by who was interrupted */
	u8 ranks[MAX_HELD];
} held_by[HAL_MAX_CPUS];

void spin_wait(u8 *held)
{
	do {
		while (__atomic_load_n(held, __ATOMIC_RELAXED))
			hal_cpu_pause();
	} while (__atomic_exchange_n(held, 1, __ATOMIC_ACQUIRE));
}

void lock_rank_acquire(unsigned rank, bool nested)
{
	unsigned long flags = hal_irq_save();
	struct held *h = &held_by[hal_cpu_id()];
	if (rank > RANK_LOG) {
		h->nr = 0;
		hal_panic("a lock of rank %u, which does not exist: freed or never initialised", rank);
	}
	for (unsigned i = h->base; i < h->nr; i++)
		if (h->ranks[i] > rank || (h->ranks[i] == rank && !nested)) {
			h->nr = 0; /* the report itself takes locks */
			hal_panic("lock order: rank %u taken while rank %u is held", rank, h->ranks[i]);
		}
	if (h->nr < MAX_HELD)
		h->ranks[h->nr++] = (u8)rank;
	hal_irq_restore(flags);
}

void lock_rank_release(unsigned rank)
{
	unsigned long flags = hal_irq_save();
	struct held *h = &held_by[hal_cpu_id()];
	for (unsigned i = h->nr; i-- > 0;)
		if (h->ranks[i] == rank) {
			for (; i + 1 < h->nr; i++)
				h->ranks[i] = h->ranks[i + 1];
			h->nr--;
			break;
		}
	hal_irq_restore(flags);
}

unsigned lock_rank_interrupt_enter(void)
{
	struct held *h = &held_by[hal_cpu_id()];
	unsigned base = h->base;
	h->base = h->nr;
	return base;
}

void lock_rank_interrupt_leave(unsigned base) { held_by[hal_cpu_id()].base = base; }
