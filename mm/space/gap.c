/* SPDX-License-Identifier: MIT */
/*
 * Finding free address ranges: top down below mmap_base, bottom up above it when that fails, guided by
 * the largest gap of each subtree. Order of search as Linux documents it for the default layout.
 *
 * The search from the top begins where the last one ended:
 *
 * G1  Below mmap_base and above the hole before space->top_hole (NULL: behind all regions) no hole has
 *     top_hole_len bytes or more.
 *
 * It stays true when holes shrink or vanish; whoever makes one larger calls gap_grew.
 */
#include "internal.h"

static inline struct region *of(struct rb_node *n) { return n ? container_of(n, struct region, node) : NULL; }

/* What a search is after: len bytes inside [low, high). */
struct want {
	u64 len;
	uaddr_t low, high;
};

struct hole {
	uaddr_t start, end; /* cut to the wanted window */
	struct region *after; /* what follows it; NULL: nothing */
};

/* The hole between `before` and `after` (either may be NULL). Does it hold what is wanted? */
static inline bool hole_fits(struct region *before, struct region *after, const struct want *w, struct hole *h)
{
	uaddr_t end = HAL_USER_END;
	if (after)
		end = after->start - (after->flags & REGION_GROWSDOWN ? min(after->start, STACK_GUARD_GAP) : 0);
	h->start = max(before ? before->end : 0, w->low);
	h->end = min(end, w->high);
	h->after = after;
	return h->end >= h->start && h->end - h->start >= w->len;
}

/* The highest (or lowest) fitting hole before a region of the subtree. Holes of GAP_MAX bytes all look
 * alike to a search for more, so it may look at each of them; there are at most 128. */
static bool search(struct rb_node *n, const struct want *w, bool from_top, struct hole *h)
{
	u64 gap = min(w->len, GAP_MAX);
	while (n && of(n)->max_gap >= gap) {
		struct region *r = of(n);
		/* Holes right of r begin at its end, holes left of it end before its start. */
		struct rb_node *above = r->end < w->high ? n->right : NULL;
		struct rb_node *below = r->start > w->low ? n->left : NULL;
		if (search(from_top ? above : below, w, from_top, h) || (r->gap >= gap && hole_fits(r->prev, r, w, h)))
			return true;
		n = from_top ? below : above;
	}
	return false;
}

/* The hole behind the last region is in no node. */
static bool search_space(struct space *s, const struct want *w, bool from_top, struct hole *h)
{
	if (from_top)
		return hole_fits(s->last, NULL, w, h) || search(s->regions.node, w, true, h);
	return search(s->regions.node, w, false, h) || hole_fits(s->last, NULL, w, h);
}

static int find_top_down(struct space *s, u64 len, uaddr_t *out, struct region **after)
{
	struct want w = { .len = len, .low = max(mm_tunables.mmap_min_addr, PAGE_SIZE), .high = s->mmap_base };
	struct region *top = s->top_hole;
	struct hole first, h;
	bool fits = hole_fits(top ? top->prev : s->last, top, &w, &first);
	if (likely(fits && len >= s->top_hole_len)) {
		*out = first.end - len;
		*after = top;
		return 0;
	}
	if (!search_space(s, &w, true, &h))
		return -ENOMEM;
	/* A large request does not take the beginning away from small ones. */
	if (len < s->top_hole_len || first.end <= first.start || first.end - first.start < s->top_hole_len) {
		s->top_hole = h.after;
		s->top_hole_len = len;
	}
	*out = h.end - len;
	*after = h.after;
	return 0;
}

static int find_bottom_up(struct space *s, u64 len, uaddr_t low, uaddr_t high, uaddr_t *out, struct region **after)
{
	struct want w = { .len = len, .low = low, .high = high };
	struct hole h;
	if (!search_space(s, &w, false, &h))
		return -ENOMEM;
	*out = h.start;
	*after = h.after;
	return 0;
}

/* Is [at, at+len) free, guard gap of what follows included? */
static bool hint_fits(struct space *s, uaddr_t at, u64 len, struct region **after)
{
	struct want w = { .len = len, .low = at, .high = HAL_USER_END };
	struct hole h;
	if (at < mm_tunables.mmap_min_addr || at > HAL_USER_END || HAL_USER_END - at < len)
		return false;
	*after = region_lookup(s, at);
	return hole_fits(*after ? (*after)->prev : s->last, *after, &w, &h);
}

int gap_find_32bit(struct space *s, uaddr_t hint, u64 len, uaddr_t *out, struct region **after)
{
	const uaddr_t low = 1ul << 30, high = 1ul << 31;
	hint = PAGE_ALIGN_UP(hint);
	if (len <= high - low && hint && hint <= high - len && hint_fits(s, hint, len, after)) {
		*out = hint;
		return 0;
	}
	return find_bottom_up(s, len, low, high, out, after);
}

int gap_find(struct space *s, uaddr_t hint, u64 len, s64 congruent, uaddr_t *out, struct region **after)
{
	if (len > HAL_USER_END)
		return -ENOMEM;
	if (hint && hint_fits(s, PAGE_ALIGN_DOWN(hint), len, after)) {
		*out = PAGE_ALIGN_DOWN(hint);
		return 0;
	}
	if (congruent >= 0 && find_top_down(s, len + LEAF_SPAN, out, after) == 0) {
		/* The highest address of the wanted residue inside the larger hole. */
		*out += (LEAF_SPAN + (u64)congruent - (*out & (LEAF_SPAN - 1))) & (LEAF_SPAN - 1);
		return 0;
	}
	if (find_top_down(s, len, out, after) == 0)
		return 0;
	return find_bottom_up(s, len, max(s->mmap_base, PAGE_ALIGN_UP(mm_tunables.mmap_min_addr)), HAL_USER_END, out, after);
}
