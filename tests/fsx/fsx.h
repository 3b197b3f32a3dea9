/* SPDX-License-Identifier: MIT */
/*
 * Random file operations against a model.
 *
 * A *slot* is one file and what it must hold: its bytes, its size and its one or two names, in memory that all
 * processes share. Whoever works on a file holds the slot's lock, so the model is exact; different files are worked
 * on at once. Each process keeps descriptors and mappings of its own over many operations: what one process writes
 * by one way another must see by any other way.
 *
 * A private mapping is modelled page by page: a page that this process wrote is its own until the file is cut before
 * it; until then it must show what the process wrote, and no other page of it is looked at.
 *
 * Bytes of the last page beyond the end are never written through a mapping; what is read there must be zero.
 */
#ifndef FSX_H
#define FSX_H

#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sys/types.h>

#define PAGE 4096L
#define MAX_FILE (512L << 10)
#define MAX_PAGES (MAX_FILE / PAGE)
#define NR_SLOTS 8
#define NR_DIRS 3
#define MAX_WORKERS 8
#define TRAIL 24 /* last operations on a slot, for the report */

struct slot {
	pthread_mutex_t lock;
	bool exists;
	unsigned generation;           /* counts files that had this slot: descriptors of an older one are stale */
	unsigned cut[MAX_PAGES];       /* how often a truncation dropped the page */
	long size;
	char name[2][40];              /* the second is empty when there is one name */
	char trail[TRAIL][80];
	unsigned nr_trail;
	unsigned char data[MAX_FILE];  /* zero beyond size */
};

struct model {
	struct slot slot[NR_SLOTS];
	volatile int failed;
	unsigned long nr_ops[MAX_WORKERS];
};

/* What one process has of a slot. */
struct view {
	bool is_open;
	unsigned generation;
	int fd, append, direct;       /* direct: -1 where the file system has no O_DIRECT */
	unsigned char *shared, *priv; /* MAX_FILE each, NULL when not mapped */
	bool own[MAX_PAGES];          /* pages of priv that this process wrote */
	unsigned own_cut[MAX_PAGES];  /* the slot's cut[] at that time */
	unsigned char *own_data;
};

extern struct model *model;
extern int worker;                /* which process this is */
extern uint64_t fsx_state;        /* of this process' random numbers */

/* A stream of its own for each process; the seed repeats it. */
uint64_t fsx_random(void);
/* [lo, hi) */
long fsx_between(long lo, long hi);

/* Notes an operation in the slot's trail. */
void fsx_note(struct slot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints what went wrong with the slot's trail, marks the run as failed and ends the process. */
void fsx_fail(struct slot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
/* Compares bytes of the file at `at` with the model. */
void fsx_compare(struct slot *s, const char *how, const unsigned char *got, long at, long len);

void fsx_view_open(struct slot *s, struct view *v);
void fsx_view_close(struct view *v);
/* One random operation on a random slot, and a look at what came of it. */
void fsx_step(struct view *views);
/* Every byte of every file through a new descriptor. */
void fsx_verify_all(const char *when);

#endif
