/* SPDX-License-Identifier: MIT */
/*
 *     full DEVICE DIRECTORY
 *
 * Fills an ext2 file system in each way there is, takes it back, and fills it again: ENOSPC comes where it should, what
 * was there before stays, what was given back can be used. Prints one line "full: name: ok" or "... FAILED" for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char buf[65536];
static int bad;
static sigjmp_buf jump;

static void check(const char *name, bool good)
{
	printf("full: %s: %s%s%s\n", name, good ? "ok" : "FAILED", good ? "" : " errno ", good ? "" : strerrorname_np(errno));
	bad |= !good;
}

static unsigned long free_blocks(void)
{
	struct statvfs fs;
	return statvfs(".", &fs) ? 0 : fs.f_bfree;
}

/* Writes until it goes no further; the bytes that went in. */
static long fill(const char *name, size_t piece)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_APPEND, 0600);
	long sum = 0, n = 0;
	while (fd >= 0 && (n = write(fd, buf, piece)) > 0)
		sum += n;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return n < 0 ? sum : -1;
}

static bool holds(const char *name, long size)
{
	struct stat st;
	int fd = open(name, O_RDONLY);
	bool good = fd >= 0 && !fstat(fd, &st) && st.st_size == size;
	for (long at = 0; good && at < size; at += 4096) {
		char part[4096];
		long n = size - at < 4096 ? size - at : 4096;
		good = pread(fd, part, n, at) == n && !memcmp(part, buf + at % sizeof buf, n);
	}
	close(fd);
	return good;
}

static void on_bus(int sig)
{
	siglongjmp(jump, sig);
}

/* Pages of a hole that is mapped: SIGBUS, and what could be written is there. */
static void mapped(void)
{
	static volatile long i; /* lives through the jump */
	static long size = 64L << 20, kept;
	int fd = open("sparse", O_CREAT | O_RDWR, 0600);
	check("ftruncate of a sparse file beyond the disk's size", fd >= 0 && !ftruncate(fd, size));
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(jump, 1)) {
		for (i = 0; i < size; i += 4096)
			p[i] = 1 + i / 4096 % 100;
		check("mapped writes meet the full disk", false);
	} else {
		check("SIGBUS where a mapped page finds no room", i > 0);
	}
	check("msync of what found room", !msync(p, size, MS_SYNC));
	munmap(p, size);
	for (long at = 0; at < i; at += 4096) {
		char c = 0;
		kept += pread(fd, &c, 1, at) == 1 && c == 1 + at / 4096 % 100;
	}
	check("mapped bytes before that are there", kept == i / 4096);
	close(fd);
	unlink("sparse");
}

static void names(void)
{
	char name[64];
	long n = 0, again = 0;
	mkdir("many", 0755);
	for (;; n++) {
		snprintf(name, sizeof name, "many/a-name-of-some-length-%ld", n);
		int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	check("ENOSPC when inodes or blocks are out", errno == ENOSPC && n > 100);
	check("mkdir ENOSPC", mkdir("many/dir", 0755) && errno == ENOSPC);
	check("symlink ENOSPC", symlink("x", "many/symlink") && errno == ENOSPC);
	check("mknod ENOSPC", mkfifo("many/fifo", 0600) && errno == ENOSPC);
	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof name, "many/a-name-of-some-length-%ld", i);
		again += !unlink(name);
	}
	check("all of them can be removed", again == n && !rmdir("many"));
}

int main(int argc, char **argv)
{
	if (argc < 3 || mount(argv[1], argv[2], "ext2", 0, NULL) || chdir(argv[2])) {
		printf("full: mount %s\n", strerrorname_np(errno));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = i * 7 + (i >> 9);
	int fd = open("before", O_CREAT | O_WRONLY, 0600);
	write(fd, buf, sizeof buf);
	close(fd);
	sync();
	unsigned long room = free_blocks();
	for (int round = 0; round < 3; round++) {
		long got = fill("big", round == 1 ? 4096 : round == 2 ? 777 : sizeof buf);
		check("write ENOSPC", got > 0 && errno == ENOSPC);
		int more = open("more", O_CREAT | O_WRONLY, 0600);
		check("write ENOSPC of another file", more < 0 || (write(more, buf, 5000) < 0 && errno == ENOSPC));
		int old = open("before", O_WRONLY);
		check("a full disk lets files be overwritten", pwrite(old, buf, sizeof buf, 0) == sizeof buf && !fsync(old));
		close(old);
		close(more);
		sync();
		struct stat st;
		check("the size is what was written", !stat("big", &st) && st.st_size == got);
		if (round == 0)
			check("the big file holds it", holds("big", got));
		check("half of it can be cut off and filled again", !truncate("big", got / 2) && fill("big2", 4096) > got / 4);
		check("unlink", !unlink("big") && !unlink("big2") && (unlink("more") == 0 || errno == ENOENT));
		sync();
		check("all blocks are back", free_blocks() == room);
	}
	mapped();
	sync();
	names();
	sync();
	unsigned long left = free_blocks();
	check("all blocks are back but a directory's", left <= room && left + 8 >= room);
	check("what was there before is there", holds("before", sizeof buf));
	if (chdir("/") || umount(argv[2]))
		check("umount", false);
	return bad;
}
