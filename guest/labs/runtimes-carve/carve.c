/* SPDX-License-Identifier: MIT */
/* 100,000 small objects from malloc: how often does the address space grow? Told a number, it makes so many and does not
 * look: who counts its calls does. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OBJECTS 100000 /* at most, and unless it is told another number */

static int statm;

/* Pages of address space. */
static long size(void)
{
	char text[64];
	ssize_t n = pread(statm, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return atol(text);
}

int main(int argc, char **argv)
{
	int nr = argc > 1 ? atoi(argv[1]) : OBJECTS;
	static void *objects[OBJECTS];
	long steps = 0, first, last;
	statm = open("/proc/self/statm", O_RDONLY);
	setvbuf(stdout, NULL, _IOLBF, 4096);
	printf("C: objects = %d\n", nr); /* the stream's buffer is there now */
	first = last = size();
	for (int i = 0; i < nr && i < OBJECTS; i++) {
		objects[i] = malloc(40);
		if (!objects[i])
			return 1;
		long now = argc > 1 ? last : size();
		steps += now != last;
		last = now;
	}
	printf("C: times the address space grew = %ld\nC: grown by kB = %ld\n", steps, (last - first) * 4);
	return 0;
}
