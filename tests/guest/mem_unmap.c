/* SPDX-License-Identifier: MIT */
/* munmap and mprotect: splitting, merging, rights, errors. */
#include "check.h"

static void unmapping(void)
{
	char *w = window(10);
	R("munmap EINVAL length 0", SC(SYS_munmap, w, 0));
	R("munmap EINVAL address not aligned", SC(SYS_munmap, w + 1, PAGE));
	R("munmap EINVAL beyond user space", SC(SYS_munmap, 1UL << 47, PAGE));
	R("munmap EINVAL length beyond user space", SC(SYS_munmap, w, 1UL << 47));
	R("munmap EINVAL length wraps", SC(SYS_munmap, w, -1UL));
	R("munmap nothing there", SC(SYS_munmap, w, 10 * PAGE));
	mmap(w, 10 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	for (int i = 0; i < 10; i++)
		put(w + i * PAGE, i + 1);
	R("munmap middle", munmap(w + 4 * PAGE, 2 * PAGE));
	maps("munmap middle splits", w, 10);
	GET("munmap hole", w + 4 * PAGE);
	GET("munmap before the hole", w + 3 * PAGE);
	GET("munmap after the hole", w + 6 * PAGE);
	R("munmap start", munmap(w, PAGE));
	R("munmap end", munmap(w + 9 * PAGE, PAGE));
	maps("munmap both ends", w, 10);
	R("munmap over a hole", munmap(w + 3 * PAGE, 4 * PAGE));
	maps("munmap over a hole trims both", w, 10);
	R("munmap length rounded up", munmap(w + 7 * PAGE, 1));
	maps("munmap rounded", w, 10);
	R("munmap all", munmap(w, 10 * PAGE));
	maps("munmap nothing left", w, 10);
	mmap(w, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	GET("munmap then mmap is zero", w);
	munmap(w, PAGE);
}

static void protecting(void)
{
	char *w = window(10);
	mmap(w, 10 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	memset(w, 3, 10 * PAGE);
	R("mprotect EINVAL address not aligned", mprotect(w + 1, PAGE, PROT_READ));
	R("mprotect length 0", mprotect(w, 0, PROT_READ));
	R("mprotect EINVAL both grow flags", mprotect(w, PAGE, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
	R("mprotect EINVAL PROT_GROWSDOWN on no stack", mprotect(w, PAGE, PROT_READ | PROT_GROWSDOWN));
	R("mprotect EINVAL PROT_GROWSUP", mprotect(w, PAGE, PROT_READ | PROT_GROWSUP));
	R("mprotect EINVAL unknown prot", mprotect(w, PAGE, 0x40));
	R("mprotect ENOMEM length wraps", mprotect(w, -PAGE, PROT_READ));
	R("mprotect ENOMEM nothing there", mprotect(w - PAGE, PAGE, PROT_READ));
	R("mprotect ENOMEM past the end", mprotect(w + 9 * PAGE, 2 * PAGE, PROT_READ));
	maps("mprotect ENOMEM leaves what came before changed", w, 10);
	mprotect(w, 10 * PAGE, RW);
	R("mprotect middle", mprotect(w + 4 * PAGE, 2 * PAGE, PROT_READ));
	maps("mprotect splits", w, 10);
	PUT("mprotect PROT_READ write", w + 4 * PAGE, 1);
	GET("mprotect PROT_READ keeps content", w + 5 * PAGE);
	PUT("mprotect neighbour still writable", w + 6 * PAGE, 4);
	R("mprotect back", mprotect(w + 4 * PAGE, 2 * PAGE, RW));
	maps("mprotect merges", w, 10);
	PUT("mprotect write again", w + 4 * PAGE, 1);
	R("mprotect PROT_NONE", mprotect(w, 2 * PAGE, PROT_NONE));
	GET("mprotect PROT_NONE read", w);
	R("mprotect PROT_NONE back", mprotect(w, 2 * PAGE, PROT_READ));
	GET("mprotect content after PROT_NONE", w);
	maps("mprotect three rights", w, 10);
	R("mprotect whole range over several regions", mprotect(w, 10 * PAGE, PROT_READ));
	maps("mprotect one region again", w, 10);
	munmap(w + 3 * PAGE, PAGE);
	R("mprotect ENOMEM hole", mprotect(w, 10 * PAGE, RW));
	maps("mprotect hole: before it is changed", w, 10);
	munmap(w, 10 * PAGE);
}

static void of_files(void)
{
	temp_file("prot", 2);
	int fd = open("prot", O_RDONLY);
	char *s = mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0), *p = mmap(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	R("mprotect EACCES shared write of read-only file", mprotect(s, PAGE, RW));
	R("mprotect private write of read-only file", mprotect(p, PAGE, RW));
	PUT("mprotect private write", p, 1);
	GET("mprotect private write leaves file", s);
	R("mprotect PROT_EXEC file", mprotect(s, PAGE, PROT_READ | PROT_EXEC));
	maps("mprotect file regions", s, 2);
	char *a = anon(2 * PAGE, RW, MAP_SHARED);
	memset(a, 9, 2 * PAGE);
	R("mprotect shared anonymous", mprotect(a, PAGE, PROT_READ));
	PUT("mprotect shared anonymous write", a, 1);
	mprotect(a, PAGE, RW);
	GET("mprotect shared anonymous content", a);
	maps("mprotect shared anonymous merges", a, 2);
	R("mprotect pkey_mprotect without key", SC(SYS_pkey_mprotect, a, PAGE, PROT_READ, -1));
	PUT("mprotect pkey_mprotect works", a, 1);
	char *z = anon(4 * PAGE, RW, MAP_PRIVATE);
	get(z);
	mprotect(z, PAGE, PROT_READ);
	mprotect(z, PAGE, RW);
	PUT("mprotect zero page then write", z, 5);
	GET("mprotect zero page of others stays zero", z + PAGE);
}

int main(void)
{
	unmapping();
	protecting();
	of_files();
	return 0;
}
