/* SPDX-License-Identifier: MIT */
/*
 * What a handler may do to its frame, and what the kernel must survive: FPU state with reserved bits
 * set, without its marks, at an address that is not there; a restartable sequence cut by signals; many
 * processes with threads under a storm of stops, continuations and signals.
 */
#include "check.h"
#include <linux/rseq.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static int how;

static void spoil_frame(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char *fp = (char *)uc->uc_mcontext.fpregs;
	unsigned *words = (unsigned *)fp;
	switch (how) {
	case 0: /* every bit of MXCSR and of its mask */
		words[6] = words[7] = ~0u;
		break;
	case 1: /* no extended state */
		words[464 / 4] = 0;
		break;
	case 2: /* a size that lies */
		words[464 / 4 + 4] = 1 << 20;
		break;
	case 3: /* reserved bytes of the XSAVE header, compacted format */
		memset(fp + 512, 0xff, 64);
		break;
	case 4:
		uc->uc_mcontext.fpregs = (void *)8;
		break;
	case 5:
		uc->uc_mcontext.fpregs = NULL;
		break;
	case 6: /* flags that only the kernel sets */
		uc->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 1 << 17 | 1 << 9;
		break;
	case 7:
		uc->uc_mcontext.gregs[REG_RIP] = 0x8000000000000000;
		break;
	case 8:
		uc->uc_mcontext.gregs[REG_RIP] = 0x0000800000000000;
		break;
	}
}

static void frames(void)
{
	static const char *const names[] = { "MXCSR reserved bits", "no magic", "wrong size", "XSAVE header",
		"fpstate unmapped", "fpstate NULL", "system flags", "address not canonical", "address just outside" };
	struct sigaction a = { .sa_sigaction = spoil_frame, .sa_flags = SA_SIGINFO };
	for (how = 0; how < 9; how++) {
		if (how == 0 || how == 3)
			continue; /* survived, but with what result is the CPU's affair: see below */
		CHILD(names[how])
		{
			sigaction(SIGUSR1, &a, NULL);
			raise(SIGUSR1);
			_exit(5);
		}
	}
	for (how = 0; how <= 3; how += 3) {
		pid_t p = fork();
		if (!p) {
			sigaction(SIGUSR1, &a, NULL);
			raise(SIGUSR1);
			_exit(5);
		}
		int st;
		YES("the machine survives a spoiled FPU state", waitpid(p, &st, 0) == p);
	}
}

static long hits;
static void count(int sig) { hits++; }

/* An endless sequence ends only by its abort handler. */
static void sequences(void)
{
	extern const long __rseq_offset __attribute__((weak));
	static struct rseq_cs cs __attribute__((aligned(32)));
	if (!&__rseq_offset)
		return;
	struct rseq *r = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	struct itimerval it = { { 0, 5000 }, { 0, 5000 } }, off = { { 0, 0 }, { 0, 0 } };
	volatile int aborted = 0;
	YES("rseq names a CPU", r->cpu_id < 64 && r->cpu_id == r->cpu_id_start);
	signal(SIGALRM, count);
	setitimer(ITIMER_REAL, &it, NULL);
	for (volatile int k = 0; k < 5; k++) {
		__asm__ volatile goto("lea 1f(%%rip), %%rax\n\tmov %%rax, 8(%1)\n\t"
				      "lea 2f(%%rip), %%rcx\n\tsub %%rax, %%rcx\n\tmov %%rcx, 16(%1)\n\t"
				      "lea 4f(%%rip), %%rax\n\tmov %%rax, 24(%1)\n\tmovq $0, (%1)\n\tmov %1, 8(%0)\n"
				      "1:\tjmp 1b\n2:\tjmp 5f\n"
				      "\t.byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n4:\tjmp %l2\n5:"
				      : : "r"(r), "r"(&cs) : "rax", "rcx", "memory" : aborted);
		continue;
	aborted:
		aborted++;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	VAL("rseq aborted", aborted);
	VAL("rseq_cs is cleared", (long)r->rseq_cs);
}

static void *work(void *arg)
{
	for (volatile unsigned long n = 0;; n++)
		if (arg)
			usleep(300);
	return NULL;
}

#define NR_VICTIMS 6

static void storm(void)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2, SIGSTOP, SIGCONT, SIGTSTP, SIGCONT };
	pid_t p[NR_VICTIMS];
	unsigned seed = 1;
	int killed = 0, st = 0, ready[2];
	char byte = 0;
	pipe(ready);
	for (int i = 0; i < NR_VICTIMS; i++) {
		p[i] = fork();
		if (p[i])
			continue;
		pthread_t t;
		signal(SIGUSR1, count);
		signal(SIGUSR2, count);
		pthread_create(&t, NULL, work, NULL);
		pthread_create(&t, NULL, work, "sleeps");
		write(ready[1], &byte, 1);
		for (;;)
			usleep(200);
	}
	for (int i = 0; i < NR_VICTIMS; i++)
		read(ready[0], &byte, 1);
	for (int k = 0; k < 2000; k++) {
		kill(p[rand_r(&seed) % NR_VICTIMS], sigs[rand_r(&seed) % 6]);
		if (k % 50 == 0)
			usleep(1000);
	}
	for (int i = 0; i < NR_VICTIMS; i++) {
		kill(p[i], SIGKILL);
		killed += waitpid(p[i], &st, 0) == p[i] && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL;
	}
	VAL("killed after a storm of signals", killed);
}

int main(void)
{
	frames();
	sequences();
	storm();
	return 0;
}
