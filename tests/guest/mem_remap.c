/* SPDX-License-Identifier: MIT */
/* mremap and brk. */
#include "check.h"

static char *remap(void *a, size_t old, size_t new, int flags, void *to)
{
	return (char *)SC(SYS_mremap, a, old, new, flags, to);
}

static void fill(char *p, int n)
{
	for (int i = 0; i < n; i++)
		put(p + i * PAGE, i + 1);
}

static void errors(void)
{
	char *w = window(12);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	R("mremap EINVAL not aligned", remap(w + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	R("mremap EINVAL new length 0", remap(w, PAGE, 0, MREMAP_MAYMOVE, 0));
	R("mremap EINVAL unknown flag", remap(w, PAGE, 2 * PAGE, 64, 0));
	R("mremap EINVAL MREMAP_FIXED without MAYMOVE", remap(w, PAGE, PAGE, MREMAP_FIXED, w + 6 * PAGE));
	R("mremap EINVAL MREMAP_FIXED target not aligned", remap(w, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, w + 6 * PAGE + 1));
	R("mremap EINVAL MREMAP_FIXED overlaps", remap(w, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, w + PAGE));
	R("mremap EINVAL MREMAP_FIXED beyond user space", remap(w, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, (void *)(1UL << 47)));
	R("mremap EINVAL new length beyond user space", remap(w, PAGE, 1UL << 48, MREMAP_MAYMOVE, 0));
	R("mremap EINVAL MREMAP_DONTUNMAP without MAYMOVE", remap(w, PAGE, PAGE, MREMAP_DONTUNMAP, 0));
	R("mremap EINVAL MREMAP_DONTUNMAP other length", remap(w, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0));
	R("mremap EFAULT nothing there", remap(w + 8 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
	R("mremap EFAULT over the end", remap(w + 3 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0));
	R("mremap EINVAL old length 0 of private", remap(w, 0, PAGE, MREMAP_MAYMOVE, 0));
	mprotect(w + 2 * PAGE, 2 * PAGE, PROT_READ);
	R("mremap EFAULT over two regions", remap(w, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, 0));
	R("mremap ENOMEM no room and no MAYMOVE", remap(w, PAGE, 2 * PAGE, 0, 0));
	munmap(w, 4 * PAGE);
	mmap(w, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	mmap(w + 2 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	R("mremap ENOMEM neighbour in the way", remap(w, 2 * PAGE, 3 * PAGE, 0, 0));
	R("mremap ENOMEM too large", remap(w, 2 * PAGE, 1UL << 46, MREMAP_MAYMOVE, 0));
	struct rlimit as = { M(64), RLIM_INFINITY }, old;
	getrlimit(RLIMIT_AS, &old);
	setrlimit(RLIMIT_AS, &as);
	R("mremap ENOMEM RLIMIT_AS", remap(w, 2 * PAGE, M(80), MREMAP_MAYMOVE, 0));
	setrlimit(RLIMIT_AS, &old);
	munmap(w, 12 * PAGE);
	CHILD("mremap RLIMIT_MEMLOCK")
	{
		struct rlimit lock = { 4 * PAGE, 4 * PAGE };
		char *l = anon(2 * PAGE, RW, MAP_PRIVATE);
		mlock(l, 2 * PAGE);
		setrlimit(RLIMIT_MEMLOCK, &lock);
		setresuid(1000, 1000, 1000);
		R("mremap EAGAIN locked beyond the limit", remap(l, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, 0));
		OK("mremap locked within the limit", remap(l, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0));
	}
}

static void sizes(void)
{
	char *w = window(16);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	fill(w, 4);
	YES("mremap grow in place", remap(w, 4 * PAGE, 8 * PAGE, 0, 0) == w);
	maps("mremap grown", w, 16);
	GET("mremap grown content", w + 3 * PAGE);
	GET("mremap grown new part", w + 7 * PAGE);
	YES("mremap shrink", remap(w, 8 * PAGE, 2 * PAGE, 0, 0) == w);
	maps("mremap shrunk", w, 16);
	GET("mremap shrunk off part", w + 2 * PAGE);
	YES("mremap same size", remap(w, 2 * PAGE, 2 * PAGE, 0, 0) == w);
	YES("mremap lengths rounded", remap(w, PAGE + 1, 2 * PAGE + 1, 0, 0) == w);
	maps("mremap rounded", w, 16);
	YES("mremap shrink over several regions", mprotect(w + PAGE, PAGE, PROT_READ) == 0 && remap(w, 3 * PAGE, PAGE, 0, 0) == w);
	maps("mremap shrunk over several", w, 16);
	munmap(w, 16 * PAGE);
	mmap(w, 6 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	fill(w, 6);
	char *m = remap(w + PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0);
	YES("mremap grow in the middle moves", m != w + PAGE && m != MAP_FAILED);
	GET("mremap moved content", m + PAGE);
	GET("mremap moved new part", m + 2 * PAGE);
	GET("mremap moved old place", w + PAGE);
	maps("mremap moved from the middle", w, 16);
	munmap(w, 16 * PAGE);
}

static void fixed(void)
{
	char *w = window(16);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	mmap(w + 8 * PAGE, 4 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	fill(w, 4);
	YES("mremap MREMAP_FIXED", remap(w, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, w + 9 * PAGE) == w + 9 * PAGE);
	maps("mremap MREMAP_FIXED replaces", w, 16);
	GET("mremap MREMAP_FIXED content", w + 10 * PAGE);
	YES("mremap MREMAP_FIXED grow", remap(w + 2 * PAGE, PAGE, 3 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, w + 13 * PAGE) == w + 13 * PAGE);
	maps("mremap MREMAP_FIXED grown", w, 16);
	GET("mremap MREMAP_FIXED grown content", w + 13 * PAGE);
	YES("mremap MREMAP_FIXED shrink", remap(w + 13 * PAGE, 3 * PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, w) == w);
	maps("mremap MREMAP_FIXED shrunk", w, 16);
	munmap(w, 16 * PAGE);
	mmap(w, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	fill(w, 2);
	YES("mremap MREMAP_DONTUNMAP", remap(w, 2 * PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE | MREMAP_FIXED, w + 4 * PAGE) == w + 4 * PAGE);
	maps("mremap MREMAP_DONTUNMAP keeps the old region", w, 16);
	GET("mremap MREMAP_DONTUNMAP old", w);
	GET("mremap MREMAP_DONTUNMAP new", w + 5 * PAGE);
	munmap(w, 16 * PAGE);
	char *big = anon(M(8), RW, MAP_PRIVATE);
	for (int i = 0; i < 8; i++)
		put(big + M(1) * i, i + 1);
	char *moved = remap(big, M(8), M(16), MREMAP_MAYMOVE, 0);
	YES("mremap 8 MiB to 16 MiB", moved != MAP_FAILED);
	GET("mremap large content", moved + M(7));
	GET("mremap large new part", moved + M(12));
	char *at = window(M(16) / PAGE);
	YES("mremap large to an odd place", remap(moved, M(16), M(16), MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
	GET("mremap large odd content", at + M(3));
	munmap(at, M(16));
}

static void of_files(void)
{
	int fd = temp_file("remap", 4);
	char *s = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, PAGE);
	char *t = remap(s, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0);
	GET("mremap file keeps its offset", t);
	GET("mremap file new part", t + 2 * PAGE);
	char *d = remap(t, 0, 2 * PAGE, MREMAP_MAYMOVE, 0);
	YES("mremap old length 0 of shared duplicates", d != MAP_FAILED && d != t);
	put(t, 'T');
	GET("mremap duplicate sees writes", d);
	GET("mremap duplicate keeps the original", t);
	char *u = remap(t, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE, 0);
	GET("mremap file beyond its end", u + 4 * PAGE);
	char *a = anon(2 * PAGE, RW, MAP_SHARED);
	put(a, 5);
	char *b = remap(a, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0);
	GET("mremap shared anonymous content", b);
	GET("mremap shared anonymous beyond its object", b + 3 * PAGE);
}

static void after_fork(void)
{
	char *w = window(16);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	fill(w, 4);
	CHILD("mremap in the child")
	{
		YES("mremap child moves", remap(w, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, w + 8 * PAGE) == w + 8 * PAGE);
		GET("mremap child content", w + 11 * PAGE);
		PUT("mremap child writes", w + 8 * PAGE, 77);
	}
	GET("mremap parent keeps its place", w + 3 * PAGE);
	GET("mremap parent keeps its content", w);
	munmap(w, 16 * PAGE);
}

static void breaks(void)
{
	char *b = (char *)SC(SYS_brk, 0);
	char *base = (char *)(((unsigned long)b + PAGE - 1) & ~(PAGE - 1));
	YES("brk grow", (char *)SC(SYS_brk, base + 4 * PAGE) == base + 4 * PAGE);
	PUT("brk new memory", base + 3 * PAGE, 5);
	GET("brk new memory is zero", base + PAGE);
	GET("brk beyond", base + 4 * PAGE);
	YES("brk inside a page", (char *)SC(SYS_brk, base + 4 * PAGE + 10) == base + 4 * PAGE + 10);
	PUT("brk rest of the page", base + 4 * PAGE + 4000, 1);
	YES("brk shrink", (char *)SC(SYS_brk, base + PAGE) == base + PAGE);
	GET("brk off part", base + 3 * PAGE);
	SC(SYS_brk, base + 4 * PAGE);
	GET("brk grown again is zero", base + 3 * PAGE);
	YES("brk below start is refused", (char *)SC(SYS_brk, (char *)errors - 4 * PAGE) == base + 4 * PAGE);
	YES("brk huge is refused", (char *)SC(SYS_brk, 1UL << 47) == base + 4 * PAGE);
	char *wall = mmap(base + 16 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	if (wall != MAP_FAILED) {
		YES("brk stops at a mapping", (char *)SC(SYS_brk, base + 17 * PAGE) == base + 4 * PAGE);
		YES("brk up to the mapping", (char *)SC(SYS_brk, base + 16 * PAGE) == base + 4 * PAGE);
		YES("brk leaves a page before the mapping", (char *)SC(SYS_brk, base + 15 * PAGE) == base + 15 * PAGE);
		munmap(wall, PAGE);
	}
	struct rlimit data = { M(1), RLIM_INFINITY };
	setrlimit(RLIMIT_DATA, &data);
	YES("brk RLIMIT_DATA", (char *)SC(SYS_brk, base + M(64)) != base + M(64));
	data.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_DATA, &data);
	SC(SYS_brk, base + 4 * PAGE);
	munmap(base + PAGE, PAGE);
	GET("brk hole by munmap", base + PAGE);
	YES("brk grows over its hole", (char *)SC(SYS_brk, base + 6 * PAGE) == base + 6 * PAGE);
	GET("brk hole stays", base + PAGE);
	YES("brk shrinks over its hole", (char *)SC(SYS_brk, base) == base);
	YES("brk sbrk 0", sbrk(0) != (void *)-1);
	CHILD("brk in the child")
	{
		YES("brk child grows", (char *)SC(SYS_brk, base + 8 * PAGE) == base + 8 * PAGE);
		PUT("brk child writes", base + 7 * PAGE, 1);
	}
	GET("brk parent unchanged", base + 7 * PAGE);
	VAL("brk heap has a name", proc_field("/proc/self/status", "VmData") > 0);
}

int main(void)
{
	errors();
	sizes();
	fixed();
	of_files();
	after_fork();
	breaks();
	return 0;
}
