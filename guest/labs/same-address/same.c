/* SPDX-License-Identifier: MIT */
/* One virtual address in two processes: two contents, and the frames behind them (pagemap). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long frame_of(const volatile void *p)
{
	uint64_t word = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &word, 8, (off_t)((uintptr_t)p / 4096 * 8)) != 8)
		return 0;
	close(fd);
	return word >> 63 ? word & ((1ul << 55) - 1) : 0;
}

int main(void)
{
	volatile int *p = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int up[2];
	unsigned long theirs[4];
	if (pipe(up))
		return 1;
	*p = 1;
	pid_t pid = fork();
	if (pid == 0) {
		theirs[0] = frame_of(p); /* shared until a write */
		*p = 2;
		theirs[1] = frame_of(p);
		theirs[2] = (unsigned long)*p;
		theirs[3] = frame_of((void *)main);
		if (write(up[1], theirs, sizeof(theirs)) != sizeof(theirs))
			_exit(1);
		_exit(0);
	}
	if (read(up[0], theirs, sizeof(theirs)) != sizeof(theirs))
		return 1;
	waitpid(pid, NULL, 0);
	printf("address in both = %p\n", (void *)p);
	printf("value here = %d\nvalue there = %lu\n", *p, theirs[2]);
	printf("frame here = %#lx\n", frame_of(p));
	printf("frame there before its write = %#lx\nframe there after = %#lx\n", theirs[0], theirs[1]);
	printf("frame of the program text here = %#lx\nframe of the program text there = %#lx\n", frame_of((void *)main), theirs[3]);
	return 0;
}
