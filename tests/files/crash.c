/* SPDX-License-Identifier: MIT */
/*
 *     crash SEED PROCESSES OPERATIONS DEVICE DIRECTORY FIRST_MARK [errors]
 *
 * Works on an ext2 file system on DEVICE and says what it does in the stream of writes itself: before each operation
 * and after each fsync or sync that returned, a 512-byte *mark* is written with O_DIRECT to the part of the device
 * behind the file system, from byte FIRST_MARK on. Whoever records the device's writes thus knows, at every point of
 * the recording, what had been begun and what had been promised (tests/files/crash_test.py).
 *
 * A mark is one line: "crash PROCESS NUMBER WORDS\n". Words:
 *     create PATH | write PATH OFFSET LENGTH SEED | truncate PATH SIZE | rename FROM TO | link FROM TO | unlink PATH
 *     mkdir PATH | rmdir PATH                        before the operation
 *     fsync PATH | fsyncdir PATH | sync              after it has returned
 * The contents that a write gives: 64-bit words, SEED << 32 | index of the word in the file.
 * Each process has a directory and marks of its own.
 *
 * With "errors" the disk fails: a process whose call ends in EIO, EROFS or EUCLEAN goes on, or ends well when it cannot,
 * nothing is promised by a call that failed, and sync(2), which reports no errors, promises nothing after the beginning.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_FILES 12
#define NR_DIRS 3
#define MAX_SIZE (96 << 10)
#define MARKS_OF_ONE 64 /* sectors that a process writes in turn */

static bool errors, is_set_up;
static uint64_t state;
static int self, device;
static off_t first_mark;
static unsigned nr_marks, serial;
static char name[NR_FILES][64]; /* "" when there is none */
static long size[NR_FILES];

static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static long below(long n)
{
	return rnd() % n;
}

static void fail(const char *what)
{
	if (errors && (errno == EIO || errno == EROFS || errno == EUCLEAN))
		_exit(0);
	printf("crash: process %d: %s: %s\n", self, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* A store to a mapping whose page could not be read or got no block. */
static void bus_error(int sig)
{
	if (errors)
		_exit(0);
	signal(sig, SIG_DFL);
	raise(sig);
}

__attribute__((format(printf, 1, 2))) static void mark(const char *fmt, ...)
{
	static char sector[512] __attribute__((aligned(512)));
	va_list ap;
	memset(sector, 0, sizeof sector);
	int n = snprintf(sector, sizeof sector, "crash %d %u ", self, nr_marks);
	va_start(ap, fmt);
	n += vsnprintf(sector + n, sizeof sector - n, fmt, ap);
	va_end(ap);
	sector[n] = '\n';
	off_t at = first_mark + 512L * (self * MARKS_OF_ONE + nr_marks++ % MARKS_OF_ONE);
	if (pwrite(device, sector, sizeof sector, at) != sizeof sector)
		fail("mark");
}

static void new_name(char *s)
{
	sprintf(s, "p%d/d%ld/file-with-a-name-%u", self, below(NR_DIRS), serial++);
}

static int opened(int i)
{
	int fd = open(name[i], O_RDWR);
	if (fd < 0)
		fail(name[i]);
	return fd;
}

static void create(int i)
{
	new_name(name[i]);
	size[i] = 0;
	mark("create %s", name[i]);
	int fd = open(name[i], O_CREAT | O_EXCL | O_RDWR, 0644);
	if (fd < 0)
		fail("create");
	close(fd);
}

/* By write or through a mapping. */
static void put(int i)
{
	static uint64_t words[MAX_SIZE / 8];
	int fd = opened(i);
	long end = below(4) ? size[i] : MAX_SIZE - 8192;
	long at = (end ? below(end) : 0) & -8, len = ((below(3) ? below(6000) : below(40000)) & -8) + 8;
	uint64_t seed = rnd() >> 33;
	if (at + len > MAX_SIZE)
		len = MAX_SIZE - at;
	for (long k = 0; k < len / 8; k++)
		words[k] = seed << 32 | (at / 8 + k);
	bool mapped = at + len <= size[i] && below(2);
	mark("write %s %ld %ld %lu", name[i], at, len, (unsigned long)seed);
	if (mapped) {
		char *p = mmap(NULL, size[i], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			fail("mmap");
		memcpy(p + at, words, len);
		if (below(2) && msync(p, size[i], MS_SYNC))
			fail("msync");
		munmap(p, size[i]);
	} else {
		ssize_t n = pwrite(fd, words, len, at);
		if (n >= 0 && n < len)
			errno = EIO; /* short: a page behind could not be read, or got no block */
		if (n != len)
			fail("write");
	}
	if (at + len > size[i])
		size[i] = at + len;
	close(fd);
}

static void cut(int i)
{
	size[i] = below(MAX_SIZE) & -8;
	mark("truncate %s %ld", name[i], size[i]);
	if (truncate(name[i], size[i]))
		fail("truncate");
}

static void move(int i)
{
	char to[64];
	int victim = below(NR_FILES);
	if (below(3) == 0 && victim != i && name[victim][0]) {
		strcpy(to, name[victim]); /* replaces it */
		name[victim][0] = 0;
	} else {
		new_name(to);
	}
	mark("rename %s %s", name[i], to);
	if (rename(name[i], to))
		fail("rename");
	strcpy(name[i], to);
}

static void link_and_drop(int i)
{
	char to[64];
	new_name(to);
	mark("link %s %s", name[i], to);
	if (link(name[i], to))
		fail("link");
	mark("unlink %s", name[i]);
	if (unlink(name[i]))
		fail("unlink");
	strcpy(name[i], to);
}

static void drop(int i)
{
	mark("unlink %s", name[i]);
	if (unlink(name[i]))
		fail("unlink");
	name[i][0] = 0;
}

static void sync_file(int i)
{
	int fd = opened(i);
	if (!fsync(fd))
		mark("fsync %s", name[i]);
	else if (!errors || errno != EIO)
		fail("fsync");
	close(fd);
}

static void sync_dir(void)
{
	char path[64];
	sprintf(path, "p%d/d%ld", self, below(NR_DIRS));
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		fail("open of a directory");
	if (!fsync(fd))
		mark("fsyncdir %s", path);
	else if (!errors || errno != EIO)
		fail("fsync of a directory");
	close(fd);
}

static void sync_all(void)
{
	sync();
	if (!errors || !is_set_up)
		mark("sync");
}

/* A directory that comes and goes: its blocks become others' data. */
static void directory(void)
{
	char path[64], inner[80];
	sprintf(path, "p%d/short-lived-%u", self, serial++);
	sprintf(inner, "%s/inner", path);
	mark("mkdir %s", path);
	if (mkdir(path, 0755) || mkdir(inner, 0755))
		fail("mkdir");
	if (below(3) == 0)
		sync_all();
	mark("rmdir %s", path);
	if (rmdir(inner) || rmdir(path))
		fail("rmdir");
}

static void step(void)
{
	int i = below(NR_FILES), what = below(32);
	if (!name[i][0])
		create(i);
	if (what < 12)
		put(i);
	else if (what < 14)
		cut(i);
	else if (what < 16)
		move(i);
	else if (what < 17)
		link_and_drop(i);
	else if (what < 18)
		drop(i);
	else if (what < 24)
		sync_file(i);
	else if (what < 29)
		sync_dir();
	else if (what < 30)
		sync_all();
	else
		directory();
}

static void work(long nr_ops)
{
	char path[64];
	sprintf(path, "p%d", self);
	mark("mkdir %s", path);
	mkdir(path, 0755);
	for (int i = 0; i < NR_DIRS; i++) {
		sprintf(path, "p%d/d%d", self, i);
		if (mkdir(path, 0755))
			fail("mkdir");
	}
	sync_all();
	is_set_up = true;
	for (long k = 0; k < nr_ops; k++)
		step();
	_exit(0);
}

int main(int argc, char **argv)
{
	signal(SIGBUS, bus_error);
	int status, bad = 0;
	if (argc < 7)
		return 2;
	first_mark = atoll(argv[6]);
	errors = argv[7] != NULL;
	if (mount(argv[4], argv[5], "ext2", 0, NULL) || chdir(argv[5]))
		fail("mount");
	device = open(argv[4], O_WRONLY | O_DIRECT);
	if (device < 0)
		fail(argv[4]);
	int nr = atoi(argv[2]);
	for (self = 0; self < nr; self++) {
		if (fork() == 0) {
			state = strtoull(argv[1], NULL, 0) * 1000003 + self;
			work(atol(argv[3]) / nr);
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	close(device);
	if ((chdir("/") || umount(argv[5])) && !errors)
		fail("umount");
	printf("crash: %s\n", bad ? "a process failed" : "ok");
	return bad != 0;
}
