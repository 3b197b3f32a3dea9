/* SPDX-License-Identifier: MIT */
/* kmalloc: power-of-two caches (and 96, 192 bytes) up to 8 KiB, whole blocks of frames above. */
#include "internal.h"
#include <lib/string.h>

static const struct {
	u32 size;
	const char *name;
} classes[] = {
	{ 8, "kmalloc-8" },       { 16, "kmalloc-16" },     { 32, "kmalloc-32" },     { 64, "kmalloc-64" },
	{ 96, "kmalloc-96" },     { 128, "kmalloc-128" },   { 192, "kmalloc-192" },   { 256, "kmalloc-256" },
	{ 512, "kmalloc-512" },   { 1024, "kmalloc-1k" },   { 2048, "kmalloc-2k" },   { 4096, "kmalloc-4k" },
	{ 8192, "kmalloc-8k" },
};

static struct slab_cache *caches[ARRAY_SIZE(classes)];

void kmalloc_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
		caches[i] = slab_cache_create(classes[i].name, classes[i].size, classes[i].size & (classes[i].size - 1) ? 8 : min(classes[i].size, 64u), 0);
		ASSERT(caches[i]);
	}
}

static unsigned order_of(size_t size)
{
	unsigned order = 0;
	while ((PAGE_SIZE << order) < size)
		order++;
	return order;
}

void *kmalloc(size_t size, unsigned alloc)
{
	for (unsigned i = 0; i < ARRAY_SIZE(classes); i++)
		if (size <= classes[i].size)
			return slab_alloc_for(caches[i], alloc, __builtin_return_address(0));
	if (size > PAGE_SIZE << FRAME_MAX_ORDER)
		return NULL;
	struct frame *f = frame_alloc(order_of(size), alloc, FRAME_KERNEL);
	return f ? frame_ptr(f) : NULL;
}

void *kzalloc(size_t size, unsigned alloc) { return kmalloc(size, alloc | ALLOC_ZERO); }

size_t kmalloc_size(const void *p)
{
	struct slab_cache *c = slab_cache_of(p);
	return c ? slab_object_size(c) : PAGE_SIZE << ptr_frame(p)->order;
}

void kfree(void *p)
{
	if (!p)
		return;
	struct slab_cache *c = slab_cache_of(p);
	if (c)
		slab_free(c, p);
	else
		frame_free(ptr_frame(p), ptr_frame(p)->order);
}

void *krealloc(void *p, size_t size, unsigned alloc)
{
	if (p && size <= kmalloc_size(p))
		return p;
	void *fresh = kmalloc(size, alloc);
	if (fresh && p) {
		memcpy(fresh, p, kmalloc_size(p));
		kfree(p);
	}
	return fresh;
}
