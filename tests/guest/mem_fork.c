/* SPDX-License-Identifier: MIT */
/* Copy-on-write across fork, and the faults and figures that go with it. */
#include "check.h"

static void cow(void)
{
	char *p = anon(16 * PAGE, RW, MAP_PRIVATE);
	for (int i = 0; i < 16; i++)
		put(p + i * PAGE, 10 + i);
	CHILD("fork child writes")
	{
		GET("fork child sees the parent's", p + 3 * PAGE);
		put(p + 3 * PAGE, 99);
		GET("fork child sees its own", p + 3 * PAGE);
		GET("fork child sees the rest", p + 4 * PAGE);
		CHILD("fork grandchild")
		{
			GET("fork grandchild sees the child's", p + 3 * PAGE);
			put(p + 5 * PAGE, 98);
		}
		GET("fork child does not see the grandchild's", p + 5 * PAGE);
	}
	GET("fork parent unchanged", p + 3 * PAGE);
	int go[2], back[2];
	char c;
	pipe(go), pipe(back);
	pid_t pid = fork();
	if (pid == 0) {
		read(go[0], &c, 1);
		GET("fork child keeps the old after parent wrote", p);
		put(p + PAGE, 55);
		write(back[1], "x", 1);
		_exit(0);
	}
	put(p, 77);
	write(go[1], "x", 1);
	read(back[0], &c, 1);
	wait_for("fork order", pid);
	GET("fork parent has the new", p);
	GET("fork parent does not see later writes", p + PAGE);
}

/* Faults on this program's own stack and data, which fork made copy-on-write, come before counting. */
static void warm(void)
{
	volatile char deep[4 * PAGE];
	for (size_t i = 0; i < sizeof deep; i += 512)
		deep[i] = 1;
	volatile char *callers = __builtin_frame_address(0); /* their frames may lie on the page above */
	for (int i = 0; i < 1024; i += 64)
		callers[i] = callers[i];
	put(deep, 1), get(deep), minor_faults();
}

static void faults(void)
{
	char *p = anon(64 * PAGE, RW, MAP_PRIVATE);
	long before = minor_faults();
	for (int i = 0; i < 64; i++)
		put(p + i * PAGE, 1);
	VAL("fault one for each new page", minor_faults() - before);
	before = minor_faults();
	for (int i = 0; i < 64; i++)
		put(p + i * PAGE, 2);
	VAL("fault none for present pages", minor_faults() - before);
	CHILD("fault child")
	{
		put(p, 3);
		warm();
		before = minor_faults();
		for (int i = 1; i < 33; i++)
			put(p + i * PAGE, 3);
		VAL("fault one for each copied page", minor_faults() - before);
	}
	warm();
	before = minor_faults();
	for (int i = 0; i < 64; i++)
		get(p + i * PAGE);
	VAL("fault none for reading after fork", minor_faults() - before);
	char *z = anon(16 * PAGE, RW, MAP_PRIVATE);
	before = minor_faults();
	for (int i = 0; i < 16; i++)
		get(z + i * PAGE);
	VAL("fault one for each zero page read", minor_faults() - before);
	before = minor_faults();
	for (int i = 0; i < 16; i++)
		put(z + i * PAGE, 1);
	VAL("fault one for each write after read", minor_faults() - before);
}

static void figures(void)
{
	long rss = proc_field("/proc/self/status", "RssAnon"), size = proc_field("/proc/self/status", "VmSize");
	long pte = proc_field("/proc/self/status", "VmPTE");
	char *p = mmap(0, M(16), RW, ANON, -1, 0);
	VAL("status VmSize grows with mmap, kB", proc_field("/proc/self/status", "VmSize") - size);
	VAL("status RssAnon does not, kB", proc_field("/proc/self/status", "RssAnon") - rss);
	for (size_t i = 0; i < M(16); i += PAGE)
		p[i] = 1;
	long got = proc_field("/proc/self/status", "RssAnon") - rss;
	YES("status RssAnon grows with touching", got >= 16384 - 300 && got < 16384 + 300);
	long tables = proc_field("/proc/self/status", "VmPTE") - pte;
	YES("status VmPTE grows with touching", tables >= 32 && tables <= 40);
	madvise(p, M(8), MADV_DONTNEED);
	got = proc_field("/proc/self/status", "RssAnon") - rss;
	YES("status RssAnon after MADV_DONTNEED", got >= 8192 - 300 && got < 8192 + 300);
	munmap(p, M(16));
	got = proc_field("/proc/self/status", "RssAnon") - rss;
	YES("status RssAnon after munmap", got >= -300 && got < 300);
	VAL("status VmSize after munmap", proc_field("/proc/self/status", "VmSize") - size);
	VAL("status VmPTE after munmap", proc_field("/proc/self/status", "VmPTE") <= pte + 8);
	YES("status VmPeak", proc_field("/proc/self/status", "VmPeak") >= size + 16384);
	YES("status VmHWM", proc_field("/proc/self/status", "VmHWM") >= 16384);
	VAL("status VmSwap", proc_field("/proc/self/status", "VmSwap"));
}

static void smaps(void)
{
	char *p = anon(8 * PAGE, RW, MAP_PRIVATE), line[256];
	for (int i = 0; i < 6; i++)
		put(p + i * PAGE, 1);
	mprotect(p + 8 * PAGE - PAGE, PAGE, PROT_NONE);
	CHILD("smaps in the child")
	{
		put(p, 2);
		bool in = false;
		FILE *f = fopen("/proc/self/smaps", "r");
		while (f && fgets(line, sizeof line, f)) {
			unsigned long s, e;
			if (sscanf(line, "%lx-%lx ", &s, &e) == 2 && strchr(line, '-') < strchr(line, ' '))
				in = s == (unsigned long)p;
			else if (in && !strstr(line, "Anonymous:") && (!strncmp(line, "Rss:", 4) || !strncmp(line, "Pss:", 4) ||
								       !strncmp(line, "Size:", 5) || !strncmp(line, "Shared", 6) ||
								       !strncmp(line, "Private", 7)))
				out("smaps %s", line);
		}
	}
}

static void spaces_apart(void)
{
	static int variable = 1;
	int *heap = malloc(sizeof *heap), local = 3;
	*heap = 2;
	CHILD("fork other variables")
	{
		variable = 10, *heap = 20, local = 30;
		out("fork child has %d %d %d\n", variable, *heap, local);
	}
	out("fork parent has %d %d %d\n", variable, *heap, local);
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			variable += i;
			_exit(variable == i + 1 ? 0 : 1);
		}
		int st;
		waitpid(pid, &st, 0);
		if (st)
			out("fork %d: wrong\n", i);
	}
	out("fork 50 children in a row: done\n");
	pid_t pids[20];
	for (int i = 0; i < 20; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char *p = anon(64 * PAGE, RW, MAP_PRIVATE);
			for (int j = 0; j < 64; j++)
				p[j * PAGE] = i;
			for (int j = 0; j < 64; j++)
				if (p[j * PAGE] != i)
					_exit(1);
			_exit(i);
		}
	}
	int sum = 0;
	for (int i = 0; i < 20; i++) {
		int st;
		waitpid(pids[i], &st, 0);
		sum += WEXITSTATUS(st);
	}
	VAL("fork 20 children at once", sum);
}

int main(void)
{
	cow();
	faults();
	figures();
	smaps();
	spaces_apart();
	return 0;
}
