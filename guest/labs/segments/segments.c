/* SPDX-License-Identifier: MIT */
/* Segmentation as far as x86-64 has it: selectors, privilege, FS and GS bases. */
#include <asm/prctl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned selector(char which)
{
	unsigned v = 0;
	switch (which) {
	case 'c': __asm__("mov %%cs, %0" : "=r"(v)); break;
	case 's': __asm__("mov %%ss, %0" : "=r"(v)); break;
	case 'd': __asm__("mov %%ds, %0" : "=r"(v)); break;
	}
	return v & 0xffff;
}

static unsigned long fs_base(void)
{
	unsigned long v = 0;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &v);
	return v;
}

static void *thread(void *arg)
{
	*(unsigned long *)arg = fs_base();
	return NULL;
}

int main(void)
{
	unsigned long here = fs_base(), there = 0, through_fs, word[2] = { 0, 0x1234 };
	pthread_t t;
	printf("CS = %#x\nSS = %#x\nDS = %#x\n", selector('c'), selector('s'), selector('d'));
	printf("privilege level in CS = %u\n", selector('c') & 3);
	/* The C library keeps the address of its thread block at FS:0. */
	__asm__("mov %%fs:0, %0" : "=r"(through_fs));
	printf("FS:0 holds the FS base = %s\n", through_fs == here ? "yes" : "no");
	pthread_create(&t, NULL, thread, &there);
	pthread_join(t, NULL);
	printf("another thread has another FS base = %s\n", there && there != here ? "yes" : "no");
	syscall(SYS_arch_prctl, ARCH_SET_GS, word);
	__asm__("mov %%gs:8, %0" : "=r"(through_fs));
	printf("GS:8 after ARCH_SET_GS = %#lx\n", through_fs);
	sched_yield(); /* a switch must not lose it */
	usleep(1000);
	__asm__("mov %%gs:8, %0" : "=r"(through_fs));
	printf("GS:8 after a context switch = %#lx\n", through_fs);
	return 0;
}
