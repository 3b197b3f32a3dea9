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

#include <hal/lock.h>
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

/* ---- slots (slot.c) ---- */

/* One for each page of an area. In use while entries name it, a frame is its cache, or an index holds it. */
struct swap_slot {
	u64 chain; /* as frame->chain: the entries that name it; bit 31 is the lock of all three fields */
	u32 pfn;   /* the swap cache: which frame holds the page too; 0 = none */
	u32 flags;
};
#define SWAP_SLOT_USED (1u << 0)
#define SWAP_SLOT_BAD  (1u << 1) /* header or bad page: used, but by nobody */
#define SWAP_SLOT_HELD (1u << 2) /* a shmem object's index holds it */
#define SWAP_SLOT_GROUP_SHIFT 16 /* bits 31..16: the memory group that is charged for it */
#define SWAP_SLOT_LOCKED (1ull << 31)

/* The slot of an entry that is in use and stays so meanwhile. */
struct swap_slot *swap_slot(u64 entry);
/* ALLOC_* for a frame that shall get the page of such a slot: charged to whom it was charged before. */
static inline unsigned swap_alloc_group(u64 entry) { return READ_ONCE(swap_slot(entry)->flags) & ALLOC_GROUP_MASK; }
static inline u64 swap_slot_lock(struct swap_slot *s) /* RANK_SWAP_SLOT; returns the chain */
{
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(RANK_SWAP_SLOT, false);
	hal_switch_point();
	u64 chain;
	while (unlikely((chain = __atomic_fetch_or(&s->chain, SWAP_SLOT_LOCKED, __ATOMIC_ACQUIRE)) & SWAP_SLOT_LOCKED))
		hal_cpu_pause();
	return chain;
}
/* Unlocks with a new chain; frees the slot when nothing uses it any more. */
void swap_slot_unlock(struct swap_slot *s, u64 entry, u64 chain);

/* ---- the swap cache (cache.c) ---- */

/* A frame of kind ANON or CACHE (shmem) with FRAME_SWAPCACHE names its slot: frame_swap_entry(). It joins and
 * leaves the cache under its busy bit; the cache holds one reference. */

/* The cached frame of an entry that stays in use meanwhile, with a reference, or NULL. */
struct frame *swap_cache_find(u64 entry);
/* Puts f, busy and nobody else's, into the cache of such an entry. False: there is one already. */
bool swap_cache_add(u64 entry, struct frame *f);
/* Takes f, busy, out of the cache, if it is in; its content is valid only in memory then (or of no use). */
void swap_cache_remove(struct frame *f);
/* A mapping of f, which has FRAME_SWAPCACHE, has gone: takes it out if nobody maps it and no entry names its
 * slot any more. A reference is held. No context. */
void swap_cache_release(struct frame *f);
/* Nobody has the mapped f in swap any more, and its slot is wanted. */
void swap_cache_give_up(struct frame *f);
/* Takes the busy f out if no entry names its slot (mapped or not). */
void swap_cache_release_busy(struct frame *f);
/* Migration: passes through the lock of f's slot, if f is in the cache. Who finds it there later sees that it is busy. */
bool swap_cache_pass(struct frame *f);
/* Lets the page of the busy f, which is in the cache, move to `to` by calling move(f, to), if nobody holds f but its slots
 * and nr_others (the cache, the caller, an index). */
bool swap_cache_move(struct frame *f, struct frame *to, u32 nr_others, void (*move)(struct frame *f, struct frame *to));
/* A write to f, which one entry maps and FRAME_SWAPCACHE is set on: takes it out if no other entry names its
 * slot and nobody else holds it. True: the page is the writer's own. Leaf table lock held. */
bool swap_cache_reuse(struct frame *f);

/* ---- moving pages (out.c, in.c) ---- */

#define SWAP_BATCH 32
/* Writes nr (at most SWAP_BATCH) pages out: busy, each with a reference that is used up; they are unlocked
 * and become free at once or when their write ends, unless somebody touches them before. Returns how many
 * were freed at once. May sleep; allocates nothing but from reserves. */
unsigned swap_out(struct frame *const *frames, unsigned nr, unsigned *nr_started);

/* Reads or writes nr pages (at most SWAP_BATCH) to their slots, neighbours in one request. Each frame has a
 * reference, which is used up when its page is done: */
void swap_read(struct frame *const *frames, unsigned nr);  /* busy; becomes up to date, or not, and is unlocked */
void swap_write(struct frame *const *frames, unsigned nr); /* FRAME_WRITEBACK; stays dirty when it fails */
/* Brings the page that the locked leaf l names at addr, in region r, into the swap cache and unlocks l; alone: without
 * its neighbours. The frame has a reference; it may be busy being read. *is_major: it was not in memory. 0;
 * -ENOMEM; -EAGAIN: the entry has changed. */
int swap_in(struct leaf *l, struct region *r, uaddr_t addr, bool alone, struct frame **out, bool *is_major);

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
/* Is more than half of it in use? Then pages in memory keep no slots. */
static inline bool swap_is_tight(void) { return swap_nr_free() * 2 < swap_nr_total(); }
u64 swap_nr_cached(void); /* pages that are in memory and in swap: SwapCached */

void swap_init(void);

/* NULL, or what is broken: slots, chains, counts. Nothing may run meanwhile. */
const char *swap_validate(void);

#endif
