/* SPDX-License-Identifier: MIT */
/* The vDSO: clock calls that need no kernel entry. */
#ifndef KERNEL_VDSO_H
#define KERNEL_VDSO_H

#include <hal/types.h>

struct space;

/* Once, after frames and clock stand. */
void vdso_init(void) __attribute__((weak));
/* Maps "[vvar]" and "[vdso]" at a randomized place near `hint` (0: the kernel's choice); sets s->vdso and
 * *out to the ELF header (AT_SYSINFO_EHDR). 0, -ENOMEM. */
int vdso_map(struct space *s, uaddr_t hint, uaddr_t *out) __attribute__((weak));

#endif
