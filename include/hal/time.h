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

/* Entropy from a device; no effect on a seeded machine. */
void hal_random_mix(const void *data, size_t len);

#endif
