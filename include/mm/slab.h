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

/* Leak detection, from boot on or not at all: each object has a note behind it of who asked for it, and when. Set before
 * slab_init, along with hal_debug_checks. */
extern bool slab_keeps_notes;
struct slab_note {
	u32 caller; /* the lower half of the address behind the call; 0: the object is free */
	u32 tid;
	u64 ns;
};
/* Calls fn for every object that is out, as far as it stands still: what comes and goes meanwhile may be left out. fn must
 * not allocate. No locks. */
void slab_for_each_note(void (*fn)(const char *cache, u32 size, const struct slab_note *note, void *arg), void *arg);

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
