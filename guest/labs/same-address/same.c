/* SPDX-License-Identifier: MIT */
/* One virtual address in two processes: two contents, and the frames behind them (pagemap). */
#define _GNU_SOURCE
#include "../frame_of.h"
#include "../step.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What /proc/self/explain, which only Quire has, says of the frame and of who maps it. */
static void explain(const volatile void *p)
{
	char line[512], name[64];
	snprintf(name, sizeof(name), "/proc/self/explain/%lx", (unsigned long)p);
	FILE *f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "shared", 6) || !strncmp(line, "frame", 5) || !strncmp(line, "mapped", 6))
			printf("    %s", line);
	if (f)
		fclose(f);
}

/* The program is linked to fixed addresses: started twice, this lies at the same place in both. */
static volatile int variable = 1;

struct places {
	void *variable;
	unsigned long value, variable_frame, text_frame, libc_frame;
};

static struct places places(void)
{
	volatile char *libc = dlsym(RTLD_DEFAULT, "qsort_r"); /* a function of the C library, wherever it lies here */
	(void)*libc;
	return (struct places){ (void *)&variable, (unsigned long)variable, frame_of(&variable), frame_of((void *)frame_of), frame_of(libc) };
}

/* The program started a second time: another process from its beginning, no fork's copy. */
static int started_again(void)
{
	variable = 2;
	struct places p = places();
	return write(1, &p, sizeof(p)) == sizeof(p) ? 0 : 1;
}

static int two_starts(void)
{
	int out[2];
	struct places theirs, ours;
	if (pipe(out))
		return 1;
	variable = 1;
	ours = places();
	if (fork() == 0) {
		dup2(out[1], 1);
		execl("/proc/self/exe", "same", "again", NULL);
		_exit(1);
	}
	if (read(out[0], &theirs, sizeof(theirs)) != sizeof(theirs))
		return 1;
	wait(NULL);
	printf("address of the variable, first start = %p\naddress of the variable, second start = %p\n", ours.variable, theirs.variable);
	printf("value, first start = %d\nvalue, second start = %lu\n", variable, theirs.value);
	printf("frame of the variable, first start = %#lx\nframe of the variable, second start = %#lx\n", ours.variable_frame, theirs.variable_frame);
	printf("frame of text, first start = %#lx\nframe of text, second start = %#lx\n", ours.text_frame, theirs.text_frame);
	printf("frame of libc, first start = %#lx\nframe of libc, second start = %#lx\n", ours.libc_frame, theirs.libc_frame);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return started_again();
	volatile int *p = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	int up[2];
	unsigned long theirs[4];
	if (pipe(up))
		return 1;
	step("fork: one address, one frame, until one of the two writes");
	*p = 1;
	pid_t pid = fork();
	if (pid == 0) {
		theirs[0] = frame_of(p); /* shared until a write */
		printf("before the write:\n");
		explain(p);
		*p = 2;
		theirs[1] = frame_of(p);
		printf("after the write, in the process that wrote:\n");
		explain(p);
		fflush(stdout);
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
	step("the program started a second time");
	return two_starts();
}
