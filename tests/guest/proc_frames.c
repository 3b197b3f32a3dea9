/* SPDX-License-Identifier: MIT */
/* /proc/PID/pagemap, /proc/kpagecount and /proc/kpageflags: what a page of known use looks like. */
#include "check.h"
#include <linux/kernel-page-flags.h>
#include <sys/mount.h>

static int pagemap, counts, flags;

static uint64_t word(int fd, uint64_t n)
{
	uint64_t w = ~0ull;
	pread(fd, &w, 8, n * 8);
	return w;
}

/* Bits that do not depend on when one looks. */
static void show(const char *name, const void *at)
{
	static const struct {
		int bit;
		const char *name;
	} names[] = {
		{ KPF_SLAB, "slab" }, { KPF_BUDDY, "buddy" }, { KPF_MMAP, "mmap" }, { KPF_ANON, "anon" }, { KPF_SWAPBACKED, "swapbacked" },
		{ KPF_SWAPCACHE, "swapcache" }, { KPF_UNEVICTABLE, "unevictable" }, { KPF_NOPAGE, "nopage" }, { KPF_ZERO_PAGE, "zero" },
		{ KPF_PGTABLE, "pgtable" },
	};
	uint64_t entry = word(pagemap, (uintptr_t)at / PAGE), pfn = entry & ((1ull << 55) - 1);
	out("%s: present %d file %d exclusive %d", name, (int)(entry >> 63), (int)(entry >> 61 & 1), (int)(entry >> 56 & 1));
	if (entry >> 63) {
		uint64_t f = word(flags, pfn);
		out(" count %d", (int)word(counts, pfn));
		for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
			if (f >> names[i].bit & 1)
				out(" %s", names[i].name);
	}
	out("\n");
}

static void private_pages(void)
{
	volatile char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	show("kpageflags not touched", (void *)p);
	p[0] = 1;
	show("kpageflags anonymous", (void *)p);
	(void)p[PAGE];
	show("kpageflags zero page", (void *)(p + PAGE));
	int ready[2], go[2];
	char c;
	pipe(ready);
	pipe(go);
	if (fork() == 0) {
		(void)p[0];
		write(ready[1], "x", 1);
		read(go[0], &c, 1);
		_exit(0);
	}
	read(ready[0], &c, 1);
	show("kpagecount shared with a child", (void *)p);
	p[0] = 2;
	show("kpagecount copied", (void *)p);
	write(go[1], "x", 1);
	wait(NULL);
	mlock((void *)(p + 2 * PAGE), PAGE);
	show("kpageflags locked", (void *)(p + 2 * PAGE));
	munlock((void *)(p + 2 * PAGE), PAGE);
	munmap((void *)p, 4 * PAGE);
}

static void shared_pages(void)
{
	volatile char *p = anon(PAGE, RW, MAP_SHARED);
	p[0] = 1;
	show("kpageflags shared memory", (void *)p);
	int fd = memfd_create("f", 0);
	ftruncate(fd, PAGE);
	volatile char *a = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), *b = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	a[0] = 1;
	(void)b[0];
	show("kpagecount mapped twice", (void *)a);
	munmap((void *)b, PAGE);
	show("kpagecount mapped once", (void *)a);
	volatile char *c = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	c[0] = 2;
	show("kpageflags private copy", (void *)c);
	show("kpagecount of what was copied", (void *)a);
}

static void calls(void)
{
	char buf[16];
	R("kpagecount read 8", read(counts, buf, 8));
	R("kpagecount EINVAL size", read(counts, buf, 7));
	R("kpagecount EINVAL offset", pread(counts, buf, 8, 4));
	R("kpageflags read 16", pread(flags, buf, 16, 16));
	R("kpageflags EINVAL size", read(flags, buf, 12));
	R("kpageflags far behind", pread(flags, buf, 8, 1ll << 50));
	R("kpageflags EFAULT", pread(flags, (void *)8, 8, 0));
	CHILD("kpagecount EACCES") {
		if (setuid(1000))
			_exit(99);
		_exit(open("/proc/kpagecount", O_RDONLY) < 0 ? errno : 0);
	}
}

int main(void)
{
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	OK("kpagecount open", counts = open("/proc/kpagecount", O_RDONLY));
	OK("kpageflags open", flags = open("/proc/kpageflags", O_RDONLY));
	private_pages();
	shared_pages();
	calls();
	return 0;
}
