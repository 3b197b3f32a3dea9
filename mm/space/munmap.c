/* SPDX-License-Identifier: MIT */
/*
 * munmap: what the range covers leaves the regions first, so that no fault or truncation finds it, then
 * the entries go.
 *
 *   before   aaaaaaabbbbccccccc        munmap of the middle
 *   after    aaaa           ccc        ends move in place; a hole inside one region makes two of it
 */
#include "internal.h"
#include <mm/trace.h>

/* What is not in the tree any more and waits for its entries to go. */
struct doomed {
	struct region *list; /* chained through ->next */
};

static void doom(struct space *s, struct region *r, struct doomed *d)
{
	account_region(s, r, -1);
	region_remove(s, r);
	r->next = d->list;
	d->list = r;
}

static void doomed_free(struct doomed *d)
{
	while (d->list) {
		struct region *r = d->list;
		d->list = r->next;
		region_free(r);
	}
}

/* Takes [start, end) away from the regions, of which r is the first that it meets. A hole inside r needs one of sp. */
static void cut_regions(struct space *s, struct region *r, uaddr_t start, uaddr_t end, struct region_spares *sp,
                        struct doomed *d)
{
	if (r->start < start) {
		if (r->end > end)
			region_split(s, r, end, sp);
		account_range(s, r, min(r->end, end) - start, -1);
		struct region *next = region_next(r);
		region_resize(s, r, r->start, start);
		r = next;
	}
	for (struct region *next; r && r->end <= end; r = next) {
		next = region_next(r);
		doom(s, r, d);
	}
	if (r && r->start < end) {
		account_range(s, r, end - r->start, -1);
		region_resize(s, r, end, r->end);
	}
}

/* Empties the range and frees the tables that became empty. */
static __attribute__((noinline)) void zap_and_prune(struct space *s, uaddr_t start, uaddr_t end)
{
	struct gather g;
	space_note_hiwater(s);
	gather_begin(&g, s);
	zap_range(&g, start, end);
	prune_tables(&g, start, end);
	gather_end(&g);
}

int munmap_locked(struct space *s, uaddr_t start, u64 len)
{
	uaddr_t end = start + PAGE_ALIGN_UP(len);
	struct region_spares sp = { 0 };
	struct doomed d = { NULL };

	if ((start & ~PAGE_MASK) || start > HAL_USER_END || len > HAL_USER_END - start || end == start)
		return -EINVAL;
	struct region *r = region_lookup(s, start);
	if (!r || r->start >= end)
		return 0;
	bool makes_hole = r->start < start && r->end > end;
	/* Only a hole cut into one region leaves more regions than before. */
	if (makes_hole && (s->nr_regions >= mm_tunables.max_map_count || spares_reserve(&sp, 1)))
		return -ENOMEM;
	struct frame *table;
	enum range_look look = range_look(s, start, end, &table);
	if (look == RANGE_UNKNOWN && range_unshare_edges(s, start, end)) {
		spares_release(&sp);
		return -ENOMEM;
	}
	cut_regions(s, r, start, end, &sp, &d);
	if (look != RANGE_EMPTY)
		zap_and_prune(s, start, end);
	doomed_free(&d);
	return 0;
}

void munmap_moved_locked(struct space *s, uaddr_t start, u64 len, bool is_bare)
{
	struct region_spares none = { 0 };
	struct doomed d = { NULL };
	cut_regions(s, region_lookup(s, start), start, start + len, &none, &d);
	if (is_bare) {
		struct gather g;
		gather_begin(&g, s);
		prune_tables(&g, start, start + len);
		gather_end(&g);
	}
	doomed_free(&d);
}

int space_munmap(struct space *s, uaddr_t addr, u64 len)
{
	rwlock_write(&s->lock);
	int err = munmap_locked(s, addr, len);
	rwlock_write_unlock(&s->lock);
	if (!err)
		trace_point(TRACE_UNMAP, addr, PAGE_ALIGN_UP(len), 0, 0);
	return err;
}
