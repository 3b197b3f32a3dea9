/* SPDX-License-Identifier: MIT */
/* Segmentation as far as x86-64 has it: selectors, privilege, FS and GS bases. */
#include "../step.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

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

/* What a descriptor of the GDT says of itself to a program that asks by its selector (lar); 0: nothing. */
static unsigned descriptor(unsigned sel)
{
	unsigned rights = 0;
	__asm__("lar %1, %0\n\tjz 1f\n\txor %0, %0\n1:" : "=r"(rights) : "r"(sel) : "cc");
	return rights;
}

static void show_descriptor(const char *name, unsigned sel)
{
	unsigned d = descriptor(sel);
	printf("descriptor of %s = %s, %s, ring %u\n", name, d >> 11 & 1 ? "code" : "data", d >> 21 & 1 ? "64 bits" : d >> 22 & 1 ? "32 bits" : "16 bits", d >> 13 & 3);
}

/* The regions are what the document calls segments: of unequal size, with rights of their own. */
static void regions(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], rights[8], name[256];
	unsigned long start, end, nr = 0;
	while (f && fgets(line, sizeof(line), f)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, rights, name) < 3)
			continue;
		char *slash = strrchr(name, '/');
		printf("%8lu kB %s %s\n", (end - start) >> 10, rights, slash ? slash + 1 : name[0] ? name : "anonymous");
		nr++;
	}
	if (f)
		fclose(f);
	printf("regions = %lu\n", nr);
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
	step("selectors and descriptors");
	printf("CS = %#x\nSS = %#x\nDS = %#x\n", selector('c'), selector('s'), selector('d'));
	printf("privilege level in CS = %u\n", selector('c') & 3);
	show_descriptor("CS", selector('c'));
	show_descriptor("SS", selector('s'));
	printf("a descriptor of the kernel = %s\n", descriptor(0x10) ? "shown" : "not shown");
	step("FS and GS bases");
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
	step("regions of unequal size, each with its rights");
	regions();
	return 0;
}
