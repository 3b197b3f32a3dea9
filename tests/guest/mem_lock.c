/* SPDX-License-Identifier: MIT */
/* mlock, mlock2, munlock, mlockall, munlockall, msync. */
#include "check.h"

static const char *resident(char *p, int n)
{
	static char buf[64];
	unsigned char vec[64] = { 0 };
	mincore(p, n * PAGE, vec);
	for (int i = 0; i < n; i++)
		buf[i] = vec[i] & 1 ? '1' : '0';
	buf[n] = 0;
	return buf;
}

static long locked_pages(void)
{
	return proc_field("/proc/self/status", "VmLck") / 4;
}

static void locks(void)
{
	char *w = window(8);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	R("mlock", mlock(w, 2 * PAGE));
	out("mlock makes present: %s\n", resident(w, 4));
	VAL("mlock VmLck", locked_pages());
	maps("mlock splits", w, 4);
	R("mlock again", mlock(w, 2 * PAGE));
	VAL("mlock does not nest", locked_pages());
	R("mlock address rounded down", mlock(w + 2 * PAGE + 100, 10));
	VAL("mlock rounded VmLck", locked_pages());
	R("munlock", munlock(w, 4 * PAGE));
	VAL("munlock VmLck", locked_pages());
	R("mlock ENOMEM nothing there", mlock(w + 4 * PAGE, PAGE));
	R("mlock ENOMEM over the end", mlock(w, 5 * PAGE));
	VAL("mlock ENOMEM VmLck of what came before", locked_pages());
	munlock(w, 4 * PAGE);
	R("munlock ENOMEM nothing there", munlock(w + 4 * PAGE, PAGE));
	R("mlock EINVAL length wraps", mlock(w, -2 * PAGE));
	R("munlock EINVAL length wraps", munlock(w, -2 * PAGE));
	R("mlock length 0", mlock(w, 0));
	R("mlock ENOMEM PROT_NONE", mlock(anon(PAGE, PROT_NONE, MAP_PRIVATE), PAGE));
	R("mlock2 EINVAL flags", SC(SYS_mlock2, w, PAGE, 2));
	char *f = anon(4 * PAGE, RW, MAP_PRIVATE);
	R("mlock2 MLOCK_ONFAULT", SC(SYS_mlock2, f, 4 * PAGE, 1));
	out("mlock2 MLOCK_ONFAULT not present: %s\n", resident(f, 4));
	put(f, 1);
	R("mlock2 flags 0", SC(SYS_mlock2, f, 4 * PAGE, 0));
	out("mlock2 flags 0 present: %s\n", resident(f, 4));
	munmap(f, 4 * PAGE);
	CHILD("mlock in the child")
		VAL("mlock is not inherited", locked_pages());
	mlock(w, 2 * PAGE);
	munmap(w, PAGE);
	long left = locked_pages();
	munlock(w + PAGE, PAGE);
	VAL("munmap of locked VmLck", left - locked_pages());
}

static void limits(void)
{
	struct rlimit four = { 4 * PAGE, 4 * PAGE }, zero = { 0, 0 };
	char *p = anon(8 * PAGE, RW, MAP_PRIVATE);
	CHILD("mlock RLIMIT_MEMLOCK")
	{
		setrlimit(RLIMIT_MEMLOCK, &four);
		R("mlock CAP_IPC_LOCK above the limit", mlock(p, 8 * PAGE));
		munlock(p, 8 * PAGE);
		setresuid(1000, 1000, 1000);
		R("mlock ENOMEM above the limit", mlock(p, 8 * PAGE));
		R("mlock within the limit", mlock(p, 4 * PAGE));
		R("mlock same pages do not count twice", mlock(p, 4 * PAGE));
		R("mlock ENOMEM one more", mlock(p + 4 * PAGE, PAGE));
		R("mlockall ENOMEM above the limit", mlockall(MCL_CURRENT));
		R("munlock gives back", munlock(p, PAGE));
		R("mlock one more after", mlock(p + 4 * PAGE, PAGE));
	}
	CHILD("mlock no right")
	{
		setrlimit(RLIMIT_MEMLOCK, &zero);
		setresuid(1000, 1000, 1000);
		R("mlock EPERM", mlock(p, PAGE));
		R("mlockall EPERM", mlockall(MCL_CURRENT));
		R("munlock without right", munlock(p, PAGE));
	}
}

static void all(void)
{
	R("mlockall EINVAL flags 0", mlockall(0));
	R("mlockall EINVAL unknown flags", mlockall(16));
	R("mlockall EINVAL MCL_ONFAULT alone", mlockall(MCL_ONFAULT));
	char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	out("mlockall before: %s\n", resident(p, 4));
	R("mlockall MCL_CURRENT", mlockall(MCL_CURRENT));
	out("mlockall MCL_CURRENT present: %s\n", resident(p, 4));
	YES("mlockall VmLck", locked_pages() > 4);
	char *q = anon(4 * PAGE, RW, MAP_PRIVATE);
	out("mlockall MCL_CURRENT later mapping: %s\n", resident(q, 4));
	R("munlockall", munlockall());
	VAL("munlockall VmLck", locked_pages());
	R("mlockall MCL_FUTURE", mlockall(MCL_FUTURE));
	q = anon(4 * PAGE, RW, MAP_PRIVATE);
	out("mlockall MCL_FUTURE later mapping: %s\n", resident(q, 4));
	VAL("mlockall MCL_FUTURE VmLck", locked_pages());
	CHILD("mlockall fork")
	{
		char *c = anon(2 * PAGE, RW, MAP_PRIVATE);
		out("mlockall MCL_FUTURE is not inherited: %s\n", resident(c, 2));
	}
	R("munlockall ends MCL_FUTURE", munlockall());
	q = anon(4 * PAGE, RW, MAP_PRIVATE);
	out("munlockall later mapping: %s\n", resident(q, 4));
	R("mlockall MCL_FUTURE|MCL_ONFAULT", mlockall(MCL_FUTURE | MCL_ONFAULT));
	q = anon(4 * PAGE, RW, MAP_PRIVATE);
	put(q, 1);
	out("mlockall MCL_ONFAULT: %s\n", resident(q, 4));
	munlockall();
}

static const char *const events[] = { "mlocked", "munlocked", "culled", "rescued", "cleared" };
#define NR_EVENTS (sizeof events / sizeof events[0])

static void read_events(long *out)
{
	char name[64], line[256];
	FILE *f = fopen("/proc/vmstat", "r");
	while (fgets(line, sizeof line, f))
		for (unsigned i = 0; i < NR_EVENTS; i++)
			if (sscanf(line, "unevictable_pgs_%63s", name) == 1 && !strcmp(name, events[i]))
				out[i] = atol(strchr(line, ' '));
	fclose(f);
}

/* What /proc/vmstat counted since the last look, in whole hundreds of pages: 512 are locked. */
static void show_events(const char *name, long *before)
{
	long now[NR_EVENTS];
	read_events(now);
	for (unsigned i = 0; i < NR_EVENTS; i++) {
		out("%s, unevictable_pgs_%s: %ld00\n", name, events[i], (now[i] - before[i]) / 100);
		before[i] = now[i];
	}
}

static void counted(void)
{
	long before[NR_EVENTS];
	size_t n = 512 * PAGE;
	char *p = mmap(NULL, n, RW, ANON, -1, 0), *late = mmap(NULL, n, RW, ANON, -1, 0);
	memset(p, 1, n);
	read_events(before);
	mlock(p, n);
	show_events("mlock of 512 that are there", before);
	mlock(late, n);
	show_events("mlock of 512 that come", before);
	munlock(p, n);
	show_events("munlock", before);
	munmap(late, n);
	show_events("munmap of locked ones", before);
	munmap(p, n);
}

static void syncing(void)
{
	char *w = window(6);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	R("msync EINVAL not aligned", msync(w + 1, PAGE, MS_SYNC));
	R("msync EINVAL unknown flag", msync(w, PAGE, 16));
	R("msync EINVAL MS_SYNC and MS_ASYNC", msync(w, PAGE, MS_SYNC | MS_ASYNC));
	R("msync flags 0", msync(w, PAGE, 0));
	R("msync MS_SYNC", msync(w, PAGE, MS_SYNC));
	R("msync MS_ASYNC", msync(w, PAGE, MS_ASYNC));
	R("msync MS_INVALIDATE", msync(w, PAGE, MS_INVALIDATE));
	R("msync length 0", msync(w, 0, MS_SYNC));
	R("msync ENOMEM nothing there", msync(w + 4 * PAGE, PAGE, MS_SYNC));
	R("msync ENOMEM over the end", msync(w, 5 * PAGE, MS_SYNC));
	R("msync ENOMEM length wraps", msync(w, -PAGE, MS_SYNC));
	munmap(w + PAGE, PAGE);
	R("msync ENOMEM hole", msync(w, 4 * PAGE, MS_ASYNC));
	mlock(w, PAGE);
	R("msync EBUSY MS_INVALIDATE of locked", msync(w, PAGE, MS_INVALIDATE));
	int fd = temp_file("sync", 2);
	char *s = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	put(s, 'S');
	R("msync file", msync(s, 2 * PAGE, MS_SYNC));
	R("msync fsync after", fsync(fd));
}

int main(void)
{
	locks();
	limits();
	all();
	counted();
	syncing();
	return 0;
}
