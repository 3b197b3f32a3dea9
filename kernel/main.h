/* SPDX-License-Identifier: MIT */
/* Boot, between its files. */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

void cmdline_init(void);
/* Completes init's vectors (argv[0] and some of envp are set) with the words that are not the kernel's. */
void cmdline_for_init(const char **argv, unsigned max_args, const char **envp, unsigned max_env);

/* With quire.selftest= on the command line: tests mm/'s contracts and ends the run (selftest.c). */
void selftest_run(void);

#endif
