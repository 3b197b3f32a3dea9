/* SPDX-License-Identifier: MIT */
/* The boot CPU's first C code: the machine, in the order its parts need each other. */
#include "internal.h"
#include <kernel/entry.h>

void uart_init(void);
void x86_start(u32 magic, u32 info);

u64 boot_tsc;

void x86_start(u32 magic, u32 info)
{
	boot_tsc = rdtsc();
	uart_init();
	bootinfo_init(magic, info);
	traps_init();
	cpu_init(0);
	paging_init();
	cpu_blocks[0].root = kernel_root;
	hal_debug_checks = cmdline_has("quire.checks") || cmdline_has("quire.leaks");
	acpi_init();
	apic_init();
	clock_init();
	random_init();
	kernel_main();
}
