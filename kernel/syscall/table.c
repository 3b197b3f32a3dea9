/* SPDX-License-Identifier: MIT */
/* The table of system calls: number to function and to name. */
#include "table.h"
#include "list.h"

/* Weak: a call that no file defines is a NULL here. */
#define X(nr, name) extern long sys_##name(u64, u64, u64, u64, u64, u64) __attribute__((weak));
SYSCALL_LIST(X)
#undef X

const syscall_fn syscall_table[SYSCALL_TABLE_SIZE] = {
#define X(nr, name) [nr] = sys_##name,
	SYSCALL_LIST(X)
#undef X
};

const char *const syscall_names[SYSCALL_TABLE_SIZE] = {
#define X(nr, name) [nr] = #name,
	SYSCALL_LIST(X)
#undef X
};
