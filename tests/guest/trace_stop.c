/* SPDX-License-Identifier: MIT */
/* ptrace: stops for signals, system calls, events; who is told of them, and how tracees go on. */
#include "trace.h"
#include <pthread.h>
#include <sys/reg.h>

static pid_t traced(void (*fn)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		trace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	return pid;
}

static volatile int nr_handled;
static void handler(int sig) { nr_handled += sig; }

/* ---- signals ---- */

static void raise_some(void)
{
	signal(SIGUSR1, handler);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGCHLD);
	raise(SIGURG);
	_exit(nr_handled);
}

static void signals(void)
{
	pid_t pid = traced(raise_some);
	next("ptrace TRACEME stop", pid);
	R("ptrace CONT", trace(PTRACE_CONT, pid, 0, 0));
	next("ptrace CONT to SIGUSR1", pid);
	R("ptrace CONT with it", trace(PTRACE_CONT, pid, 0, SIGUSR1));
	next("ptrace CONT to SIGUSR1 again", pid);
	R("ptrace CONT without it", trace(PTRACE_CONT, pid, 0, 0));
	next("ptrace an ignored signal is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGUSR2);
	next("ptrace SIGCHLD is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGCHLD);
	next("ptrace SIGURG is shown", pid);
	R("ptrace CONT EIO signal", trace(PTRACE_CONT, pid, 0, 65));
	trace(PTRACE_CONT, pid, 0, SIGUSR1);
	next("ptrace CONT with another signal", pid);
}

static void die(void) { raise(SIGTERM); }
static void fault(void) { *(volatile int *)16 = 1; }
static void sleep_long(void) { for (;;) pause(); }

static void ends(void)
{
	pid_t pid = traced(die);
	next("ptrace stop before SIGTERM", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SIGTERM is shown first", pid);
	trace(PTRACE_CONT, pid, 0, SIGTERM);
	next("ptrace SIGTERM ends it", pid);
	pid = traced(fault);
	next("ptrace stop before a fault", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SIGSEGV is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGSEGV);
	next("ptrace SIGSEGV ends it", pid);
	pid = traced(sleep_long);
	next("ptrace stop before SIGKILL", pid);
	kill(pid, SIGKILL);
	next("ptrace SIGKILL ends a stopped one", pid);
	pid = traced(sleep_long);
	next("ptrace stop before KILL", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	R("ptrace KILL", trace(PTRACE_KILL, pid, 0, 0));
	next("ptrace KILL ends it", pid);
}

static void signal_info(void)
{
	siginfo_t si = { 0 };
	unsigned long mask = 0;
	pid_t pid = traced(raise_some);
	next("ptrace GETSIGINFO stop", pid);
	R("ptrace GETSIGINFO", trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&si));
	out("ptrace GETSIGINFO of raise: %d %d %s\n", si.si_signo, si.si_code, si.si_pid == pid ? "right" : "wrong");
	R("ptrace GETSIGINFO EFAULT", trace(PTRACE_GETSIGINFO, pid, 0, 8));
	si.si_code = SI_QUEUE;
	R("ptrace SETSIGINFO", trace(PTRACE_SETSIGINFO, pid, 0, (unsigned long)&si));
	R("ptrace SETSIGINFO EFAULT", trace(PTRACE_SETSIGINFO, pid, 0, 8));
	memset(&si, 0, sizeof si);
	trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&si);
	VAL("ptrace SETSIGINFO was set", si.si_code);
	R("ptrace GETSIGMASK", trace(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask));
	out("ptrace GETSIGMASK: %lx\n", mask);
	R("ptrace GETSIGMASK EINVAL size", trace(PTRACE_GETSIGMASK, pid, 4, (unsigned long)&mask));
	R("ptrace GETSIGMASK EFAULT", trace(PTRACE_GETSIGMASK, pid, 8, 8));
	mask = 1ul << (SIGUSR1 - 1) | 1ul << (SIGKILL - 1);
	R("ptrace SETSIGMASK", trace(PTRACE_SETSIGMASK, pid, 8, (unsigned long)&mask));
	trace(PTRACE_GETSIGMASK, pid, 8, (unsigned long)&mask);
	out("ptrace SETSIGMASK was set: %lx\n", mask);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SETSIGMASK holds SIGUSR1 back", pid);
	struct ptrace_peeksiginfo_args a = { .nr = 4 };
	siginfo_t queue[4];
	R("ptrace PEEKSIGINFO of the thread", trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&a, (unsigned long)queue));
	out("ptrace PEEKSIGINFO first: %s\n", signal_name(queue[0].si_signo));
	a.flags = PTRACE_PEEKSIGINFO_SHARED;
	R("ptrace PEEKSIGINFO of the process", trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&a, (unsigned long)queue));
	a.flags = 2;
	R("ptrace PEEKSIGINFO EINVAL flags", trace(PTRACE_PEEKSIGINFO, pid, (unsigned long)&a, (unsigned long)queue));
	trace(PTRACE_KILL, pid, 0, 0);
	next("ptrace KILL in a stop", pid);
}

/* ---- system calls ---- */

static void make_calls(void)
{
	syscall(SYS_getppid);
	syscall(SYS_close, -1);
	_exit(5);
}

static void show_call(const char *name, pid_t pid)
{
	struct ptrace_syscall_info info;
	memset(&info, 0xee, sizeof info);
	long n = trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (unsigned long)&info);
	out("%s: %ld op %d arch %x", name, n, info.op, info.arch);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		out(" nr %llu arg %d", info.entry.nr, info.entry.nr == SYS_close ? (int)info.entry.args[0] : 0);
	if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		out(" %s error %d", info.exit.is_error ? errno_name((int)-info.exit.rval) : "ok", info.exit.is_error);
	out("\n");
}

static void calls(void)
{
	struct user_regs_struct regs;
	unsigned long message;
	pid_t pid = traced(make_calls);
	next("ptrace SYSCALL stop", pid);
	R("ptrace SETOPTIONS", trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	show_call("ptrace GET_SYSCALL_INFO in a signal's stop", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0); /* the end of raise() */
	int st = next("ptrace SYSCALL first", pid);
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	out("ptrace SYSCALL first: %llu\n", regs.orig_rax);
	for (int i = 0; i < 20 && WIFSTOPPED(st) && regs.orig_rax != SYS_getppid; i++) {
		trace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &st, 0);
		trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	}
	show_call("ptrace GET_SYSCALL_INFO getppid begins", pid);
	out("ptrace SYSCALL begins: rax %lld\n", (long long)regs.rax);
	trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
	VAL("ptrace GETEVENTMSG begins", message);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL getppid ends", pid);
	show_call("ptrace GET_SYSCALL_INFO getppid ends", pid);
	trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message);
	VAL("ptrace GETEVENTMSG ends", message);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL close begins", pid);
	show_call("ptrace GET_SYSCALL_INFO close begins", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL close ends", pid);
	show_call("ptrace GET_SYSCALL_INFO close ends", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL exit begins", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL exit", pid);
}

/* A call that the tracer replaces, one that it takes away, one whose result it changes. */
static void three_calls(void)
{
	long a = syscall(SYS_getppid), b = syscall(SYS_getppid), c = syscall(SYS_getppid);
	_exit((a == getpid()) | (b == -1 && errno == ENOSYS) << 1 | (c == 42) << 2);
}

static void to_getppid(pid_t pid, struct user_regs_struct *regs)
{
	int st;
	do {
		trace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &st, 0);
		trace(PTRACE_GETREGS, pid, 0, (unsigned long)regs);
	} while (WIFSTOPPED(st) && !(regs->orig_rax == SYS_getppid && (long)regs->rax == -ENOSYS));
}

static void changed_calls(void)
{
	struct user_regs_struct regs;
	int st;
	pid_t pid = traced(three_calls);
	next("ptrace SETREGS stop", pid);
	to_getppid(pid, &regs);
	regs.orig_rax = SYS_getpid;
	R("ptrace SETREGS another call", trace(PTRACE_SETREGS, pid, 0, (unsigned long)&regs));
	trace(PTRACE_SYSCALL, pid, 0, 0);
	waitpid(pid, &st, 0);
	to_getppid(pid, &regs);
	R("ptrace POKEUSER no call", trace(PTRACE_POKEUSR, pid, ORIG_RAX * 8, -1));
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace SYSCALL of no call ends", pid);
	to_getppid(pid, &regs);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	waitpid(pid, &st, 0);
	R("ptrace POKEUSER result", trace(PTRACE_POKEUSR, pid, RAX * 8, 42));
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace changed calls: 7 is all of them", pid);
}

/* ---- events ---- */

static void make_children(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(1);
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (pid == 0)
		_exit(2);
	waitpid(pid, NULL, 0);
	_exit(3);
}

static void show_event(const char *name, pid_t pid, pid_t *child)
{
	unsigned long message = 0;
	int st = next(name, pid);
	R("ptrace GETEVENTMSG of an event", trace(PTRACE_GETEVENTMSG, pid, 0, (unsigned long)&message));
	if (st >> 16 == PTRACE_EVENT_EXIT)
		out("%s: status %lx\n", name, message);
	else if (child)
		*child = (pid_t)message;
}

static void fork_events(void)
{
	pid_t pid = traced(make_children), child = 0;
	next("ptrace O_TRACEFORK stop", pid);
	R("ptrace SETOPTIONS all", trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE |
	                                 PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL));
	R("ptrace SETOPTIONS EINVAL", trace(PTRACE_SETOPTIONS, pid, 0, 1u << 25));
	trace(PTRACE_CONT, pid, 0, 0);
	show_event("ptrace O_TRACEFORK", pid, &child);
	next("ptrace O_TRACEFORK the child", child);
	trace(PTRACE_CONT, child, 0, 0);
	show_event("ptrace O_TRACEEXIT the child", child, NULL);
	trace(PTRACE_CONT, child, 0, 0);
	next("ptrace O_TRACEFORK the child ends", child);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SIGCHLD of the parent", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	show_event("ptrace O_TRACEVFORK", pid, &child);
	next("ptrace O_TRACEVFORK the child", child);
	trace(PTRACE_CONT, child, 0, 0);
	trace(PTRACE_CONT, pid, 0, 0);
	show_event("ptrace O_TRACEEXIT of the vforked", child, NULL);
	trace(PTRACE_CONT, child, 0, 0);
	next("ptrace O_TRACEVFORK the child ends", child);
	show_event("ptrace O_TRACEVFORKDONE", pid, NULL);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SIGCHLD of the parent", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	show_event("ptrace O_TRACEEXIT", pid, NULL);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace O_TRACEEXIT ends", pid);
}

static void exec_self(void)
{
	execl("/proc/self/exe", "x", "end", NULL);
	_exit(9);
}

static void exec_events(void)
{
	pid_t pid = traced(exec_self);
	next("ptrace exec stop", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace exec is SIGTRAP", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace exec ends", pid);
	pid = traced(exec_self);
	next("ptrace O_TRACEEXEC stop", pid);
	trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC);
	trace(PTRACE_CONT, pid, 0, 0);
	pid_t was = 0;
	show_event("ptrace O_TRACEEXEC", pid, &was);
	YES("ptrace O_TRACEEXEC message", was == pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace O_TRACEEXEC ends", pid);
}

/* A thread is a tracee of its own, and stays until its tracer has seen its end. */
static void *thread(void *arg) { return arg; }
static void make_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	sleep_long();
}

static void thread_events(void)
{
	pid_t pid = traced(make_thread), child = 0;
	next("ptrace O_TRACECLONE stop", pid);
	trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE);
	trace(PTRACE_CONT, pid, 0, 0);
	show_event("ptrace O_TRACECLONE", pid, &child);
	next("ptrace O_TRACECLONE the thread", child);
	trace(PTRACE_CONT, child, 0, 0);
	trace(PTRACE_CONT, pid, 0, 0);
	siginfo_t si = { 0 };
	R("ptrace waitid WNOWAIT of the thread", waitid(P_PID, child, &si, WEXITED | WNOWAIT | __WALL));
	out("ptrace the thread's end: code %d status %d\n", si.si_code, si.si_status);
	R("ptrace the process is not over", waitpid(pid, NULL, WNOHANG | __WALL));
	next("ptrace O_TRACECLONE the thread ends", child);
	kill(pid, SIGKILL);
	next("ptrace O_TRACECLONE the process ends", pid);
}

/* ---- single steps ---- */

static void step_code(void)
{
	__asm__ volatile("int3\n\tnop\n\tnop\n\tmov %0, %%eax\n\tsyscall\n\tnop\n\tnop" ::"i"(SYS_getppid) : "rax", "rcx", "r11", "memory");
	_exit(6);
}

static void steps(void)
{
	struct user_regs_struct regs;
	unsigned long start = 0;
	pid_t pid = traced(step_code);
	next("ptrace SINGLESTEP stop", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SINGLESTEP at int3", pid);
	for (int i = 0; i < 6; i++) {
		trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
		start = start ? start : regs.rip;
		out("ptrace SINGLESTEP at %lu, flag %lu\n", (unsigned long)regs.rip - start, (unsigned long)regs.eflags >> 8 & 1);
		R("ptrace SINGLESTEP", trace(PTRACE_SINGLESTEP, pid, 0, 0));
		next("ptrace SINGLESTEP next", pid);
	}
	R("ptrace SINGLESTEP into a handler", trace(PTRACE_SINGLESTEP, pid, 0, SIGUSR1)); /* default: it ends */
	next("ptrace SINGLESTEP with SIGUSR1", pid);
}

static void step_handler(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	_exit(nr_handled);
}

static void step_into_handler(void)
{
	struct user_regs_struct regs;
	pid_t pid = traced(step_handler);
	next("ptrace SINGLESTEP handler stop", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SINGLESTEP handler SIGUSR1", pid);
	trace(PTRACE_SINGLESTEP, pid, 0, SIGUSR1);
	next("ptrace SINGLESTEP stops at the handler", pid);
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	YES("ptrace SINGLESTEP is at the handler", regs.rip == (unsigned long)handler);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SINGLESTEP handler ends", pid);
}

/* The child of a program that is stepped is not stepped itself. */
static void step_fork(void)
{
	int st = 0;
	__asm__ volatile("int3");
	pid_t pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(3);
	waitpid(pid, &st, 0);
	_exit(WIFEXITED(st) ? WEXITSTATUS(st) : 99);
}

static void step_over_fork(void)
{
	int st;
	pid_t pid = traced(step_fork);
	next("ptrace SINGLESTEP fork stop", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SINGLESTEP fork at int3", pid);
	struct user_regs_struct regs = { 0 };
	do { /* to the first instruction behind the call */
		trace(PTRACE_SINGLESTEP, pid, 0, 0);
		waitpid(pid, &st, 0);
		unsigned long was = regs.rip;
		trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
		if (regs.rip == was + 2 && regs.rax > 1 && regs.orig_rax == SYS_fork)
			break;
	} while (WIFSTOPPED(st) && WSTOPSIG(st) == SIGTRAP);
	trace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &st, 0);
	while (WIFSTOPPED(st)) { /* SIGCHLD */
		trace(PTRACE_CONT, pid, 0, 0);
		waitpid(pid, &st, 0);
	}
	show_status("ptrace SINGLESTEP fork ends", st);
}

/* A call that its tracer's interruption cut short, and that is left alone then, begins anew. */
static int to_child[2];
static void read_byte(void)
{
	char c = 0;
	long n = read(to_child[0], &c, 1);
	_exit(n == 1 ? c : n < 0 ? 100 + errno % 100 : 99);
}

static void interrupted_read(void)
{
	int st;
	pipe(to_child);
	pid_t pid = fork();
	if (pid == 0)
		read_byte();
	wait_in_call(pid, SYS_read);
	R("ptrace SEIZE a reader", trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	trace(PTRACE_INTERRUPT, pid, 0, 0);
	next("ptrace INTERRUPT a reader", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	next("ptrace its call begins again", pid);
	trace(PTRACE_SYSCALL, pid, 0, 0);
	wait_in_call(pid, SYS_read);
	trace(PTRACE_INTERRUPT, pid, 0, 0);
	next("ptrace its call ends early", pid);
	struct user_regs_struct regs;
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	VAL("ptrace its result then", regs.rax);
	trace(PTRACE_DETACH, pid, 0, 0);
	wait_in_call(pid, SYS_read);
	write(to_child[1], "*", 1);
	waitpid(pid, &st, 0);
	show_status("ptrace it knows nothing of that", st);
}

/* ---- the CPU's breakpoints ---- */

static volatile long watched[2];
static volatile unsigned short segment;

static __attribute__((noinline)) void called(void) { __asm__ volatile("nop"); }

static void use_watched(void)
{
	watched[1] = 5;
	watched[0] = 6;
	called();
	/* The segment's load holds debug exceptions back until the first instruction of the kernel. */
	__asm__ volatile("mov %%ss, %0" : "=m"(segment));
	__asm__ volatile("mov %0, %%ss\n\tsyscall" ::"m"(segment), "a"(SYS_getppid) : "rcx", "r11", "memory");
	_exit((int)(watched[0] + watched[1]));
}

static long set_debug(pid_t pid, int n, unsigned long value)
{
	return trace(PTRACE_POKEUSR, pid, offsetof(struct user, u_debugreg) + 8 * n, value);
}

static void show_debug(const char *name, pid_t pid)
{
	unsigned long status = 0, word = 0;
	next(name, pid);
	trace(PTRACE_PEEKUSR, pid, offsetof(struct user, u_debugreg[6]), (unsigned long)&status);
	trace(PTRACE_PEEKDATA, pid, (unsigned long)&watched[0], (unsigned long)&word);
	out("%s: watched %ld, status %lx\n", name, (long)word, status & 0xf);
}

static void breakpoints(void)
{
	unsigned long value = 0;
	pid_t pid = traced(use_watched);
	next("ptrace debug registers stop", pid);
	R("ptrace POKEUSER address", set_debug(pid, 0, (unsigned long)&watched[0]));
	R("ptrace POKEUSER EINVAL kernel address", set_debug(pid, 0, -4096ul));
	R("ptrace POKEUSER EIO register 4", set_debug(pid, 4, 0));
	R("ptrace POKEUSER EINVAL I/O", set_debug(pid, 7, 1 | 2 << 16));
	R("ptrace POKEUSER EINVAL long instruction", set_debug(pid, 7, 1 | 3 << 18));
	R("ptrace POKEUSER control", set_debug(pid, 7, 1 | 1 << 16 | 2 << 18)); /* writes of 8 bytes */
	trace(PTRACE_PEEKUSR, pid, offsetof(struct user, u_debugreg[7]), (unsigned long)&value);
	out("ptrace PEEKUSER control: %lx\n", value);
	trace(PTRACE_CONT, pid, 0, 0);
	show_debug("ptrace a watched word is written", pid);
	R("ptrace POKEUSER address of code", set_debug(pid, 1, (unsigned long)called));
	R("ptrace POKEUSER control of code", set_debug(pid, 7, 4));
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace code is reached", pid);
	struct user_regs_struct regs;
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs);
	YES("ptrace code is reached, not passed", regs.rip == (unsigned long)called);
	set_debug(pid, 2, (unsigned long)&segment);
	R("ptrace POKEUSER control of a segment's load", set_debug(pid, 7, 4 | 1ul << 4 | 3ul << 24 | 1ul << 26));
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace the segment is stored", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	int st = 0;
	waitpid(pid, &st, 0);
	if (WIFSTOPPED(st)) { /* seen or not: the machine goes on */
		trace(PTRACE_CONT, pid, 0, 0);
		waitpid(pid, &st, 0);
	}
	show_status("ptrace debug registers end", st);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 8;
	signals();
	ends();
	signal_info();
	calls();
	changed_calls();
	fork_events();
	exec_events();
	thread_events();
	steps();
	step_into_handler();
	step_over_fork();
	interrupted_read();
	breakpoints();
	return 0;
}
