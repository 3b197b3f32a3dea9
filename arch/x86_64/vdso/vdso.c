/* SPDX-License-Identifier: MIT */
/*
 * The vDSO: code of the kernel that runs in user mode, mapped into every program right behind the page
 * of data it reads. What it cannot answer it asks by a system call, so its results never differ.
 * Sources: vdso(7); <linux/time.h> for the clocks' numbers.
 */
#include "../vvar.h"
#include <asm/unistd.h>

#define CLOCK_REALTIME           0
#define CLOCK_MONOTONIC          1
#define CLOCK_MONOTONIC_RAW      4
#define CLOCK_REALTIME_COARSE    5
#define CLOCK_MONOTONIC_COARSE   6
#define CLOCK_BOOTTIME           7
#define CLOCK_TAI                11

#define NSEC 1000000000l

struct timespec { long tv_sec, tv_nsec; };
struct timeval { long tv_sec, tv_usec; };

extern const volatile struct vvar vvar_page __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int id, struct timespec *ts);
int __vdso_clock_getres(int id, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, void *tz);
long __vdso_time(long *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static inline long syscall3(long nr, long a, long b, long c)
{
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

/* The counter, not read before what stands above it. */
static inline unsigned long read_tsc(void)
{
	unsigned lo, hi;
	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (unsigned long)hi << 32 | lo;
}

static inline long read_ns(long *realtime_offset)
{
	const volatile struct vvar *v = &vvar_page;
	unsigned seq;
	unsigned long tsc, base, mult;
	do {
		while ((seq = v->seq) & 1)
			__asm__ volatile("pause");
		__asm__ volatile("" ::: "memory");
		base = v->tsc_base;
		mult = v->mult;
		*realtime_offset = v->realtime_offset;
		tsc = read_tsc();
		__asm__ volatile("" ::: "memory");
	} while (v->seq != seq);
	return (long)((unsigned __int128)(tsc - base) * mult >> 32);
}

int __vdso_clock_gettime(int id, struct timespec *ts)
{
	long offset, ns = read_ns(&offset);
	switch (id) {
	case CLOCK_REALTIME_COARSE:
		ns -= ns % (long)vvar_page.coarse_ns;
		/* fall through */
	case CLOCK_REALTIME:
	case CLOCK_TAI:
		ns += offset;
		break;
	case CLOCK_MONOTONIC_COARSE:
		ns -= ns % (long)vvar_page.coarse_ns;
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
		break;
	default:
		return (int)syscall3(__NR_clock_gettime, id, (long)ts, 0);
	}
	ts->tv_sec = ns / NSEC;
	ts->tv_nsec = ns % NSEC;
	return 0;
}

int __vdso_clock_getres(int id, struct timespec *ts) { return (int)syscall3(__NR_clock_getres, id, (long)ts, 0); }

int __vdso_gettimeofday(struct timeval *tv, void *tz)
{
	long offset, ns = read_ns(&offset);
	if (tz)
		return (int)syscall3(__NR_gettimeofday, (long)tv, (long)tz, 0);
	if (tv) {
		ns += offset;
		tv->tv_sec = ns / NSEC;
		tv->tv_usec = ns % NSEC / 1000;
	}
	return 0;
}

long __vdso_time(long *t)
{
	long offset, ns = read_ns(&offset), sec = (ns + offset) / NSEC;
	if (t)
		*t = sec;
	return sec;
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	return syscall3(__NR_getcpu, (long)cpu, (long)node, 0);
}

#define ALIAS(name) extern __typeof__(__vdso_##name) name __attribute__((weak, alias("__vdso_" #name)))
ALIAS(clock_gettime);
ALIAS(clock_getres);
ALIAS(gettimeofday);
ALIAS(time);
ALIAS(getcpu);
