/* SPDX-License-Identifier: MIT */
/* Asks for 100 MiB, waits for Enter, uses them, waits again. To be compiled with -O0: the memset has no effect that the
 * program itself ever looks at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 100 << 20 };

static void wait_for_enter(const char *what)
{
	printf("%s; see /proc/%d/status and pmap %d, then press Enter\n", what, getpid(), getpid());
	getchar();
}

int main(void)
{
	void *block = malloc(SIZE);
	if (!block)
		return 1;
	wait_for_enter("asked for 100 MiB, nothing touched");
	memset(block, 0, SIZE);
	wait_for_enter("every byte written");
	free(block);
	return 0;
}
