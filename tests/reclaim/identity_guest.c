/* SPDX-License-Identifier: MIT */
/*
 * Replays the reference strings in a memory group of the guest, on one CPU: for the policy in use, prints what was
 * evicted in which order, as a hash.
 *
 *     identity PATTERN anon|file DEVICE
 *
 * anon: private memory; swap has just been turned on. file: a mapping of the block device. All that the replaying process needs
 * besides is in memory before it joins the group, and so charged elsewhere.
 */
#define _GNU_SOURCE
#include "../../guest/labs/policies/replay.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP "/sys/fs/cgroup/identity"

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
