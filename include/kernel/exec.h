/* SPDX-License-Identifier: MIT */
/* Starting a program from kernel mode (init). */
#ifndef KERNEL_EXEC_H
#define KERNEL_EXEC_H

/* The running kernel thread becomes the program; returns only on failure: -errno. argv and envp end
 * with NULL. */
int exec_kernel(const char *path, const char *const *argv, const char *const *envp);

#endif
