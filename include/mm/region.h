/* SPDX-License-Identifier: MIT */
/*
 * Regions (Linux: VMAs): a region is a range of addresses with one set of rights and one source of
 * content. They are made and changed by mm/space/ only; whoever holds the space's lock for reading may
 * look at them.
 */
#ifndef MM_REGION_H
#define MM_REGION_H

#include <hal/mmu.h>
#include <hal/types.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <mm/space.h>

struct mapping;

/* region->flags */
#define REGION_READ      (1u << 0)
#define REGION_WRITE     (1u << 1)
#define REGION_EXEC      (1u << 2)
#define REGION_SHARED    (1u << 3)
#define REGION_MAYREAD   (1u << 4) /* mprotect may grant it */
#define REGION_MAYWRITE  (1u << 5)
#define REGION_MAYEXEC   (1u << 6)
#define REGION_GROWSDOWN (1u << 7)
#define REGION_LOCKED    (1u << 8)
#define REGION_LOCKONFAULT (1u << 9)
#define REGION_DONTFORK  (1u << 10)
#define REGION_WIPEONFORK (1u << 11)
#define REGION_NORESERVE (1u << 12)
#define REGION_ACCOUNT   (1u << 13) /* counted in Committed_AS */
#define REGION_SPECIAL   (1u << 14) /* vDSO, vvar: frames given at creation, never anonymous */
#define REGION_STACK     (1u << 15) /* the initial stack, for names and VmStk */
#define REGION_DONTDUMP  (1u << 16)
#define REGION_SEQ_READ  (1u << 17)
#define REGION_RAND_READ (1u << 18)
#define REGION_HUGEPAGE  (1u << 19)
#define REGION_NOHUGEPAGE (1u << 20)

/* How well read-ahead from swap does (mm/swap/ahead.c); hints, any reader of the space's lock changes them. */
struct swap_readahead {
	uaddr_t last;     /* where a sweep is */
	u16 asked, used;  /* pages read before they were asked for, and those of them that were of use; both are halved now and then */
	u16 nr_single;    /* touches that were read alone because nothing is known, or little was of use */
	u8 size, strays;  /* of the sweep's last window; touches elsewhere since */
};

struct region {
	struct rb_node node;        /* in space->regions, by address */
	struct region *prev, *next; /* neighbours by address */
	uaddr_t start, end;
	u64 gap;             /* bytes free before this one, see region.c */
	u64 max_gap;         /* largest gap in this subtree */
	u32 flags;
	struct space *space;
	struct mapping *mapping;       /* NULL: anonymous */
	void *file;                    /* for ops->file_get/put and names; NULL: none */
	u64 pgoff;                     /* page number in the mapping of `start`; anonymous: start's own */
	const pfn_t *special_pfns;     /* REGION_SPECIAL: one per page */
	const char *name;              /* "[vdso]" ...; NULL: derived */
	struct list_head mapping_link; /* in mapping->regions */
	struct swap_readahead swap_ra;
	u64 zap_stamp;                 /* (mapping->regions_lock) last truncation that visited it */
};

static inline u64 region_pages(const struct region *r) { return (r->end - r->start) >> PAGE_SHIFT; }

/* Page number in the mapping that `addr` shows. */
static inline u64 region_index(const struct region *r, uaddr_t addr)
{
	return r->pgoff + ((addr - r->start) >> PAGE_SHIFT);
}

/* May any access touch it? */
static inline bool region_is_accessible(const struct region *r)
{
	return r->flags & (REGION_READ | REGION_WRITE | REGION_EXEC);
}

/* The space's lock is held, for reading at least, until the caller is done with the region. */

struct region *region_lookup_slow(struct space *s, uaddr_t addr);

/* The first region with end > addr: the one that contains addr, or the first above it. NULL: none. */
static inline struct region *region_lookup(struct space *s, uaddr_t addr)
{
	struct region *r = READ_ONCE(s->cached);
	if (likely(r && addr < r->end) && (addr >= r->start || !r->prev || addr >= r->prev->end))
		return r;
	return region_lookup_slow(s, addr);
}

/* In order of addresses; NULL at the end. */
static inline struct region *region_first(struct space *s) { return s->first; }
static inline struct region *region_next(const struct region *r) { return r->next; }
static inline struct region *region_prev(const struct region *r) { return r->prev; }

/* Lets the stack at or above addr (page aligned) grow down to it, within the limits and with the guard
 * gap to what lies below. 0, also when addr is mapped already; -1: it may not. Lock held for writing. */
int stack_grow_locked(struct space *s, uaddr_t addr);

#endif
