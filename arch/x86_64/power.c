/* SPDX-License-Identifier: MIT */
/* Idle, off, again: halting a CPU, soft-off and reset as ACPI describes them (4.8.3, 4.8.4). */
#include "internal.h"
#include <hal/time.h>

void hal_cpu_idle(void)
{
	__asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}

static void halt_forever(void) __attribute__((noreturn));
static void halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli\n\thlt");
}

void hal_power_off(void)
{
	hal_irq_disable();
	if (acpi.has_s5 && acpi.pm1a_control) {
		hal_out16(acpi.pm1a_control, (u16)(acpi.slp_typ_a << 10 | 1u << 13));
		if (acpi.pm1b_control)
			hal_out16(acpi.pm1b_control, (u16)(acpi.slp_typ_b << 10 | 1u << 13));
		for (u64 end = hal_clock_ns() + 1000000000; hal_clock_ns() < end;) /* it takes effect in its own time */
			hal_cpu_pause();
	}
	hal_log(LOG_EMERG, "power off: the machine has no soft-off; it may be switched off now");
	halt_forever();
}

void hal_reboot(void)
{
	hal_irq_disable();
	if (acpi.has_reset)
		hal_out8((u16)acpi.reset_address, acpi.reset_value);
	hal_out8(0xcf9, 0x06);
	hal_out8(0x64, 0xfe); /* keyboard controller */
	halt_forever();
}
