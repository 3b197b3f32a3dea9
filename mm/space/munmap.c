/* SPDX-License-Identifier: MIT */
/* munmap: regions leave the tree first, so that no fault or truncation finds them, then the entries go. */
#include "internal.h"
#include <mm/trace.h>

void unmap_regions(struct space *s, uaddr_t start, uaddr_t end)
{
	struct region *doomed = NULL; /* chained through node.left */
	struct region *next;
	space_note_hiwater(s);
	for (struct region *r = region_lookup(s, start); r && r->start < end; r = next) {
		next = region_next(r);
		account_region(s, r, -1);
		region_remove(s, r);
		r->node.left = doomed ? &doomed->node : NULL;
		doomed = r;
	}
	if (!doomed)
		return;
	struct gather g;
	gather_begin(&g, s);
	zap_range(&g, start, end);
	prune_tables(&g, start, end);
	gather_end(&g);
	while (doomed) {
		struct region *r = doomed;
		doomed = r->node.left ? container_of(r->node.left, struct region, node) : NULL;
		region_free(r);
	}
}

int munmap_locked(struct space *s, uaddr_t start, u64 len)
{
	uaddr_t end = start + PAGE_ALIGN_UP(len);
	struct region_spares sp = { 0 };

	if ((start & ~PAGE_MASK) || start > HAL_USER_END || len > HAL_USER_END - start || end == start)
		return -EINVAL;
	struct region *r = region_lookup(s, start);
	if (!r || r->start >= end)
		return 0;
	unsigned splits = regions_split_count(s, start, end);
	if (splits) {
		/* Only a hole cut into one region leaves more regions than before. */
		if (r->start < start && r->end > end && s->nr_regions >= mm_tunables.max_map_count)
			return -ENOMEM;
		if (spares_reserve(&sp))
			return -ENOMEM;
	}
	if (range_unshare(s, start, end, true)) {
		spares_release(&sp);
		return -ENOMEM;
	}
	if (splits) {
		region_split_at(s, start, &sp);
		region_split_at(s, end, &sp);
		spares_release(&sp);
	}
	unmap_regions(s, start, end);
	return 0;
}

int space_munmap(struct space *s, uaddr_t addr, u64 len)
{
	rwlock_write(&s->lock);
	int err = munmap_locked(s, addr, len);
	rwlock_write_unlock(&s->lock);
	if (!err)
		trace_point(TRACE_UNMAP, addr, len, 0, 0);
	return err;
}
