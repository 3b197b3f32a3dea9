/* SPDX-License-Identifier: MIT */
/* Clock and randomness. */
#ifndef HAL_TIME_H
#define HAL_TIME_H

#include <hal/types.h>

/* Nanoseconds since boot; monotonic on and across CPUs. */
u64 hal_clock_ns(void);

/* 64 random bits: from the machine's entropy source, or repeatable when the machine was given a
 * seed. Task context (on a seeded machine the running task's stream goes on by one). */
u64 hal_random(void);

/* A bijection of 64 bits in which every bit depends on every other, and the step of a counter that it turns
 * into a stream. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
#define HAL_RANDOM_STEP 0x9e3779b97f4a7c15ull
static inline u64 hal_random_mix64(u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Entropy from a device; no effect on a seeded machine. */
void hal_random_mix(const void *data, size_t len);

#endif
