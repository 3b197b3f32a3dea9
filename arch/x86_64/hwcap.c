/* SPDX-License-Identifier: MIT */
/* What the auxiliary vector says about the CPU. */
#include "internal.h"
#include <hal/context.h>

/* CPUID.1:EDX, as on Linux. */
u64 hal_elf_hwcap(void)
{
	u32 r[4];
	cpuid(1, 0, r);
	return r[3];
}

/* Bit 1 says that user mode may use RDFSBASE & co: the kernel keeps the bases itself and does not allow it. */
u64 hal_elf_hwcap2(void) { return 0; }
