/* SPDX-License-Identifier: MIT */
/* What the benchmark programs print, and how they give up. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* t ticks for n operations. */
static inline void report(const char *name, uint64_t t, double n)
{
	printf("BENCH %s %.1f\n", name, (double)t / n);
	fflush(stdout);
}

static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}

#endif
