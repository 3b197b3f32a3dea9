/* SPDX-License-Identifier: MIT */
/*
 * Replays the reference strings in a memory group of the guest, on one CPU: for the policy in use, prints what was
 * evicted in which order, as a hash.
 *
 *     identity PATTERN anon|file DEVICE
 *
 * anon: private memory; swap has just been turned on. file: a mapping of the block device. All that the replaying process needs
 * besides is in memory before it joins the group, and so charged elsewhere. After each reference its
 * translation is flushed (by two changes of rights), so that the next one shows in the accessed bit.
 */
#define _GNU_SOURCE
#include "../../guest/labs/policies/references.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096ul
#define GROUP "/sys/fs/cgroup/identity"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(file);
	close(fd);
}

static void touch(volatile unsigned char *p, bool write)
{
	if (write)
		*p = 1;
	else
		(void)*p;
	if (mprotect((void *)p, PAGE, PROT_NONE) || mprotect((void *)p, PAGE, PROT_READ | PROT_WRITE))
		_exit(3);
}

static void replay(unsigned char *base, enum pattern pattern, bool is_file, unsigned length)
{
	struct references r = { .pattern = pattern, .state = 1 };
	for (unsigned i = 0; i < length; i++) {
		bool write;
		uint32_t page = ref_next(&r, &write);
		touch(base + page * PAGE, write && !is_file);
	}
}

static unsigned char *map_at(unsigned long at, int fd)
{
	unsigned char *p = mmap((void *)at, REF_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (p == MAP_FAILED || (fd >= 0 && madvise(p, REF_PAGES * PAGE, MADV_RANDOM)))
		_exit(2);
	return p;
}

static void child(enum pattern pattern, const char *device)
{
	int fd = device ? open(device, O_RDONLY) : -1, join = open(GROUP "/cgroup.procs", O_WRONLY);
	if (join < 0 || (device && fd < 0))
		die("open");
	unsigned char *p = map_at(REF_AT - (1ul << 40), fd); /* warms up: this code, the stack, the C library */
	replay(p, pattern, device, 50);
	munmap(p, REF_PAGES * PAGE);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (write(join, "0", 1) != 1)
		die("join");
	replay(map_at(REF_AT, fd), pattern, device, REF_LENGTH);
	_exit(0);
}

static void run(enum pattern pattern, const char *device)
{
	char text[256] = "";
	int status;
	snprintf(text, sizeof(text), "%lu", REF_LIMIT * PAGE);
	if (mkdir(GROUP, 0755))
		die(GROUP);
	put(GROUP "/memory.max", text);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		child(pattern, device);
	if (waitpid(pid, &status, 0) != pid || status)
		fprintf(stderr, "identity: child status %x\n", status);
	int fd = open(GROUP "/memory.evictions", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	char *line = device ? strstr(text, "file") : text;
	line[strcspn(line, "\n")] = 0;
	printf("%s %s\n", pattern_names[pattern], line);
	if (rmdir(GROUP))
		die("rmdir");
}

int main(int argc, char **argv)
{
	enum pattern p = 0;
	if (argc != 4)
		return 2;
	while (p < NR_PATTERNS && strcmp(pattern_names[p], argv[1]))
		p++;
	if (p == NR_PATTERNS)
		return 2;
	run(p, strcmp(argv[2], "file") ? NULL : argv[3]);
	return 0;
}
