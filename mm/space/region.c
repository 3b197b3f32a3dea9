/* SPDX-License-Identifier: MIT */
/*
 * Regions: the objects, their tree and list, splitting and merging.
 *
 * The tree is a red-black tree by address; a list links neighbours. Each region also knows the hole
 * before it, and each subtree its largest hole, so that a free range is found in O(log n). A region that
 * grows down keeps a guard gap below: its hole counts that much smaller. Holes of GAP_MAX and more all
 * count as GAP_MAX: there are few of them, and the largest one of all, below mmap_base, changes with
 * every mapping, which the tree then need not be told up to its root.
 *
 * A boundary between two neighbours moves in place, and so does the end of a region; the tree changes
 * only when the number of regions does.
 *
 * I1  Regions do not overlap, are page aligned, not empty, below HAL_USER_END.
 * I2  region->gap is region_hole(), at most GAP_MAX.
 * I3  A region with a mapping is on the mapping's list exactly while it is in the tree.
 * I4  No two neighbours could be merged when a call returns (as far as the call touched them).
 * I5  A page that stays mapped is at every moment in a region of its mapping's list: bounds grow before
 *     others shrink, and truncation, which walks the list, overlooks nothing.
 *
 * Locking: the space's lock for writing, and the mapping's regions_lock around changes of the bounds
 * and of the list.
 */
#include "internal.h"

static struct slab_cache *region_cache;

void region_cache_init(void);
void region_cache_init(void)
{
	region_cache = slab_cache_create("vm_area_struct", sizeof(struct region), 0, SLAB_ACCOUNT);
}

static inline struct region *of(struct rb_node *n) { return n ? container_of(n, struct region, node) : NULL; }

/* ---- looking up ---- */

struct region *region_lookup_slow(struct space *s, uaddr_t addr)
{
	struct region *best = READ_ONCE(s->cached);
	if (best && addr >= best->end && best->next && addr < best->next->end) {
		best = best->next;
	} else {
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
	}
	if (best)
		WRITE_ONCE(s->cached, best);
	return best;
}

/* ---- objects ---- */

struct region *region_alloc(void) { return slab_alloc(region_cache, ALLOC_KERNEL); }

void region_free(struct region *r)
{
	if (r->file && r->mapping->ops->file_put)
		r->mapping->ops->file_put(r->file);
	slab_free(region_cache, r);
}

void region_discard(struct region *r) { slab_free(region_cache, r); }

void region_init(struct region *r, const struct region_spec *spec)
{
	r->start = spec->start;
	r->end = spec->end;
	r->flags = spec->flags;
	r->pgoff = spec->pgoff;
	r->mapping = spec->mapping;
	r->file = spec->file;
	r->special_pfns = spec->special_pfns;
	r->name = spec->name;
	r->zap_stamp = 0;
	r->swap_ra = (struct swap_readahead){ 0 };
	if (r->file && r->mapping->ops->file_get)
		r->mapping->ops->file_get(r->file);
}

struct region_spec region_spec_of(const struct region *r, uaddr_t start, uaddr_t end)
{
	return (struct region_spec){
		.start = start,
		.end = end,
		.flags = r->flags,
		.pgoff = region_index(r, start),
		.mapping = r->mapping,
		.file = r->file,
		.special_pfns = r->special_pfns ? r->special_pfns + ((start - r->start) >> PAGE_SHIFT) : NULL,
		.name = r->name,
	};
}

int spares_reserve(struct region_spares *sp, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		sp->r[i] = region_alloc();
		if (!sp->r[i]) {
			spares_release(sp);
			return -ENOMEM;
		}
	}
	return 0;
}

void spares_release(struct region_spares *sp)
{
	for (unsigned i = 0; i < 2; i++) {
		if (sp->r[i])
			region_discard(sp->r[i]);
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

/* ---- the tree ---- */

static bool update_max_gap(struct rb_node *n)
{
	struct region *r = of(n);
	u64 m = r->gap;
	if (n->left)
		m = max(m, of(n->left)->max_gap);
	if (n->right)
		m = max(m, of(n->right)->max_gap);
	bool changed = r->max_gap != m;
	r->max_gap = m;
	return changed;
}

/* Recomputes the hole before r (NULL: nothing to do). */
static inline void refresh_gap(struct region *r)
{
	if (!r)
		return;
	u64 gap = min(region_hole(r), GAP_MAX);
	if (gap == r->gap)
		return;
	r->gap = gap;
	rb_propagate(&r->node, update_max_gap);
}

static inline void tree_link(struct space *s, struct region *r, struct region *after)
{
	struct region *before = after ? after->prev : s->last;
	struct rb_node *parent, **link;
	if (after && !after->node.left) {
		parent = &after->node;
		link = &parent->left;
	} else { /* then the one before has nothing to its right */
		parent = before ? &before->node : NULL;
		link = parent ? &parent->right : &s->regions.node;
	}
	r->prev = before;
	r->next = after;
	*(before ? &before->next : &s->first) = r;
	*(after ? &after->prev : &s->last) = r;
	r->gap = r->max_gap = min(region_hole(r), GAP_MAX);
	rb_insert(&s->regions, &r->node, parent, link, update_max_gap);
	refresh_gap(after);
	s->nr_regions++;
}

static inline void tree_unlink(struct space *s, struct region *r)
{
	struct region *prev = r->prev, *next = r->next;
	*(prev ? &prev->next : &s->first) = next;
	*(next ? &next->prev : &s->last) = prev;
	rb_erase(&s->regions, &r->node, update_max_gap);
	refresh_gap(next);
	s->nr_regions--;
	s->cached = next ? next : prev;
	if (s->top_hole == r)
		s->top_hole = next;
}

/* ---- the mapping's list ---- */

static inline void count_writable(const struct region *r, int sign)
{
	if (r->mapping && (r->flags & (REGION_SHARED | REGION_WRITE)) == (REGION_SHARED | REGION_WRITE))
		__atomic_fetch_add(&r->mapping->nr_writable, sign, __ATOMIC_RELAXED);
}

static void mapping_list_add(struct region *r)
{
	struct mapping *m = r->mapping;
	if (!m)
		return;
	rwlock_write(&m->regions_lock);
	list_add_tail(&r->mapping_link, &m->regions);
	rwlock_write_unlock(&m->regions_lock);
	count_writable(r, 1);
}

static void mapping_list_del(struct region *r)
{
	struct mapping *m = r->mapping;
	if (!m)
		return;
	rwlock_write(&m->regions_lock);
	list_del(&r->mapping_link);
	rwlock_write_unlock(&m->regions_lock);
	count_writable(r, -1);
}

/* The bounds alone; holes are the caller's. */
static inline void set_bounds(struct region *r, uaddr_t start, uaddr_t end)
{
	struct mapping *m = r->mapping;
	if (m)
		rwlock_write(&m->regions_lock);
	s64 moved = (s64)(start - r->start) / (s64)PAGE_SIZE;
	r->pgoff += moved;
	if (r->special_pfns)
		r->special_pfns += moved;
	r->start = start;
	r->end = end;
	if (m)
		rwlock_write_unlock(&m->regions_lock);
}

/* ---- changes ---- */

void region_insert(struct space *s, struct region *r, struct region *after)
{
	r->space = s;
	tree_link(s, r, after);
	mapping_list_add(r);
}

void region_remove(struct space *s, struct region *r)
{
	struct region *next = r->next;
	mapping_list_del(r);
	tree_unlink(s, r);
	gap_grew(s, next);
}

void region_resize(struct space *s, struct region *r, uaddr_t start, uaddr_t end)
{
	uaddr_t old_start = r->start, old_end = r->end;
	set_bounds(r, start, end);
	if (start != old_start) {
		refresh_gap(r);
		if (start > old_start)
			gap_grew(s, r);
	}
	if (end != old_end) {
		refresh_gap(r->next);
		if (end < old_end)
			gap_grew(s, r->next);
	}
}

/* Do r's own properties, with these flags, equal what is asked for? */
static inline bool is_alike(const struct region *r, u32 flags, const struct mapping *m, const void *file, const char *name)
{
	return r->flags == flags && r->mapping == m && r->file == file && r->name == name && !(flags & REGION_SPECIAL);
}

/* May what starts at `start` with pgoff follow a in one region? */
static inline bool joins_below(const struct region *a, uaddr_t start, u64 pgoff, u32 flags, const struct mapping *m,
                               const void *file, const char *name)
{
	return a && a->end == start && is_alike(a, flags, m, file, name) && (!m || a->pgoff + region_pages(a) == pgoff);
}

/* May what ends at `end`, where pgoff would go on, be followed by b in one region? */
static inline bool joins_above(const struct region *b, uaddr_t end, u64 pgoff, u32 flags, const struct mapping *m,
                               const void *file, const char *name)
{
	return b && b->start == end && is_alike(b, flags, m, file, name) && (!m || b->pgoff == pgoff);
}

/* Joins b to a, which it follows. */
static void absorb(struct space *s, struct region *a, struct region *b)
{
	set_bounds(a, a->start, b->end);
	mapping_list_del(b);
	tree_unlink(s, b);
	region_free(b);
}

struct region *region_merge(struct space *s, struct region *r)
{
	struct region *prev = r->prev, *next = r->next;
	if (joins_above(next, r->end, r->pgoff + region_pages(r), r->flags, r->mapping, r->file, r->name))
		absorb(s, r, next);
	if (joins_below(prev, r->start, r->pgoff, r->flags, r->mapping, r->file, r->name)) {
		absorb(s, prev, r);
		return prev;
	}
	return r;
}

struct region *region_bring_in(struct space *s, const struct region_spec *q, struct region *after)
{
	struct region *before = after ? after->prev : s->last;
	u64 pages = (q->end - q->start) >> PAGE_SHIFT;
	bool above = joins_above(after, q->end, q->pgoff + pages, q->flags, q->mapping, q->file, q->name);
	if (joins_below(before, q->start, q->pgoff, q->flags, q->mapping, q->file, q->name)) {
		region_resize(s, before, before->start, q->end);
		if (above)
			absorb(s, before, after);
		return before;
	}
	if (above) {
		region_resize(s, after, q->start, after->end);
		return after;
	}
	struct region *r = region_alloc();
	if (r) {
		region_init(r, q);
		region_insert(s, r, after);
	}
	return r;
}

struct region *region_split(struct space *s, struct region *r, uaddr_t addr, struct region_spares *sp)
{
	if (r->start >= addr || r->end <= addr)
		return r;
	struct region *upper = spare_take(sp);
	struct region_spec spec = region_spec_of(r, addr, r->end);
	region_init(upper, &spec);
	upper->zap_stamp = r->zap_stamp;
	upper->space = s;
	mapping_list_add(upper);
	set_bounds(r, r->start, addr);
	tree_link(s, upper, r->next);
	return upper;
}

/* With other flags, would [start, end) of r become the end of the region before or the start of the next? */
static struct region *neighbour_takes(const struct region *r, uaddr_t start, uaddr_t end, u32 flags)
{
	if (start == r->start && end < r->end && joins_below(r->prev, start, r->pgoff, flags, r->mapping, r->file, r->name))
		return r->prev;
	if (start > r->start && end == r->end &&
	    joins_above(r->next, end, r->pgoff + region_pages(r), flags, r->mapping, r->file, r->name))
		return r->next;
	return NULL;
}

unsigned region_reflag_cuts(const struct region *r, uaddr_t start, uaddr_t end, u32 flags)
{
	unsigned cuts = (r->start < start) + (end < r->end);
	return cuts && neighbour_takes(r, start, end, flags) ? 0 : cuts;
}

struct region *region_reflag(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 flags,
                             struct region_spares *sp)
{
	struct region *taker = neighbour_takes(r, start, end, flags);
	if (taker) {
		bool is_below = taker == r->prev;
		set_bounds(taker, is_below ? taker->start : start, is_below ? end : taker->end);
		set_bounds(r, is_below ? end : r->start, is_below ? r->end : start);
		return taker;
	}
	if (start > r->start)
		r = region_split(s, r, start, sp);
	if (end < r->end)
		region_split(s, r, end, sp);
	count_writable(r, -1);
	r->flags = flags;
	count_writable(r, 1);
	return region_merge(s, r);
}
