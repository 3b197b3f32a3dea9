/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

/* Finds the PCI devices and starts their drivers. Once, after vfs_init, on the boot CPU. */
void drivers_init(void);

#endif
