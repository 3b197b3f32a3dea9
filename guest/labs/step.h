/* SPDX-License-Identifier: MIT */
/* A lab's step: its heading, then a line of input is waited for. `quire lab` gives its end at once, or a line with Enter
 * (--step); a program run by hand waits for its user. */
#include <stdio.h>
#include <unistd.h>

static void step(const char *text)
{
	char c = 0;
	printf("\n== %s ==\n", text);
	fflush(stdout);
	while (read(0, &c, 1) == 1 && c != '\n')
		;
}
