/* SPDX-License-Identifier: MIT */
/* /proc/PID/clear_refs: which pages were used since, and the high-water mark. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>

#define NR 16

static long field(const char *file, const char *name)
{
	char line[256];
	long value = 0;
	FILE *f = fopen(file, "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)))
			value = strtol(line + strlen(name) + 1, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

/* kB of the region at p, and of nothing else. */
static long referenced(const void *p)
{
	char line[256];
	long value = -1;
	int is_here = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	while (f && fgets(line, sizeof line, f)) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_here = start <= (unsigned long)p && (unsigned long)p < end;
		else if (is_here && !strncmp(line, "Referenced:", 11))
			value = strtol(line + 11, NULL, 10);
	}
	if (f)
		fclose(f);
	return value;
}

static void clear(const char *what)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	char name[32];
	snprintf(name, sizeof name, "clear_refs %s", what);
	R(name, write(fd, what, strlen(what)));
	close(fd);
}

static char *region(int flags, int fd)
{
	char *p = mmap(NULL, (NR + 2) * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	mprotect(p, PAGE, PROT_NONE); /* a region of its own */
	mprotect(p + (NR + 1) * PAGE, PAGE, PROT_NONE);
	for (int i = 1; i <= NR; i++)
		p[i * PAGE] = 1;
	return p + PAGE;
}

int main(void)
{
	int fd = memfd_create("refs", 0);
	ftruncate(fd, (NR + 2) * PAGE);
	char *anon = region(MAP_PRIVATE | MAP_ANONYMOUS, -1), *file = region(MAP_SHARED, fd);
	char *shared = region(MAP_SHARED | MAP_ANONYMOUS, -1);
	VAL("used, anonymous", referenced(anon));
	VAL("used, file", referenced(file));
	clear("2");
	VAL("after 2, anonymous", referenced(anon));
	VAL("after 2, file", referenced(file));
	VAL("after 2, shared", referenced(shared));
	mprotect(anon, NR * PAGE, PROT_READ); /* Linux leaves it to the CPU how long it remembers that a page was used */
	mprotect(anon, NR * PAGE, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 5; i++)
		anon[i * PAGE] = 2;
	VAL("five used again", referenced(anon));
	clear("3");
	VAL("after 3, anonymous", referenced(anon));
	VAL("after 3, file", referenced(file));
	VAL("after 3, shared", referenced(shared));
	clear("1\n");
	VAL("after 1, anonymous", referenced(anon));
	static char big[512 * PAGE];
	for (int i = 0; i < 512; i++)
		big[i * PAGE] = 1;
	madvise(big + PAGE - (unsigned long)big % PAGE, 500 * PAGE, MADV_DONTNEED);
	VAL("the mark is above what is resident", field("/proc/self/status", "VmHWM:") >= field("/proc/self/status", "VmRSS:") + 1000);
	clear("5");
	VAL("the mark is anew", field("/proc/self/status", "VmHWM:") < field("/proc/self/status", "VmRSS:") + 1000);
	clear("0"), clear("6"), clear("x"), clear("99999999999"), clear("-1"), clear("");
	R("open to read", open("/proc/self/clear_refs", O_RDONLY) < 0 ? -1 : 0);
	return 0;
}
