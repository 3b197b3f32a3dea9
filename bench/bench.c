/* SPDX-License-Identifier: MIT */
/*
 * What memory operations cost, in instructions: run under QEMU with -icount shift=0, where one tick of
 * the time-stamp counter is one instruction. Prints "name ticks-per-operation" lines, then powers off
 * when it is PID 1's child or init itself.
 *
 * Each test warms up what it does not measure, then brackets a loop of raw system calls or touches.
 */
#define _GNU_SOURCE
#include "sys.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB  (1024 * 1024ul)


static void report(const char *name, uint64_t t, double n)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "BENCH %s %.1f\n", name, (double)t / n);
	if (write(1, line, (size_t)len) < 0)
		_exit(1);
	ioctl(1, 0x5409 /* TCSBRK */, 1); /* drained: no console interrupt in the next test */
}

static char *map(unsigned long len, int prot, int flags)
{
	char *p = mmap(NULL, len, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("bench: mmap");
		_exit(1);
	}
	return p;
}

#define RW (PROT_READ | PROT_WRITE)

static char *map4k(unsigned long len)
{
	char *p = map(len, RW, 0);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static inline void touch(volatile char *p) { *p = 1; }
static inline char peek(volatile char *p) { return *p; }

static void null_syscall(void)
{
	uint64_t t = ticks();
	for (int i = 0; i < 10000; i++)
		sys0(SYS_getppid);
	report("null_syscall", ticks() - t, 10000);
}

static long raw_mmap(unsigned long len) { return sys6(SYS_mmap, 0, (long)len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

static void mmap_munmap(void)
{
	uint64_t t = ticks();
	for (int i = 0; i < 2000; i++)
		sys3(SYS_munmap, raw_mmap(PAGE), PAGE, 0);
	report("mmap_munmap_4k", ticks() - t, 2000);
	t = ticks();
	for (int i = 0; i < 2000; i++) {
		long p = raw_mmap(PAGE);
		touch((char *)p);
		sys3(SYS_munmap, p, PAGE, 0);
	}
	report("mmap_touch_munmap_4k", ticks() - t, 2000);
}

/* The record of Quire's decisions (docs/record.md): a child turns it on or off, since the writer's own doings are left
 * out. False: there is none. */
static bool record(const char *events)
{
	int status, fd = open("/proc/quire/trace/events", O_WRONLY);
	if (fd < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		_exit(write(fd, events, strlen(events)) != (ssize_t)strlen(events));
	waitpid(pid, &status, 0);
	close(fd);
	return status == 0;
}

static void recorded(void)
{
	enum { N = 4096 };
	char *p = map4k(N * PAGE);
	if (!record("fault"))
		return;
	uint64_t t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("anon_fault_4k_recorded", ticks() - t, N);
	record("\n");
	munmap(p, N * PAGE);
}

static void anon(void)
{
	enum { N = 4096 };
	char *p = map4k(N * PAGE);
	uint64_t t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("anon_fault_4k", ticks() - t, N);
	t = ticks();
	for (int i = 0; i < N; i++)
		peek(p + i * PAGE);
	report("resident_read_4k", ticks() - t, N);
	t = ticks();
	sys3(SYS_munmap, (long)p, N * PAGE, 0);
	report("munmap_resident_per_page", ticks() - t, N);

	p = map4k(N * PAGE);
	t = ticks();
	for (int i = 0; i < N; i++)
		peek(p + i * PAGE);
	report("anon_read_fault_zeropage", ticks() - t, N);
	t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("anon_write_after_read", ticks() - t, N);
	t = ticks();
	sys3(SYS_madvise, (long)p, N * PAGE, MADV_DONTNEED);
	report("dontneed_per_page", ticks() - t, N);
	munmap(p, N * PAGE);

	t = ticks();
	p = (char *)sys6(SYS_mmap, 0, N * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	report("populate_write_per_page", ticks() - t, N);
	t = ticks();
	for (int i = 0; i < 2000; i++) {
		sys3(SYS_madvise, (long)p, PAGE, MADV_DONTNEED);
		touch(p);
	}
	report("dontneed_touch_4k", ticks() - t, 2000);
	munmap(p, N * PAGE);
}

/* Child's copy faults after fork; then the parent's, when it is alone again. */
static void cow(void)
{
	enum { N = 2048 };
	char *p = map4k(N * PAGE);
	memset(p, 1, N * PAGE);
	int pid = fork();
	if (pid == 0) {
		uint64_t t = ticks();
		for (int i = 0; i < N; i++)
			touch(p + i * PAGE);
		report("cow_fault_child", ticks() - t, N);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	uint64_t t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("cow_reuse_parent", ticks() - t, N);
	munmap(p, N * PAGE);
}

static void fork_exit(const char *name, unsigned long mib, int rounds)
{
	char *p = map4k(mib * MIB);
	memset(p, 1, mib * MIB);
	uint64_t total = 0;
	for (int i = 0; i < rounds; i++) {
		uint64_t t = ticks();
		long pid = sys0(SYS_fork);
		if (pid == 0)
			sys3(SYS_exit_group, 0, 0, 0);
		sys6(SYS_wait4, pid, 0, 0, 0, 0, 0);
		total += ticks() - t;
		touch(p); /* as a program would go on */
	}
	report(name, total, rounds);
	munmap(p, mib * MIB);
}

static void exec_self(void)
{
	static char *const argv[] = { "/bench", "exit", NULL };
	static char *const envp[] = { NULL };
	for (int v = 0; v < 2; v++) {
		uint64_t t = ticks();
		for (int i = 0; i < 20; i++) {
			long pid = v ? vfork() : sys0(SYS_fork);
			if (pid == 0) {
				sys3(SYS_execve, (long)"/bench", (long)argv, (long)envp);
				sys3(SYS_exit_group, 127, 0, 0);
			}
			sys6(SYS_wait4, pid, 0, 0, 0, 0, 0);
		}
		report(v ? "vfork_exec_wait" : "fork_exec_wait", ticks() - t, 20);
	}
}

static void tmpfs_io(void)
{
	static char buf[65536];
	int fd = open("/tmp/bench", O_RDWR | O_CREAT | O_TRUNC, 0600);
	memset(buf, 1, sizeof(buf));
	uint64_t t = ticks();
	for (int i = 0; i < 256; i++)
		sys6(SYS_pwrite64, fd, (long)buf, 65536, i * 65536l, 0, 0);
	report("write_new_64k_tmpfs", ticks() - t, 256);
	t = ticks();
	for (int i = 0; i < 256; i++)
		sys6(SYS_pwrite64, fd, (long)buf, 65536, i * 65536l, 0, 0);
	report("write_over_64k_tmpfs", ticks() - t, 256);
	t = ticks();
	for (int i = 0; i < 256; i++)
		sys6(SYS_pread64, fd, (long)buf, 65536, i * 65536l, 0, 0);
	report("read_64k_tmpfs", ticks() - t, 256);
	t = ticks();
	for (int i = 0; i < 2000; i++)
		sys6(SYS_pread64, fd, (long)buf, 4096, i * 4096l, 0, 0);
	report("read_4k_tmpfs", ticks() - t, 2000);
	t = ticks();
	for (int i = 0; i < 2000; i++)
		sys6(SYS_pread64, fd, (long)buf, 1, i, 0, 0);
	report("read_1b_tmpfs", ticks() - t, 2000);
	close(fd);
}

static char *map_file(int fd, int flags, unsigned long len)
{
	return mmap(NULL, len, RW, flags, fd, 0);
}

static void tmpfs_faults(void)
{
	enum { N = 4096 };
	int fd = open("/tmp/bench", O_RDWR);
	char *p = map_file(fd, MAP_PRIVATE, N * PAGE);
	uint64_t t = ticks();
	for (int i = 0; i < N; i++)
		peek(p + i * PAGE);
	report("file_private_rfault_tmpfs", ticks() - t, N);
	t = ticks();
	sys3(SYS_munmap, (long)p, N * PAGE, 0);
	report("file_munmap_per_page_tmpfs", ticks() - t, N);
	p = map_file(fd, MAP_PRIVATE, N * PAGE);
	t = ticks();
	for (int i = 0; i < N; i += 16)
		peek(p + i * PAGE);
	report("file_private_rfault_sparse_tmpfs", ticks() - t, N / 16);
	munmap(p, N * PAGE);
	p = map_file(fd, MAP_PRIVATE, N * PAGE);
	t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("file_private_wfault_tmpfs", ticks() - t, N);
	munmap(p, N * PAGE);
	p = map_file(fd, MAP_SHARED, N * PAGE);
	t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("file_shared_wfault_tmpfs", ticks() - t, N);
	t = ticks();
	sys3(SYS_msync, (long)p, N * PAGE, MS_SYNC);
	report("msync_per_page_tmpfs", ticks() - t, N);
	munmap(p, N * PAGE);
	close(fd);
	unlink("/tmp/bench");
	p = mmap(NULL, N * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	t = ticks();
	for (int i = 0; i < N; i++)
		touch(p + i * PAGE);
	report("shm_new_wfault", ticks() - t, N);
	munmap(p, N * PAGE);
}

static void protect(void)
{
	char *p = map4k(16 * PAGE);
	memset(p, 1, 16 * PAGE);
	uint64_t t = ticks();
	for (int i = 0; i < 2000; i++)
		sys3(SYS_mprotect, (long)p, 16 * PAGE, i & 1 ? RW : PROT_READ);
	report("mprotect_4k", ticks() - t, 2000);
	mprotect(p, 16 * PAGE, RW);
	t = ticks();
	for (int i = 0; i < 2000; i++)
		sys3(SYS_mprotect, (long)p + 4 * PAGE, PAGE, i & 1 ? RW : PROT_READ);
	report("mprotect_4k_split_merge", ticks() - t, 2000);
	munmap(p, 16 * PAGE);
	p = map4k(16 * MIB);
	memset(p, 1, 16 * MIB);
	t = ticks();
	for (int i = 0; i < 20; i++)
		sys3(SYS_mprotect, (long)p, 16 * MIB, i & 1 ? RW : PROT_READ);
	report("mprotect_16m_resident", ticks() - t, 20);
	munmap(p, 16 * MIB);
}

static void remap(void)
{
	char *hole = map(4 * PAGE, PROT_NONE, 0);
	munmap(hole + PAGE, 3 * PAGE);
	char *p = mmap(hole, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	uint64_t t = ticks(), grow = 0;
	for (int i = 0; i < 2000; i++) {
		uint64_t g = ticks();
		sys6(SYS_mremap, (long)p, PAGE, 2 * PAGE, 0, 0, 0);
		grow += ticks() - g;
		sys6(SYS_mremap, (long)p, 2 * PAGE, PAGE, 0, 0, 0);
	}
	report("mremap_grow_shrink_1_2", ticks() - t, 2000);
	report("mremap_grow_1_2", grow, 2000);
	munmap(p, PAGE);
	p = map4k(16 * MIB);
	memset(p, 1, 16 * MIB);
	t = ticks();
	for (int i = 0; i < 10; i++) /* the target is the kernel's choice, as programs use it */
		p = (char *)sys6(SYS_mremap, (long)p, 16 * MIB, (16 + 2 * (i + 1)) * MIB, MREMAP_MAYMOVE, 0, 0);
	report("mremap_grow_or_move_16m", ticks() - t, 10);
	munmap(p, 36 * MIB);
	p = map4k(16 * MIB);
	memset(p, 1, 16 * MIB);
	char *q = map(48 * MIB, PROT_NONE, MAP_NORESERVE);
	q = (char *)(((unsigned long)q + 2 * MIB - 1) & ~(2 * MIB - 1));
	for (int i = 0; i < 11; i++) { /* the first is entry by entry: p and q lie differently in their tables */
		if (i < 2)
			t = ticks();
		sys6(SYS_mremap, (long)p, 16 * MIB, 16 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, (long)(q + (i & 1) * 20 * MIB), 0);
		p = q + (i & 1) * 20 * MIB;
		if (i == 0)
			report("mremap_move_entries_per_page", ticks() - t, 4096);
	}
	report("mremap_move_tables_per_page", ticks() - t, 10.0 * 4096);
	munmap(q, 46 * MIB);
}

static void heap(void)
{
	long base = sys3(SYS_brk, 0, 0, 0);
	base = (long)(((unsigned long)base + PAGE - 1) & ~(PAGE - 1));
	sys3(SYS_brk, base, 0, 0);
	uint64_t t = ticks();
	for (int i = 0; i < 2000; i++) {
		sys3(SYS_brk, base + (long)PAGE, 0, 0);
		sys3(SYS_brk, base, 0, 0);
	}
	report("brk_grow_shrink_4k", ticks() - t, 2000);
	t = ticks();
	for (int i = 0; i < 2000; i++) {
		sys3(SYS_brk, base + (long)PAGE, 0, 0);
		touch((char *)base);
		sys3(SYS_brk, base, 0, 0);
	}
	report("brk_grow_touch_shrink_4k", ticks() - t, 2000);
}

static void many_regions(const char *fault_name, const char *map_name, int nr)
{
	unsigned long len = 2ul * (unsigned)nr * PAGE;
	char *p = map(len, PROT_NONE, MAP_NORESERVE);
	for (int i = 0; i < nr; i++) /* every other page has other rights: nothing merges */
		mprotect(p + 2ul * (unsigned)i * PAGE, PAGE, RW);
	enum { N = 1000 };
	char *q = map4k(N * PAGE);
	uint64_t t = ticks();
	for (int i = 0; i < N; i++)
		touch(q + i * PAGE);
	report(fault_name, ticks() - t, N);
	t = ticks();
	for (int i = 0; i < N; i++)
		sys3(SYS_munmap, raw_mmap(PAGE), PAGE, 0);
	report(map_name, ticks() - t, N);
	munmap(q, N * PAGE);
	munmap(p, len);
}

static void pipes(void)
{
	int a[2], b[2];
	char c = 0;
	if (pipe(a) || pipe(b))
		_exit(1);
	int pid = fork();
	if (pid == 0) {
		while (sys3(SYS_read, a[0], (long)&c, 1) == 1 && c)
			sys3(SYS_write, b[1], (long)&c, 1);
		_exit(0);
	}
	c = 1;
	for (int i = 0; i < 10; i++) {
		sys3(SYS_write, a[1], (long)&c, 1);
		sys3(SYS_read, b[0], (long)&c, 1);
	}
	uint64_t t = ticks();
	for (int i = 0; i < 2000; i++) {
		sys3(SYS_write, a[1], (long)&c, 1);
		sys3(SYS_read, b[0], (long)&c, 1);
	}
	report("pipe_pingpong_roundtrip", ticks() - t, 2000);
	c = 0;
	sys3(SYS_write, a[1], (long)&c, 1);
	waitpid(pid, NULL, 0);
	t = ticks();
	for (int i = 0; i < 2000; i++) {
		sys3(SYS_write, b[1], (long)&c, 1);
		sys3(SYS_read, b[0], (long)&c, 1);
	}
	report("pipe_write_read_self", ticks() - t, 2000);
}

static void futexes(void)
{
	volatile int *f = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	enum { N = 2000 };
	int pid = fork();
	if (pid == 0) {
		for (int i = 0; i < N; i++) {
			while (f[0] == 0)
				sys6(SYS_futex, (long)&f[0], FUTEX_WAIT, 0, 0, 0, 0);
			f[0] = 0;
			f[16] = 1;
			sys6(SYS_futex, (long)&f[16], FUTEX_WAKE, 1, 0, 0, 0);
		}
		_exit(0);
	}
	uint64_t t = ticks();
	for (int i = 0; i < N; i++) {
		f[0] = 1;
		sys6(SYS_futex, (long)&f[0], FUTEX_WAKE, 1, 0, 0, 0);
		while (f[16] == 0)
			sys6(SYS_futex, (long)&f[16], FUTEX_WAIT, 0, 0, 0, 0);
		f[16] = 0;
	}
	report("futex_pingpong_roundtrip", ticks() - t, N);
	waitpid(pid, NULL, 0);
}

static char *segv_page;
static void on_segv(int sig)
{
	(void)sig;
	sys3(SYS_mprotect, (long)segv_page, PAGE, RW);
}

static void segv(void)
{
	struct sigaction sa = { .sa_handler = on_segv };
	segv_page = map4k(PAGE);
	touch(segv_page);
	sigaction(SIGSEGV, &sa, NULL);
	uint64_t t = ticks();
	for (int i = 0; i < 1000; i++) {
		sys3(SYS_mprotect, (long)segv_page, PAGE, PROT_READ);
		touch(segv_page);
	}
	report("segv_2mprotect_roundtrip", ticks() - t, 1000);
	signal(SIGSEGV, SIG_DFL);
}

static void run_all(void)
{
	null_syscall();
	mmap_munmap();
	anon();
	recorded();
	cow();
	fork_exit("fork_exit_wait_1m", 1, 20);
	fork_exit("fork_exit_wait_16m", 16, 10);
	fork_exit("fork_exit_wait_128m", 128, 5);
	exec_self();
	tmpfs_io();
	tmpfs_faults();
	protect();
	remap();
	heap();
	many_regions("fault_vmas_1", "mmap_munmap_vmas_1", 1);
	many_regions("fault_vmas_1000", "mmap_munmap_vmas_1000", 1000);
	many_regions("fault_vmas_30000", "mmap_munmap_vmas_30000", 30000);
	pipes();
	futexes();
	segv();
}

/* "key value" of /proc/meminfo at init's start, before anything else ran. */
static void report_meminfo(void)
{
	char text[4096], *line;
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = 0;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "MemTotal", 8) || !strncmp(line, "MemFree", 7))
			printf("BENCH_INFO %s\n", line);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exit"))
		_exit(0);
	uint64_t at_init = ticks();
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, "");
		mkdir("/tmp", 0755);
		mount("tmpfs", "/tmp", "tmpfs", 0, "");
		mkdir("/dev", 0755);
		mount("devtmpfs", "/dev", "devtmpfs", 0, "");
		int fd = open("/dev/console", O_RDWR);
		for (int i = 0; fd >= 0 && i < 3; i++)
			dup2(fd, i);
		printf("BENCH_INFO ticks_at_init %lu\n", (unsigned long)at_init);
		report_meminfo();
		if (fork() == 0) {
			usleep(100000); /* what the boot left over is done by then */
			run_all();
			_exit(0);
		}
		wait(NULL);
		printf("BENCH_END\n");
		fflush(stdout);
		ioctl(1, 0x5409, 1);
		reboot(RB_POWER_OFF);
	}
	run_all();
	return 0;
}
