/* SPDX-License-Identifier: MIT */
/*
 * The registers of a stopped task as ptrace(2) shows them. The task does not run; its context and the registers
 * at the top of its stack may be changed.
 */
#ifndef HAL_PTRACE_H
#define HAL_PTRACE_H

#include <hal/context.h>

/* Words of struct user_regs_struct. */
#define HAL_NR_USER_REGS 27u
#define HAL_USER_FPREGS_SIZE 512u

void hal_user_regs_get(const struct hal_context *c, u64 *words);
/* Flags and segments that a program may not have stay as they are. -EIO: a segment base outside user space. */
int hal_user_regs_set(struct hal_context *c, const u64 *words);

/* Of the old floating-point state (FXSAVE) or of all of it (XSAVE): bytes there are, and their copy. */
size_t hal_user_fpu_size(void);
void hal_user_fpu_get(const struct hal_context *c, void *buf, size_t len);
/* len: HAL_USER_FPREGS_SIZE or hal_user_fpu_size(). -EINVAL: reserved bits of MXCSR are set. */
int hal_user_fpu_set(struct hal_context *c, const void *buf, size_t len);

/* Debug register nr (0..3: addresses, 6: status, 7: control). -EINVAL: not a program's; -EIO: no such register;
 * -ENOMEM. */
int hal_user_debug_set(struct hal_context *c, unsigned nr, u64 value);
u64 hal_user_debug_get(const struct hal_context *c, unsigned nr);
void hal_user_debug_clear(struct hal_context *running); /* exec */

/* Why a debug exception came, as kernel_user_exception gets it for vector 1. */
#define HAL_DEBUG_HITS 0xful
#define HAL_DEBUG_STEP (1ul << 14)

/* The program traps after each instruction, or no more. Did it before? */
bool hal_regs_set_step(struct hal_regs *regs, bool on);

#endif
