/* SPDX-License-Identifier: MIT */
/*
 * Time: the time-stamp counter, its rate measured once against the ACPI power-management timer
 * (3.579545 MHz) or, without one, the PIT; and the local APIC's one-shot timer, measured alike.
 */
#include "internal.h"
#include <hal/time.h>
#include <machine/clock.h>

#define PM_HZ  3579545ull
#define PIT_HZ 1193182ull

static struct hal_clock_params params = { .mult = 1ull << 32 };
static u64 apic_ticks_per_ms;
static u64 last_deadline[HAL_MAX_CPUS];

const struct hal_clock_params *hal_clock_params(void) { return &params; }

u64 hal_clock_ns(void)
{
	return (u64)(((unsigned __int128)(rdtsc() - params.base) * params.mult) >> 32);
}

static u32 pm_read(void) { return hal_in32(acpi.pm_timer) & 0xffffff; }

/* Waits 1 ms by the PM timer; returns how many of its ticks really passed. */
static u64 wait_pm(void)
{
	u32 start = pm_read(), passed;
	while (pm_read() == start) /* begin on an edge */
		;
	start = pm_read();
	while ((passed = (pm_read() - start) & 0xffffff) < PM_HZ / 1000)
		;
	return passed * 1000000000ull / PM_HZ;
}

/* The same by channel 2 of the PIT, in mode 0. */
static u64 wait_pit(void)
{
	u16 count = PIT_HZ / 1000;
	hal_out8(0x61, (hal_in8(0x61) & ~2) | 1);
	hal_out8(0x43, 0xb0);
	hal_out8(0x42, (u8)count);
	hal_out8(0x42, count >> 8);
	while (!(hal_in8(0x61) & 0x20))
		;
	return count * 1000000000ull / PIT_HZ;
}

void clock_init(void)
{
	u64 best_ns = 1, best_tsc = 0, best_apic = 0;
	/* A measurement that was interrupted from outside shows more time per tick: the shortest is right. */
	for (unsigned i = 0; i < 3; i++) {
		lapic_timer_set(0xffffffff);
		u64 tsc = rdtsc();
		u64 ns = acpi.pm_timer ? wait_pm() : wait_pit();
		tsc = rdtsc() - tsc;
		u64 apic = 0xffffffffu - lapic_timer_left();
		lapic_timer_set(0);
		if (!best_tsc || tsc * best_ns < best_tsc * ns) {
			best_ns = ns;
			best_tsc = tsc;
			best_apic = apic;
		}
	}
	/* Whole megahertz: real and emulated counters have such rates, the measurement's noise is below. */
	u64 khz = best_tsc * 1000000 / best_ns;
	u64 mhz = (khz + 500) / 1000;
	if (mhz && khz > mhz * 1000 - mhz && khz < mhz * 1000 + mhz)
		khz = mhz * 1000;
	params.mult = (1000000ull << 32) / khz;
	params.base = boot_tsc;
	params.khz = khz;
	apic_ticks_per_ms = best_apic * 1000000 / best_ns;
}

void hal_timer_arm(u64 deadline_ns)
{
	unsigned long flags = hal_irq_save();
	last_deadline[hal_cpu_id()] = deadline_ns;
	if (deadline_ns == ~0ull) {
		lapic_timer_set(0);
	} else {
		u64 now = hal_clock_ns();
		u64 wait = deadline_ns > now ? min(deadline_ns - now, 1000000000ull) : 0;
		lapic_timer_set(wait * apic_ticks_per_ms / 1000000 + 1);
	}
	hal_irq_restore(flags);
}
