/* SPDX-License-Identifier: MIT */
/*
 * What a thread has in the CPU stays its own: x87 and SSE control words, XMM and YMM registers, over context
 * switches of several threads and processes, and under signal handlers that overwrite all of it; privileged and
 * wild addresses end in the right signal.
 */
#include "check.h"
#include <pthread.h>

static bool has_avx;
static volatile long nr_signals;

static void overwrite(int sig)
{
	static const uint16_t control = 0x27f;
	nr_signals++;
	if (has_avx)
		__asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm7; vmovaps %%ymm7, %%ymm15" ::: "memory");
	else
		__asm__ volatile("pcmpeqd %%xmm7, %%xmm7; movaps %%xmm7, %%xmm15" ::: "memory");
	__asm__ volatile("fldcw %0" ::"m"(control));
}

/* Loads both registers, lets time pass without touching them, reads them back. No calls in between. */
static bool registers_stay(const uint8_t *v)
{
	_Alignas(32) uint8_t a[32] = { 0 }, b[32] = { 0 };
	long n = 300;
	if (has_avx)
		__asm__ volatile("vmovaps (%3), %%ymm7\n\tvmovaps (%3), %%ymm15\n1:\tpause\n\tdecq %0\n\tjnz 1b\n\t"
				 "vmovaps %%ymm7, (%1)\n\tvmovaps %%ymm15, (%2)" : "+r"(n) : "r"(a), "r"(b), "r"(v) : "memory");
	else
		__asm__ volatile("movaps (%3), %%xmm7\n\tmovaps (%3), %%xmm15\n1:\tpause\n\tdecq %0\n\tjnz 1b\n\t"
				 "movaps %%xmm7, (%1)\n\tmovaps %%xmm15, (%2)" : "+r"(n) : "r"(a), "r"(b), "r"(v) : "memory");
	return !memcmp(a, v, has_avx ? 32 : 16) && !memcmp(b, v, has_avx ? 32 : 16);
}

static bool state_stays(unsigned seed)
{
	_Alignas(32) uint8_t v[32];
	uint16_t x87 = seed & 1 ? 0x37f : 0x27f, x87_then;
	uint32_t sse = 0x1f80 | (seed & 3) << 13, sse_then, usual = 0x1f80;
	bool ok = true;
	for (int i = 0; i < 32; i++)
		v[i] = seed * 37 + i;
	__asm__ volatile("fldcw %0; ldmxcsr %1" ::"m"(x87), "m"(sse));
	for (int i = 0; i < 200 && ok; i++) {
		ok = registers_stay(v);
		if (i % 16 == 0)
			sched_yield();
	}
	__asm__ volatile("fnstcw %0; stmxcsr %1; ldmxcsr %2" : "=m"(x87_then), "=m"(sse_then) : "m"(usual));
	return ok && x87 == x87_then && (sse & 0x6000) == (sse_then & 0x6000);
}

static void *work(void *arg)
{
	for (unsigned i = 0; i < 20; i++)
		if (!state_stays((unsigned)(uintptr_t)arg * 20 + i))
			return (void *)1;
	return NULL;
}

static bool threads_keep_state(unsigned first)
{
	pthread_t t[3];
	void *failed;
	bool ok = true;
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, work, (void *)(uintptr_t)(first + i));
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(t[i], &failed);
		ok &= !failed;
	}
	return ok;
}

static void switches(void)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
	signal(SIGALRM, overwrite);
	for (unsigned k = 0; k < 2; k++)
		if (fork() == 0) {
			setitimer(ITIMER_REAL, &often, NULL);
			bool ok = threads_keep_state(k * 3);
			while (nr_signals < 3)
				ok &= state_stays(k);
			_exit(ok ? 0 : 1);
		}
	for (unsigned k = 0; k < 2; k++) {
		int st = -1;
		while (wait(&st) < 0 && errno == EINTR)
			;
		show_status("state over switches and signals", st);
	}
}

/* A child starts with its parent's state, a new program with a fresh one (this one: control words by the ABI). */
static void inherited(void)
{
	uint16_t x87 = 0x27f, then = 0;
	uint32_t sse = 0x3f80, sse_then = 0;
	__asm__ volatile("fldcw %0; ldmxcsr %1" ::"m"(x87), "m"(sse));
	CHILD("fork copies control words")
	{
		__asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(then), "=m"(sse_then));
		_exit(then == x87 && sse_then == sse ? 0 : 1);
	}
	x87 = 0x37f, sse = 0x1f80;
	__asm__ volatile("fldcw %0; ldmxcsr %1" ::"m"(x87), "m"(sse));
}

static void exceptions(void)
{
	CHILD("hlt") __asm__ volatile("hlt");
	CHILD("cli") __asm__ volatile("cli");
	CHILD("rdmsr") __asm__ volatile("rdmsr" ::"c"(0x1b) : "eax", "edx");
	CHILD("port") __asm__ volatile("outb %b0, $0x80" ::"a"(0));
	CHILD("ud2") __asm__ volatile("ud2");
	CHILD("int3") __asm__ volatile("int3");
	CHILD("divide by zero") __asm__ volatile("divl %0" ::"r"(0), "a"(1), "d"(0));
	CHILD("jump to an address that is not canonical") __asm__ volatile("jmp *%0" ::"r"(1ul << 47));
	CHILD("jump into the kernel half") __asm__ volatile("jmp *%0" ::"r"(0xffffffff80000000ul));
	CHILD("load from an address that is not canonical") __asm__ volatile("movb (%0), %%al" ::"r"(1ul << 63) : "al");
	CHILD("unmasked SSE exception")
	{
		uint32_t all = 0;
		__asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; divss %%xmm0, %%xmm0" ::"m"(all));
	}
}

int main(void)
{
	has_avx = __builtin_cpu_supports("avx");
	switches();
	inherited();
	exceptions();
	return 0;
}
