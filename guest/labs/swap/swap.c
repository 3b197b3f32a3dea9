/* SPDX-License-Identifier: MIT */
/* Fills more memory than there is, beside a buffer that is locked, and reads it all again. */
#define _GNU_SOURCE
#include "../proc_field.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOCKED (8ul << 20)
#define PAGE   4096ul

static void status(const char *when)
{
	static const char *const names[] = { "VmLck:", "VmRSS:", "VmSwap:" };
	for (int i = 0; i < 3; i++)
		printf("%s, %.*s = %ld\n", when, (int)strlen(names[i]) - 1, names[i], proc_field("/proc/self/status", names[i]));
	printf("%s, swap in use = %ld\n", when, proc_field("/proc/meminfo", "SwapTotal:") - proc_field("/proc/meminfo", "SwapFree:"));
	printf("%s, pswpout = %ld\n%s, pswpin = %ld\n", when, proc_field("/proc/vmstat", "pswpout "), when, proc_field("/proc/vmstat", "pswpin "));
	fflush(stdout);
}

static long majors(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_majflt;
}

static unsigned long resident(char *p, unsigned long len)
{
	static unsigned char there[1 << 20];
	unsigned long n = 0;
	mincore(p, len, there);
	for (unsigned long i = 0; i < len / PAGE; i++)
		n += there[i] & 1;
	return n * (PAGE / 1024);
}

static void fill(char *p, unsigned long len)
{
	for (unsigned long at = 0; at < len; at += 8)
		*(unsigned long *)(p + at) = (unsigned long)(p + at) * 0x9e3779b97f4a7c15ul;
}

static long wrong(const char *p, unsigned long len)
{
	long n = 0;
	for (unsigned long at = 0; at < len; at += 8)
		n += *(const unsigned long *)(p + at) != (unsigned long)(p + at) * 0x9e3779b97f4a7c15ul;
	return n;
}

static char *map(unsigned long len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(1);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

int main(void)
{
	unsigned long ram = (unsigned long)proc_field("/proc/meminfo", "MemTotal:") << 10, len = (ram + ram / 2) & ~(PAGE - 1);
	char *locked = map(LOCKED), *big = map(len);
	if (mlock(locked, LOCKED))
		return 1;
	fill(locked, LOCKED);
	printf("memory there is = %lu\nmemory filled = %lu\n", ram >> 10, len >> 10);
	status("before");
	sleep(1); /* each step shows in a line of vmstat's own */
	fill(big, len);
	status("filled");
	printf("locked buffer in memory = %lu\nrest in memory = %lu\n", resident(locked, LOCKED), resident(big, len));
	long before = majors();
	printf("wrong words in the locked buffer = %ld\n", wrong(locked, LOCKED));
	printf("major faults in the locked buffer = %ld\n", majors() - before);
	fflush(stdout);
	sleep(2);
	before = majors();
	printf("wrong words in the rest = %ld\n", wrong(big, len));
	printf("major faults in the rest = %ld\n", majors() - before);
	status("read again");
	sleep(2);
	return 0;
}
