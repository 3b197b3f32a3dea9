/* SPDX-License-Identifier: MIT */
/* Futexes: what the rest of the kernel needs of them. */
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include <hal/types.h>

struct task;

/* The running task t gives up its space (exit, exec): its robust list is walked, what it held is marked
 * FUTEX_OWNER_DIED and one waiter each is woken. May sleep; t->space is still loaded. */
void futex_exit_task(struct task *t) __attribute__((weak));

/* Wakes up to nr waiters (shared kind) on the running task's word at addr. */
void futex_wake_address(uaddr_t addr, u32 nr) __attribute__((weak));

#endif
