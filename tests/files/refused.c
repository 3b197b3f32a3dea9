/* SPDX-License-Identifier: MIT */
/*
 *     refused DEVICE DIRECTORY MARK RAW
 *
 * Works on a disk that takes no write any more. DEVICE holds an ext2 file system; once 512 bytes were written to byte
 * MARK behind it, the disk refuses everything, and does so for ever. RAW is a disk without a file system that refuses
 * from the beginning. Several times as much as there is memory is written to files, through mappings and to RAW: nobody
 * hangs, nobody is killed, what waits for the disk has a bound, fsync says each time that it failed, and what lies
 * elsewhere is untouched. Then names are made until the file system, whose metadata the disk refuses, lets nothing be
 * changed. Prints one line "refused: name: ok" or "... FAILED" for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (64 << 10)
#define FILE_SIZE (24l << 20)
#define NR_NAMES 60000
#define NAMES_OF_ONE 500

static char buf[PIECE] __attribute__((aligned(4096)));
static long worst; /* percent of memory that was dirty or on its way */
static int bad;

static void check(const char *name, bool good)
{
	printf("refused: %s: %s%s%s\n", name, good ? "ok" : "FAILED", good ? "" : " errno ", good ? "" : strerrorname_np(errno));
	fflush(stdout);
	bad |= !good;
}

/* A line of /proc/meminfo, KiB. */
static long meminfo(const char *name)
{
	char line[128];
	long value = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return value;
}

static void look(void)
{
	long now = (meminfo("Dirty") + meminfo("Writeback")) * 100 / meminfo("MemTotal");
	worst = now > worst ? now : worst;
}

/* Whether a new process can do something. */
static bool machine_works(void)
{
	int status = 1;
	pid_t pid = fork();
	if (pid == 0) {
		char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(1);
		memset(p, 1, 2 << 20);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Bytes [0, size) of fd again and again, `total` in all. */
static bool write_much(int fd, long size, long total)
{
	for (long at = 0; at < total; at += PIECE) {
		memset(buf, (int)(at / PIECE), 512);
		if (pwrite(fd, buf, PIECE, at % size) != PIECE)
			return false;
		if (at % (4 << 20) == 0) {
			look();
			if (!machine_works())
				return false;
		}
	}
	return true;
}

static bool fails_each_time(int fd)
{
	for (int n = 0; n < 3; n++)
		if (fsync(fd) == 0 || errno != EIO)
			return false;
	return true;
}

static bool map_much(int fd)
{
	char *p = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	for (int round = 0; round < 4; round++)
		for (long at = 0; at < FILE_SIZE; at += 4096) {
			p[at] = (char)round;
			if (at % (4 << 20) == 0)
				look();
		}
	bool good = msync(p, FILE_SIZE, MS_SYNC) && errno == EIO;
	munmap(p, FILE_SIZE);
	return good;
}

static bool elsewhere_holds(const char *path)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	if (fd < 0)
		return false;
	for (int n = 0; n < 64; n++) {
		memset(buf, n, PIECE);
		if (write(fd, buf, PIECE) != PIECE)
			return false;
	}
	for (int n = 0; n < 64; n++)
		if (pread(fd, buf, PIECE, (off_t)n * PIECE) != PIECE || buf[0] != n || buf[PIECE - 1] != n)
			return false;
	close(fd);
	return unlink(path) == 0;
}

/* Until nothing may be changed any more; small files, so that there is data too. */
static bool names_end(void)
{
	char name[64];
	for (int n = 0; n < NR_NAMES; n++) {
		sprintf(name, "many-%d", n / NAMES_OF_ONE);
		if (n % NAMES_OF_ONE == 0 && mkdir(name, 0700))
			return errno == EROFS;
		sprintf(name, "many-%d/%d", n / NAMES_OF_ONE, n);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			return errno == EROFS;
		bool good = write(fd, buf, 4096) == 4096 || errno == EROFS;
		close(fd);
		if (!good)
			return false;
		if (n % 1000 == 0)
			look();
	}
	return false;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	check("mount", mount(argv[1], argv[2], "ext2", 0, "errors=continue") == 0 && chdir(argv[2]) == 0);
	int fd = open("old", O_CREAT | O_RDWR, 0600), big = open("big", O_CREAT | O_RDWR, 0600), device = open(argv[1], O_WRONLY | O_DIRECT);
	memset(buf, 'o', PIECE);
	check("a file that is safe", write(fd, buf, PIECE) == PIECE && fsync(fd) == 0 && fsync(big) == 0 && close(fd) == 0);
	sync();
	check("from now on the disk refuses", pwrite(device, buf, 512, atol(argv[3])) == 512 && close(device) == 0);

	check("much is written", write_much(big, FILE_SIZE, 10 * FILE_SIZE));
	check("fsync fails each time", fails_each_time(big));
	check("much is written through a mapping", map_much(big));
	check("fsync still fails", fails_each_time(big));
	check("what is elsewhere holds", elsewhere_holds("/tmp/elsewhere"));
	int raw = open(argv[4], O_RDWR);
	check("much is written to a disk without a file system", raw >= 0 && write_much(raw, FILE_SIZE, 4 * FILE_SIZE));
	check("its fsync fails each time", fails_each_time(raw));
	check("names, until nothing may be changed", names_end());
	check("the machine works", machine_works() && elsewhere_holds("/tmp/elsewhere"));
	printf("refused: at worst %ld%% of memory waited for the disk\n", worst);
	check("what waits has a bound", worst <= 60);
	close(big);
	close(raw);
	check("unmount", chdir("/") == 0 && umount(argv[2]) == 0);
	return bad;
}
