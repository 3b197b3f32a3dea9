/* SPDX-License-Identifier: MIT */
/*
 * Swap: anonymous and shmem pages on block devices.
 *
 * An area is a run of pages on a device or in a file; page 0 is its header, so slot 0 is never given out.
 * A swap entry names one page of one area: area << SWAP_AREA_SHIFT | slot number; 0 is none. The page in
 * a slot keeps its chain: the page-table entries that name it are linked as those that map a frame are.
 * The swap cache is the frame that a slot names while the page is in both places.
 */
#ifndef MM_SWAP_H
#define MM_SWAP_H

#include <hal/types.h>
#include <mm/fault.h>
#include <mm/frame.h>
#include <mm/pte.h>

struct block_device;
struct space;
struct region;
struct leaf;
struct mapping;

#define SWAP_MAX_AREAS  32
#define SWAP_AREA_SHIFT 40
#define SWAP_MAX_PAGES  (1ul << 32) /* 16 TiB an area */

static inline unsigned swap_entry_area(u64 entry) { return (unsigned)(entry >> SWAP_AREA_SHIFT); }
static inline u64 swap_entry_slot(u64 entry) { return entry & ((1ul << SWAP_AREA_SHIFT) - 1); }

/* ---- areas (area.c) ---- */

/* Pages [page, page + nr) of an area lie from `sector` (of 512 bytes, on its device) on. */
struct swap_extent {
	u64 page, nr, sector;
};

struct swap_config {
	struct block_device *dev;
	const struct swap_extent *extents; /* by page, without gaps, copied; cover nr_pages */
	u32 nr_extents;
	u64 nr_pages;      /* the header included: 2..SWAP_MAX_PAGES */
	const u32 *bad;    /* pages that are not used, ascending, copied */
	u32 nr_bad;
	int priority;      /* 0..32767; -1: below every other, as swapon without a priority */
	void *owner;       /* the caller's: what the area was made of */
};

/* The area takes pages from now on. 0; -EPERM: there are SWAP_MAX_AREAS; -ENOMEM; -EINVAL. */
int swap_area_add(const struct swap_config *c, unsigned *area);
/* Brings everything back and ends the area. 0; -ENOMEM: no room in memory; -EINTR: the caller is being
 * killed; then the area goes on. May sleep. */
int swap_area_remove(unsigned area);

struct swap_area_stat {
	void *owner;
	u64 nr_pages, nr_used; /* usable pages (neither header nor bad), pages in use */
	int priority;          /* as shown: -2, -3, ... without one */
};
/* False: there is no such area. Areas are numbered 0..SWAP_MAX_AREAS-1. */
bool swap_area_stat(unsigned area, struct swap_area_stat *out);
u64 swap_nr_total(void); /* pages: SwapTotal */
u64 swap_nr_free(void);  /* pages: SwapFree */
u64 swap_nr_cached(void); /* pages that are in memory and in swap: SwapCached */

void swap_init(void);

/* NULL, or what is broken: slots, chains, counts. Nothing may run meanwhile. */
const char *swap_validate(void);

#endif
