/* SPDX-License-Identifier: MIT */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <hal/types.h>

extern bool host_threads;
void host_mmu_reset(void);

#endif
