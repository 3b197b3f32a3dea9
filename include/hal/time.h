/* SPDX-License-Identifier: MIT */
/* Clock and randomness. */
#ifndef HAL_TIME_H
#define HAL_TIME_H

#include <hal/types.h>

/* Nanoseconds since boot; monotonic on and across CPUs. */
u64 hal_clock_ns(void);

/* 64 random bits: from the machine's entropy source, or repeatable when the machine was given a
 * seed. Any context. */
u64 hal_random(void);

#endif
