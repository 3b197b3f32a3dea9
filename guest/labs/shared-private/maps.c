/* SPDX-License-Identifier: MIT */
/* One file, mapped MAP_SHARED and MAP_PRIVATE by two processes: who sees what, in which frames; where the pages go when
 * memory is wanted back; a mapped device. */
#define _GNU_SOURCE
#include "../frame_of.h"
#include "../proc_field.h"
#include "../smaps.h"
#include "../step.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SIZE (4 * 4096)

static int ask[2], done[2];

/* The other process: writes a byte through its own shared mapping when it is told where and what. */
static void other(const char *name)
{
	int fd = open(name, O_RDWR);
	char *s = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), words[2];
	close(ask[1]); /* its end is the first process's alone: when that is gone, so is this one */
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

/* Pages of the mapping that are in memory. */
static int resident(void *p)
{
	unsigned char there[SIZE / 4096];
	int n = 0;
	mincore(p, SIZE, there);
	for (int i = 0; i < SIZE / 4096; i++)
		n += there[i] & 1;
	return n;
}

/* Another process takes memory until none of the mappings is in memory, then ends. */
static void press(char *const *p, int nr)
{
	int left = 1;
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < nr; i++)
			munmap(p[i], SIZE); /* they are not its own */
		for (;;) {
			char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (more == MAP_FAILED)
				_exit(1);
			memset(more, 1, 1 << 20);
		}
	}
	for (int round = 0; round < 3000 && left; round++) {
		left = 0;
		for (int i = 0; i < nr; i++)
			left += resident(p[i]);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Reads the pages again: what came from swap, and is it all there? */
static void read_again(const char *what, char *p, char expect)
{
	int right = 1;
	printf("%s: pages still in memory = %d of %d\n", what, resident(p), SIZE / 4096);
	long before = proc_field("/proc/vmstat", "pswpin ");
	for (int at = 0; at < SIZE; at += 4096)
		right &= p[at] == expect;
	printf("%s: pages that came back from swap = %ld\n%s: contents = %s\n", what, proc_field("/proc/vmstat", "pswpin ") - before, what, right ? "right" : "wrong");
	munmap(p, SIZE);
}

static char *map(const char *name, int flags)
{
	int fd = name ? open(name, O_RDWR) : -1;
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	close(fd);
	return p;
}

static void touch(char *p, char c)
{
	for (int at = 0; at < SIZE; at += 4096)
		if (c)
			p[at] = c;
		else
			(void)*(volatile char *)(p + at);
}

static char *new_file(const char *name)
{
	static char bytes[SIZE];
	memset(bytes, 'd', SIZE);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, SIZE) != SIZE || fsync(fd))
		exit(1);
	close(fd);
	return strdup(name);
}

static void set_page_cluster(int n)
{
	FILE *f = fopen("/proc/sys/vm/page-cluster", "w");
	if (f) {
		fprintf(f, "%d\n", n);
		fclose(f);
	}
}

static void under_pressure(void)
{
	static const struct {
		const char *what;
		int flags, is_file;
		char written, expect;
	} ways[] = {
		{ "private, only read", MAP_PRIVATE, 1, 0, 'd' },
		{ "private, written", MAP_PRIVATE, 1, 'p', 'p' },
		{ "shared with the file, written", MAP_SHARED, 1, 's', 's' },
		{ "shared without a file", MAP_SHARED | MAP_ANONYMOUS, 0, 'a', 'a' },
	};
	char *p[4], name[] = "pressed-0";
	step("another process takes all memory, then these pages are read again");
	set_page_cluster(0); /* a page that is read brings no neighbours */
	for (int i = 0; i < 4; i++, name[8]++) {
		p[i] = map(ways[i].is_file ? new_file(name) : NULL, ways[i].flags);
		touch(p[i], ways[i].written);
	}
	press(p, 4);
	for (int i = 0; i < 4; i++)
		read_again(ways[i].what, p[i], ways[i].expect);
	set_page_cluster(3);
}

/* disk: a block device, or NULL */
static void devices(const char *disk)
{
	step("a mapped device");
	int zero = open("/dev/zero", O_RDWR);
	char *device = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
	printf("a mapped device, /dev/zero = %d\n", device == MAP_FAILED ? -1 : device[100]);
	int fd = disk ? open(disk, O_RDONLY) : -1;
	if (fd < 0)
		return;
	static char block[4096];
	device = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (device == MAP_FAILED || pread(fd, block, 4096, 0) != 4096)
		return;
	printf("a mapped disk: the file system's mark, 2 bytes at 1080 = %02x%02x\n", (unsigned char)device[1081], (unsigned char)device[1080]);
	printf("a mapped disk: the same as read() = %s\n", memcmp(device, block, 4096) ? "no" : "yes");
}

int main(int argc, char **argv)
{
	const char *name = "file";
	static char bytes[SIZE];
	memset(bytes, 'a', SIZE);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, SIZE) != SIZE || fsync(fd) || pipe(ask) || pipe(done))
		return 1;
	if (fork() == 0)
		other(name);
	char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	step("the other process writes to its shared mapping");
	other_writes(0, 'X');
	printf("the other process wrote X: shared mapping = %c\n", shared[0]);
	printf("the other process wrote X: private mapping = %c\n", private[0]);
	printf("the other process wrote X: read() = %c\n", in_file(fd, 0));
	printf("frame of the shared page = %#lx\nframe of the private page = %#lx\n", frame_of(shared), frame_of(private));
	step("a write to the private mapping");

	private[4096] = 'P';
	printf("written privately: private mapping = %c\n", private[4096]);
	printf("written privately: shared mapping = %c\n", shared[4096]);
	printf("written privately: read() = %c\n", in_file(fd, 1));
	printf("frame of the written private page = %#lx\nframe of the shared page beside it = %#lx\n", frame_of(private + 4096), frame_of(shared + 4096));
	other_writes(1, 'Y');
	printf("the other process wrote Y where a copy is: private mapping = %c\n", private[4096]);
	printf("the other process wrote Y where a copy is: shared mapping = %c\n", shared[4096]);

	step("write(), and msync");
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

	munmap(shared, SIZE);
	munmap(private, SIZE);
	if (argc > 1 && !strcmp(argv[1], "swap"))
		under_pressure();
	devices(argc > 2 ? argv[2] : NULL);
	return 0;
}
