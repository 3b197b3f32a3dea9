/* SPDX-License-Identifier: MIT */
/* Pressure of the whole machine, for /proc/pressure. */
#ifndef KERNEL_PSI_H
#define KERNEL_PSI_H

#include <mm/psi.h>

extern struct psi_group psi_machine;

/* A trigger has been added: the next look at the group may have to come sooner. */
void psi_machine_look_soon(void);

void psi_start(void); /* once, when the clock runs */

#endif
