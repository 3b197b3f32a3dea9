/* SPDX-License-Identifier: MIT */
/*
 * Randomness: RDRAND where the CPU has it, mixed into a counter-based generator that also takes what
 * drivers (virtio-rng) and the clock give. With quire.seed=N the generator alone, repeatable,
 * one stream for each task (kernel_random_state).
 */
#include "internal.h"
#include <hal/time.h>
#include <kernel/entry.h>

static u64 state;
static bool is_seeded;

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
		state ^= hal_random_mix64((u64)hal_boot_time_s() << 20 ^ rdtsc());
}

u64 hal_random(void)
{
	u64 *own = is_seeded ? kernel_random_state() : NULL;
	if (own)
		return hal_random_mix64(*own += HAL_RANDOM_STEP);
	u64 z = __atomic_add_fetch(&state, HAL_RANDOM_STEP, __ATOMIC_RELAXED);
	if (is_seeded)
		return hal_random_mix64(z);
	return hal_random_mix64(z ^ (cpu_has_rdrand ? hardware_random() : 0) ^ hal_random_mix64(rdtsc()));
}

/* Entropy from a device. */
void hal_random_mix(const void *data, size_t len)
{
	const u8 *p = data;
	u64 h = 0;
	if (is_seeded)
		return;
	for (size_t i = 0; i < len; i++)
		h = hal_random_mix64(h ^ p[i] ^ 0x100);
	__atomic_fetch_xor(&state, h, __ATOMIC_RELAXED);
}
