/* SPDX-License-Identifier: MIT */
/* One file, mapped MAP_SHARED and MAP_PRIVATE by two processes: who sees what, in which frames. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (4 * 4096)

static int ask[2], done[2];

static unsigned long frame_of(const volatile void *p)
{
	uint64_t word = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	(void)*(const volatile char *)p;
	if (fd < 0 || pread(fd, &word, 8, (off_t)((uintptr_t)p / 4096 * 8)) != 8)
		return 0;
	close(fd);
	return word >> 63 ? word & ((1ul << 55) - 1) : 0;
}

/* A field of the region at p in /proc/self/smaps, in kB. */
static long smaps(const void *p, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, end;
	int inside = 0;
	long value = -1;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (unsigned long)p >= start && (unsigned long)p < end;
		else if (inside && !strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			value = atol(line + strlen(field) + 1);
	}
	if (f)
		fclose(f);
	return value;
}

/* The other process: writes a byte through its own shared mapping when it is told where and what. */
static void other(const char *name)
{
	int fd = open(name, O_RDWR);
	char *s = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), words[2];
	while (read(ask[0], words, 2) == 2) {
		s[words[0] * 4096] = words[1];
		if (write(done[1], "", 1) != 1)
			break;
	}
	_exit(0);
}

static void other_writes(int page, char c)
{
	char words[2] = { (char)page, c };
	if (write(ask[1], words, 2) != 2 || read(done[0], words, 1) != 1)
		exit(1);
}

static char in_file(int fd, int page)
{
	char c = 0;
	return pread(fd, &c, 1, page * 4096) == 1 ? c : '?';
}

int main(void)
{
	const char *name = "/root/file";
	static char bytes[SIZE];
	memset(bytes, 'a', SIZE);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, SIZE) != SIZE || fsync(fd) || pipe(ask) || pipe(done))
		return 1;
	if (fork() == 0)
		other(name);
	char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	other_writes(0, 'X');
	printf("the other process wrote X: shared mapping = %c\n", shared[0]);
	printf("the other process wrote X: private mapping = %c\n", private[0]);
	printf("the other process wrote X: read() = %c\n", in_file(fd, 0));
	printf("frame of the shared page = %#lx\nframe of the private page = %#lx\n", frame_of(shared), frame_of(private));

	private[4096] = 'P';
	printf("written privately: private mapping = %c\n", private[4096]);
	printf("written privately: shared mapping = %c\n", shared[4096]);
	printf("written privately: read() = %c\n", in_file(fd, 1));
	printf("frame of the written private page = %#lx\nframe of the shared page beside it = %#lx\n", frame_of(private + 4096), frame_of(shared + 4096));
	other_writes(1, 'Y');
	printf("the other process wrote Y where a copy is: private mapping = %c\n", private[4096]);
	printf("the other process wrote Y where a copy is: shared mapping = %c\n", shared[4096]);

	char c = 'F';
	if (pwrite(fd, &c, 1, 2 * 4096) != 1)
		return 1;
	printf("write() of F: shared mapping = %c\n", shared[2 * 4096]);
	printf("write() of F: private mapping = %c\n", private[2 * 4096]);

	printf("Anonymous of the private mapping = %ld\nAnonymous of the shared mapping = %ld\n", smaps(private, "Anonymous"), smaps(shared, "Anonymous"));
	printf("dirty in the shared mapping before msync = %ld\n", smaps(shared, "Shared_Dirty") + smaps(shared, "Private_Dirty"));
	msync(shared, SIZE, MS_SYNC);
	printf("dirty in the shared mapping after msync = %ld\n", smaps(shared, "Shared_Dirty") + smaps(shared, "Private_Dirty"));
	munmap(private, SIZE);
	private = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	printf("mapped privately once more = %c%c%c%c\n", private[0], private[4096], private[2 * 4096], private[3 * 4096]);

	int zero = open("/dev/zero", O_RDWR);
	char *device = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	printf("a mapped device, /dev/zero = %d\n", device == MAP_FAILED ? -1 : device[100]);
	return 0;
}
