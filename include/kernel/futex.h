/* SPDX-License-Identifier: MIT */
/* Futexes, as the rest of the kernel needs them. */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include <hal/types.h>

struct task;

/* The running task leaves its space (exit, exec): walks its robust list, marks owners dead. */
void futex_exit_task(struct task *t) __attribute__((weak));
/* Wakes up to n waiters of FUTEX_WAIT at addr in the running task's space (CLONE_CHILD_CLEARTID). */
void futex_wake_address(uaddr_t addr, unsigned n) __attribute__((weak));

#endif
