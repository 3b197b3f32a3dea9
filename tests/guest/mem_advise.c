/* SPDX-License-Identifier: MIT */
/* madvise and mincore. */
#include "check.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static const char *resident(char *p, int n)
{
	static char buf[64];
	unsigned char vec[64] = { 0 };
	if (mincore(p, n * PAGE, vec) == -1)
		return errno_name(errno);
	for (int i = 0; i < n; i++)
		buf[i] = vec[i] & 1 ? '1' : '0';
	buf[n] = 0;
	return buf;
}

static void fill(char *p, int n)
{
	for (int i = 0; i < n; i++)
		put(p + i * PAGE, i + 1);
}

static void errors(void)
{
	char *w = window(8);
	mmap(w, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	R("madvise EINVAL not aligned", madvise(w + 1, PAGE, MADV_DONTNEED));
	R("madvise EINVAL unknown advice", madvise(w, PAGE, 999));
	R("madvise EINVAL length wraps", madvise(w, -PAGE, MADV_DONTNEED));
	R("madvise length 0", madvise(w, 0, MADV_DONTNEED));
	R("madvise ENOMEM nothing there", madvise(w + 4 * PAGE, PAGE, MADV_DONTNEED));
	fill(w, 4);
	munmap(w + PAGE, PAGE);
	R("madvise ENOMEM hole", madvise(w, 4 * PAGE, MADV_DONTNEED));
	GET("madvise ENOMEM but applied before the hole", w);
	GET("madvise ENOMEM but applied after the hole", w + 3 * PAGE);
	R("madvise ENOMEM hole with WILLNEED", madvise(w, 4 * PAGE, MADV_WILLNEED));
	int fd = temp_file("adv", 2);
	char *s = mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0), *p = mmap(0, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	R("madvise EINVAL MADV_FREE of a file", madvise(s, PAGE, MADV_FREE));
	R("madvise EINVAL MADV_FREE of private file", madvise(p, PAGE, MADV_FREE));
	R("madvise EINVAL MADV_REMOVE of anonymous", madvise(w, PAGE, MADV_REMOVE));
	R("madvise EINVAL MADV_REMOVE of private file", madvise(p, PAGE, MADV_REMOVE));
	char *ro = mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, open("adv", O_RDONLY), 0);
	R("madvise EACCES MADV_REMOVE of file open read-only", madvise(ro, PAGE, MADV_REMOVE));
	R("madvise EINVAL MADV_WIPEONFORK of a file", madvise(p, PAGE, MADV_WIPEONFORK));
	R("madvise EINVAL MADV_WIPEONFORK of shared anonymous", madvise(anon(PAGE, RW, MAP_SHARED), PAGE, MADV_WIPEONFORK));
	mlock(w, PAGE);
	R("madvise EINVAL MADV_DONTNEED of locked", madvise(w, PAGE, MADV_DONTNEED));
	R("madvise EINVAL MADV_FREE of locked", madvise(w, PAGE, MADV_FREE));
	R("madvise MADV_DONTNEED_LOCKED", madvise(w, PAGE, MADV_DONTNEED_LOCKED));
	R("madvise EINVAL MADV_COLD of locked", madvise(w, PAGE, MADV_COLD));
	R("madvise EINVAL MADV_PAGEOUT of locked", madvise(w, PAGE, MADV_PAGEOUT));
	R("madvise EINVAL MADV_REMOVE of locked", madvise(w, PAGE, MADV_REMOVE));
	munlock(w, PAGE);
	char *none = anon(PAGE, PROT_NONE, MAP_PRIVATE), *readable = anon(PAGE, PROT_READ, MAP_PRIVATE);
	R("madvise EFAULT MADV_POPULATE_READ of PROT_NONE", madvise(none, PAGE, MADV_POPULATE_READ));
	R("madvise MADV_POPULATE_READ of PROT_READ", madvise(readable, PAGE, MADV_POPULATE_READ));
	R("madvise EFAULT MADV_POPULATE_WRITE of PROT_READ", madvise(readable, PAGE, MADV_POPULATE_WRITE));
	R("madvise ENOMEM MADV_POPULATE_READ hole", madvise(w, 4 * PAGE, MADV_POPULATE_READ));
	char *end = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	R("madvise EFAULT MADV_POPULATE_READ past the file's end", madvise(end, 4 * PAGE, MADV_POPULATE_READ));
	R("madvise EPERM MADV_HWPOISON as user", (seteuid(1000), madvise(w, PAGE, MADV_HWPOISON)));
	R("madvise EPERM MADV_SOFT_OFFLINE as user", madvise(w, PAGE, 101));
	seteuid(0);
}

static void accepted(void)
{
	static const struct { int advice; const char *name; } list[] = {
		{ MADV_NORMAL, "madvise MADV_NORMAL" }, { MADV_RANDOM, "madvise MADV_RANDOM" },
		{ MADV_SEQUENTIAL, "madvise MADV_SEQUENTIAL" }, { MADV_WILLNEED, "madvise MADV_WILLNEED" },
		{ MADV_DONTFORK, "madvise MADV_DONTFORK" }, { MADV_DOFORK, "madvise MADV_DOFORK" },
		{ MADV_DONTDUMP, "madvise MADV_DONTDUMP" }, { MADV_DODUMP, "madvise MADV_DODUMP" },
		{ MADV_WIPEONFORK, "madvise MADV_WIPEONFORK" }, { MADV_KEEPONFORK, "madvise MADV_KEEPONFORK" },
		{ MADV_COLD, "madvise MADV_COLD" }, { MADV_PAGEOUT, "madvise MADV_PAGEOUT" },
		{ MADV_MERGEABLE, "madvise MADV_MERGEABLE" }, { MADV_UNMERGEABLE, "madvise MADV_UNMERGEABLE" },
		{ MADV_HUGEPAGE, "madvise MADV_HUGEPAGE" }, { MADV_NOHUGEPAGE, "madvise MADV_NOHUGEPAGE" },
	};
	char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	memset(p, 7, 4 * PAGE);
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		R(list[i].name, madvise(p, 4 * PAGE, list[i].advice));
	GET("madvise content is kept", p + PAGE);
	char *w = window(6);
	mmap(w, 6 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	madvise(w + 2 * PAGE, 2 * PAGE, MADV_DONTFORK);
	maps("madvise MADV_DONTFORK splits", w, 6);
	madvise(w + 2 * PAGE, 2 * PAGE, MADV_DOFORK);
	maps("madvise MADV_DOFORK merges", w, 6);
	madvise(w + 2 * PAGE, 2 * PAGE, MADV_DONTNEED);
	maps("madvise MADV_DONTNEED does not split", w, 6);
}

static void dropping(void)
{
	char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	fill(p, 4);
	out("madvise resident: %s\n", resident(p, 4));
	R("madvise MADV_DONTNEED", madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	out("madvise MADV_DONTNEED resident: %s\n", resident(p, 4));
	GET("madvise MADV_DONTNEED kept", p);
	GET("madvise MADV_DONTNEED dropped", p + PAGE);
	R("madvise MADV_DONTNEED length rounded", madvise(p, 1, MADV_DONTNEED));
	GET("madvise MADV_DONTNEED rounded dropped", p);
	int fd = temp_file("drop", 2);
	char *s = mmap(0, 2 * PAGE, RW, MAP_SHARED, fd, 0), *v = mmap(0, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	put(s, 'S');
	put(v, 'V');
	R("madvise MADV_DONTNEED of shared file", madvise(s, PAGE, MADV_DONTNEED));
	GET("madvise MADV_DONTNEED shared content stays", s);
	R("madvise MADV_DONTNEED of private file", madvise(v, PAGE, MADV_DONTNEED));
	GET("madvise MADV_DONTNEED private file shows file again", v);
	char *a = anon(2 * PAGE, RW, MAP_SHARED);
	fill(a, 2);
	madvise(a, PAGE, MADV_DONTNEED);
	GET("madvise MADV_DONTNEED of shared anonymous keeps", a);
	R("madvise MADV_REMOVE of shared anonymous", madvise(a, PAGE, MADV_REMOVE));
	GET("madvise MADV_REMOVE zero", a);
	GET("madvise MADV_REMOVE neighbour", a + PAGE);
	R("madvise MADV_REMOVE of tmpfs file", madvise(s, PAGE, MADV_REMOVE));
	char c = 1;
	pread(fd, &c, 1, 0);
	VAL("madvise MADV_REMOVE hole in file", c);
	GET("madvise MADV_REMOVE seen by private mapping", v);
	fill(p, 4);
	R("madvise MADV_FREE", madvise(p, 2 * PAGE, MADV_FREE));
	PUT("madvise MADV_FREE written again", p, 9);
	GET("madvise MADV_FREE written again stays", p);
}

static void filling(void)
{
	char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	R("madvise MADV_POPULATE_WRITE", madvise(p, 2 * PAGE, MADV_POPULATE_WRITE));
	out("madvise MADV_POPULATE_WRITE resident: %s\n", resident(p, 4));
	long before = minor_faults();
	put(p, 1), put(p + PAGE, 1);
	VAL("madvise MADV_POPULATE_WRITE no fault after", minor_faults() - before);
	R("madvise MADV_POPULATE_READ", madvise(p + 2 * PAGE, PAGE, MADV_POPULATE_READ));
	out("madvise MADV_POPULATE_READ resident: %s\n", resident(p, 4));
	before = minor_faults();
	get(p + 2 * PAGE);
	VAL("madvise MADV_POPULATE_READ no fault after", minor_faults() - before);
	put(p + 2 * PAGE, 1);
	VAL("madvise MADV_POPULATE_READ write faults once", minor_faults() - before);
}

static void forking(void)
{
	char *p = anon(4 * PAGE, RW, MAP_PRIVATE);
	fill(p, 4);
	madvise(p + PAGE, PAGE, MADV_DONTFORK);
	madvise(p + 2 * PAGE, PAGE, MADV_WIPEONFORK);
	CHILD("madvise child")
	{
		GET("madvise child plain", p);
		GET("madvise MADV_DONTFORK child", p + PAGE);
		GET("madvise MADV_WIPEONFORK child", p + 2 * PAGE);
		maps("madvise child regions", p, 4);
		PUT("madvise MADV_WIPEONFORK child writes", p + 2 * PAGE, 8);
		CHILD("madvise grandchild")
			GET("madvise MADV_WIPEONFORK grandchild", p + 2 * PAGE);
	}
	GET("madvise MADV_DONTFORK parent", p + PAGE);
	GET("madvise MADV_WIPEONFORK parent", p + 2 * PAGE);
	madvise(p + 2 * PAGE, PAGE, MADV_KEEPONFORK);
	CHILD("madvise MADV_KEEPONFORK") GET("madvise MADV_KEEPONFORK child", p + 2 * PAGE);
}

static void cores(void)
{
	unsigned char vec[8];
	char *w = window(4);
	mmap(w, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	R("mincore EINVAL not aligned", mincore(w + 1, PAGE, vec));
	R("mincore EFAULT vector", SC(SYS_mincore, w, PAGE, 8));
	R("mincore ENOMEM nothing there", mincore(w + 2 * PAGE, PAGE, vec));
	R("mincore ENOMEM over the end", mincore(w, 3 * PAGE, vec));
	R("mincore ENOMEM length beyond user space", SC(SYS_mincore, w, 1UL << 48, vec));
	R("mincore length 0", mincore(w, 0, vec));
	get(w);
	out("mincore zero page counts: %s\n", resident(w, 2));
	int fd = temp_file("core", 3);
	char *s = mmap(0, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	out("mincore file in cache: %s\n", resident(s, 3));
	ftruncate(fd, PAGE);
	out("mincore truncated file: %s\n", resident(s, 3));
	char *h = mmap(0, 3 * PAGE, PROT_READ, MAP_SHARED, memfd_create("sparse", 0), 0);
	out("mincore empty memfd: %s\n", resident(h, 3));
	char *a = anon(3 * PAGE, RW, MAP_SHARED);
	put(a + PAGE, 1);
	out("mincore shared anonymous: %s\n", resident(a, 3));
}

int main(void)
{
	errors();
	accepted();
	dropping();
	filling();
	forking();
	cores();
	return 0;
}
