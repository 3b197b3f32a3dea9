/* SPDX-License-Identifier: MIT */
/*
 * Page-table entries in memory: loads, stores and exchanges that are atomic against the page walker
 * of every CPU, which sets the accessed and dirty bits on its own. What the bits mean is known to
 * mm/pagetable/ only.
 */
#ifndef HAL_ENTRY_H
#define HAL_ENTRY_H

#include <hal/cpu.h>
#include <hal/types.h>

typedef struct {
	u64 bits;
} pte_t;

static inline pte_t hal_entry_load(const pte_t *e)
{
	hal_switch_point();
	return (pte_t){ __atomic_load_n(&e->bits, __ATOMIC_RELAXED) };
}

static inline void hal_entry_store(pte_t *e, pte_t v)
{
	hal_switch_point();
	__atomic_store_n(&e->bits, v.bits, __ATOMIC_RELEASE);
}

static inline pte_t hal_entry_exchange(pte_t *e, pte_t v)
{
	hal_switch_point();
	return (pte_t){ __atomic_exchange_n(&e->bits, v.bits, __ATOMIC_ACQ_REL) };
}

/* On failure *expected becomes what was found. */
static inline bool hal_entry_cmpxchg(pte_t *e, pte_t *expected, pte_t v)
{
	u64 was = expected->bits; /* stays in a register, unlike the member of a struct */
	hal_switch_point();
	bool done = __atomic_compare_exchange_n(&e->bits, &was, v.bits, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	expected->bits = was;
	return done;
}

/* Clears the given bits, returns the entry as it was. */
static inline pte_t hal_entry_test_and_clear(pte_t *e, u64 bits)
{
	hal_switch_point();
	return (pte_t){ __atomic_fetch_and(&e->bits, ~bits, __ATOMIC_ACQ_REL) };
}

#endif
