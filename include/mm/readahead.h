/* SPDX-License-Identifier: MIT */
/*
 * Read-ahead: one state per open file. Sequential readers get a window that doubles up to the limit
 * and is read while the one before is consumed; random readers get what they ask for.
 */
#ifndef MM_READAHEAD_H
#define MM_READAHEAD_H

#include <hal/types.h>

struct mapping;

#define READAHEAD_DEFAULT_PAGES 32 /* 128 KiB: /sys/block/X/queue/read_ahead_kb */

struct readahead {
	u64 start;        /* page number where the current window starts */
	u32 size, async;  /* pages of the window; its last `async` ones trigger the next */
	u32 limit;        /* pages: largest window; 0: only what is asked for (POSIX_FADV_RANDOM) */
	u32 nr_misses;    /* mapped access: misses less hits */
	u64 last;         /* page number last read, ~0 = none */
};

void readahead_init(struct readahead *ra, u32 limit);

/* Page `index` is not in memory; the caller wants `nr` pages from there. Starts reading. */
void readahead_miss(struct mapping *m, struct readahead *ra, u64 index, u64 nr);
/* The page marked as trigger was reached: starts the next window. */
void readahead_hit(struct mapping *m, struct readahead *ra, u64 index);
/* A mapped page is missing (fault): around it, or ahead for REGION_SEQ_READ, or alone for REGION_RAND_READ. */
void readahead_fault(struct mapping *m, struct readahead *ra, u64 index, u32 region_flags);
/* Pages [index, index + nr) as asked for by readahead(2), MADV_WILLNEED, POSIX_FADV_WILLNEED. 0 or -EIO. */
int readahead_force(struct mapping *m, u64 index, u64 nr);

#endif
