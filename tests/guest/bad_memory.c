/* SPDX-License-Identifier: MIT */
/* Memory exhausted, too many regions, too many processes: the machine lives. */
#include "check.h"

static void regions(void)
{
	CHILD("max_map_count")
	{
		char *p = mmap(0, 140000 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
		long n = 0;
		for (; n < 70000; n++)
			if (mprotect(p + 2 * n * PAGE, PAGE, PROT_READ) == -1)
				break;
		out("regions beyond max_map_count: %s near 32765: %s\n", errno_name(errno), n > 32700 && n < 32770 ? "yes" : "no");
		out("mmap beyond max_map_count: %s\n", mmap(0, PAGE, PROT_WRITE | PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno_name(errno) : "ok");
		R("munmap a hole beyond max_map_count", munmap(p + 139000 * PAGE, PAGE));
		R("munmap all", munmap(p, 140000 * PAGE));
	}
}

static void exhaust(void)
{
	CHILD("memory touched until there is no more")
	{
		for (int i = 0; i < 4000; i++) {
			char *p = mmap(0, M(16), RW, ANON | MAP_NORESERVE, -1, 0);
			if (p == MAP_FAILED)
				_exit(1);
			for (size_t j = 0; j < M(16); j += PAGE)
				p[j] = 1;
		}
		_exit(2);
	}
	CHILD("the machine lives after")
	{
		char *p = anon(M(8), RW, MAP_PRIVATE);
		memset(p, 1, M(8));
		out("8 MiB are to be had: yes\n");
	}
	CHILD("tables until there is no more")
	{
		char *p = mmap(0, 1UL << 44, PROT_READ, ANON | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			_exit(1);
		for (size_t j = 0; j < 1UL << 44; j += M(2))
			*(volatile char *)(p + j);
		_exit(2);
	}
	CHILD("the machine lives after tables") memset(anon(M(8), RW, MAP_PRIVATE), 1, M(8));
}

static void overcommit(void)
{
	R("mmap ENOMEM more than there is", (long)mmap(0, 1UL << 42, RW, ANON, -1, 0));
	OK("mmap MAP_NORESERVE more than there is", (long)mmap(0, 1UL << 42, RW, ANON | MAP_NORESERVE, -1, 0));
	OK("mmap read-only more than there is", (long)mmap(0, 1UL << 42, PROT_READ, ANON, -1, 0));
	int fd = open("/tmp/fill", O_RDWR | O_CREAT, 0600);
	static char buf[1 << 16];
	long r;
	while ((r = write(fd, buf, sizeof buf)) == sizeof buf)
		;
	out("tmpfs filled: %s\n", r == -1 ? errno_name(errno) : "short write");
	r = r == -1 ? -1 : write(fd, buf, sizeof buf);
	out("tmpfs filled, again: %s\n", r == -1 ? errno_name(errno) : "ok");
	unlink("/tmp/fill");
	close(fd);
	fd = open("/tmp/fill", O_RDWR | O_CREAT, 0600);
	R("tmpfs has room after unlink", write(fd, buf, sizeof buf));
	unlink("/tmp/fill");
}

static void bomb(void)
{
	CHILD("fork bomb under RLIMIT_NPROC")
	{
		struct rlimit r = { 20, 20 };
		setpgid(0, 0);
		setresuid(4321, 4321, 4321);
		setrlimit(RLIMIT_NPROC, &r);
		if (fork() == 0) {
			alarm(1);
			for (;;)
				if (fork() == 0)
					alarm(1);
		}
		sleep_ms(600);
		signal(SIGALRM, SIG_IGN);
		for (int i = 0; i < 50; i++) {
			kill(-1, SIGKILL);
			sleep_ms(2);
		}
		while (wait(NULL) > 0)
			;
	}
	CHILD("fork after the bomb") out("still forks: yes\n");
}

int main(void)
{
	regions();
	overcommit();
	exhaust();
	bomb();
	return 0;
}
