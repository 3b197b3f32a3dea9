/* SPDX-License-Identifier: MIT */
/*
 * Counts the calls by which a program asks for memory, as a tracer of it. The program runs twice, with 0 and with 100,000
 * objects; the difference is what the objects cost.
 *
 *   count NAME PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	long nr;
} calls[] = { { "brk", SYS_brk }, { "mmap", SYS_mmap }, { "mprotect", SYS_mprotect } };

#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

static void start(char **words)
{
	int null = open("/dev/null", O_WRONLY);
	dup2(null, 1);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	execvp(words[0], words);
	_exit(127);
}

/* A call is met at its entry, where rax does not hold a result yet, and at its exit. */
static void at_call(pid_t tid, long *count)
{
	struct user_regs_struct r;
	if (ptrace(PTRACE_GETREGS, tid, 0, &r) || (long)r.rax != -ENOSYS)
		return;
	for (unsigned i = 0; i < NR_CALLS; i++)
		count[i] += (long)r.orig_rax == calls[i].nr;
}

static void count_calls(char **words, long *count)
{
	int status;
	pid_t first = fork(), tid;
	if (first == 0)
		start(words);
	waitpid(first, &status, __WALL);
	ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, first, 0, 0);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFEXITED(status) && tid == first && WEXITSTATUS(status))
			exit(1);
		if (!WIFSTOPPED(status))
			continue;
		int sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80))
			at_call(tid, count);
		/* Signals of the program's own go on to it; those that only tell of a new thread or of exec do not. */
		ptrace(PTRACE_SYSCALL, tid, 0, sig == (SIGTRAP | 0x80) || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig);
	}
}

int main(int argc, char **argv)
{
	long none[NR_CALLS] = { 0 }, all[NR_CALLS] = { 0 };
	char *words[8] = { NULL };
	if (argc < 3 || argc > 8)
		return 2;
	for (int i = 2; i < argc; i++)
		words[i - 2] = argv[i];
	words[argc - 2] = "0";
	count_calls(words, none);
	words[argc - 2] = "100000";
	count_calls(words, all);
	for (unsigned i = 0; i < NR_CALLS; i++)
		printf("%s: calls of %s = %ld\n", argv[1], calls[i].name, all[i] - none[i]);
	return 0;
}
