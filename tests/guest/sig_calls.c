/* SPDX-License-Identifier: MIT */
/* Signals: handlers, masks, queues, flags, alternate stacks, waiting, restarting. */
#include "check.h"
#include <poll.h>
#include <sys/select.h>
#include <ucontext.h>

static volatile int hits[65], order[64], nr_order;
static volatile int last_code, last_value, last_pid;

static void count(int sig)
{
	hits[sig]++;
	if (nr_order < 64)
		order[nr_order++] = sig;
}

static void info(int sig, siginfo_t *si, void *uc)
{
	count(sig);
	last_code = si->si_code;
	last_value = si->si_value.sival_int;
	last_pid = si->si_pid;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };
	sigaction(sig, &sa, NULL);
}

static void handle_info(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = info, .sa_flags = SA_SIGINFO | flags };
	sigaction(sig, &sa, NULL);
}

static void block(int how, int sig)
{
	sigset_t s;
	sigemptyset(&s), sigaddset(&s, sig);
	sigprocmask(how, &s, NULL);
}

static void errors(void)
{
	struct { void *h; unsigned long flags; void *restorer; unsigned long mask; } ka = { 0 };
	unsigned long set = 0;
	siginfo_t si = { 0 };
	R("rt_sigaction EINVAL signal 0", SC(SYS_rt_sigaction, 0, &ka, 0, 8));
	R("rt_sigaction EINVAL signal 65", SC(SYS_rt_sigaction, 65, &ka, 0, 8));
	R("rt_sigaction EINVAL SIGKILL", SC(SYS_rt_sigaction, SIGKILL, &ka, 0, 8));
	R("rt_sigaction EINVAL SIGSTOP", SC(SYS_rt_sigaction, SIGSTOP, &ka, 0, 8));
	R("rt_sigaction query SIGKILL", SC(SYS_rt_sigaction, SIGKILL, 0, &ka, 8));
	R("rt_sigaction EINVAL size", SC(SYS_rt_sigaction, SIGUSR1, &ka, 0, 4));
	R("rt_sigaction EFAULT", SC(SYS_rt_sigaction, SIGUSR1, 8, 0, 8));
	R("rt_sigprocmask EINVAL how", SC(SYS_rt_sigprocmask, 99, &set, 0, 8));
	R("rt_sigprocmask how ignored without set", SC(SYS_rt_sigprocmask, 99, 0, &set, 8));
	R("rt_sigprocmask EINVAL size", SC(SYS_rt_sigprocmask, SIG_BLOCK, &set, 0, 4));
	R("rt_sigprocmask EFAULT", SC(SYS_rt_sigprocmask, SIG_BLOCK, 8, 0, 8));
	R("rt_sigpending EINVAL size", SC(SYS_rt_sigpending, &set, 99));
	R("rt_sigpending EFAULT", SC(SYS_rt_sigpending, 8, 8));
	R("rt_sigsuspend EINVAL size", SC(SYS_rt_sigsuspend, &set, 4));
	R("rt_sigsuspend EFAULT", SC(SYS_rt_sigsuspend, 8, 8));
	R("rt_sigtimedwait EINVAL size", SC(SYS_rt_sigtimedwait, &set, 0, 0, 4));
	R("rt_sigtimedwait EFAULT", SC(SYS_rt_sigtimedwait, 8, 0, 0, 8));
	struct timespec bad = { 0, -1 }, zero = { 0, 0 };
	R("rt_sigtimedwait EINVAL timeout", SC(SYS_rt_sigtimedwait, &set, 0, &bad, 8));
	R("rt_sigtimedwait EAGAIN", SC(SYS_rt_sigtimedwait, &set, 0, &zero, 8));
	R("kill EINVAL signal", kill(getpid(), 65));
	R("kill EINVAL negative signal", kill(getpid(), -1));
	R("kill ESRCH", kill(999999, SIGTERM));
	R("kill ESRCH group", kill(-999999, SIGTERM));
	R("kill signal 0", kill(getpid(), 0));
	R("tkill EINVAL", SC(SYS_tkill, 0, SIGUSR1));
	R("tkill ESRCH", SC(SYS_tkill, 999999, SIGUSR1));
	R("tgkill EINVAL", SC(SYS_tgkill, -1, getpid(), SIGUSR1));
	R("tgkill ESRCH wrong group", SC(SYS_tgkill, 1, getpid(), SIGUSR1));
	R("tgkill signal 0", SC(SYS_tgkill, getpid(), getpid(), 0));
	si.si_code = SI_USER;
	R("rt_sigqueueinfo EPERM kernel code to another", SC(SYS_rt_sigqueueinfo, 1, SIGUSR1, &si));
	si.si_code = SI_QUEUE;
	R("rt_sigqueueinfo ESRCH", SC(SYS_rt_sigqueueinfo, 999999, SIGUSR1, &si));
	R("rt_sigqueueinfo EINVAL", SC(SYS_rt_sigqueueinfo, getpid(), 99, &si));
	R("rt_sigqueueinfo EFAULT", SC(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 8));
	R("rt_tgsigqueueinfo EINVAL", SC(SYS_rt_tgsigqueueinfo, -1, -1, SIGUSR1, &si));
	R("rt_tgsigqueueinfo ESRCH", SC(SYS_rt_tgsigqueueinfo, getpid(), 999999, SIGUSR1, &si));
	stack_t ss = { .ss_sp = &set, .ss_size = 100 }, old;
	R("sigaltstack ENOMEM too small", sigaltstack(&ss, NULL));
	ss.ss_flags = 77;
	R("sigaltstack EINVAL flags", sigaltstack(&ss, NULL));
	R("sigaltstack EFAULT", SC(SYS_sigaltstack, 8, 0));
	sigaltstack(NULL, &old);
	VAL("sigaltstack none at start", old.ss_flags);
	R("pidfd_send_signal EBADF", SC(SYS_pidfd_send_signal, 999, SIGUSR1, 0, 0));
	R("pidfd_open ESRCH", SC(SYS_pidfd_open, 999999, 0));
	R("pidfd_open EINVAL flags", SC(SYS_pidfd_open, getpid(), 1));
	R("pidfd_open EINVAL pid", SC(SYS_pidfd_open, 0, 0));
}

static void basics(void)
{
	handle(SIGUSR1, count, 0);
	raise(SIGUSR1);
	VAL("sigaction handler ran", hits[SIGUSR1]);
	struct sigaction sa;
	sigaction(SIGUSR1, NULL, &sa);
	YES("sigaction query", sa.sa_handler == count);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1), raise(SIGUSR1);
	VAL("sigprocmask SIG_BLOCK", hits[SIGUSR1]);
	sigset_t set;
	sigpending(&set);
	YES("sigpending", sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
	block(SIG_UNBLOCK, SIGUSR1);
	VAL("standard signals do not queue", hits[SIGUSR1]);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	handle(SIGUSR1, SIG_IGN, 0);
	sigpending(&set);
	YES("SIG_IGN discards pending", !sigismember(&set, SIGUSR1));
	handle(SIGUSR1, count, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	VAL("SIG_IGN discarded", hits[SIGUSR1]);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigprocmask(0, NULL, &set);
	out("sigprocmask cannot block SIGKILL %d SIGSTOP %d\n", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	raise(SIGURG), raise(SIGWINCH), raise(SIGCHLD), raise(SIGCONT);
	out("signals ignored by default: passed\n");
	static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR2, SIGSEGV, SIGPIPE,
				     SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS };
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		CHILD("default action") raise(fatal[i]);
	CHILD("default action of a real-time signal") raise(SIGRTMIN + 3);
	CHILD("SIGPIPE by write")
	{
		int p[2];
		pipe(p);
		close(p[0]);
		write(p[1], "x", 1);
	}
}

static void queues(void)
{
	int rt = SIGRTMIN + 1;
	union sigval v;
	handle_info(rt, 0), handle_info(rt + 1, 0), handle_info(rt + 2, 0);
	block(SIG_BLOCK, rt);
	for (int i = 0; i < 5; i++) {
		v.sival_int = i;
		sigqueue(getpid(), rt, v);
	}
	VAL("real-time blocked", hits[rt]);
	block(SIG_UNBLOCK, rt);
	VAL("real-time signals queue", hits[rt]);
	VAL("real-time order: last value", last_value);
	YES("sigqueue SI_QUEUE", last_code == SI_QUEUE && last_pid == getpid());
	sigset_t all, none;
	sigfillset(&all), sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	nr_order = 0;
	raise(rt + 2), raise(rt), raise(SIGUSR1), raise(rt + 1);
	sigprocmask(SIG_SETMASK, &none, NULL);
	out("order of delivery:");
	for (int i = 0; i < nr_order; i++)
		out(" %d", order[i] >= SIGRTMIN ? order[i] - SIGRTMIN + 100 : order[i]);
	out("\n");
	handle_info(SIGUSR1, 0);
	kill(getpid(), SIGUSR1);
	YES("kill SI_USER", last_code == SI_USER && last_pid == getpid());
	SC(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	YES("tgkill SI_TKILL", last_code == SI_TKILL);
	siginfo_t si = { .si_code = SI_QUEUE };
	si.si_value.sival_int = 31;
	SC(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &si);
	VAL("rt_tgsigqueueinfo value", last_value);
	CHILD("RLIMIT_SIGPENDING")
	{
		struct rlimit r = { 3, 3 };
		setresuid(3456, 3456, 3456);
		setrlimit(RLIMIT_SIGPENDING, &r);
		block(SIG_BLOCK, rt);
		int n = 0;
		while (n < 100 && sigqueue(getpid(), rt, v) == 0)
			n++;
		out("sigqueue EAGAIN RLIMIT_SIGPENDING: %d, then %s\n", n, errno_name(errno));
	}
}

static volatile int depth, deepest, nested;
static void nest(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (++nested < 3)
		raise(sig);
	depth--;
}

static void during(int sig)
{
	sigset_t s;
	sigprocmask(0, NULL, &s);
	order[0] = sigismember(&s, SIGUSR1), order[1] = sigismember(&s, SIGUSR2), order[2] = sigismember(&s, SIGHUP);
}

static char alt[65536];
static volatile int was_on_alt;
static void where(int sig)
{
	char c;
	stack_t ss;
	sigaltstack(NULL, &ss);
	was_on_alt = (&c >= alt && &c < alt + sizeof alt) + 2 * (ss.ss_flags == SS_ONSTACK);
	if (sig == SIGUSR2)
		was_on_alt += 4 * (sigaltstack(&ss, NULL) == -1 && errno == EPERM);
}

static void flags(void)
{
	handle(SIGUSR1, nest, 0);
	raise(SIGUSR1);
	VAL("own signal is blocked in its handler", deepest);
	deepest = nested = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	VAL("SA_NODEFER", deepest);
	struct sigaction sa = { .sa_handler = during };
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	out("sa_mask in the handler: %d %d %d\n", order[0], order[1], order[2]);
	during(0);
	out("mask restored after: %d %d %d\n", order[0], order[1], order[2]);
	hits[SIGUSR1] = 0;
	handle(SIGUSR1, count, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	out("SA_RESETHAND: %d, then %s\n", hits[SIGUSR1], sa.sa_handler == SIG_DFL ? "default" : "handler");
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
	R("sigaltstack", sigaltstack(&ss, NULL));
	handle(SIGUSR1, where, SA_ONSTACK);
	raise(SIGUSR1);
	VAL("SA_ONSTACK", was_on_alt);
	handle(SIGUSR2, where, SA_ONSTACK);
	raise(SIGUSR2);
	VAL("sigaltstack EPERM while on it", was_on_alt);
	handle(SIGUSR1, where, 0);
	raise(SIGUSR1);
	VAL("without SA_ONSTACK", was_on_alt);
	CHILD("sigaltstack in fork")
	{
		sigaltstack(NULL, &ss);
		VAL("sigaltstack is inherited by fork", ss.ss_flags);
	}
	ss.ss_flags = 1u << 31;
	R("sigaltstack SS_AUTODISARM", sigaltstack(&ss, NULL));
	ss.ss_flags = SS_DISABLE;
	R("sigaltstack SS_DISABLE", sigaltstack(&ss, NULL));
}

static void *gregs_pc;
static void skip(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	hits[sig]++;
	last_code = si->si_code;
	gregs_pc = (void *)uc->uc_mcontext.gregs[REG_RIP];
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1122;
}

static void contexts(void)
{
	struct sigaction sa = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO };
	unsigned long rbx = 1, before = 0x3344;
	double x = 1.5;
	sigaction(SIGILL, &sa, NULL);
	__asm__ volatile("ud2" : "+b"(rbx), "+r"(before) : : "memory");
	out("handler changes the context: rbx %lx, other %lx, code %d\n", rbx, before, last_code);
	x = x * 2;
	YES("floating point survives a handler", x == 3.0);
	sigaction(SIGFPE, &sa, NULL);
	__asm__ volatile("xor %%ecx, %%ecx\n\tmov $1, %%eax\n\txor %%edx, %%edx\n\tdiv %%ecx" ::: "eax", "ecx", "edx", "ebx");
	out("SIGFPE code %s\n", last_code == FPE_INTDIV ? "FPE_INTDIV" : "?");
	YES("sigreturn keeps direction and flags", hits[SIGFPE] == 1);
	unsigned char vec[32], vec2[32];
	memset(vec, 0x5a, 32);
	handle(SIGUSR1, count, 0);
	register long r12 __asm__("r12") = getpid();
	__asm__ volatile("movdqu (%2), %%xmm7\n\tmov $39, %%eax\n\tsyscall\n\tmov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall\n\tmovdqu %%xmm7, (%3)"
			 : "+r"(r12), "+m"(vec2) : "r"(vec), "r"(vec2) : "rax", "rcx", "r11", "rdi", "rsi", "xmm7", "memory");
	YES("SSE registers survive", !memcmp(vec, vec2, 16));
}

/* A child that sends its parent a signal when it sleeps in a call. */
static pid_t sender(int sig, long call)
{
	pid_t pid = fork();
	if (pid == 0) {
		wait_in_call(getppid(), call);
		kill(getppid(), sig);
		_exit(0);
	}
	return pid;
}

/* One that sends it and then, when its parent sleeps again, writes a byte. */
static pid_t sender_and_writer(int sig, long call, int fd)
{
	pid_t pid = fork();
	if (pid == 0) {
		wait_in_call(getppid(), call);
		kill(getppid(), sig);
		wait_in_call(getppid(), call);
		write(fd, "r", 1);
		_exit(0);
	}
	return pid;
}

/* A child that ends when there is something to read. */
static pid_t ends_after_byte(int fd)
{
	char c;
	pid_t pid = fork();
	if (pid == 0) {
		read(fd, &c, 1);
		_exit(4);
	}
	return pid;
}

static void interrupting(void)
{
	int p[2], st;
	char c;
	pid_t pid;
	struct timespec sleep = { 1000, 0 }, left;
	pipe(p);
	handle(SIGUSR1, count, 0);
	pid = sender(SIGUSR1, SYS_read);
	R("read EINTR", read(p[0], &c, 1));
	waitpid(pid, &st, 0);
	pid = sender(SIGUSR1, SYS_clock_nanosleep);
	R("nanosleep EINTR", nanosleep(&sleep, &left));
	YES("nanosleep remaining", left.tv_sec > 900 && left.tv_sec < 1000);
	waitpid(pid, &st, 0);
	pid = sender(SIGUSR1, SYS_pause);
	R("pause EINTR", pause());
	waitpid(pid, &st, 0);
	pid = sender(SIGUSR1, SYS_poll);
	struct pollfd pf = { p[0], POLLIN, 0 };
	R("poll EINTR", poll(&pf, 1, 30000));
	waitpid(pid, &st, 0);
	handle(SIGUSR1, count, SA_RESTART);
	pid = sender(SIGUSR1, SYS_poll);
	R("poll EINTR despite SA_RESTART", poll(&pf, 1, 30000));
	waitpid(pid, &st, 0);
	pid = sender(SIGUSR1, SYS_pselect6);
	fd_set fs;
	FD_ZERO(&fs);
	FD_SET(p[0], &fs);
	struct timeval tv = { 30, 0 };
	R("select EINTR despite SA_RESTART", select(p[0] + 1, &fs, NULL, NULL, &tv));
	waitpid(pid, &st, 0);
	pid = sender_and_writer(SIGUSR1, SYS_read, p[1]);
	R("read SA_RESTART", read(p[0], &c, 1));
	waitpid(pid, &st, 0);
	pid_t slow = ends_after_byte(p[0]);
	pid = sender_and_writer(SIGUSR1, SYS_wait4, p[1]);
	YES("wait4 SA_RESTART", waitpid(slow, &st, 0) == slow);
	waitpid(pid, &st, 0);
	handle(SIGUSR1, count, 0);
	slow = ends_after_byte(p[0]);
	pid = sender(SIGUSR1, SYS_wait4);
	R("wait4 EINTR", waitpid(slow, &st, 0));
	write(p[1], "e", 1); /* only now may it end: who has ended is found before the signal is minded */
	waitpid(pid, &st, 0), waitpid(slow, &st, 0);
	static unsigned word;
	pid = sender(SIGUSR1, SYS_futex);
	R("futex EINTR", SC(SYS_futex, &word, 0, 0, NULL, NULL, 0));
	waitpid(pid, &st, 0);
	handle(SIGCHLD, SIG_DFL, 0);
	pid = sender_and_writer(SIGWINCH, SYS_read, p[1]);
	R("read not interrupted by an ignored signal", read(p[0], &c, 1));
	waitpid(pid, &st, 0);
	pid = fork();
	if (pid == 0) {
		struct timespec t = { 0, 500000000 };
		long r = SC(SYS_nanosleep, &t, &t);
		_exit(r == 0 ? 0 : 1);
	}
	wait_in_call(pid, SYS_nanosleep);
	kill(pid, SIGSTOP);
	wait_state(pid, 'T');
	kill(pid, SIGCONT);
	wait_for("nanosleep goes on after stop and continue", pid);
}

static void waiting(void)
{
	sigset_t set, old;
	siginfo_t si;
	struct timespec soon = { 0, 20000000 };
	int sig, st;
	sigemptyset(&set), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	R("sigtimedwait EAGAIN", sigtimedwait(&set, &si, &soon));
	kill(getpid(), SIGUSR2);
	R("sigwaitinfo pending", sigwaitinfo(&set, &si));
	out("sigwaitinfo code %d signo %d\n", si.si_code, si.si_signo);
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 12 });
	sigtimedwait(&set, &si, &soon);
	VAL("sigtimedwait value", si.si_value.sival_int);
	pid_t pid = sender(SIGUSR2, SYS_rt_sigtimedwait);
	R("sigwait", sigwait(&set, &sig));
	VAL("sigwait signal", sig);
	waitpid(pid, &st, 0);
	handle(SIGUSR1, count, 0);
	pid = sender(SIGUSR1, SYS_rt_sigtimedwait);
	R("sigwaitinfo EINTR", sigwaitinfo(&set, &si));
	waitpid(pid, &st, 0);
	sigset_t empty;
	sigemptyset(&empty);
	hits[SIGUSR2] = 0;
	handle(SIGUSR2, count, 0);
	kill(getpid(), SIGUSR2);
	VAL("sigsuspend before", hits[SIGUSR2]);
	R("sigsuspend EINTR", sigsuspend(&empty));
	VAL("sigsuspend ran the handler", hits[SIGUSR2]);
	sigprocmask(0, NULL, &empty);
	YES("sigsuspend restores the mask", sigismember(&empty, SIGUSR2));
	kill(getpid(), SIGUSR2);
	struct timespec second = { 30, 0 };
	sigemptyset(&empty);
	R("ppoll with mask EINTR", ppoll(NULL, 0, &second, &empty));
	VAL("ppoll ran the handler", hits[SIGUSR2]);
	kill(getpid(), SIGUSR2);
	R("pselect with mask EINTR", pselect(0, NULL, NULL, NULL, &second, &empty));
	sigprocmask(SIG_SETMASK, &old, NULL);
	handle(SIGUSR2, SIG_DFL, 0);
}

int main(void)
{
	errors();
	basics();
	queues();
	flags();
	contexts();
	interrupting();
	waiting();
	return 0;
}
