/* SPDX-License-Identifier: MIT */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <hal/types.h>

extern bool host_threads;
void host_mmu_reset(void);
void host_clock_pass(u64 ns); /* the clock shows at least ns from now on */

#endif
