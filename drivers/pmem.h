/* SPDX-License-Identifier: MIT */
#ifndef DRIVERS_PMEM_H
#define DRIVERS_PMEM_H

/* Makes a disk of each persistent range of memory. Once, where block I/O is possible. */
void pmem_probe(void);

#endif
