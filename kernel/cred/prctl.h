/* SPDX-License-Identifier: MIT */
/* The parts of prctl that live in other files of kernel/cred/. */
#ifndef KERNEL_CRED_PRCTL_H
#define KERNEL_CRED_PRCTL_H

#include <hal/types.h>

long prctl_bounding_drop(u64 cap);
long prctl_bounding_read(u64 cap);
long prctl_ambient(u64 op, u64 cap, u64 a4, u64 a5);
long prctl_set_keepcaps(u64 on);
long prctl_set_securebits(u64 bits);

#endif
