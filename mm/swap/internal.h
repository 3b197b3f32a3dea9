/* SPDX-License-Identifier: MIT */
/* Areas and their I/O as the files of mm/swap/ see them. */
#ifndef MM_SWAP_INTERNAL_H
#define MM_SWAP_INTERNAL_H

#include <asm/errno.h>
#include <mm/block.h>
#include <mm/pagetable.h>
#include <mm/stat.h>
#include <mm/swap.h>

#define CLUSTER_SLOTS 256u /* a page of struct swap_slot */
_Static_assert(CLUSTER_SLOTS * sizeof(struct swap_slot) == PAGE_SIZE, "the slots of a cluster fill a page");

/* A run of slots that is filled in order; its descriptors exist while one of them is in use. */
struct swap_cluster {
	struct swap_slot *slots; /* NULL: none in use */
	u32 next;                /* behind it in a queue */
	u16 nr_used;
	bool is_queued;
};

#define CLUSTERS_PER_PAGE ((u32)(PAGE_SIZE / sizeof(struct swap_cluster)))
#define NO_CLUSTER (~0u)

/* Clusters with room, oldest first. */
struct cluster_queue {
	u32 first, last;
};

struct swap_area {
	bool is_present;  /* (areas_lock; changed under change_lock) it may be looked at */
	bool is_open;     /* (areas_lock) it gives out slots */
	struct swap_config config;
	struct swap_extent *extents;
	u64 nr_slots, nr_used; /* (areas_lock) without header and bad pages */
	u32 nr_clusters;
	struct swap_cluster **clusters; /* pages of them */
	struct cluster_queue fresh, partial; /* (areas_lock) never used since they were empty; with holes */
	u32 current, cursor;   /* (areas_lock) the cluster being filled; where the next look begins */
	int priority;          /* higher first */
};

extern struct swap_area swap_areas[SWAP_MAX_AREAS];

static inline struct swap_cluster *area_cluster(struct swap_area *a, u32 nr)
{
	return &a->clusters[nr / CLUSTERS_PER_PAGE][nr % CLUSTERS_PER_PAGE];
}

/* A free slot of the area with the highest priority that has one: f, busy and in no slot's cache, becomes its
 * cache. False: there is none. */
bool slot_alloc(struct frame *f);
/* Frees a slot that nothing uses. */
void slot_free(u64 entry);
/* The cached frame, busy or not, of the next slot in use at or behind *slot in an area that is being removed, with
 * a reference; `fresh` becomes it if there is none (*is_new; it has a reference for the cache then). NULL: no
 * slot is in use any more. *slot: which one. */
struct frame *slot_pin_next(unsigned area, u64 *slot, struct frame *fresh, bool *is_new);

/* As swap_cache_add, of a slot that may be free or not exist: false also when no table's entry names it. */
bool slot_join_if_mapped(u64 entry, struct frame *f);

/* No slot is in use, and nobody is just freeing the last one. */
bool area_is_empty(unsigned area);

/* Where a page lies: its sector, and how many pages follow there one after the other. */
u64 area_sector(const struct swap_area *a, u64 page, u64 *nr);

/* Does an entry or an index name the locked slot? */
static inline bool slot_is_named(const struct swap_slot *s, u64 chain) { return chain || s->flags & SWAP_SLOT_HELD; }

/* f, busy, becomes the cache of a slot that has none, locked or known to nobody yet; the cache takes a reference. */
void swap_cache_join_locked(u64 entry, struct swap_slot *s, struct frame *f);

/* Is the busy f in the cache of a slot that no entry and no index names? */
bool swap_cache_is_unnamed(struct frame *f);
/* Takes the busy f, whose second reference is the caller's, out of the cache if it is clean and nobody else has
 * it: the slot has the page. True: it is the caller's alone now. */
bool swap_cache_drop(struct frame *f);

/* Empties an area that gives out no slots any more (off.c): as swap_area_remove. */
int swap_bring_back(unsigned area);

/* ---- I/O (io.c) ---- */

void swap_io_init(void);
int swap_io_begin(void); /* before the first area; 0 or -ENOMEM */
void swap_io_end(void);  /* after the last one: nothing is in flight. May sleep */

/* ahead.c; the space's lock is held for reading. */
struct region;
/* What to read beside a touched page: at most max pages among the entries next to it, so many below and above. */
struct swap_window {
	unsigned max, below, above;
};
struct swap_window swap_ahead_window(struct region *r, uaddr_t addr);
/* How many slots, a power of two, to read around a touched one by their order on the disk. */
unsigned swap_ahead_slots(struct region *r);
/* So many pages were read beside the one that was touched. */
void swap_ahead_asked(struct region *r, unsigned nr);
/* The page at addr, read ahead, is touched for the first time. */
void swap_ahead_used(struct region *r, uaddr_t addr);

#endif
