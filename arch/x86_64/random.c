/* SPDX-License-Identifier: MIT */
/*
 * Randomness: RDRAND where the CPU has it, mixed into a counter-based generator that also takes what
 * drivers (virtio-rng) and the clock give. With quire.seed=N the generator alone, repeatable.
 * Source of the mixing: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
 */
#include "internal.h"
#include <hal/time.h>

static u64 state;
static bool is_seeded;

static u64 mix(u64 z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static u64 hardware_random(void)
{
	u64 v = 0;
	u8 ok = 0;
	for (unsigned i = 0; i < 10 && !ok; i++)
		__asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(v), "=qm"(ok)::"cc");
	return ok ? v : 0;
}

void random_init(void)
{
	u64 seed = cmdline_number("quire.seed", ~0ull);
	is_seeded = seed != ~0ull;
	state = is_seeded ? seed : rdtsc();
	if (!is_seeded)
		state ^= mix((u64)hal_boot_time_s() << 20 ^ rdtsc());
}

u64 hal_random(void)
{
	u64 z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
	if (is_seeded)
		return mix(z);
	return mix(z ^ (cpu_has_rdrand ? hardware_random() : 0) ^ mix(rdtsc()));
}

/* Entropy from a device. */
void hal_random_mix(const void *data, size_t len)
{
	const u8 *p = data;
	u64 h = 0;
	if (is_seeded)
		return;
	for (size_t i = 0; i < len; i++)
		h = mix(h ^ p[i] ^ 0x100);
	__atomic_fetch_xor(&state, h, __ATOMIC_RELAXED);
}
