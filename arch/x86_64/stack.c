/* SPDX-License-Identifier: MIT */
/*
 * Kernel stacks. A stack has a slot of addresses, half of which is never mapped: the guard below it.
 *
 * A slot is in use, or ready (it kept its frames when it was freed; chained through the first word of the
 * stack), or empty (its frames went back; chained through the page-table entry of its lowest page, which
 * means nothing to the machine while it is not present). A fork takes the stack that was freed last, and no
 * CPU ever needs to forget a translation but when frames go back: under memory pressure, and on demand.
 */
#include "internal.h"
#include <hal/context.h>
#include <hal/lock.h>
#include <mm/frame.h>
#include <mm/inject.h>
#include <mm/pte.h>
#include <mm/stat.h>

#define STACK_SLOT  (2 * HAL_STACK_SIZE)
#define STACK_PAGES (HAL_STACK_SIZE / PAGE_SIZE)

static struct {
	struct spinlock lock;
	void **ready; /* bottom of the first ready stack */
	u64 nr_ready;
	u64 empty;    /* bottom of the first empty slot; 0: none */
} stacks = { .lock = SPINLOCK_INIT(RANK_BUDDY - 1) };

static struct spinlock grow_lock = SPINLOCK_INIT(RANK_FRAME_CHAIN);
static u64 next_slot; /* (grow_lock) addresses whose tables could not be made; 0: none */

/* A slot that never was: its entries exist, they map nothing. 0: no memory. */
static u64 new_slot(void)
{
	spin_lock(&grow_lock);
	u64 bottom = next_slot ? next_slot : vmap_reserve(STACK_SLOT) + (STACK_SLOT - HAL_STACK_SIZE);
	bool ok = true;
	for (unsigned i = 0; ok && i < STACK_PAGES; i++)
		ok = kernel_entry(bottom + i * PAGE_SIZE, true) != NULL;
	next_slot = ok ? 0 : bottom;
	spin_unlock(&grow_lock);
	return ok ? bottom : 0;
}

static void put_empty(u64 bottom)
{
	u64 *e = kernel_entry(bottom, false);
	spin_lock(&stacks.lock);
	*e = stacks.empty;
	stacks.empty = bottom;
	spin_unlock(&stacks.lock);
}

static u64 take_empty(void)
{
	spin_lock(&stacks.lock);
	u64 bottom = stacks.empty;
	if (bottom)
		stacks.empty = *kernel_entry(bottom, false);
	spin_unlock(&stacks.lock);
	return bottom;
}

static void **take_ready(void)
{
	spin_lock(&stacks.lock);
	void **bottom = stacks.ready;
	if (bottom) {
		stacks.ready = *bottom;
		stacks.nr_ready--;
	}
	spin_unlock(&stacks.lock);
	return bottom;
}

/* Gives an empty slot its frames. */
static bool fill(u64 bottom)
{
	struct frame *frames[STACK_PAGES];
	for (unsigned i = 0; i < STACK_PAGES; i++) {
		frames[i] = frame_alloc(0, ALLOC_KERNEL, FRAME_STACK);
		if (!frames[i]) {
			while (i)
				frame_free(frames[--i], 0);
			return false;
		}
	}
	for (unsigned i = 0; i < STACK_PAGES; i++)
		*kernel_entry(bottom + i * PAGE_SIZE, false) = frame_pfn(frames[i]) << PAGE_SHIFT | KERNEL_RW;
	return true;
}

/* KernelStack is what tasks have; frames of ready ones are other pages of the kernel. */
static void *handed_out(u64 bottom)
{
	stat_add(STAT_NR_KERNEL_STACK_KB, HAL_STACK_SIZE >> 10);
	stat_add(STAT_NR_KERNEL_MISC, -(s64)STACK_PAGES);
	return (void *)(bottom + HAL_STACK_SIZE);
}

void *hal_stack_alloc(void)
{
	if (inject_strikes(INJECT_FRAMES))
		return NULL; /* of a ready one, too */
	u64 bottom = (u64)take_ready();
	if (bottom)
		return handed_out(bottom);
	bottom = take_empty();
	if (!bottom && !(bottom = new_slot()))
		return NULL;
	if (fill(bottom))
		return handed_out(bottom);
	put_empty(bottom);
	return NULL;
}

void hal_stack_free(void *top)
{
	void **bottom = (void **)((char *)top - HAL_STACK_SIZE);
	stat_add(STAT_NR_KERNEL_STACK_KB, -(s64)(HAL_STACK_SIZE >> 10));
	stat_add(STAT_NR_KERNEL_MISC, STACK_PAGES);
	spin_lock(&stacks.lock);
	*bottom = stacks.ready;
	stacks.ready = bottom;
	stacks.nr_ready++;
	spin_unlock(&stacks.lock);
}

u64 hal_stack_nr_ready(void) { return READ_ONCE(stacks.nr_ready); }

u64 hal_stack_drain(u64 nr)
{
	u64 done = 0;
	void **stack;
	while (done < nr && (stack = take_ready()) != NULL) {
		u64 bottom = (u64)stack;
		pfn_t pfns[STACK_PAGES];
		for (unsigned i = 0; i < STACK_PAGES; i++)
			pfns[i] = (__atomic_exchange_n(kernel_entry(bottom + i * PAGE_SIZE, false), 0, __ATOMIC_SEQ_CST) & PTE_PFN) >> PAGE_SHIFT;
		tlb_flush_kernel(bottom, bottom + HAL_STACK_SIZE);
		for (unsigned i = 0; i < STACK_PAGES; i++)
			frame_free(pfn_frame(pfns[i]), 0);
		put_empty(bottom);
		done++;
	}
	return done;
}
