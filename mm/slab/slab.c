/* SPDX-License-Identifier: MIT */
/*
 * Slab allocator: caches of equal objects cut from slabs (blocks of frames), with a stack of free
 * objects per CPU in front. Source: Bonwick, "The Slab Allocator" (USENIX 1994); magazines after
 * Bonwick and Adams (USENIX 2001), one per CPU.
 *
 * A slab's first frame knows its cache, its free objects (chained through the objects' first word) and
 * how many are out. Slabs with free objects are on the cache's partial list; full ones are on none; of
 * the empty ones one is kept, the others go back to the frame allocator. A CPU gets its stack in a cache
 * when it first uses it (most caches are used on few CPUs) and gives it back when drained.
 *
 * S1  slab_used = objects that are not on the slab's own chain (handed out, or in a CPU's stack).
 * S2  nr_out = objects in callers' hands; total - nr_out are free somewhere.
 *
 * Locking: cache->lock for slabs and lists; the CPU's stack needs none (hal/cpu.h).
 */
#include "internal.h"
#include <hal/lock.h>
#include <hal/time.h>
#include <lib/string.h>
#include <mm/host.h>
#include <mm/inject.h>
#include <mm/slab.h>
#include <mm/stat.h>

#define CPU_STACK 16

struct cpu_stack {
	u32 nr;
	void *objects[CPU_STACK];
};

struct slab_cache {
	const char *name;
	u32 size;   /* bytes from one object to the next */
	u32 object_size;
	u32 note_offset; /* of a struct slab_note in each object; 0: none is kept */
	u32 align;
	u32 order, per_slab;
	u32 flags;
	struct spinlock lock; /* RANK_SLAB */
	struct list_head partial;
	u64 nr_slabs, nr_empty; /* (lock) */
	u64 nr_full;            /* (lock) */
	struct list_head link;  /* in all_caches */
	struct cpu_stack *cpu[HAL_MAX_CPUS]; /* NULL: not used there yet */
	s32 nr_out[HAL_MAX_CPUS];            /* allocations minus frees on each CPU */
};

static struct slab_cache cache_cache; /* the cache of caches */
static struct slab_cache stack_cache; /* of CPU stacks; its own stand below */
static struct cpu_stack stack_stacks[HAL_MAX_CPUS];
static struct list_head all_caches;
static struct spinlock all_lock;

static void cache_setup(struct slab_cache *c, const char *name, size_t size, size_t align, unsigned flags)
{
	memset(c, 0, sizeof(*c));
	align = max(align, sizeof(void *));
	c->name = name;
	c->object_size = (u32)size;
	c->align = (u32)align;
	size = max(size, sizeof(void *));
	if (unlikely(slab_keeps_notes)) {
		c->note_offset = (u32)((size + 7) & ~7ul);
		size = c->note_offset + sizeof(struct slab_note);
	}
	c->size = (u32)((size + align - 1) & ~(align - 1));
	c->flags = flags;
	/* At least eight objects in a slab, or as many as four pages hold. */
	while (c->order < 3 && (PAGE_SIZE << c->order) < 8 * c->size)
		c->order++;
	while ((PAGE_SIZE << c->order) < c->size)
		c->order++;
	c->per_slab = (u32)((PAGE_SIZE << c->order) / c->size);
	spin_lock_init(&c->lock, RANK_SLAB);
	list_init(&c->partial);
	spin_lock(&all_lock);
	list_add_tail(&c->link, &all_caches);
	spin_unlock(&all_lock);
}

void slab_init(void)
{
	list_init(&all_caches);
	spin_lock_init(&all_lock, RANK_FRAME_CHAIN);
	cache_setup(&stack_cache, "kmem_cache_cpu", sizeof(struct cpu_stack), 0, 0);
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++) {
		stack_stacks[i].nr = 0;
		stack_cache.cpu[i] = &stack_stacks[i];
	}
	cache_setup(&cache_cache, "kmem_cache", sizeof(struct slab_cache), 64, 0);
	kmalloc_init();
}

struct slab_cache *slab_cache_create(const char *name, size_t size, size_t align, unsigned flags)
{
	struct slab_cache *c = slab_alloc(&cache_cache, ALLOC_KERNEL);
	if (c)
		cache_setup(c, name, size, align, flags);
	return c;
}

static void count_slab(struct slab_cache *c, s64 sign)
{
	stat_add(c->flags & SLAB_RECLAIMABLE ? STAT_NR_SLAB_RECLAIMABLE : STAT_NR_SLAB_UNRECLAIMABLE, sign * (1l << c->order));
}

bool slab_keeps_notes;

static struct slab_note *note_of(const struct slab_cache *c, void *object) { return (struct slab_note *)((char *)object + c->note_offset); }

/* A new slab, all objects free, on no list. */
static struct frame *slab_new(struct slab_cache *c, unsigned alloc)
{
	unsigned group = c->flags & SLAB_RECLAIMABLE ? ALLOC_RECLAIMABLE : 0;
	struct frame *f = frame_alloc(c->order, alloc_of_kernel(alloc) | group, FRAME_SLAB);
	if (!f)
		return NULL;
	for (u64 i = 1; i < 1ul << c->order; i++)
		f[i].owner = i; /* distance to the first frame */
	f->owner = 0;
	f->cache = c;
	f->slab_used = 0;
	char *base = frame_ptr(f);
	void *chain = NULL;
	for (u32 i = c->per_slab; i-- > 0;) {
		*(void **)(base + (size_t)i * c->size) = chain;
		chain = base + (size_t)i * c->size;
		if (unlikely(c->note_offset))
			note_of(c, chain)->caller = 0;
	}
	f->free_objects = chain;
	count_slab(c, 1);
	return f;
}

static void slab_release(struct slab_cache *c, struct frame *f)
{
	count_slab(c, -1);
	f->slab_used = 0;
	frame_free(f, c->order);
}

static struct frame *slab_of(const void *object)
{
	struct frame *f = ptr_frame(object);
	return f->kind == FRAME_SLAB_TAIL ? f - f->owner : f;
}

/* Moves up to `want` objects from slabs to the CPU's stack; lock held. */
static void stack_fill(struct slab_cache *c, struct cpu_stack *s, u32 want)
{
	while (s->nr < want && !list_is_empty(&c->partial)) {
		struct frame *f = list_first_entry(&c->partial, struct frame, list);
		if (f->slab_used == 0)
			c->nr_empty--;
		while (s->nr < want && f->free_objects) {
			void *o = f->free_objects;
			f->free_objects = *(void **)o;
			f->slab_used++;
			s->objects[s->nr++] = o;
		}
		if (!f->free_objects) {
			list_del(&f->list);
			c->nr_full++;
		}
	}
}

static bool stack_refill(struct slab_cache *c, struct cpu_stack *s)
{
	spin_lock(&c->lock);
	stack_fill(c, s, CPU_STACK / 2);
	spin_unlock(&c->lock);
	return s->nr != 0;
}

/* Puts one object back into its slab; returns a slab that is now empty and surplus. Lock held. */
static struct frame *object_return(struct slab_cache *c, void *o)
{
	struct frame *f = slab_of(o);
	bool was_full = !f->free_objects;
	*(void **)o = f->free_objects;
	f->free_objects = o;
	f->slab_used--;
	if (was_full) {
		list_add(&f->list, &c->partial);
		c->nr_full--;
	}
	if (f->slab_used)
		return NULL;
	if (c->nr_empty == 0) {
		c->nr_empty = 1;
		return NULL;
	}
	list_del(&f->list);
	c->nr_slabs--;
	return f;
}

static void stack_flush(struct slab_cache *c, struct cpu_stack *s, u32 keep)
{
	while (s->nr > keep) {
		spin_lock(&c->lock);
		struct frame *surplus = object_return(c, s->objects[--s->nr]);
		spin_unlock(&c->lock);
		if (surplus)
			slab_release(c, surplus);
	}
}

/* The CPU's first use of c: gives it a stack, unless memory is short. It may be another CPU afterwards. */
static bool stack_make(struct slab_cache *c, unsigned alloc)
{
	struct cpu_stack *s = slab_alloc(&stack_cache, alloc & ~ALLOC_ZERO);
	if (!s)
		return false;
	s->nr = 0;
	unsigned cpu = hal_cpu_id();
	if (unlikely(c->cpu[cpu]))
		slab_free(&stack_cache, s); /* it slept, and who ran meanwhile made one */
	else
		c->cpu[cpu] = s;
	return true;
}

/* One more slab, on its list. It may be another CPU afterwards. */
static bool cache_grow(struct slab_cache *c, unsigned alloc)
{
	struct frame *f = slab_new(c, alloc);
	if (!f)
		return false;
	spin_lock(&c->lock);
	c->nr_slabs++;
	c->nr_empty++;
	list_add(&f->list, &c->partial);
	spin_unlock(&c->lock);
	return true;
}

/* The CPU's stack with at least one object, or NULL. What waits for memory may end on another CPU. */
static __attribute__((noinline)) struct cpu_stack *stack_ready(struct slab_cache *c, unsigned alloc)
{
	for (;;) {
		struct cpu_stack *s = c->cpu[hal_cpu_id()];
		if (!s) {
			if (!stack_make(c, alloc))
				return NULL;
		} else if (s->nr || stack_refill(c, s)) {
			return s;
		} else if (!cache_grow(c, alloc)) {
			return NULL;
		}
	}
}

/* What debugging adds: a pattern for what was not asked to be zero, and a note. */
static __attribute__((noinline)) void mark_out(struct slab_cache *c, void *o, unsigned alloc, const void *caller)
{
	if (!(alloc & ALLOC_ZERO))
		memset(o, 0xa5, c->object_size);
	if (c->note_offset)
		*note_of(c, o) = (struct slab_note){ (u32)(uintptr_t)caller, host_tid(), hal_clock_ns() };
}

static inline __attribute__((always_inline)) void *take(struct slab_cache *c, unsigned alloc, const void *caller)
{
	struct cpu_stack *s = c->cpu[hal_cpu_id()];
	if (inject_strikes(INJECT_SLABS) || (unlikely(!s || !s->nr) && !(s = stack_ready(c, alloc))))
		return NULL;
	void *o = s->objects[--s->nr];
	c->nr_out[hal_cpu_id()]++;
	if (alloc & ALLOC_ZERO)
		memset(o, 0, c->object_size);
	if (unlikely(hal_debug_checks))
		mark_out(c, o, alloc, caller);
	return o;
}

void *slab_alloc(struct slab_cache *c, unsigned alloc) { return take(c, alloc, __builtin_return_address(0)); }
void *slab_alloc_for(struct slab_cache *c, unsigned alloc, const void *caller) { return take(c, alloc, caller); }

/* Without a stack: straight into the slab. */
static void free_to_slab(struct slab_cache *c, void *object)
{
	struct cpu_stack one = { .nr = 1, .objects = { object } };
	stack_flush(c, &one, 0);
}

void slab_free(struct slab_cache *c, void *object)
{
	unsigned cpu = hal_cpu_id();
	struct cpu_stack *s = c->cpu[cpu];
	DEBUG_ASSERT(slab_of(object)->kind == FRAME_SLAB && slab_of(object)->cache == c);
	if (unlikely(hal_debug_checks)) {
		memset(object, 0x5a, c->object_size);
		if (c->note_offset)
			note_of(c, object)->caller = 0;
	}
	c->nr_out[cpu]--;
	if (unlikely(!s) && (!stack_make(c, 0) || !(s = c->cpu[cpu]))) {
		free_to_slab(c, object);
		return;
	}
	if (unlikely(s->nr == CPU_STACK))
		stack_flush(c, s, CPU_STACK / 2);
	s->objects[s->nr++] = object;
}

/* Is c one of the caches there are? They are not destroyed while somebody looks for leaks, but f->cache may be no cache. */
static bool slab_cache_lives(const struct slab_cache *c)
{
	struct slab_cache *at;
	bool found = false;
	spin_lock(&all_lock);
	list_for_each_entry(at, &all_caches, link)
		found |= at == c;
	spin_unlock(&all_lock);
	return found;
}

size_t slab_object_size(const struct slab_cache *c) { return c->note_offset ? c->note_offset : c->size; }

struct slab_cache *slab_cache_of(const void *object)
{
	struct frame *f = slab_of(object);
	return f->kind == FRAME_SLAB ? f->cache : NULL;
}

static void cache_drain(struct slab_cache *c)
{
	struct cpu_stack **stack = &c->cpu[hal_cpu_id()];
	struct frame *f, *next;
	if (*stack)
		stack_flush(c, *stack, 0);
	if (*stack && c != &stack_cache) {
		slab_free(&stack_cache, *stack);
		*stack = NULL;
	}
	spin_lock(&c->lock);
	list_for_each_entry_safe(f, next, &c->partial, list) {
		if (f->slab_used)
			continue;
		list_del(&f->list);
		c->nr_slabs--;
		c->nr_empty--;
		slab_release(c, f);
	}
	spin_unlock(&c->lock);
}

void slab_drain(void)
{
	struct slab_cache *c;
	spin_lock(&all_lock);
	list_for_each_entry(c, &all_caches, link)
		cache_drain(c);
	cache_drain(&stack_cache); /* once more: it got the others' stacks */
	spin_unlock(&all_lock);
}

static s64 objects_out(const struct slab_cache *c)
{
	s64 n = 0;
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		n += READ_ONCE(c->nr_out[i]);
	return n;
}

void slab_cache_destroy(struct slab_cache *c)
{
	ASSERT(objects_out(c) == 0);
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++) { /* no CPU uses it any more */
		if (!c->cpu[i])
			continue;
		stack_flush(c, c->cpu[i], 0);
		slab_free(&stack_cache, c->cpu[i]);
		c->cpu[i] = NULL;
	}
	cache_drain(c);
	spin_lock(&all_lock);
	list_del(&c->link);
	spin_unlock(&all_lock);
	slab_free(&cache_cache, c);
}

void slab_for_each(bool (*fn)(const struct slab_stat *, void *), void *arg)
{
	struct slab_cache *c;
	spin_lock(&all_lock);
	list_for_each_entry(c, &all_caches, link) {
		s64 out = objects_out(c);
		struct slab_stat st = {
			.name = c->name,
			.active_objects = out > 0 ? (u64)out : 0,
			.total_objects = c->nr_slabs * c->per_slab,
			.object_size = c->size,
			.objects_per_slab = c->per_slab,
			.pages_per_slab = 1u << c->order,
			.active_slabs = c->nr_slabs - c->nr_empty,
			.total_slabs = c->nr_slabs,
			.reclaimable = c->flags & SLAB_RECLAIMABLE,
		};
		if (!fn(&st, arg))
			break;
	}
	spin_unlock(&all_lock);
}

/* The objects of one slab; it may be given back, and become anything, while it is read. */
static void notes_of_slab(struct frame *f, void (*fn)(const char *, u32, const struct slab_note *, void *), void *arg)
{
	const struct slab_cache *c = READ_ONCE(f->cache);
	if (READ_ONCE(f->kind) != FRAME_SLAB || !slab_cache_lives(c))
		return;
	for (u32 i = 0; i < c->per_slab; i++) {
		struct slab_note n = *note_of(c, (char *)frame_ptr(f) + (size_t)i * c->size);
		if (n.caller && READ_ONCE(f->kind) == FRAME_SLAB && READ_ONCE(f->cache) == c)
			fn(c->name, c->object_size, &n, arg);
	}
}

void slab_for_each_note(void (*fn)(const char *, u32, const struct slab_note *, void *), void *arg)
{
	for (pfn_t pfn = 0; slab_keeps_notes && pfn < frame_max_pfn(); pfn++)
		if (READ_ONCE(pfn_frame(pfn)->kind) == FRAME_SLAB)
			notes_of_slab(pfn_frame(pfn), fn, arg);
}

static const char *validate_cache(struct slab_cache *c)
{
	struct frame *f;
	u64 partial = 0, empty = 0;
	list_for_each_entry(f, &c->partial, list) {
		u32 free = 0;
		for (void *o = f->free_objects; o; o = *(void **)o, free++)
			if (slab_of(o) != f || free > c->per_slab)
				return "slab: a free object belongs elsewhere";
		if (f->kind != FRAME_SLAB || f->cache != c)
			return "slab: a listed slab belongs to another cache";
		if (free + f->slab_used != c->per_slab || !free)
			return "slab: used and free objects do not add up";
		partial++;
		empty += f->slab_used == 0;
	}
	if (empty != c->nr_empty || partial + c->nr_full != c->nr_slabs)
		return "slab: slab counts are wrong";
	return NULL;
}

const char *slab_validate(void)
{
	const char *broken = NULL;
	struct slab_cache *c;
	spin_lock(&all_lock);
	list_for_each_entry(c, &all_caches, link) {
		spin_lock(&c->lock);
		broken = validate_cache(c);
		spin_unlock(&c->lock);
		if (broken)
			break;
	}
	spin_unlock(&all_lock);
	return broken;
}
