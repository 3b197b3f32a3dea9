/* SPDX-License-Identifier: MIT */
/* Page tables of x86-64: PML4, PDPT, PD, PT of 512 entries. Source: Intel SDM vol. 3A, 4.5. */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#define HAL_LEVELS     4
#define HAL_INDEX_BITS 9
#define HAL_USER_END   0x00007ffffffff000ul

#endif
