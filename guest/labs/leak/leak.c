/* SPDX-License-Identifier: MIT */
/* A server with a leak: for each line it reads, it answers, and forgets to free 256 KiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST (256 * 1024 / 8)

int main(void)
{
	char line[64];
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < 8; i++) { /* pieces that malloc takes from the heap */
			char *p = malloc(LOST);
			if (!p)
				return 1;
			memset(p, 1, LOST);
		}
		printf("answer to %s", line);
		fflush(stdout);
	}
	return 0;
}
