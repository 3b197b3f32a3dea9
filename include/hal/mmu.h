/* SPDX-License-Identifier: MIT */
/* The MMU: roots, translation look-aside buffers. */
#ifndef HAL_MMU_H
#define HAL_MMU_H

#include <hal/types.h>

/*
 * <machine/mmu.h> supplies, as constants:
 *   HAL_LEVELS       levels of tables: HAL_LEVELS = root ... 1 = last level
 *   HAL_INDEX_BITS   2^HAL_INDEX_BITS entries in a table
 *   HAL_USER_END     first address that no user mapping may reach; users have the lower half of the root
 */
#include <machine/mmu.h>

/* Makes the kernel half of a zeroed root table visible through it. */
void hal_root_init(pfn_t root);

/* Loads `root` on this CPU; drops this CPU's user translations. Interrupts may be on. */
void hal_root_switch(pfn_t root);

/* Loads the kernel's own root, which has no user half. */
void hal_root_switch_kernel(void);

/*
 * Drops user translations of [start, end) under `root` on every CPU in `cpus`; returns when all
 * have done so. With `tables`, also what a CPU caches of upper levels (needed when a page-table page
 * is freed or replaced). A CPU in `cpus` that runs another root by now may do nothing. Interrupts
 * are on; leaf-table and chain locks may be held. start = 0, end = ~0ul means everything.
 */
void hal_tlb_flush(cpumask_t cpus, pfn_t root, uaddr_t start, uaddr_t end, bool tables);

/* Drops one translation on this CPU: after an entry gained rights, so that a stale one does not
 * fault again. */
void hal_tlb_flush_local(uaddr_t addr);

#endif
