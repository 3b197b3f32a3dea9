/* SPDX-License-Identifier: MIT */
/* A number from a file of /proc: what stands behind `name` at the start of a line; -1: there is no such line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long proc_field(const char *path, const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			v = atol(line + strlen(name));
	if (f)
		fclose(f);
	return v;
}
