/* SPDX-License-Identifier: MIT */
/* The page that the kernel writes and the vDSO reads: how to turn the time-stamp counter into time. */
#ifndef X86_VVAR_H
#define X86_VVAR_H

struct vvar {
	unsigned int seq; /* odd while the rest is being changed */
	unsigned int pad;
	unsigned long tsc_base, mult; /* ns since boot = (TSC - tsc_base) * mult >> 32 */
	long realtime_offset;         /* ns: wall clock = ns since boot + this */
	unsigned long coarse_ns;      /* step of the coarse clocks */
};

#endif
