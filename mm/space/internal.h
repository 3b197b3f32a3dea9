/* SPDX-License-Identifier: MIT */
/* What the files of mm/space/ share. */
#ifndef MM_SPACE_INTERNAL_H
#define MM_SPACE_INTERNAL_H

#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/mman.h>
#include <mm/commit.h>
#include <mm/inspect.h>
#include <mm/mapping.h>
#include <mm/mman.h>
#include <mm/pagetable.h>
#include <mm/region.h>
#include <mm/slab.h>

#define STACK_GUARD_GAP (256 * PAGE_SIZE)

/* PROT_* as REGION_*; other bits of prot mean nothing here. */
static inline u32 prot_flags(u32 prot)
{
	_Static_assert(PROT_READ == REGION_READ && PROT_WRITE == REGION_WRITE && PROT_EXEC == REGION_EXEC, "the same bits");
	return prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* ---- region.c: objects and the tree ---- */

/* What a region is to be. */
struct region_spec {
	uaddr_t start, end;
	u32 flags;
	u64 pgoff;
	struct mapping *mapping;
	void *file;
	const pfn_t *special_pfns;
	const char *name;
};

struct region *region_alloc(void); /* contents are arbitrary until region_init */
void region_init(struct region *r, const struct region_spec *spec); /* takes a reference to the file */
void region_free(struct region *r);                                 /* drops it */
void region_discard(struct region *r);                              /* one that was never initialised */
/* What a region for [start, end) of r's content would be. */
struct region_spec region_spec_of(const struct region *r, uaddr_t start, uaddr_t end);

/* Puts r before `after` (NULL: behind all), where its range is free. */
void region_insert(struct space *s, struct region *r, struct region *after);
void region_remove(struct space *s, struct region *r);
/* Changes the bounds in place (order in the tree unchanged), pgoff with the start. */
void region_resize(struct space *s, struct region *r, uaddr_t start, uaddr_t end);
/* Brings in what spec describes, before `after`, where its range is free: as part of a neighbour that is
 * alike, or as a region of its own. The region that holds it, or NULL without memory. */
struct region *region_bring_in(struct space *s, const struct region_spec *spec, struct region *after);

/* Regions that a split may need, set aside before anything changes. */
struct region_spares {
	struct region *r[2];
};
int spares_reserve(struct region_spares *sp, unsigned nr); /* 0 or -ENOMEM */
void spares_release(struct region_spares *sp);

/* Splits r at addr, if that lies inside. Cannot fail: takes from sp. Returns the region from addr on. */
struct region *region_split(struct space *s, struct region *r, uaddr_t addr, struct region_spares *sp);
/* How many regions giving [start, end) of r these flags adds before any merging: 0..2. */
unsigned region_reflag_cuts(const struct region *r, uaddr_t start, uaddr_t end, u32 flags);
/* Gives [start, end) of r other flags: splits at its edges and merges, or lets a neighbour that is alike
 * then grow over it. Cannot fail: takes as many of sp as region_reflag_cuts said. Sizes are the caller's
 * to account. Returns the region that holds the range now. */
struct region *region_reflag(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 flags,
                             struct region_spares *sp);
/* Is [start, end) all of r, and r private memory that with rights `rights` is like no region it touches? Then flags are all
 * there is to change. */
static inline bool region_is_alone(const struct region *r, uaddr_t start, uaddr_t end, u32 rights)
{
	const u32 rwx = REGION_READ | REGION_WRITE | REGION_EXEC;
	u32 flags = (r->flags & ~(rwx | REGION_ACCOUNT)) | rights;
	return start == r->start && end == r->end && !r->mapping &&
	       (!r->prev || r->prev->end != start || (r->prev->flags & ~REGION_ACCOUNT) != flags) &&
	       (!r->next || r->next->start != end || (r->next->flags & ~REGION_ACCOUNT) != flags);
}
/* Merges r with its neighbours where they are alike; returns the region that holds r's range now. */
struct region *region_merge(struct space *s, struct region *r);
/* Bytes between the region before r and r, less the guard gap of one that grows down. */
static inline u64 region_hole(const struct region *r)
{
	u64 hole = r->start - (r->prev ? r->prev->end : 0);
	if (unlikely(r->flags & REGION_GROWSDOWN))
		return hole > STACK_GUARD_GAP ? hole - STACK_GUARD_GAP : 0;
	return hole;
}
#define GAP_MAX (1ul << 40) /* region->gap says no more than this */

/* ---- gap.c ---- */

/* A free range of len bytes: at hint when that is free and allowed, else as high as possible below
 * mmap_base, else above it. 0 or -ENOMEM; *after = the region above it. congruent: preferred address
 * modulo LEAF_SPAN, or -1. */
int gap_find(struct space *s, uaddr_t hint, u64 len, s64 congruent, uaddr_t *out, struct region **after);
/* For MAP_32BIT: in the second GiB, as low as possible. */
int gap_find_32bit(struct space *s, uaddr_t hint, u64 len, uaddr_t *out, struct region **after);
/* The hole before `after` (NULL: behind all regions) has become larger. */
static inline void gap_grew(struct space *s, struct region *after)
{
	if (!after || (s->top_hole && after->start >= s->top_hole->start))
		s->top_hole = after;
}

/* ---- account.c ---- */

/* Adds a region's pages to VmSize & co (sign +1) or takes them away (-1). */
void account_region(struct space *s, const struct region *r, int sign);
void account_pages(struct space *s, u32 flags, s64 nr_pages);
/* nr_pages get other flags. */
void account_reflag(struct space *s, u32 old, u32 flags, u64 nr_pages);
/* A part of a region, len bytes. */
void account_range(struct space *s, const struct region *r, u64 len, int sign);
/* May the space grow by these? 0, -ENOMEM. */
int account_may_expand(struct space *s, u32 flags, u64 nr_pages);
/* RLIMIT_MEMLOCK: 0 or -EAGAIN/-ENOMEM as given. */
int account_may_lock(struct space *s, u64 nr_pages, int err);
void space_note_hiwater(struct space *s);

/* ---- munmap.c ---- */

/* munmap with the lock held for writing. */
int munmap_locked(struct space *s, uaddr_t start, u64 len);
/* The same for whole regions from start on whose pages have moved away. is_bare: tables below them may be empty. */
void munmap_moved_locked(struct space *s, uaddr_t start, u64 len, bool is_bare);

/* ---- mmap.c ---- */

/* Brings in anonymous memory [start, end), free, before `after`: for brk. Lock held for writing. */
int map_anonymous_locked(struct space *s, uaddr_t start, uaddr_t end, u32 flags, struct region *after);

/* ---- mlock.c ---- */

/* Changes the flags of [start, end), which lies in r; *out = the region that holds it afterwards. 0 or
 * -ENOMEM. Lock held for writing. */
int region_change_flags(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 clear, u32 set, struct region **out);

/* ---- populate.c ---- */

/* Makes pages present in [start, end) with the lock held for reading: writable ones written to. Stops
 * with -ENOMEM, -EFAULT (SIGBUS) or when the task is being killed (-EINTR). */
int populate_locked(struct space *s, uaddr_t start, uaddr_t end, bool want_write);
/* The same for MADV_POPULATE_*: also where pages are locked only once they are touched. */
int populate_advised(struct space *s, uaddr_t start, uaddr_t end, bool want_write);

/* MADV_PAGEOUT for a range of one region (pageout.c). Space lock held (read); may sleep. */
void pageout_range(struct space *s, uaddr_t start, uaddr_t end);

#endif
