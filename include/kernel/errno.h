/* SPDX-License-Identifier: MIT */
/* Linux's error numbers, and the kernel's own that never reach user space. */
#ifndef KERNEL_ERRNO_H
#define KERNEL_ERRNO_H

#include <asm/errno.h>

#define ERESTARTSYS           512 /* interrupted: restart if SA_RESTART, else EINTR */
#define ERESTARTNOINTR        513 /* always restart */
#define ERESTARTNOHAND        514 /* restart only when no handler ran */
#define ERESTART_RESTARTBLOCK 516 /* restart through restart_syscall */

/* Pointers that may carry -errno. */
#define IS_ERR(p)  ((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p) ((long)(p))
#define ERR_PTR(e) ((void *)(long)(e))

#endif
