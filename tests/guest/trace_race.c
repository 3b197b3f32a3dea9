/* SPDX-License-Identifier: MIT */
/* ptrace: tracees that are killed, by others, at any moment of what their tracer does; tracers that end then. */
#include "trace.h"
#include <pthread.h>

#define ROUNDS 150

static volatile long word = 4711;
static void on_signal(int sig) { (void)sig; }

static void be_tracee(void)
{
	signal(SIGUSR1, on_signal);
	trace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (;;) {
		syscall(SYS_getppid);
		raise(SIGUSR1);
	}
}

static void be_killer(pid_t pid, unsigned us)
{
	struct timespec t = { 0, us * 1000L };
	nanosleep(&t, NULL);
	kill(pid, SIGKILL);
	_exit(0);
}

/* Whatever succeeds must be right: registers of a program, its word. Wrong answers are counted. */
static int look(pid_t pid)
{
	struct user_regs_struct regs;
	long w = 0;
	int wrong = 0;
	if (!trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs) && ((regs.cs & 3) != 3 || regs.rip >> 47))
		wrong++;
	if (!trace(PTRACE_PEEKDATA, pid, (unsigned long)&word, (unsigned long)&w) && w != 4711)
		wrong++;
	regs.r15 = 1;
	trace(PTRACE_SETREGS, pid, 0, (unsigned long)&regs);
	return wrong;
}

static void killed_while_traced(void)
{
	static const int how[] = { PTRACE_SYSCALL, PTRACE_CONT, PTRACE_SINGLESTEP };
	int wrong = 0, other_end = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid_t pid = fork(), killer;
		int st = 0;
		if (pid == 0)
			be_tracee();
		waitpid(pid, &st, 0);
		killer = fork();
		if (killer == 0)
			be_killer(pid, 50 + round * 37 % 3000);
		while (WIFSTOPPED(st)) {
			wrong += look(pid);
			trace(how[round % 3], pid, 0, 0);
			if (waitpid(pid, &st, 0) != pid)
				break;
		}
		other_end += !WIFSIGNALED(st) || WTERMSIG(st) != SIGKILL;
		waitpid(killer, NULL, 0);
	}
	out("ptrace killed while traced: %d wrong, %d ended otherwise\n", wrong, other_end);
}

static void tracer_ends(void)
{
	int other_end = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid_t pid = fork(), tracer;
		int st = 0;
		if (pid == 0)
			for (;;)
				syscall(SYS_getppid);
		tracer = fork();
		if (tracer == 0) {
			/* Without TRACESYSGOOD a stop at a call that nobody was told of would leave a SIGTRAP behind. */
			trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | (round % 2 ? PTRACE_O_EXITKILL : 0));
			trace(PTRACE_INTERRUPT, pid, 0, 0);
			if (round % 3)
				waitpid(pid, &st, 0);
			if (round % 5 == 1)
				trace(PTRACE_SYSCALL, pid, 0, 0);
			if (round % 7 == 1)
				kill(pid, SIGKILL);
			_exit(0);
		}
		waitpid(tracer, NULL, 0);
		if (round % 2 == 0)
			kill(pid, SIGKILL);
		waitpid(pid, &st, 0);
		other_end += !WIFSIGNALED(st) || WTERMSIG(st) != SIGKILL;
	}
	out("ptrace the tracer ends: %d ended otherwise\n", other_end);
}

/* Threads that come and go are traced as they come, while the process is killed. */
static void *short_thread(void *arg) { return arg; }
static void threads(void)
{
	int other_end = 0;
	for (unsigned round = 0; round < ROUNDS / 3; round++) {
		pid_t pid = fork(), killer, who;
		int st = 0;
		if (pid == 0) {
			trace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			for (;;) {
				pthread_t t;
				if (!pthread_create(&t, NULL, short_thread, NULL))
					pthread_join(t, NULL);
			}
		}
		waitpid(pid, &st, 0);
		trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
		trace(PTRACE_CONT, pid, 0, 0);
		killer = fork();
		if (killer == 0)
			be_killer(pid, 500 + round * 211 % 5000);
		int end = 0;
		while ((who = waitpid(-1, &st, __WALL)) > 0) {
			if (WIFSTOPPED(st))
				trace(PTRACE_CONT, who, 0, 0);
			else if (who == pid)
				end = st;
		}
		other_end += !WIFSIGNALED(end) || WTERMSIG(end) != SIGKILL;
	}
	out("ptrace threads of a killed process: %d ended otherwise\n", other_end);
}

int main(void)
{
	killed_while_traced();
	tracer_ends();
	threads();
	return 0;
}
