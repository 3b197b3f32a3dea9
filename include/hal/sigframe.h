/* SPDX-License-Identifier: MIT */
/*
 * Signal frames on the user's stack, in the machine's Linux layout: how a handler is entered and how
 * rt_sigreturn goes back.
 */
#ifndef HAL_SIGFRAME_H
#define HAL_SIGFRAME_H

#include <asm/siginfo.h>
#include <hal/context.h>

struct hal_sigframe {
	int sig;
	const siginfo_t *info; /* NULL: the handler did not ask (no SA_SIGINFO) */
	uaddr_t handler, restorer;
	u64 blocked;           /* the mask to come back to */
	uaddr_t stack_sp;      /* the alternative stack as uc_stack shows it */
	u64 stack_size;
	u32 stack_flags;
	uaddr_t start_sp;      /* 0: below the interrupted stack pointer's red zone */
	uaddr_t low_limit;     /* 0: none; the frame must lie above */
	u64 trap_nr, trap_error, trap_addr;
};

/* Writes the frame and turns regs to the handler. -EFAULT: the stack cannot hold it, or no restorer. */
int hal_sigframe_push(struct hal_context *running, struct hal_regs *regs, const struct hal_sigframe *f);

/* Reads the frame that regs' stack pointer has just left, restores registers and FPU state; fills
 * blocked and stack_*. -EFAULT or -EINVAL: no valid frame. */
int hal_sigframe_pop(struct hal_context *running, struct hal_regs *regs, struct hal_sigframe *f);

#endif
