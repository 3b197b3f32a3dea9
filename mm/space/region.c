/* SPDX-License-Identifier: MIT */
/*
 * Regions: the objects, their tree, splitting and merging.
 *
 * The tree is a red-black tree by address. Each region also knows the hole before it, and each subtree
 * its largest hole, so that a free range is found in O(log n). A region that grows down keeps a guard
 * gap below: its hole counts that much smaller.
 *
 * I1  Regions do not overlap, are page aligned, not empty, below HAL_USER_END.
 * I2  region->gap is the hole between the predecessor's end and the start (less the guard gap).
 * I3  A region with a mapping is on the mapping's list exactly while it is in the tree.
 * I4  No two neighbours could be merged when a call returns (as far as the call touched them).
 *
 * Locking: the space's lock for writing, and the mapping's regions_lock around changes of the bounds
 * and of the list, so that truncation sees a consistent region.
 */
#include "internal.h"

static struct slab_cache *region_cache;

void region_cache_init(void);
void region_cache_init(void)
{
	region_cache = slab_cache_create("vm_area_struct", sizeof(struct region), 0, SLAB_ACCOUNT);
}

static inline struct region *of(struct rb_node *n) { return n ? container_of(n, struct region, node) : NULL; }

static bool update_max_gap(struct rb_node *n)
{
	struct region *r = of(n), *left = of(n->left), *right = of(n->right);
	u64 m = r->gap;
	if (left && left->max_gap > m)
		m = left->max_gap;
	if (right && right->max_gap > m)
		m = right->max_gap;
	if (r->max_gap == m)
		return false;
	r->max_gap = m;
	return true;
}

struct region *region_next(const struct region *r) { return of(rb_next(&r->node)); }
struct region *region_prev(const struct region *r) { return of(rb_prev(&r->node)); }
struct region *region_first(struct space *s) { return of(rb_first(&s->regions)); }

struct region *region_lookup(struct space *s, uaddr_t addr)
{
	struct region *best = READ_ONCE(s->cached);
	if (best && best->start <= addr && addr < best->end)
		return best;
	best = NULL;
	for (struct rb_node *n = s->regions.node; n;) {
		struct region *r = of(n);
		if (addr < r->end) {
			best = r;
			if (addr >= r->start)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best)
		WRITE_ONCE(s->cached, best);
	return best;
}

bool range_is_free(struct space *s, uaddr_t start, uaddr_t end)
{
	struct region *r = region_lookup(s, start);
	return !r || r->start >= end;
}

struct region *region_alloc(void)
{
	return slab_alloc(region_cache, ALLOC_KERNEL | ALLOC_ZERO);
}

void region_free(struct region *r)
{
	if (r->file && r->mapping->ops->file_put)
		r->mapping->ops->file_put(r->file);
	slab_free(region_cache, r);
}

void region_init_copy(struct region *copy, const struct region *r, uaddr_t start, uaddr_t end)
{
	*copy = (struct region){
		.start = start,
		.end = end,
		.flags = r->flags,
		.mapping = r->mapping,
		.file = r->file,
		.pgoff = region_index(r, start),
		.special_pfns = r->special_pfns ? r->special_pfns + ((start - r->start) >> PAGE_SHIFT) : NULL,
		.name = r->name,
		.zap_stamp = r->zap_stamp,
	};
	if (copy->file && copy->mapping->ops->file_get)
		copy->mapping->ops->file_get(copy->file);
}

static u64 gap_between(const struct region *prev, const struct region *r)
{
	u64 hole = r->start - (prev ? prev->end : 0);
	if (r->flags & REGION_GROWSDOWN)
		return hole > STACK_GUARD_GAP ? hole - STACK_GUARD_GAP : 0;
	return hole;
}

/* Recomputes the hole before r (NULL: nothing to do). */
static void refresh_gap(struct region *r)
{
	if (!r)
		return;
	u64 gap = gap_between(region_prev(r), r);
	if (gap == r->gap)
		return;
	r->gap = gap;
	rb_propagate(&r->node, update_max_gap);
}

static void mapping_list_add(struct region *r)
{
	struct mapping *m = r->mapping;
	if (!m)
		return;
	rwlock_write(&m->regions_lock);
	list_add_tail(&r->mapping_link, &m->regions);
	rwlock_write_unlock(&m->regions_lock);
	if ((r->flags & (REGION_SHARED | REGION_WRITE)) == (REGION_SHARED | REGION_WRITE))
		__atomic_fetch_add(&m->nr_writable, 1, __ATOMIC_RELAXED);
}

static void mapping_list_del(struct region *r)
{
	struct mapping *m = r->mapping;
	if (!m)
		return;
	rwlock_write(&m->regions_lock);
	list_del(&r->mapping_link);
	rwlock_write_unlock(&m->regions_lock);
	if ((r->flags & (REGION_SHARED | REGION_WRITE)) == (REGION_SHARED | REGION_WRITE))
		__atomic_fetch_sub(&m->nr_writable, 1, __ATOMIC_RELAXED);
}

/* Into the tree only. */
static void tree_insert(struct space *s, struct region *r)
{
	struct rb_node **link = &s->regions.node, *parent = NULL;
	struct region *before = NULL, *after = NULL;
	while (*link) {
		parent = *link;
		struct region *p = of(parent);
		if (r->start < p->start) {
			after = p;
			link = &parent->left;
		} else {
			before = p;
			link = &parent->right;
		}
	}
	r->gap = gap_between(before, r);
	r->max_gap = r->gap;
	rb_insert(&s->regions, &r->node, parent, link, update_max_gap);
	refresh_gap(after);
}

void region_insert(struct space *s, struct region *r)
{
	r->space = s;
	tree_insert(s, r);
	s->nr_regions++;
	mapping_list_add(r);
}

void region_remove(struct space *s, struct region *r)
{
	struct region *after = region_next(r);
	mapping_list_del(r);
	rb_erase(&s->regions, &r->node, update_max_gap);
	refresh_gap(after);
	s->nr_regions--;
	if (s->cached == r)
		s->cached = NULL;
}

void region_resize(struct space *s, struct region *r, uaddr_t start, uaddr_t end)
{
	struct mapping *m = r->mapping;
	if (m)
		rwlock_write(&m->regions_lock);
	if (start < r->start)
		r->pgoff -= (r->start - start) >> PAGE_SHIFT;
	else
		r->pgoff += (start - r->start) >> PAGE_SHIFT;
	if (r->special_pfns)
		r->special_pfns += (s64)(start - r->start) / (s64)PAGE_SIZE;
	bool end_moved = r->end != end, start_moved = r->start != start;
	r->start = start;
	r->end = end;
	if (m)
		rwlock_write_unlock(&m->regions_lock);
	if (start_moved)
		refresh_gap(r);
	if (end_moved)
		refresh_gap(region_next(r));
}

int spares_reserve(struct region_spares *sp)
{
	sp->r[0] = region_alloc();
	sp->r[1] = region_alloc();
	if (sp->r[0] && sp->r[1])
		return 0;
	spares_release(sp);
	return -ENOMEM;
}

void spares_release(struct region_spares *sp)
{
	for (unsigned i = 0; i < 2; i++) {
		if (sp->r[i])
			slab_free(region_cache, sp->r[i]);
		sp->r[i] = NULL;
	}
}

static struct region *spare_take(struct region_spares *sp)
{
	unsigned i = sp->r[0] ? 0 : 1;
	struct region *r = sp->r[i];
	ASSERT(r);
	sp->r[i] = NULL;
	return r;
}

static bool straddles(struct space *s, uaddr_t addr)
{
	struct region *r = region_lookup(s, addr);
	return r && r->start < addr;
}

unsigned regions_split_count(struct space *s, uaddr_t start, uaddr_t end)
{
	return straddles(s, start) + straddles(s, end);
}

void region_split_at(struct space *s, uaddr_t addr, struct region_spares *sp)
{
	struct region *r = region_lookup(s, addr);
	if (!r || r->start >= addr)
		return;
	struct region *upper = spare_take(sp);
	region_init_copy(upper, r, addr, r->end);
	region_resize(s, r, r->start, addr);
	region_insert(s, upper);
}

/* May b follow a in one region? */
static bool is_mergeable(const struct region *a, const struct region *b)
{
	if (!a || !b || a->end != b->start || a->flags != b->flags || a->mapping != b->mapping || a->file != b->file ||
	    a->name != b->name || (a->flags & REGION_SPECIAL))
		return false;
	return !a->mapping || a->pgoff + region_pages(a) == b->pgoff;
}

/* Joins b to a, which it follows. */
static struct region *absorb(struct space *s, struct region *a, struct region *b)
{
	uaddr_t end = b->end;
	region_remove(s, b);
	region_resize(s, a, a->start, end);
	region_free(b);
	return a;
}

struct region *region_merge(struct space *s, struct region *r)
{
	struct region *prev = region_prev(r);
	if (is_mergeable(prev, r))
		r = absorb(s, prev, r);
	struct region *next = region_next(r);
	if (is_mergeable(r, next))
		r = absorb(s, r, next);
	return r;
}
