/* SPDX-License-Identifier: MIT */
/*
 * Programs that do to memory what record_test.py then looks for in the record. Each prints what it did, "key value".
 *
 *   steps touch      64 pages are written to, 8 of them once more by a child
 *   steps file PATH  each 16th page of the file is read through a mapping
 *   steps fill MIB   so much memory is written to, then read; counters of /proc/vmstat before and after
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static volatile char *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static int touch(void)
{
	enum { PAGES = 64, CHILDS = 8 };
	volatile char *p = map(PAGES * PAGE);
	printf("area %lx\n", (unsigned long)p);
	fflush(stdout);
	for (unsigned i = 0; i < PAGES; i++)
		p[i * PAGE] = 1;
	pid_t pid = fork();
	if (pid == 0) {
		for (unsigned i = 0; i < CHILDS; i++)
			p[i * 4 * PAGE] = 2;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	printf("parent %d\nchild %d\n", getpid(), pid);
	return p[0] != 1;
}

static int file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return 1;
	volatile char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	unsigned long sum = 0, pages = (unsigned long)(st.st_size + 4095) / PAGE;
	for (unsigned long i = 0; i < pages; i += 16)
		sum += (unsigned long)p[i * PAGE];
	printf("pages %lu\nsum %lu\n", pages, sum);
	return 0;
}

static long counter(const char *name)
{
	static char text[16384];
	int fd = open("/proc/vmstat", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	const char *at = strstr(text, name);
	return at ? atol(at + strlen(name)) : -1;
}

static int fill(unsigned long mib)
{
	unsigned long pages = mib << 8, sum = 0;
	volatile char *p = map(pages * PAGE);
	long out = counter("\npswpout "), in = counter("\npswpin ");
	for (unsigned long i = 0; i < pages; i++)
		p[i * PAGE] = (char)i;
	for (unsigned long i = 0; i < pages; i++)
		sum += p[i * PAGE] != (char)i;
	printf("wrong %lu\nout %ld\nin %ld\n", sum, counter("\npswpout ") - out, counter("\npswpin ") - in);
	return sum != 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "touch"))
		return touch();
	if (argc > 2 && !strcmp(argv[1], "file"))
		return file(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "fill"))
		return fill(strtoul(argv[2], NULL, 10));
	fprintf(stderr, "usage: steps touch | file PATH | fill MIB\n");
	return 2;
}
