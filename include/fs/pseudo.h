/* SPDX-License-Identifier: MIT */
/* File systems and devices that show the kernel itself: devtmpfs, terminals, proc, sysfs. */
#ifndef FS_PSEUDO_H
#define FS_PSEUDO_H

#include <fs/tty.h>

/* Registers them all, after vfs_init() and with kernel threads possible. Drivers that register terminals
 * or character devices may do so before or after. */
void fs_pseudo_init(void);

void proc_init(void);
void sysfs_init(void);
void cgroupfs_init(void);

#endif
