/* SPDX-License-Identifier: MIT */
/*
 * One address on its way through the tables: cut into its parts, before and after the first touch, and in two processes
 * that take turns on a CPU. What the tables hold is told by /proc/PID/explain, which only Quire has; the frame by
 * /proc/PID/pagemap.
 */
#include "../frame_of.h"
#include "../step.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define AT     0x1a2b3c4d5678ul
#define PAGE   4096ul
#define ROUNDS 5

static volatile char *const at = (volatile char *)AT;

static void cut(void)
{
	static const char *const names[] = { "PML4", "PDPT", "PD", "PT" };
	printf("address = %#lx\n", AT);
	printf("page number = %#lx\noffset = %#lx\n", AT / PAGE, AT % PAGE);
	for (unsigned i = 0; i < 4; i++)
		printf("index in the %s = %lu\n", names[i], AT >> (39 - 9 * i) & 511);
}

static void explain(void)
{
	char line[512], name[64];
	snprintf(name, sizeof(name), "/proc/self/explain/%lx", AT);
	FILE *f = fopen(name, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
	if (f)
		fclose(f);
	else
		printf("the tables' levels cannot be seen here\n");
	printf("frame by pagemap = %#lx\n", frame_of((void *)AT));
	fflush(stdout);
}

/* Two processes that hand a byte to and fro: on one CPU each round switches twice. */
static void to_and_fro(int in, int out, int begins)
{
	char c = 0;
	for (int i = 0; i < ROUNDS; i++) {
		if (begins && write(out, &c, 1) != 1)
			exit(1);
		if (read(in, &c, 1) != 1)
			exit(1);
		if (!begins && write(out, &c, 1) != 1)
			exit(1);
	}
}

int main(void)
{
	int to[2], fro[2];
	step("an address is cut into its parts");
	cut();
	if (mmap((void *)(AT & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED || pipe(to) || pipe(fro))
		return 1;
	step("mapped, not touched yet");
	explain();
	step("after the first write");
	*at = 'Q';
	explain();
	step("another process, the same address");
	pid_t child = fork();
	if (child == 0) {
		*at = 'q';
		printf("child = %d\n", (int)getpid());
		explain();
		to_and_fro(to[0], fro[1], 0);
		_exit(*at != 'q');
	}
	to_and_fro(fro[0], to[1], 1);
	waitpid(child, NULL, 0);
	step("the first process again");
	printf("parent = %d\n", (int)getpid());
	explain();
	printf("the parent still reads = %c\n", *at);
	return 0;
}
