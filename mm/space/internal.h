/* SPDX-License-Identifier: MIT */
/* What the files of mm/space/ share. */
#ifndef MM_SPACE_INTERNAL_H
#define MM_SPACE_INTERNAL_H

#include <asm/errno.h>
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

struct region *region_alloc(void);
void region_free(struct region *r); /* drops the file */
/* A copy for [start, end) of r's content; takes a reference to the file. */
void region_init_copy(struct region *copy, const struct region *r, uaddr_t start, uaddr_t end);
void region_insert(struct space *s, struct region *r);
void region_remove(struct space *s, struct region *r);
/* Changes the bounds in place (order in the tree unchanged), pgoff with the start. */
void region_resize(struct space *s, struct region *r, uaddr_t start, uaddr_t end);

/* Regions that a split may need, set aside before anything changes. */
struct region_spares {
	struct region *r[2];
};
int spares_reserve(struct region_spares *sp);
void spares_release(struct region_spares *sp);

/* Splits so that no region straddles `addr`. Cannot fail: takes from sp. */
void region_split_at(struct space *s, uaddr_t addr, struct region_spares *sp);
/* How many regions a change of [start, end) may add (0..2). */
unsigned regions_split_count(struct space *s, uaddr_t start, uaddr_t end);
/* Merges r with its neighbours where they are alike; returns the region that holds r's range now. */
struct region *region_merge(struct space *s, struct region *r);
/* Does any region overlap [start, end)? */
bool range_is_free(struct space *s, uaddr_t start, uaddr_t end);

/* ---- gap.c ---- */

/* A free range of len bytes: at hint when that is free and allowed, else as high as possible below
 * mmap_base, else above it. 0 or -ENOMEM. congruent: preferred address modulo LEAF_SPAN, or -1. */
int gap_find(struct space *s, uaddr_t hint, u64 len, s64 congruent, uaddr_t *out);
int gap_find_32bit(struct space *s, uaddr_t hint, u64 len, uaddr_t *out);

/* ---- account.c ---- */

/* Adds a region's pages to VmSize & co (sign +1) or takes them away (-1). */
void account_region(struct space *s, const struct region *r, int sign);
void account_pages(struct space *s, u32 flags, s64 nr_pages);
/* May the space grow by these? 0, -ENOMEM. */
int account_may_expand(struct space *s, u32 flags, u64 nr_pages);
/* RLIMIT_MEMLOCK: 0 or -EAGAIN/-ENOMEM as given. */
int account_may_lock(struct space *s, u64 nr_pages, int err);
void space_note_hiwater(struct space *s);

/* ---- munmap.c ---- */

/* Takes the whole regions in [start, end) off the tree, empties and frees; boundaries were split. */
void unmap_regions(struct space *s, uaddr_t start, uaddr_t end);
/* munmap with the lock held for writing. */
int munmap_locked(struct space *s, uaddr_t start, u64 len);

/* ---- mmap.c ---- */

/* Brings in an anonymous region [start, end): for brk and the stack. Lock held for writing. */
int map_anonymous_locked(struct space *s, uaddr_t start, uaddr_t end, u32 flags, struct region **out);

/* ---- mlock.c ---- */

/* Changes the flags of [start, end), which lies in r; *out = the region that holds it afterwards. 0 or
 * -ENOMEM. Lock held for writing. */
int region_change_flags(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 clear, u32 set, struct region **out);

/* ---- populate.c ---- */

/* Makes pages present in [start, end) with the lock held for reading: writable ones written to. Stops
 * with -ENOMEM, -EFAULT (SIGBUS) or when the task is being killed (-EINTR). */
int populate_locked(struct space *s, uaddr_t start, uaddr_t end, bool want_write);

#endif
