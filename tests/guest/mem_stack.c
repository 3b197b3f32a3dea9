/* SPDX-License-Identifier: MIT */
/* The stack: growth, its limit, the guard gap, and signals on an alternate stack. */
#include "check.h"

static char alt[65536];
static sigjmp_buf back;
static int seen_sig, seen_code;

static void on_alt(int sig, siginfo_t *si, void *uc)
{
	seen_sig = sig;
	seen_code = si->si_code;
	siglongjmp(back, 1);
}

__attribute__((noinline)) static int recurse(int n)
{
	volatile char room[1024];
	room[0] = n;
	if (n == 0)
		return 0;
	return recurse(n - 1) + room[0] * 0 + 1;
}

__attribute__((noinline)) static long endless(long n)
{
	volatile char room[1024];
	room[n & 1023] = n;
	return endless(n + 1) + room[n & 511];
}

static void stack_handler(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
	sigaltstack(&ss, NULL);
	struct sigaction sa = { .sa_sigaction = on_alt, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaction(SIGSEGV, &sa, NULL);
}

static void growth(void)
{
	VAL("stack 4 MiB of calls", recurse(4000));
	char *here = __builtin_frame_address(0);
	long before = proc_field("/proc/self/status", "VmStk");
	volatile char *far = here - M(6);
	PUT("stack touched 6 MiB below", (char *)far, 1);
	YES("stack VmStk grew", proc_field("/proc/self/status", "VmStk") > before);
	GET("stack between is zero", here - M(5));
	stack_handler();
	if (sigsetjmp(back, 1) == 0)
		endless(0);
	out("stack overflow: %s code %s\n", signal_name(seen_sig), seen_code == SEGV_MAPERR ? "SEGV_MAPERR" : seen_code == SEGV_ACCERR ? "SEGV_ACCERR" : "?");
	signal(SIGSEGV, SIG_DFL);
	CHILD("stack overflow without a handler") endless(0);
	CHILD("stack overflow with a handler but no other stack")
	{
		stack_t off = { .ss_flags = SS_DISABLE };
		sigaltstack(&off, NULL);
		struct sigaction sa = { .sa_sigaction = on_alt, .sa_flags = SA_SIGINFO };
		sigaction(SIGSEGV, &sa, NULL);
		endless(0);
	}
	CHILD("stack RLIMIT_STACK lowered")
	{
		struct rlimit r = { K(256), RLIM_INFINITY };
		setrlimit(RLIMIT_STACK, &r);
		CHILD("stack beyond the lowered limit") put(here - M(9), 1), endless(0);
	}
}

static void grows_down(void)
{
	char *w = window(400);
	char *top = w + 390 * PAGE;
	YES("mmap MAP_GROWSDOWN", mmap(top, PAGE, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == top);
	PUT("mmap MAP_GROWSDOWN one page below", top - PAGE, 5);
	PUT("mmap MAP_GROWSDOWN three pages below", top - 3 * PAGE, 6);
	maps("mmap MAP_GROWSDOWN grown", w, 400);
	R("mprotect PROT_GROWSDOWN", mprotect(top, PAGE, PROT_READ | PROT_GROWSDOWN));
	maps("mprotect PROT_GROWSDOWN to the start", w, 400);
	mprotect(top - 3 * PAGE, 4 * PAGE, RW);
	mmap(w + 100 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	PUT("mmap MAP_GROWSDOWN stops 256 pages above a neighbour", w + (101 + 255) * PAGE, 1);
	PUT("mmap MAP_GROWSDOWN up to there", w + (101 + 256) * PAGE, 1);
	YES("mmap MAP_GROWSDOWN gap is not handed out", mmap(w + 200 * PAGE, PAGE, RW, ANON, -1, 0) != w + 200 * PAGE);
}

int main(void)
{
	growth();
	grows_down();
	return 0;
}
