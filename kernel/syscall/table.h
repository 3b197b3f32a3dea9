/* SPDX-License-Identifier: MIT */
/* The table of system calls, private to kernel/syscall/. */
#ifndef KERNEL_SYSCALL_TABLE_H
#define KERNEL_SYSCALL_TABLE_H

#include <kernel/syscall.h>

#define SYSCALL_TABLE_SIZE 451

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);
extern const syscall_fn syscall_table[SYSCALL_TABLE_SIZE];
extern const char *const syscall_names[SYSCALL_TABLE_SIZE];

#endif
