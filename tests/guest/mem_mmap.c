/* SPDX-License-Identifier: MIT */
/* mmap: what it accepts, where it maps, what it refuses. */
#include "check.h"

static long map(void *a, size_t len, int prot, int flags, int fd, off_t off)
{
	return SC(SYS_mmap, a, len, prot, flags, fd, off);
}

static void errors(int fd, int ro, int wo)
{
	R("mmap EINVAL length 0", map(0, 0, RW, ANON, -1, 0));
	R("mmap EINVAL no type", map(0, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	R("mmap EINVAL offset not aligned", map(0, PAGE, RW, MAP_PRIVATE, fd, 100));
	R("mmap EINVAL fixed address not aligned", map((void *)0x10000001, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	R("mmap EBADF", map(0, PAGE, RW, MAP_PRIVATE, 999, 0));
	R("mmap EBADF minus one", map(0, PAGE, RW, MAP_PRIVATE, -1, 0));
	R("mmap ENOMEM huge length", map(0, 1UL << 47, RW, ANON, -1, 0));
	R("mmap ENOMEM length wraps", map(0, -1UL, RW, ANON, -1, 0));
	R("mmap ENOMEM fixed beyond user space", map((void *)(1UL << 47), PAGE, RW, ANON | MAP_FIXED, -1, 0));
	R("mmap ENOMEM fixed over the end", map((void *)((1UL << 47) - 2 * PAGE), 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	R("mmap ENOMEM last page of user space", map((void *)((1UL << 47) - PAGE), PAGE, RW, ANON | MAP_FIXED, -1, 0));
	R("mmap EOVERFLOW offset", map(0, PAGE, PROT_READ, MAP_PRIVATE, fd, -PAGE));
	R("mmap EOVERFLOW offset plus length", map(0, 4 * PAGE, PROT_READ, MAP_SHARED, fd, LONG_MAX & ~(PAGE - 1)));
	R("mmap EACCES write-only file", map(0, PAGE, PROT_WRITE, MAP_SHARED, wo, 0));
	R("mmap EACCES write-only file private", map(0, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
	R("mmap EACCES shared write of read-only file", map(0, PAGE, RW, MAP_SHARED, ro, 0));
	OK("mmap MAP_PRIVATE write of read-only file", map(0, PAGE, RW, MAP_PRIVATE, ro, 0));
	OK("mmap MAP_SHARED read of read-only file", map(0, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	int dir = open("/", O_RDONLY | O_DIRECTORY);
	R("mmap ENODEV directory", map(0, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
	int p[2];
	if (pipe(p) == 0)
		R("mmap ENODEV pipe", map(0, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0));
	int path = open("/", O_PATH);
	R("mmap EBADF O_PATH", map(0, PAGE, PROT_READ, MAP_PRIVATE, path, 0));
	R("mmap EINVAL MAP_SHARED_VALIDATE anonymous", map(0, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
	R("mmap EOPNOTSUPP MAP_SHARED_VALIDATE unknown flag", map(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x400000, fd, 0));
	OK("mmap MAP_SHARED_VALIDATE", map(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
	R("mmap MAP_SHARED_VALIDATE MAP_SYNC", map(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
	OK("mmap unknown flags ignored", map(0, PAGE, PROT_READ, ANON | 0x8000000, -1, 0));
	OK("mmap unknown prot ignored", map(0, PAGE, PROT_READ | 0x40, ANON, -1, 0));
	R("mmap MAP_HUGETLB without pool", map(0, M(2), RW, ANON | MAP_HUGETLB, -1, 0));
	struct rlimit as = { M(64), RLIM_INFINITY }, old;
	getrlimit(RLIMIT_AS, &old);
	setrlimit(RLIMIT_AS, &as);
	R("mmap ENOMEM RLIMIT_AS", map(0, M(64), RW, ANON, -1, 0));
	OK("mmap RLIMIT_AS below", map(0, M(8), RW, ANON, -1, 0));
	setrlimit(RLIMIT_AS, &old);
	struct rlimit data = { M(16), RLIM_INFINITY };
	setrlimit(RLIMIT_DATA, &data);
	R("mmap ENOMEM RLIMIT_DATA private writable", map(0, M(32), RW, ANON, -1, 0));
	OK("mmap RLIMIT_DATA read-only does not count", map(0, M(32), PROT_READ, ANON, -1, 0));
	OK("mmap RLIMIT_DATA shared does not count", map(0, M(32), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	data.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_DATA, &data);
}

static void low_addresses(void)
{
	YES("mmap hint below mmap_min_addr is moved", map((void *)PAGE, PAGE, RW, ANON, -1, 0) >= 65536);
	long r = map((void *)0x10000, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	YES("mmap at mmap_min_addr", r == 0x10000);
	munmap((void *)0x10000, PAGE);
	CHILD("mmap EPERM below mmap_min_addr")
	{
		setresuid(1000, 1000, 1000);
		R("mmap EPERM address 0 without CAP_SYS_RAWIO", map(0, PAGE, RW, ANON | MAP_FIXED, -1, 0));
		R("mmap EPERM page 1", map((void *)PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	}
}

static void placement(void)
{
	char *w = window(16);
	YES("mmap hint honoured", map(w, PAGE, RW, ANON, -1, 0) == (long)w);
	YES("mmap hint rounded down", (map(w + 4 * PAGE + 5, PAGE, RW, ANON, -1, 0)) == (long)(w + 4 * PAGE));
	YES("mmap hint taken", map(w, PAGE, RW, ANON, -1, 0) != (long)w);
	put(w, 7);
	YES("mmap MAP_FIXED replaces", map(w, PAGE, RW, ANON | MAP_FIXED, -1, 0) == (long)w);
	GET("mmap MAP_FIXED replaced is zero", w);
	R("mmap EEXIST MAP_FIXED_NOREPLACE", map(w, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	R("mmap EEXIST MAP_FIXED_NOREPLACE overlap at end", map(w - PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	YES("mmap MAP_FIXED_NOREPLACE free", map(w + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == (long)(w + PAGE));
	long low = map(0, PAGE, RW, ANON | MAP_32BIT, -1, 0);
	YES("mmap MAP_32BIT", low > 0 && low < (1L << 31));
	YES("mmap length rounded up", map(w + 8 * PAGE, PAGE + 1, RW, ANON | MAP_FIXED, -1, 0) == (long)(w + 8 * PAGE));
	PUT("mmap length rounded up second page", w + 9 * PAGE + 4095, 1);
	GET("mmap length rounded up third page", w + 10 * PAGE);
	char *a = anon(PAGE, RW, MAP_PRIVATE), *b = anon(PAGE, RW, MAP_PRIVATE);
	YES("mmap chooses downwards, next to the last", b == a - PAGE);
	munmap(a, PAGE);
	YES("mmap finds the highest gap", anon(PAGE, RW, MAP_PRIVATE) == a);
}

static void merging(void)
{
	char *w = window(12);
	map(w, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	map(w + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	maps("mmap merge neighbours", w, 12);
	map(w + 6 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	map(w + 4 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	maps("mmap merge both sides", w, 12);
	map(w + 8 * PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	maps("mmap other rights do not merge", w, 12);
	map(w + 2 * PAGE, 2 * PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0);
	maps("mmap MAP_FIXED splits", w, 12);
	map(w + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0);
	maps("mmap MAP_NORESERVE does not merge", w, 12);
	map(w + 10 * PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	map(w + 11 * PAGE, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	maps("mmap MAP_SHARED anonymous objects do not merge", w + 10 * PAGE, 2);
	munmap(w, 12 * PAGE);
	int fd = temp_file("merge", 8);
	map(w, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	map(w + 2 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE);
	map(w + 4 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 6 * PAGE);
	map(w + 6 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	maps("mmap merge of a file", w, 12);
	close(fd);
	GET("mmap file stays after close", w + 3 * PAGE);
	unlink("merge");
	GET("mmap file stays after unlink", w + 4 * PAGE);
	maps("mmap deleted file", w, 2);
}

static void files(void)
{
	int fd = temp_file("file", 3);
	ftruncate(fd, 2 * PAGE + 100);
	char *s = mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0), *p = mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	char c = 0;
	GET("mmap file content", s + PAGE);
	GET("mmap file last byte", s + 2 * PAGE + 99);
	GET("mmap file rest of last page is zero", s + 2 * PAGE + 100);
	GET("mmap SIGBUS past the end", s + 3 * PAGE);
	PUT("mmap SIGBUS past the end write", p + 3 * PAGE, 1);
	PUT("mmap write through shared", s, 'X');
	pread(fd, &c, 1, 0);
	VAL("mmap MAP_SHARED seen by read", c);
	GET("mmap MAP_PRIVATE follows file until written", p);
	PUT("mmap MAP_PRIVATE write", p, 'Y');
	pread(fd, &c, 1, 0);
	VAL("mmap MAP_PRIVATE not seen by read", c);
	PUT("mmap write again", s + 1, 'Z');
	GET("mmap MAP_PRIVATE copied page no longer follows", p + 1);
	pwrite(fd, "Q", 1, PAGE);
	GET("mmap write call seen by mapping", s + PAGE);
	GET("mmap write call seen by private mapping", p + PAGE);
	PUT("mmap write in the rest of last page", s + 2 * PAGE + 200, 5);
	ftruncate(fd, 3 * PAGE);
	pread(fd, &c, 1, 2 * PAGE + 200);
	VAL("mmap rest of last page after extension", c);
	GET("mmap page that the file grew over", s + 2 * PAGE + 4095);
	ftruncate(fd, PAGE);
	GET("mmap SIGBUS after truncate", s + PAGE);
	GET("mmap SIGBUS after truncate private", p + PAGE);
	ftruncate(fd, 4 * PAGE);
	GET("mmap zero after truncate and extension", s + PAGE);
	GET("mmap private copy survives truncate of others", p);
	ftruncate(fd, 0);
	GET("mmap private copy gone with truncate", p);
	close(fd);
}

static void rights(void)
{
	char *p = anon(PAGE, PROT_NONE, MAP_PRIVATE);
	GET("mmap PROT_NONE read", p);
	PUT("mmap PROT_NONE write", p, 1);
	p = anon(PAGE, PROT_READ, MAP_PRIVATE);
	GET("mmap PROT_READ read", p);
	PUT("mmap PROT_READ write", p, 1);
	RUN("mmap PROT_READ execute", p);
	p = anon(PAGE, PROT_WRITE, MAP_PRIVATE);
	PUT("mmap PROT_WRITE write", p, 1);
	GET("mmap PROT_WRITE read", p);
	p = anon(PAGE, RW, MAP_PRIVATE);
	put(p, 0xc3);
	RUN("mmap PROT_READ|PROT_WRITE execute", p);
	mprotect(p, PAGE, PROT_EXEC);
	RUN("mmap PROT_EXEC execute", p);
	GET("mmap PROT_EXEC read", p);
	PUT("mmap PROT_EXEC write", p, 1);
	GET("mmap null read", (char *)0);
	PUT("mmap null write", (char *)8, 1);
	GET("mmap kernel address", (char *)0xffffffff80000000UL);
	GET("mmap not canonical address", (char *)0x1234567890abcdefUL);
}

static void populate(void)
{
	unsigned char vec[8];
	char *p = anon(8 * PAGE, RW, MAP_PRIVATE);
	mincore(p, 8 * PAGE, vec);
	VAL("mmap not populated", vec[0] + vec[7]);
	p = anon(8 * PAGE, RW, MAP_PRIVATE | MAP_POPULATE);
	mincore(p, 8 * PAGE, vec);
	VAL("mmap MAP_POPULATE", vec[0] + vec[7]);
	long before = minor_faults();
	for (int i = 0; i < 8; i++)
		put(p + i * PAGE, i);
	VAL("mmap MAP_POPULATE faults after", minor_faults() - before);
	p = anon(8 * PAGE, RW, MAP_PRIVATE | MAP_LOCKED);
	mincore(p, 8 * PAGE, vec);
	VAL("mmap MAP_LOCKED", vec[0] + vec[7]);
	p = anon(8 * PAGE, RW, MAP_PRIVATE | MAP_POPULATE | MAP_NONBLOCK);
	mincore(p, 8 * PAGE, vec);
	VAL("mmap MAP_NONBLOCK", vec[0] + vec[7]);
	p = anon(8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_POPULATE);
	GET("mmap MAP_POPULATE of PROT_NONE", p);
	OK("mmap MAP_STACK", map(0, PAGE, RW, ANON | MAP_STACK, -1, 0));
	OK("mmap MAP_DENYWRITE", map(0, PAGE, RW, ANON | MAP_DENYWRITE, -1, 0));
	OK("mmap MAP_EXECUTABLE", map(0, PAGE, RW, ANON | MAP_EXECUTABLE, -1, 0));
	struct rlimit lock = { 4 * PAGE, 4 * PAGE };
	CHILD("mmap RLIMIT_MEMLOCK")
	{
		setrlimit(RLIMIT_MEMLOCK, &lock);
		setresuid(1000, 1000, 1000);
		R("mmap EAGAIN MAP_LOCKED beyond the limit", map(0, 8 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	}
	CHILD("mmap no right to lock")
	{
		lock.rlim_cur = lock.rlim_max = 0;
		setrlimit(RLIMIT_MEMLOCK, &lock);
		setresuid(1000, 1000, 1000);
		R("mmap EPERM MAP_LOCKED", map(0, PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	}
}

int main(void)
{
	temp_file("plain", 4);
	int fd = open("plain", O_RDWR), ro = open("plain", O_RDONLY), wo = open("plain", O_WRONLY);
	errors(fd, ro, wo);
	low_addresses();
	placement();
	merging();
	files();
	rights();
	populate();
	return 0;
}
