/* SPDX-License-Identifier: MIT */
#ifndef MM_SLAB_INTERNAL_H
#define MM_SLAB_INTERNAL_H

#include <mm/slab.h>

void kmalloc_init(void);
/* As slab_alloc, on behalf of the code at `caller`. */
void *slab_alloc_for(struct slab_cache *c, unsigned alloc, const void *caller);
/* The cache an object came from, or NULL when it is no slab object. */
struct slab_cache *slab_cache_of(const void *object);
size_t slab_object_size(const struct slab_cache *c);

#endif
