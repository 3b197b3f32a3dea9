/* SPDX-License-Identifier: MIT */
/* Where a program's parts lie: each address is looked up in the process's own maps. */
#include "../step.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char constant[] = "constant";
static int initialized = 1;
static int zeroed;

/* Prints the address, its line of maps, and "what = rights name"; the name is what the last column of maps says. */
static void find(const char *what, const void *p)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], rights[8], name[256];
	unsigned long start, end;
	while (f && fgets(line, sizeof(line), f)) {
		name[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, rights, name) >= 3 &&
		    (unsigned long)p >= start && (unsigned long)p < end) {
			char *slash = strrchr(name, '/');
			printf("%#lx lies in %lx-%lx\n    %s = %s %s\n", (unsigned long)p, start, end, what, rights, slash ? "program" : name[0] ? name : "anonymous");
		}
	}
	if (f)
		fclose(f);
}

static void *thread(void *arg)
{
	int local = 0;
	(void)arg;
	find("stack of the second thread", &local);
	return NULL;
}

int main(void)
{
	int local;
	pthread_t t;
	void *small = malloc(100), *large = malloc(1 << 20);
	step("text, constants, data");
	find("function", (void *)main);
	find("constant", constant);
	find("initialized variable", &initialized);
	find("zeroed variable", &zeroed);
	step("heap and mmap area");
	find("small malloc", small);
	find("large malloc", large);
	step("stacks of two threads");
	find("stack of the first thread", &local);
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	return 0;
}
