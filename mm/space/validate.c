/* SPDX-License-Identifier: MIT */
/* The invariants of a quiet space, checked one by one (see region.c, chain.c, share.c). */
#include "internal.h"

static const char *validate_regions(struct space *s)
{
	u64 total = 0, nr = 0;
	struct region *prev = NULL;
	const char *broken = rb_validate(&s->regions);
	if (broken)
		return broken;
	for (struct region *r = region_first(s); r; prev = r, r = region_next(r), nr++) {
		if (r->start >= r->end || (r->start | r->end) & ~PAGE_MASK || r->end > HAL_USER_END)
			return "region: bad bounds";
		if (prev && prev->end > r->start)
			return "region: overlap";
		u64 hole = r->start - (prev ? prev->end : 0);
		if (r->flags & REGION_GROWSDOWN)
			hole = hole > STACK_GUARD_GAP ? hole - STACK_GUARD_GAP : 0;
		if (r->gap != hole)
			return "region: gap is not the hole before it";
		u64 m = r->gap;
		if (r->node.left)
			m = max(m, container_of(r->node.left, struct region, node)->max_gap);
		if (r->node.right)
			m = max(m, container_of(r->node.right, struct region, node)->max_gap);
		if (r->max_gap != m)
			return "region: max_gap is not that of its subtree";
		if (r->space != s)
			return "region: belongs to another space";
		if (r->mapping && list_is_empty(&r->mapping_link))
			return "region: not on its mapping's list";
		total += region_pages(r);
	}
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
