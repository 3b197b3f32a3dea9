/* SPDX-License-Identifier: MIT */
/* Self-tests of the machine's protections: see selftest.c. */
#ifndef X86_SELFTEST_H
#define X86_SELFTEST_H

#include <hal/context.h>

/* Is this fault the one that a self-test provokes? Then *regs continue behind the attempt. */
bool selftest_caught(struct hal_regs *regs, unsigned vector, u64 addr);

#endif
