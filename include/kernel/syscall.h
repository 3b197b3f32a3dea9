/* SPDX-License-Identifier: MIT */
/*
 * System calls. Each is a function `long sys_name(u64 a0, ..., u64 a5)` taking as many of its six raw
 * arguments as it has, defined with SYSCALLn(name, ...) in the file of its subject; the list
 * (kernel/syscall/list.h) has every number and name of Linux's, so defining the function is all it
 * takes. Negative results are -errno.
 */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <hal/context.h>
#include <hal/types.h>
#include <kernel/errno.h>

#define SYSCALL_DEFINE_(name, ...) long sys_##name(__VA_ARGS__); long sys_##name(__VA_ARGS__)
#define SYSCALL0(name) SYSCALL_DEFINE_(name, void)
#define SYSCALL1(name, a) SYSCALL_DEFINE_(name, u64 a)
#define SYSCALL2(name, a, b) SYSCALL_DEFINE_(name, u64 a, u64 b)
#define SYSCALL3(name, a, b, c) SYSCALL_DEFINE_(name, u64 a, u64 b, u64 c)
#define SYSCALL4(name, a, b, c, d) SYSCALL_DEFINE_(name, u64 a, u64 b, u64 c, u64 d)
#define SYSCALL5(name, a, b, c, d, e) SYSCALL_DEFINE_(name, u64 a, u64 b, u64 c, u64 d, u64 e)
#define SYSCALL6(name, a, b, c, d, e, f) SYSCALL_DEFINE_(name, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)

/* The registers of the system call being executed (fork, sigreturn, execve). */
struct hal_regs *syscall_regs(void);

#endif
