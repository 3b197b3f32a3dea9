/* SPDX-License-Identifier: MIT */
/*
 * What operations on files of a disk cost, in instructions: run by ./quire bench inside the Debian image,
 * whose disk lies in RAM, so that a run repeats. Prints "name ticks-per-operation" lines.
 *
 * The caches are dropped where a test begins cold; every test brackets raw system calls or touches.
 */
#define _GNU_SOURCE
#include "report.h"
#include "sys.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define MIB  (1024 * 1024ul)
#define BIG  (64 * MIB)
#define DIR  "/root/bench"

static char buf[65536];

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		fail("drop_caches");
	close(fd);
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags, 0644);
	if (fd < 0)
		fail(name);
	return fd;
}

static void pread_all(int fd, unsigned long size, unsigned long step)
{
	for (unsigned long at = 0; at < size; at += step)
		if (sys6(SYS_pread64, fd, (long)buf, (long)step, (long)at, 0, 0) != (long)step)
			fail("pread");
}

static void pwrite_all(int fd, unsigned long size, unsigned long step)
{
	for (unsigned long at = 0; at < size; at += step)
		if (sys6(SYS_pwrite64, fd, (long)buf, (long)step, (long)at, 0, 0) != (long)step)
			fail("pwrite");
}

static void read_and_write(void)
{
	memset(buf, 1, sizeof(buf));
	int fd = open_file(DIR "/big", O_RDWR | O_CREAT | O_TRUNC);
	uint64_t t = ticks();
	pwrite_all(fd, BIG / 4, sizeof(buf));
	report("write_new_64k_ext2", ticks() - t, BIG / 4 / sizeof(buf));
	t = ticks();
	fsync(fd);
	report("write_back_per_page_ext2", ticks() - t, BIG / 4 / PAGE);
	t = ticks();
	pwrite_all(fd, BIG / 4, sizeof(buf));
	report("write_over_64k_ext2", ticks() - t, BIG / 4 / sizeof(buf));
	pwrite_all(fd, BIG, sizeof(buf));
	fsync(fd);
	drop_caches();
	t = ticks();
	pread_all(fd, BIG, sizeof(buf));
	report("first_read_64m_per_page_ext2", ticks() - t, BIG / PAGE);
	t = ticks();
	pread_all(fd, BIG, sizeof(buf));
	report("second_read_64m_per_page_ext2", ticks() - t, BIG / PAGE);
	t = ticks();
	pread_all(fd, BIG / 4, PAGE);
	report("read_4k_ext2", ticks() - t, BIG / 4 / PAGE);
	t = ticks();
	pread_all(fd, BIG / 4, sizeof(buf));
	report("read_64k_ext2", ticks() - t, BIG / 4 / sizeof(buf));
	close(fd);
}

static char *map_big(int flags)
{
	int fd = open_file(DIR "/big", O_RDWR);
	char *p = mmap(NULL, BIG / 4, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	close(fd);
	return p;
}

static void touch_all(volatile char *p, unsigned long step, int write)
{
	for (unsigned long at = 0; at < BIG / 4; at += step) {
		if (write)
			p[at] = 2;
		else
			(void)p[at];
	}
}

static void mapped(void)
{
	unsigned long n = BIG / 4 / PAGE;
	char *p = map_big(MAP_SHARED);
	uint64_t t = ticks();
	touch_all(p, PAGE, 0);
	report("map_read_dense_ext2", ticks() - t, (double)n);
	munmap(p, BIG / 4);
	p = map_big(MAP_SHARED);
	t = ticks();
	touch_all(p, 16 * PAGE, 0);
	report("map_read_sparse_ext2", ticks() - t, (double)n / 16);
	munmap(p, BIG / 4);
	p = map_big(MAP_SHARED);
	t = ticks();
	touch_all(p, PAGE, 1);
	report("map_write_dense_ext2", ticks() - t, (double)n);
	t = ticks();
	sys3(SYS_msync, (long)p, BIG / 4, MS_SYNC);
	report("msync_per_page_ext2", ticks() - t, (double)n);
	munmap(p, BIG / 4);
	p = map_big(MAP_SHARED);
	t = ticks();
	touch_all(p, 16 * PAGE, 1);
	report("map_write_sparse_ext2", ticks() - t, (double)n / 16);
	munmap(p, BIG / 4);
	drop_caches();
	p = map_big(MAP_SHARED);
	t = ticks();
	touch_all(p, PAGE, 0);
	report("map_read_cold_ext2", ticks() - t, (double)n);
	munmap(p, BIG / 4);
	p = map_big(MAP_PRIVATE);
	t = ticks();
	touch_all(p, PAGE, 1);
	report("map_private_write_ext2", ticks() - t, (double)n);
	munmap(p, BIG / 4);
}

static void names(void)
{
	enum { N = 200 };
	char name[64];
	struct stat st;
	for (int round = 0; round < 2; round++) { /* the first warms directory blocks */
		uint64_t t = ticks();
		for (int i = 0; i < N; i++) {
			snprintf(name, sizeof(name), DIR "/f%d", i);
			int fd = open_file(name, O_WRONLY | O_CREAT | O_EXCL);
			close(fd);
			unlink(name);
		}
		t = ticks() - t;
		if (round)
			report("create_unlink_ext2", t, N);
	}
	strcpy(name, DIR);
	for (int i = 0; i < 6; i++) {
		strcat(name, "/d");
		mkdir(name, 0755);
	}
	stat(name, &st);
	uint64_t t = ticks();
	for (int i = 0; i < 2000; i++)
		sys6(SYS_newfstatat, AT_FDCWD, (long)"/root", (long)&st, 0, 0, 0);
	report("lookup_depth_1_ext2", ticks() - t, 2000);
	t = ticks();
	for (int i = 0; i < 2000; i++)
		sys6(SYS_newfstatat, AT_FDCWD, (long)name, (long)&st, 0, 0, 0);
	report("lookup_depth_8_ext2", ticks() - t, 2000);
}

static void run(const char *name, char *const argv[], int n)
{
	for (int round = 0; round < 2; round++) { /* the first fills the cache */
		uint64_t t = ticks();
		int status = 0;
		for (int i = 0; i < n; i++) {
			int pid = fork();
			if (pid == 0) {
				execv(argv[0], argv);
				_exit(127);
			}
			waitpid(pid, &status, 0);
			if (status)
				fail(argv[0]);
		}
		t = ticks() - t;
		if (round)
			report(name, t, n);
	}
}

int main(void)
{
	static char *const bash[] = { "/bin/bash", "-c", ":", NULL };
	static char *const python[] = { "/usr/bin/python3", "-c", "pass", NULL };
	ticks(); /* the profiler's first mark */
	mkdir(DIR, 0755);
	read_and_write();
	mapped();
	names();
	run("fork_exec_bash", bash, 5);
	run("python3_pass", python, 2);
	printf("BENCH_END\n");
	return 0;
}
