/* SPDX-License-Identifier: MIT */
/* Letting go of clean pages: drop_caches, POSIX_FADV_DONTNEED, what O_DIRECT must not see stale. */
#include "internal.h"
#include <mm/cache.h>
#include <mm/pagetable.h>

static bool is_clean(const struct frame *f) { return !(frame_flags(f) & (FRAME_DIRTY | FRAME_WRITEBACK)); }

/* Drops the referenced page if only the index and the caller know it. New references are taken under the tree
 * lock, so it stays that way until the page is out. */
static bool drop_page(struct mapping *m, struct frame *f)
{
	if (READ_ONCE(f->nr_slots) || !is_clean(f) || !frame_busy_trylock(f))
		return false;
	spin_lock(&m->tree_lock);
	bool dropped = f->mapping == m && is_clean(f) && !READ_ONCE(f->nr_slots) &&
	               __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 2 && mapping_detach_locked(m, f);
	spin_unlock(&m->tree_lock);
	frame_busy_unlock(f);
	if (dropped)
		frame_put(f);
	return dropped;
}

/* The next page in [*index, last] with a reference. */
static struct frame *next_page(struct mapping *m, u64 *index, u64 last)
{
	spin_lock(&m->tree_lock);
	struct frame *f = radix_next(&m->pages, index);
	if (f && *index <= last)
		frame_get(f);
	else
		f = NULL;
	spin_unlock(&m->tree_lock);
	return f;
}

u64 mapping_drop_clean(struct mapping *m, u64 first, u64 last)
{
	u64 dropped = 0, index = first;
	for (struct frame *f; (f = next_page(m, &index, last)) != NULL; index++) {
		dropped += drop_page(m, f);
		frame_put(f);
	}
	return dropped;
}

int mapping_invalidate(struct mapping *m, u64 start, u64 end)
{
	u64 index = start >> PAGE_SHIFT;
	if (end <= start)
		return 0;
	int err = mapping_writeback(m, start, end, WRITEBACK_WAIT);
	for (struct frame *f; !err && (f = next_page(m, &index, (end - 1) >> PAGE_SHIFT)) != NULL; index++) {
		frame_busy_lock(f);
		frame_wait_writeback(f);
		if (READ_ONCE(f->nr_slots))
			walk_back_unmap(f);
		spin_lock(&m->tree_lock);
		bool is_stale = READ_ONCE(f->nr_slots) || !is_clean(f);
		bool was_in = !is_stale && mapping_detach_locked(m, f);
		spin_unlock(&m->tree_lock);
		frame_busy_unlock(f);
		if (was_in)
			frame_put(f);
		err = is_stale ? -EBUSY : 0;
		frame_put(f);
	}
	return err;
}
