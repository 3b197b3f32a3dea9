/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: when free memory runs low, pages of files that can be read again are given back, anonymous and shmem
 * pages go to swap, and caches give up objects that they can do without. A worker starts at the low watermark and
 * stops at the high one; who allocates below the minimum does it himself, and so does who is at a memory group's limit.
 */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include <hal/types.h>
#include <lib/list.h>

struct frame;

/* A page that can be reclaimed comes: one of a file with a backing store enters its index (tree lock held), an
 * anonymous one is mapped first. Whether it was evicted lately follows from its place: file and index, or
 * the swap entry. */
void lru_add(struct frame *f);
/* The same for a page of anonymous memory that never was in swap, and that nobody knows yet. */
void lru_add_new(struct frame *f);
/* It leaves the index (tree lock held), or loses its last reference. Nothing, if it is on no list. */
void lru_remove(struct frame *f);
/* The same for several that nobody refers to any more. */
void lru_remove_many(struct frame *const *frames, unsigned nr);
/* The page moves from f to the frame `to`, whose flags only the caller changes: the list, the place on it, the
 * policy's bits and the mark of a locked page go over. Nothing, if f is on no list. */
void lru_replace(struct frame *f, struct frame *to);
/* A reference to a page that is on a list; the page stays there. False: it is on none, is isolated, or just being freed. f
 * may be any frame of RAM: this is how memory is searched for pages that can be moved. */
bool lru_get(struct frame *f);
/* Is the page, to which the caller has a reference, on a list that counts as active? */
bool lru_is_active(const struct frame *f);

/* read(2) or write(2) came to the page: its policy hears of it. */
void lru_touch(struct frame *f);
void lru_touch_many(struct frame *const *frames, unsigned nr);

/* A locked region maps the page from now on: it leaves its policy, and reclaim leaves it alone. Or no region may do
 * so any more; if one does, reclaim finds out when it looks at the page next. Under a leaf table's lock, or with
 * a reference. */
void lru_lock(struct frame *f);
void lru_unlock(struct frame *f);

/* Set while pages can be written to swap. */
extern bool lru_has_swap;

/* A cache of objects that can be made again. */
struct shrinker {
	const char *name;
	u64 (*count)(struct shrinker *s);          /* objects that could go, roughly */
	u64 (*scan)(struct shrinker *s, u64 nr);   /* looks at nr, frees what it can; how many went. Must not
	                                            * wait for locks that an allocation may be made under */
	struct list_head link;
};
void shrinker_register(struct shrinker *s);

/* Tries to free nr pages; alloc: ALLOC_* of who needs them. Pages freed. May sleep. */
u64 reclaim_pages(u64 nr, unsigned alloc);

/* The same for pages of a memory group and of those below it. */
struct mem_group;
u64 reclaim_group(struct mem_group *g, u64 nr, unsigned alloc);
u64 reclaim_group_nr_listed(struct mem_group *g);

/* Pages that reclaim could look at, now or once they are idle. */
u64 reclaim_nr_listed(void);

/* Frees what the shrinkers have, all of it (drop_caches 2). Objects freed. */
u64 reclaim_slab_all(void);

/* Free memory fell below a low watermark: wakes the worker. Any context that may take RANK_WAITQ. */
void reclaim_wake(void);
/* Pages that reclaim is waiting for have become free. */
void reclaim_progress(void);
void reclaim_init(void);
int reclaim_start(void); /* the worker and the reaper of mm/oom.h, once threads exist: 0 or -ENOMEM */

/* NULL, or what is broken. Nothing may be reclaimed meanwhile. */
const char *lru_validate(void);

#endif
