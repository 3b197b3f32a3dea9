/* SPDX-License-Identifier: MIT */
/*
 * Small tables: eight entries and twelve levels cover the same addresses. Before arch/host/include on
 * the include path this makes a machine on which a few pages fill a table and a dozen its parent, so
 * that what goes wrong at the bounds of tables and in the depth of the tree shows in short tests.
 */
#ifndef MACHINE_MMU_H
#define MACHINE_MMU_H

#define HAL_LEVELS     12
#define HAL_INDEX_BITS 3
#define HAL_USER_END   0x00007ffffffff000ul

#endif
