/* SPDX-License-Identifier: MIT */
/*
 * Finding free address ranges: top down below mmap_base, bottom up above it when that fails, guided by
 * the largest gap of each subtree. Order of search as Linux documents it for the default layout.
 */
#include "internal.h"

static inline struct region *of(struct rb_node *n) { return n ? container_of(n, struct region, node) : NULL; }

/* What a search is after: len bytes inside [low, high). */
struct want {
	u64 len;
	uaddr_t low, high;
};

/* Does the hole before r, cut to the wanted window, hold len bytes? *at = its highest place. */
static bool hole_fits_high(const struct region *r, const struct want *w, uaddr_t *at)
{
	uaddr_t end = r->flags & REGION_GROWSDOWN && r->start > STACK_GUARD_GAP ? r->start - STACK_GUARD_GAP : r->start;
	uaddr_t start = max(end - min(r->gap, end), w->low);
	end = min(end, w->high);
	if (end < start || end - start < w->len)
		return false;
	*at = end - w->len;
	return true;
}

/* Highest fitting hole in the subtree. */
static bool search_high(struct rb_node *n, const struct want *w, uaddr_t *at)
{
	while (n) {
		struct region *r = of(n);
		if (r->max_gap < w->len)
			return false;
		/* What lies right of r starts at r->end: useless when that is beyond the window. */
		if (r->end < w->high && search_high(n->right, w, at))
			return true;
		if (r->gap >= w->len && hole_fits_high(r, w, at))
			return true;
		if (r->start <= w->low)
			return false;
		n = n->left;
	}
	return false;
}

/* Lowest fitting hole in the subtree. */
static bool search_low(struct rb_node *n, const struct want *w, uaddr_t *at)
{
	while (n) {
		struct region *r = of(n);
		if (r->max_gap < w->len)
			return false;
		if (r->start > w->low && search_low(n->left, w, at))
			return true;
		if (r->gap >= w->len && hole_fits_high(r, w, at)) {
			uaddr_t end = r->flags & REGION_GROWSDOWN && r->start > STACK_GUARD_GAP ? r->start - STACK_GUARD_GAP : r->start;
			*at = max(end - min(r->gap, end), w->low);
			return true;
		}
		if (r->end >= w->high)
			return false;
		n = n->right;
	}
	return false;
}

static int find_top_down(struct space *s, u64 len, uaddr_t *out)
{
	struct want w = { .len = len, .low = max(mm_tunables.mmap_min_addr, PAGE_SIZE), .high = s->mmap_base };
	struct region *last = of(rb_last(&s->regions));
	uaddr_t after = last ? last->end : 0;
	/* The hole behind the last region is in no node. */
	if (after < w.high && w.high - max(after, w.low) >= len) {
		*out = w.high - len;
		return 0;
	}
	if (w.high > w.low && len <= w.high - w.low && search_high(s->regions.node, &w, out))
		return 0;
	return -ENOMEM;
}

static int find_bottom_up(struct space *s, u64 len, uaddr_t *out)
{
	struct want w = { .len = len, .low = max(s->mmap_base, PAGE_ALIGN_UP(mm_tunables.mmap_min_addr)), .high = HAL_USER_END };
	if (search_low(s->regions.node, &w, out))
		return 0;
	struct region *last = of(rb_last(&s->regions));
	uaddr_t at = max(last ? last->end : 0, w.low);
	if (at > w.high || w.high - at < len)
		return -ENOMEM;
	*out = at;
	return 0;
}

/* Is [at, at+len) free, guard gap of what follows included? */
static bool hint_fits(struct space *s, uaddr_t at, u64 len)
{
	if (at < mm_tunables.mmap_min_addr || at > HAL_USER_END || HAL_USER_END - at < len)
		return false;
	struct region *r = region_lookup(s, at);
	if (!r)
		return true;
	u64 guard = r->flags & REGION_GROWSDOWN ? STACK_GUARD_GAP : 0;
	return at + len <= r->start && r->start - (at + len) >= guard;
}

/* MAP_32BIT: the second GiB, searched upwards. */
int gap_find_32bit(struct space *s, uaddr_t hint, u64 len, uaddr_t *out)
{
	struct want w = { .len = len, .low = 1ul << 30, .high = 1ul << 31 };
	if (len > w.high - w.low)
		return -ENOMEM;
	hint = PAGE_ALIGN_UP(hint);
	if (hint && hint <= w.high - len && hint_fits(s, hint, len)) {
		*out = hint;
		return 0;
	}
	if (search_low(s->regions.node, &w, out))
		return 0;
	struct region *last = of(rb_last(&s->regions));
	uaddr_t at = max(last ? last->end : 0, w.low);
	if (at > w.high || w.high - at < len)
		return -ENOMEM;
	*out = at;
	return 0;
}

int gap_find(struct space *s, uaddr_t hint, u64 len, s64 congruent, uaddr_t *out)
{
	if (len > HAL_USER_END)
		return -ENOMEM;
	if (hint && hint_fits(s, PAGE_ALIGN_DOWN(hint), len)) {
		*out = PAGE_ALIGN_DOWN(hint);
		return 0;
	}
	if (congruent >= 0 && find_top_down(s, len + LEAF_SPAN, out) == 0) {
		/* The highest address of the wanted residue inside the larger hole. */
		*out += (LEAF_SPAN + (u64)congruent - (*out & (LEAF_SPAN - 1))) & (LEAF_SPAN - 1);
		return 0;
	}
	if (find_top_down(s, len, out) == 0)
		return 0;
	return find_bottom_up(s, len, out);
}
