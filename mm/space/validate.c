/* SPDX-License-Identifier: MIT */
/* The invariants of a quiet space, checked one by one (see region.c, chain.c, share.c). */
#include "internal.h"

/* G1 of gap.c for the hole before r (NULL: behind all): is it small enough to lie above where the search begins? */
static bool top_hole_is_right(struct space *s, const struct region *r)
{
	uaddr_t start = r ? (r->prev ? r->prev->end : 0) : s->last ? s->last->end : 0;
	uaddr_t end = min(r ? start + region_hole(r) : HAL_USER_END, s->mmap_base);
	bool is_above = s->top_hole && (!r || r->start > s->top_hole->start);
	return !is_above || end <= start || end - start < s->top_hole_len;
}

static const char *validate_region(struct space *s, const struct region *r, const struct region *prev)
{
	if (r->start >= r->end || (r->start | r->end) & ~PAGE_MASK || r->end > HAL_USER_END)
		return "region: bad bounds";
	if (prev && prev->end > r->start)
		return "region: overlap";
	if (r->prev != prev || rb_prev(&r->node) != (prev ? &prev->node : NULL))
		return "region: list and tree differ";
	if (r->gap != min(region_hole(r), GAP_MAX))
		return "region: gap is not the hole before it";
	u64 m = r->gap;
	if (r->node.left)
		m = max(m, container_of(r->node.left, struct region, node)->max_gap);
	if (r->node.right)
		m = max(m, container_of(r->node.right, struct region, node)->max_gap);
	if (r->max_gap != m)
		return "region: max_gap is not that of its subtree";
	if (!top_hole_is_right(s, r))
		return "space: a hole above top_hole is large enough";
	if (r->space != s)
		return "region: belongs to another space";
	if (r->mapping && list_is_empty(&r->mapping_link))
		return "region: not on its mapping's list";
	return NULL;
}

static const char *validate_regions(struct space *s)
{
	u64 total = 0, nr = 0;
	struct region *prev = NULL;
	const char *broken = rb_validate(&s->regions);
	for (struct region *r = region_first(s); r && !broken; prev = r, r = region_next(r), nr++) {
		broken = validate_region(s, r, prev);
		total += region_pages(r);
	}
	if (broken)
		return broken;
	if (s->last != prev)
		return "space: last is not the last region";
	if (!top_hole_is_right(s, NULL))
		return "space: a hole above top_hole is large enough";
	if (nr != s->nr_regions)
		return "space: nr_regions is wrong";
	if (total != s->total_pages)
		return "space: total_pages is not the sum of the regions";
	return NULL;
}

const char *space_validate(struct space *s)
{
	const char *broken = validate_regions(s);
	return broken ? broken : pagetable_validate(s);
}
