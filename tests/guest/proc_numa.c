/* SPDX-License-Identifier: MIT */
/* /proc/self/numa_maps: policy, name and pages of regions of known use; what may be looked at by whom. */
#include "check.h"
#include <linux/mempolicy.h>

/* The line of the region at `at`, without its address. */
static void show(const char *name, const void *at)
{
	char line[512];
	FILE *f = fopen("/proc/self/numa_maps", "r");
	bool found = false;
	while (f && fgets(line, sizeof line, f)) {
		char *rest;
		if (strtoul(line, &rest, 16) != (unsigned long)at)
			continue;
		found = true;
		out("%s:%s", name, rest);
	}
	if (!found)
		out("%s: none\n", name);
	if (f)
		fclose(f);
}

int main(void)
{
	/* A file's pages may be active or not, by who else read them: a file of its own shows it. */
	char *p = window(8);
	mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	show("numa_maps not touched", p);
	p[0] = p[PAGE] = 1;
	mlock(p, 2 * PAGE); /* counts as active */
	show("numa_maps two pages", p);
	munlock(p, 4 * PAGE);
	munmap(p, 4 * PAGE);
	int fd = open("/tmp/a file=\tname", O_RDWR | O_CREAT, 0600);
	ftruncate(fd, 4 * PAGE);
	char *f = mmap(p, 4 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	f[0] = 1;
	mlock(f, PAGE);
	show("numa_maps a file", f);
	munlock(f, PAGE);
	unsigned long node = 1;
	R("set_mempolicy", SC(SYS_set_mempolicy, MPOL_BIND, &node, 8));
	show("numa_maps bound", f + PAGE);
	R("set_mempolicy", SC(SYS_set_mempolicy, MPOL_PREFERRED | MPOL_F_STATIC_NODES, &node, 8));
	char *q = mmap(p + 5 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	show("numa_maps preferred", q);
	R("set_mempolicy", SC(SYS_set_mempolicy, MPOL_INTERLEAVE, &node, 8));
	show("numa_maps interleaved", q);
	R("set_mempolicy", SC(SYS_set_mempolicy, MPOL_LOCAL, NULL, 0));
	show("numa_maps local", q);
	R("set_mempolicy", SC(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	show("numa_maps default", q);
	CHILD("numa_maps EACCES another user") {
		char name[64];
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(99);
		snprintf(name, sizeof name, "/proc/%d/numa_maps", getppid());
		_exit(open(name, O_RDONLY) < 0 ? errno : 0);
	}
	return 0;
}
