/* SPDX-License-Identifier: MIT */
/* What the tests of ptrace share. The C library's ptrace() hides errors of PEEK: the call itself is made here. */
#ifndef TRACE_H
#define TRACE_H

#include "check.h"
#include <linux/ptrace.h>
#include <sys/user.h>

static inline long trace(int request, pid_t pid, unsigned long addr, unsigned long data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

/* Waits for the next stop or end of pid and prints it with what is told of its cause. */
static inline int next(const char *name, pid_t pid)
{
	siginfo_t si = { 0 };
	int st = 0;
	pid_t r = waitpid(pid, &st, __WALL);
	if (r == -1) {
		out("%s: %s\n", name, errno_name(errno));
		return -1;
	}
	if (!WIFSTOPPED(st)) {
		show_status(name, st);
		return st;
	}
	long err = trace(PTRACE_GETSIGINFO, r, 0, (unsigned long)&si);
	out("%s: stop %x info %s code %d\n", name, st >> 8, err ? errno_name(errno) : signal_name(si.si_signo), err ? 0 : si.si_code);
	return st;
}

#endif
