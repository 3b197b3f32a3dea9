/* SPDX-License-Identifier: MIT */
/* What a machine calls in the kernel (the upcalls of arch/). */
#ifndef KERNEL_ENTRY_H
#define KERNEL_ENTRY_H

#include <hal/context.h>
#include <hal/types.h>

/* On the boot CPU, once console, traps, memory ranges and this CPU's data stand; interrupts off. */
void kernel_main(void) __attribute__((noreturn));
/* On each further CPU. */
void kernel_cpu_main(void) __attribute__((noreturn));

/* A system call; interrupts on. The result goes into regs. */
void kernel_syscall(struct hal_regs *regs);

/* A page fault in user mode; interrupts on. access: FAULT_* of mm/fault.h. */
void kernel_user_fault(struct hal_regs *regs, uaddr_t addr, unsigned access);

/* A page fault at a user address in kernel mode, inside a uaccess function. True: repeat the access. */
bool kernel_uaccess_fault(uaddr_t addr, unsigned access);

/* Any other exception in user mode: x86 vector and error code (vector 1: HAL_DEBUG_*); becomes a signal. */
void kernel_user_exception(struct hal_regs *regs, unsigned vector, u64 error);

/* Before each return to user mode while kernel_has_work() says so: signals, rescheduling. Interrupts
 * on. The arch re-checks with interrupts off afterwards. */
void kernel_exit_to_user(struct hal_regs *regs);
/* <kernel/task.h> has the inline kernel_has_work(): one load from the running task. */

/* The first thing that a context made by hal_context_init_* runs on its own stack, interrupts still
 * off: the switch that led to it is completed (the run queue unlocked, a dead task released). The arch
 * enables interrupts only after it returns. */
void kernel_context_started(void);

/* The state of the running task's own stream of random numbers, for a machine with a seed; NULL: it has
 * none (the kernel has not started its first task). */
u64 *kernel_random_state(void);

void kernel_timer(void); /* timer interrupt; interrupts off */
void kernel_kick(void);  /* another CPU asked for attention; interrupts off */

#endif
