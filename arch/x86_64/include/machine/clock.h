/* SPDX-License-Identifier: MIT */
/* How to turn the time-stamp counter into hal_clock_ns(): for the vDSO. */
#ifndef MACHINE_CLOCK_H
#define MACHINE_CLOCK_H

#include <hal/types.h>

struct hal_clock_params {
	u64 base; /* counter at 0 ns */
	u64 mult; /* ns = (counter - base) * mult >> 32 */
	u64 khz;
};
const struct hal_clock_params *hal_clock_params(void);

#endif
