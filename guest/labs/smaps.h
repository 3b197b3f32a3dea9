/* SPDX-License-Identifier: MIT */
/* A field of the region at p in /proc/self/smaps, in kB; -1: there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
