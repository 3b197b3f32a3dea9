/* SPDX-License-Identifier: MIT */
/* The software MMU's tables: those of x86-64. */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#define HAL_LEVELS     4
#define HAL_INDEX_BITS 9
#define HAL_USER_END   0x00007ffffffff000ul

#endif
