/* SPDX-License-Identifier: MIT */
/* ptrace: attaching, leaving, seizing; registers and memory of the tracee; who may. */
#include "trace.h"
#include <elf.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/reg.h>
#include <sys/uio.h>

static volatile long shared_word = 0x1122334455667788;
static const char text_word[16] = "0123456789abcdef";
static volatile int *sum_handled; /* shared with the sleeper: the numbers of the signals it handled */
static void handler(int sig) { *sum_handled += sig; }

/* A child that sleeps; SIGUSR2 ends it with what it handled. */
static void finish(int sig) { (void)sig; _exit(*sum_handled); }
static pid_t sleeper(void)
{
	int p[2];
	char c;
	*sum_handled = 0;
	pipe(p);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGUSR1, handler);
		signal(SIGUSR2, finish);
		write(p[1], "x", 1);
		for (;;)
			poll(NULL, 0, -1);
	}
	read(p[0], &c, 1);
	close(p[0]);
	close(p[1]);
	wait_in_call(pid, SYS_poll);
	return pid;
}

/* A handler whose frame lies on the stack has not run yet: a stop, and SIGUSR2, may come before its first instruction. */
static void wait_handled(int sum)
{
	while (*sum_handled != sum)
		poll(NULL, 0, 1);
}

static void end(const char *name, pid_t pid)
{
	kill(pid, SIGUSR2);
	wait_for(name, pid);
}

static void field(const char *name, pid_t pid, const char *what)
{
	char file[64], line[256];
	snprintf(file, sizeof file, "/proc/%d/status", pid);
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, what, strlen(what)))
			out("%s: %s", name, !strcmp(what, "TracerPid:") ? atoi(line + 10) == getpid() ? "mine\n" : atoi(line + 10) ? "other\n" : "none\n" : line);
	if (f)
		fclose(f);
}

/* ---- attach, detach ---- */

static void attach(void)
{
	pid_t pid = sleeper();
	field("ptrace before ATTACH", pid, "TracerPid:");
	R("ptrace ATTACH", trace(PTRACE_ATTACH, pid, 0, 0));
	next("ptrace ATTACH stops it", pid);
	field("ptrace ATTACH", pid, "TracerPid:");
	field("ptrace ATTACH", pid, "State:");
	R("ptrace ATTACH EPERM twice", trace(PTRACE_ATTACH, pid, 0, 0));
	R("ptrace DETACH EIO signal", trace(PTRACE_DETACH, pid, 0, 99));
	R("ptrace DETACH", trace(PTRACE_DETACH, pid, 0, SIGUSR1));
	R("ptrace DETACH ESRCH it is not mine", trace(PTRACE_DETACH, pid, 0, 0));
	wait_handled(SIGUSR1);
	field("ptrace after DETACH", pid, "TracerPid:");
	end("ptrace DETACH with SIGUSR1", pid);

	pid = sleeper();
	kill(pid, SIGSTOP);
	int st;
	waitpid(pid, &st, WUNTRACED);
	show_status("ptrace a stopped process", st);
	R("ptrace ATTACH to a stopped one", trace(PTRACE_ATTACH, pid, 0, 0));
	st = next("ptrace ATTACH stops it as a tracee", pid);
	R("ptrace CONT out of its stop", trace(PTRACE_CONT, pid, 0, 0));
	next("ptrace ATTACH's own SIGSTOP", pid);
	R("ptrace DETACH into its stop", trace(PTRACE_DETACH, pid, 0, 0));
	wait_state(pid, 'T');
	field("ptrace DETACH it stands still again", pid, "State:");
	kill(pid, SIGCONT);
	end("ptrace DETACH of a stopped one", pid);
}

static void errors(void)
{
	pid_t pid = sleeper();
	long word;
	R("ptrace ESRCH no process", trace(PTRACE_ATTACH, 999999, 0, 0));
	R("ptrace ESRCH pid 0", trace(PTRACE_CONT, 0, 0, 0));
	R("ptrace ESRCH not a tracee", trace(PTRACE_CONT, pid, 0, 0));
	R("ptrace ESRCH not a tracee to read", trace(PTRACE_PEEKDATA, pid, (unsigned long)&shared_word, (unsigned long)&word));
	R("ptrace EPERM itself", trace(PTRACE_ATTACH, getpid(), 0, 0));
	R("ptrace EPERM a kernel thread", trace(PTRACE_ATTACH, 2, 0, 0));
	R("ptrace SEIZE EIO address", trace(PTRACE_SEIZE, pid, 1, 0));
	R("ptrace SEIZE EIO options", trace(PTRACE_SEIZE, pid, 0, 1u << 30));
	R("ptrace SEIZE", trace(PTRACE_SEIZE, pid, 0, 0));
	R("ptrace ESRCH it runs", trace(PTRACE_CONT, pid, 0, 0));
	R("ptrace ESRCH it runs to read", trace(PTRACE_PEEKDATA, pid, (unsigned long)&shared_word, (unsigned long)&word));
	R("ptrace DETACH ESRCH it runs", trace(PTRACE_DETACH, pid, 0, 0));
	R("ptrace INTERRUPT", trace(PTRACE_INTERRUPT, pid, 0, 0));
	next("ptrace INTERRUPT stops it", pid);
	R("ptrace EIO no such request", trace(0x77, pid, 0, 0));
	R("ptrace DETACH", trace(PTRACE_DETACH, pid, 0, 0));
	end("ptrace errors", pid);
	CHILD("ptrace TRACEME EPERM twice") {
		trace(PTRACE_TRACEME, 0, 0, 0);
		_exit(trace(PTRACE_TRACEME, 0, 0, 0) == -1 ? errno : 0);
	}
}

static void permissions(void)
{
	pid_t pid = sleeper();
	CHILD("ptrace EPERM another user") {
		setgroups(0, NULL);
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		_exit(trace(PTRACE_ATTACH, pid, 0, 0) == -1 ? errno : 0);
	}
	end("ptrace permissions", pid);
	CHILD("ptrace EPERM not dumpable") {
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		int p[2];
		char c;
		pipe(p);
		pid_t one = fork();
		if (one == 0) {
			prctl(PR_SET_DUMPABLE, 0);
			write(p[1], "x", 1);
			for (;;)
				pause();
		}
		read(p[0], &c, 1);
		int e = trace(PTRACE_ATTACH, one, 0, 0) == -1 ? errno : 0;
		kill(one, SIGKILL);
		_exit(e);
	}
}

/* ---- seize ---- */

static void seize(void)
{
	pid_t pid = sleeper();
	R("ptrace SEIZE", trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	kill(pid, SIGUSR1);
	next("ptrace SEIZE a signal", pid);
	R("ptrace LISTEN EIO no stop of the process", trace(PTRACE_LISTEN, pid, 0, 0));
	trace(PTRACE_CONT, pid, 0, SIGUSR1);
	wait_handled(SIGUSR1);
	kill(pid, SIGSTOP);
	next("ptrace SEIZE SIGSTOP is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGSTOP);
	next("ptrace SEIZE its process stops", pid);
	R("ptrace LISTEN", trace(PTRACE_LISTEN, pid, 0, 0));
	R("ptrace ESRCH it listens", trace(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGCONT);
	next("ptrace LISTEN hears SIGCONT", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SEIZE SIGCONT is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGCONT);
	R("ptrace INTERRUPT", trace(PTRACE_INTERRUPT, pid, 0, 0));
	next("ptrace INTERRUPT stops it", pid);
	R("ptrace CONT", trace(PTRACE_CONT, pid, 0, 0));
	kill(pid, SIGUSR2);
	next("ptrace SEIZE SIGUSR2", pid);
	trace(PTRACE_CONT, pid, 0, SIGUSR2);
	next("ptrace SEIZE ends", pid);
	pid = sleeper();
	trace(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, SIGSTOP);
	next("ptrace SEIZE SIGSTOP is shown", pid);
	trace(PTRACE_CONT, pid, 0, SIGSTOP);
	next("ptrace SEIZE its process stops", pid);
	kill(pid, SIGCONT);
	R("ptrace LISTEN after SIGCONT", trace(PTRACE_LISTEN, pid, 0, 0));
	next("ptrace LISTEN tells of it all the same", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace SEIZE SIGCONT is shown", pid);
	trace(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGKILL);
	next("ptrace SEIZE SIGKILL", pid);
	pid = sleeper();
	trace(PTRACE_ATTACH, pid, 0, 0);
	next("ptrace ATTACH", pid);
	R("ptrace INTERRUPT EIO not seized", trace(PTRACE_INTERRUPT, pid, 0, 0));
	R("ptrace LISTEN EIO not seized", trace(PTRACE_LISTEN, pid, 0, 0));
	trace(PTRACE_CONT, pid, 0, SIGSTOP);
	next("ptrace ATTACH its process stops", pid);
	kill(pid, SIGCONT);
	trace(PTRACE_CONT, pid, 0, 0);
	next("ptrace ATTACH SIGCONT is shown", pid);
	trace(PTRACE_KILL, pid, 0, 0);
	next("ptrace KILL", pid);
}

/* ---- memory and registers ---- */

static void memory(void)
{
	long word = 0;
	pid_t pid = sleeper();
	trace(PTRACE_ATTACH, pid, 0, 0);
	next("ptrace PEEKDATA stop", pid);
	R("ptrace PEEKDATA", trace(PTRACE_PEEKDATA, pid, (unsigned long)&shared_word, (unsigned long)&word));
	out("ptrace PEEKDATA: %lx\n", word);
	R("ptrace PEEKTEXT", trace(PTRACE_PEEKTEXT, pid, (unsigned long)text_word, (unsigned long)&word));
	out("ptrace PEEKTEXT: %lx\n", word);
	R("ptrace PEEKDATA EIO", trace(PTRACE_PEEKDATA, pid, 16, (unsigned long)&word));
	R("ptrace PEEKDATA EFAULT", trace(PTRACE_PEEKDATA, pid, (unsigned long)&shared_word, 8));
	R("ptrace POKEDATA", trace(PTRACE_POKEDATA, pid, (unsigned long)&shared_word, 77));
	trace(PTRACE_PEEKDATA, pid, (unsigned long)&shared_word, (unsigned long)&word);
	out("ptrace POKEDATA: %ld, mine %lx\n", word, shared_word);
	R("ptrace POKETEXT read-only", trace(PTRACE_POKETEXT, pid, (unsigned long)text_word, 1234));
	trace(PTRACE_PEEKTEXT, pid, (unsigned long)text_word, (unsigned long)&word);
	out("ptrace POKETEXT: %ld, mine %.8s\n", word, text_word);
	R("ptrace POKEDATA EIO", trace(PTRACE_POKEDATA, pid, 16, 1));
	trace(PTRACE_DETACH, pid, 0, 0);
	end("ptrace memory", pid);
}

static void registers(void)
{
	struct user_regs_struct regs, again;
	struct user_fpregs_struct fp;
	unsigned long word;
	pid_t pid = sleeper();
	trace(PTRACE_ATTACH, pid, 0, 0);
	next("ptrace GETREGS stop", pid);
	R("ptrace GETREGS", trace(PTRACE_GETREGS, pid, 0, (unsigned long)&regs));
	out("ptrace GETREGS: call %lld rax %lld cs %llx ss %llx ds %llx flags %llx\n", regs.orig_rax, regs.rax, regs.cs, regs.ss, regs.ds,
	    regs.eflags & ~0x8d5ull);
	R("ptrace GETREGS EFAULT", trace(PTRACE_GETREGS, pid, 0, 8));
	R("ptrace PEEKUSER", trace(PTRACE_PEEKUSR, pid, RIP * 8, (unsigned long)&word));
	YES("ptrace PEEKUSER rip", word == regs.rip);
	R("ptrace PEEKUSER EIO odd", trace(PTRACE_PEEKUSR, pid, 3, (unsigned long)&word));
	R("ptrace PEEKUSER EIO far", trace(PTRACE_PEEKUSR, pid, 8192, (unsigned long)&word));
	R("ptrace PEEKUSER debug register", trace(PTRACE_PEEKUSR, pid, offsetof(struct user, u_debugreg[7]), (unsigned long)&word));
	VAL("ptrace PEEKUSER debug register", word);
	R("ptrace POKEUSER", trace(PTRACE_POKEUSR, pid, R15 * 8, 4711));
	R("ptrace POKEUSER EIO odd", trace(PTRACE_POKEUSR, pid, 3, 0));
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&again);
	VAL("ptrace POKEUSER r15", again.r15);
	again = regs;
	again.eflags |= 1 << 13 | 1 << 21; /* IOPL, ID: not a program's */
	R("ptrace SETREGS", trace(PTRACE_SETREGS, pid, 0, (unsigned long)&again));
	trace(PTRACE_GETREGS, pid, 0, (unsigned long)&again);
	YES("ptrace SETREGS keeps flags that are not a program's", again.eflags == regs.eflags);
	again.fs_base = 1ul << 63;
	R("ptrace SETREGS EIO base", trace(PTRACE_SETREGS, pid, 0, (unsigned long)&again));
	R("ptrace SETREGS EFAULT", trace(PTRACE_SETREGS, pid, 0, 8));
	struct iovec iov = { &again, sizeof again };
	memset(&again, 0, sizeof again);
	R("ptrace GETREGSET NT_PRSTATUS", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov));
	out("ptrace GETREGSET: %zu %s\n", iov.iov_len, !memcmp(&again, &regs, sizeof regs) ? "the same" : "other");
	iov.iov_len = 9000;
	memset(&again, 0, sizeof again);
	R("ptrace GETREGSET longer", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov));
	VAL("ptrace GETREGSET longer", iov.iov_len);
	iov.iov_len = 16;
	R("ptrace GETREGSET shorter", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov));
	VAL("ptrace GETREGSET shorter", iov.iov_len);
	iov.iov_len = 17;
	R("ptrace GETREGSET EINVAL odd", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov));
	R("ptrace GETREGSET EINVAL type", trace(PTRACE_GETREGSET, pid, 0x7777, (unsigned long)&iov));
	R("ptrace GETREGSET EFAULT", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, 8));
	iov = (struct iovec){ &regs, sizeof regs };
	R("ptrace SETREGSET NT_PRSTATUS", trace(PTRACE_SETREGSET, pid, NT_PRSTATUS, (unsigned long)&iov));
	R("ptrace GETFPREGS", trace(PTRACE_GETFPREGS, pid, 0, (unsigned long)&fp));
	out("ptrace GETFPREGS: cwd %x mxcsr %x\n", fp.cwd, fp.mxcsr);
	fp.xmm_space[60] = 0xabcd; /* xmm15 */
	R("ptrace SETFPREGS", trace(PTRACE_SETFPREGS, pid, 0, (unsigned long)&fp));
	memset(&fp, 0, sizeof fp);
	iov = (struct iovec){ &fp, sizeof fp };
	R("ptrace GETREGSET NT_PRFPREG", trace(PTRACE_GETREGSET, pid, NT_PRFPREG, (unsigned long)&iov));
	out("ptrace GETREGSET NT_PRFPREG: %zu xmm15 %x\n", iov.iov_len, fp.xmm_space[60]);
	static unsigned char xstate[16384];
	iov = (struct iovec){ xstate, sizeof xstate };
	R("ptrace GETREGSET NT_X86_XSTATE", trace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov));
	out("ptrace GETREGSET NT_X86_XSTATE: has AVX %d, xmm15 %x\n", xstate[464] >> 2 & 1, *(unsigned *)(xstate + 160 + 240));
	*(unsigned *)(xstate + 160 + 240) = 0x1234;
	R("ptrace SETREGSET NT_X86_XSTATE", trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov));
	trace(PTRACE_GETFPREGS, pid, 0, (unsigned long)&fp);
	out("ptrace SETREGSET NT_X86_XSTATE: xmm15 %x\n", fp.xmm_space[60]);
	if (xstate[464] & 4) { /* the upper half of ymm3 outlives a change of the old registers alone */
		xstate[512] |= 7;
		xstate[576 + 48] = 0x5a;
		trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov);
		R("ptrace SETFPREGS leaves the rest", trace(PTRACE_SETFPREGS, pid, 0, (unsigned long)&fp));
		memset(xstate, 0, sizeof xstate);
		trace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (unsigned long)&iov);
		out("ptrace SETFPREGS leaves the rest: %x\n", xstate[576 + 48]);
	}
	R("ptrace ARCH_PRCTL", trace(30, pid, (unsigned long)&word, 0x1003));
	YES("ptrace ARCH_PRCTL fs", word == regs.fs_base);
	trace(PTRACE_DETACH, pid, 0, 0);
	end("ptrace registers", pid);
}

/* ---- the tracer ends, the parent is another ---- */

static void tracer_ends(void)
{
	for (int kills = 0; kills < 2; kills++) {
		pid_t pid = sleeper();
		CHILD("ptrace a tracer that ends") {
			trace(PTRACE_SEIZE, pid, 0, kills ? PTRACE_O_EXITKILL : 0);
			trace(PTRACE_INTERRUPT, pid, 0, 0);
			next("ptrace stop of somebody's child", pid);
			_exit(0);
		}
		if (!kills)
			kill(pid, SIGUSR2);
		wait_for(kills ? "ptrace O_EXITKILL" : "ptrace it goes on without its tracer", pid);
	}
}

/* The tracer sees the end first, then the parent. */
static void parent_waits(void)
{
	int p[2], go[2], st;
	char c;
	pipe(p), pipe(go);
	pid_t pid = sleeper();
	pid_t tracer = fork();
	if (tracer == 0) {
		trace(PTRACE_SEIZE, pid, 0, 0);
		write(p[1], "x", 1);
		kill(pid, SIGKILL);
		siginfo_t si;
		waitid(P_PID, pid, &si, WEXITED | WNOWAIT);
		write(p[1], "y", 1);
		read(go[0], &c, 1);
		next("ptrace the tracer sees the end", pid);
		write(p[1], "z", 1);
		_exit(0);
	}
	read(p[0], &c, 1);
	read(p[0], &c, 1);
	R("ptrace the parent does not yet", waitpid(pid, &st, WNOHANG));
	write(go[1], "x", 1);
	waitpid(pid, &st, 0);
	read(p[0], &c, 1);
	show_status("ptrace the parent does then", st);
	wait_for("ptrace the tracer", tracer);
}

static void *other_thread(void *arg)
{
	R("ptrace ESRCH from another thread", trace(PTRACE_CONT, (pid_t)(long)arg, 0, 0));
	return NULL;
}

static void threads(void)
{
	pthread_t t;
	pid_t pid = sleeper();
	trace(PTRACE_ATTACH, pid, 0, 0);
	next("ptrace ATTACH", pid);
	pthread_create(&t, NULL, other_thread, (void *)(long)pid);
	pthread_join(t, NULL);
	trace(PTRACE_DETACH, pid, 0, 0);
	end("ptrace threads", pid);
}

int main(void)
{
	sum_handled = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	attach();
	errors();
	permissions();
	seize();
	memory();
	registers();
	tracer_ends();
	parent_waits();
	threads();
	return 0;
}
