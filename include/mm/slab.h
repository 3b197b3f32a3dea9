/* SPDX-License-Identifier: MIT */
/*
 * Slab allocator: named caches of equal objects, cut from blocks of frames (slabs), and kmalloc on
 * top. Source: Bonwick, "The Slab Allocator" (USENIX 1994); per-CPU free lists as in SLUB.
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include <hal/types.h>
#include <mm/frame.h>

#define SLAB_RECLAIMABLE (1u << 0) /* a shrinker can free its objects: counts as SReclaimable */
#define SLAB_ACCOUNT     (1u << 1)

struct slab_cache;

/* name must stay valid; size > 0 bytes; align 0 (= 8) or a power of two <= PAGE_SIZE. */
struct slab_cache *slab_cache_create(const char *name, size_t size, size_t align, unsigned flags);
/* All objects must have been freed. */
void slab_cache_destroy(struct slab_cache *c);

/* alloc: ALLOC_* bits; NULL when memory is short. ALLOC_ZERO clears the object. */
void *slab_alloc(struct slab_cache *c, unsigned alloc);
void slab_free(struct slab_cache *c, void *object);

/* kmalloc-8 .. kmalloc-8k from caches, larger sizes from frames. kfree(NULL) is allowed. */
void *kmalloc(size_t size, unsigned alloc);
void *kzalloc(size_t size, unsigned alloc);
void *krealloc(void *p, size_t size, unsigned alloc);
void kfree(void *p);
size_t kmalloc_size(const void *p); /* usable bytes */

struct slab_stat {
	const char *name;
	u64 active_objects, total_objects; /* objects in use; objects that the slabs hold */
	u32 object_size, objects_per_slab, pages_per_slab;
	u64 active_slabs, total_slabs;
	bool reclaimable;
};

/* Calls fn for every cache, oldest first, until it returns false. Takes the cache list's lock. */
void slab_for_each(bool (*fn)(const struct slab_stat *, void *arg), void *arg);

void slab_init(void);   /* once, after frame_init */
void slab_drain(void);  /* per-CPU objects to their slabs, empty slabs to the frame allocator */
const char *slab_validate(void);

#endif
