/* SPDX-License-Identifier: MIT */
/* The host runs no user programs: no registers are ever saved. */
#ifndef MACHINE_REGS_H
#define MACHINE_REGS_H

struct hal_regs {
	char none;
};

#endif
