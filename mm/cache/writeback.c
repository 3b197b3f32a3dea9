/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages of one file: marking, writing, waiting, and what went wrong.
 *
 * Nothing written by a program may be missed. A page's way to the disk is: busy bit, then under the
 * tree lock DIRTY off and WRITEBACK on, then W taken from every mapping, then the transfer. Whoever
 * changes the page marks it after the change (a mapping: under the table lock that W is set under), so
 * either the mark comes after DIRTY was cleared and the page is written again, or the change came
 * before the transfer reads the page.
 *
 * W1  FRAME_DIRTY and RADIX_DIRTY change together, under the tree lock: who finds a page marked knows that a
 *     write-back from now on finds it too.
 * W2  A page under write-back is in the index and cannot leave it.
 */
#include "internal.h"
#include <hal/log.h>
#include <mm/buffer.h>
#include <mm/pagetable.h>
#include <mm/trace.h>

/* Errors. A word is errno in the low 12 bits, a seen bit, and a counter above. Source: Linux's errseq idea:
 * Documentation/core-api/errseq.rst. */
#define ERROR_ERRNO 0xfffull
#define ERROR_SEEN  0x1000ull
#define ERROR_STEP  0x2000ull

void backing_store_init(struct backing_store *b, struct mapping *m, struct block_device *dev, unsigned block_shift)
{
	*b = (struct backing_store){ .mapping = m, .dev = dev, .block_shift = (u8)block_shift };
	list_init(&b->dirty_link);
	m->store = b;
}

/* Marks those of the neighbours that are not dirty yet, in the index and the counts too. */
static __attribute__((noinline)) void tag_dirty(struct mapping *m, struct frame *const *pages, unsigned nr)
{
	struct backing_store *b = m->store;
	u64 marked = 0, nr_marked = 0, index = 0;
	spin_lock(&m->tree_lock);
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = pages[i];
		if (f->mapping != m || frame_flags(f) & FRAME_DIRTY) /* truncated; or another was faster */
			continue;
		frame_set_flags(f, FRAME_DIRTY);
		index = marked ? index : f->index;
		marked |= 1ull << (f->index - index);
		nr_marked++;
	}
	if (likely(nr_marked == 1))
		radix_tag(&m->pages, index, RADIX_DIRTY, true);
	else if (marked)
		radix_tag_many(&m->pages, index, marked, RADIX_DIRTY, true);
	bool is_first = nr_marked && !b->nr_dirty;
	WRITE_ONCE(b->nr_dirty, b->nr_dirty + nr_marked); /* looked at without the lock */
	stat_add(STAT_NR_FILE_DIRTY, (s64)nr_marked);
	stat_add(STAT_NR_DIRTIED, (s64)nr_marked);
	spin_unlock(&m->tree_lock);
	if (nr_marked) {
		trace_point(TRACE_DIRTY, m->id, index, nr_marked, is_metadata(m));
		host_count_io(HOST_IO_WRITE, nr_marked * PAGE_SIZE);
	}
	if (is_first)
		flusher_add(b);
}

void mapping_dirty_neighbours(struct mapping *m, struct frame *const *pages, unsigned nr)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the changes are visible before the marks are looked at */
	for (unsigned i = 0; i < nr; i++)
		if (!(frame_flags(pages[i]) & FRAME_DIRTY)) {
			tag_dirty(m, pages + i, nr - i);
			return;
		}
}

void mapping_dirty_sectors(struct mapping *m, struct frame *f, u8 sectors)
{
	if (m->flags & MAPPING_DEVICE)
		__atomic_fetch_or(&f->owner, sectors, __ATOMIC_ACQ_REL);
	mapping_dirty_neighbours(m, &f, 1);
}

void mapping_dirty_page(struct mapping *m, struct frame *f) { mapping_dirty_sectors(m, f, 0xff); }

void mapping_dirty_meta(struct mapping *m)
{
	struct backing_store *b = m->store;
	if (READ_ONCE(b->is_meta_dirty))
		return;
	WRITE_ONCE(b->is_meta_dirty, true);
	flusher_add(b);
}

bool page_has_tail(struct mapping *m, const struct frame *f, u64 size)
{
	return m->store->has_tail && (size & ~PAGE_MASK) && f->index == size >> PAGE_SHIFT;
}

/* Pages that were dirty are on their way now; the tree lock is held. */
static void count_started_locked(struct backing_store *b, unsigned nr)
{
	WRITE_ONCE(b->nr_dirty, b->nr_dirty - nr);
	WRITE_ONCE(b->nr_writeback, b->nr_writeback + nr);
	stat_add(STAT_NR_FILE_DIRTY, -(s64)nr);
	stat_add(STAT_NR_WRITEBACK, nr);
	stat_add(STAT_NR_WRITTEN, nr);
}

/* The busy page f was moved to write-back: no more writes through mappings that nobody notices. Returns what
 * of it is dirty (a device's page). */
static u8 finish_start(struct mapping *m, struct frame *f)
{
	if (READ_ONCE(f->nr_slots))
		walk_back_clean(f);
	u8 mask = m->flags & MAPPING_DEVICE ? (u8)__atomic_exchange_n(&f->owner, 0, __ATOMIC_ACQ_REL) : 0xff;
	frame_busy_unlock(f);
	return mask;
}

/* The usual case: up to `max` (1..64) neighbouring dirty pages, from the first in [*index, last] on, as long as none
 * is busy or on its way already, are made busy and moved to write-back, with a reference each. How many. */
static unsigned start_pages(struct mapping *m, u64 *index, u64 last, u64 max, struct frame **pages)
{
	void *const *items;
	unsigned nr = 0;
	spin_lock(&m->tree_lock);
	u64 tagged = radix_next_tagged_many(&m->pages, index, RADIX_DIRTY, &items);
	if (tagged && *index <= last) {
		max = min(min(max, ~tagged ? (u64)__builtin_ctzll(~tagged) : 64), last - *index + 1);
		for (; nr < max; nr++) {
			struct frame *f = items[nr];
			u32 flags = __atomic_fetch_or(&f->flags, FRAME_BUSY, __ATOMIC_ACQUIRE);
			if (unlikely(flags & (FRAME_BUSY | FRAME_WRITEBACK))) {
				if (!(flags & FRAME_BUSY))
					frame_busy_unlock(f);
				break;
			}
			__atomic_fetch_xor(&f->flags, FRAME_DIRTY | FRAME_WRITEBACK, __ATOMIC_ACQ_REL); /* W1: tagged ones have the first */
			frame_get(f);
			pages[nr] = f;
		}
	}
	if (nr) {
		radix_tag_many(&m->pages, *index, ~0ull >> (64 - nr), RADIX_DIRTY, false);
		radix_tag_many(&m->pages, *index, ~0ull >> (64 - nr), RADIX_WRITEBACK, true);
		count_started_locked(m->store, nr);
	}
	spin_unlock(&m->tree_lock);
	return nr;
}

/* The next dirty page in [*index, last], with a reference. */
static struct frame *next_dirty(struct mapping *m, u64 *index, u64 last)
{
	spin_lock(&m->tree_lock);
	struct frame *f = radix_next_tagged(&m->pages, index, RADIX_DIRTY);
	if (f && *index <= last)
		frame_get(f);
	else
		f = NULL;
	spin_unlock(&m->tree_lock);
	return f;
}

/* One page that start_pages did not take (referenced): waits for it. false: it is clean or gone, or (without must_wait)
 * on its way already, and its reference too. */
static bool start_one(struct mapping *m, struct frame *f, bool must_wait)
{
	bool is_started = false;
	frame_busy_lock(f);
	if (must_wait || !(frame_flags(f) & FRAME_WRITEBACK)) { /* else dirty again meanwhile: another time */
		frame_wait_writeback(f);
		spin_lock(&m->tree_lock);
		is_started = f->mapping == m && radix_tag(&m->pages, f->index, RADIX_DIRTY, false);
		if (is_started) {
			__atomic_fetch_xor(&f->flags, FRAME_DIRTY | FRAME_WRITEBACK, __ATOMIC_ACQ_REL);
			radix_tag(&m->pages, f->index, RADIX_WRITEBACK, true);
			count_started_locked(m->store, 1);
		}
		spin_unlock(&m->tree_lock);
	}
	if (!is_started) {
		frame_busy_unlock(f);
		frame_put(f);
	}
	return is_started;
}

/* Starts writing at most nr dirty pages of [index, last]. Nothing is held while waiting. */
static void write_pages(struct mapping *m, u64 index, u64 last, u64 nr, bool must_wait)
{
	struct frame *pages[TRANSFER_PAGES];
	u8 masks[TRANSFER_PAGES];
	while (nr && !READ_ONCE(m->store->is_given_up)) {
		unsigned n = start_pages(m, &index, last, min(nr, (u64)TRANSFER_PAGES), pages), passed = n;
		if (!n) {
			struct frame *f = next_dirty(m, &index, last);
			if (!f)
				return;
			pages[0] = f;
			n = start_one(m, f, must_wait);
			passed = 1;
		}
		for (unsigned i = 0; i < n; i++)
			masks[i] = finish_start(m, pages[i]);
		if (n) {
			trace_point(TRACE_WRITE, m->id, pages[0]->index, n, is_metadata(m));
			transfer_write(m, pages, m->flags & MAPPING_DEVICE ? masks : NULL, n);
		}
		index += passed;
		nr -= passed;
	}
}

void mapping_wait_writeback(struct mapping *m, u64 start, u64 end)
{
	u64 last = end ? (end - 1) >> PAGE_SHIFT : 0;
	for (u64 index = start >> PAGE_SHIFT;; index++) {
		spin_lock(&m->tree_lock);
		struct frame *f = radix_next_tagged(&m->pages, &index, RADIX_WRITEBACK);
		if (f && index <= last)
			frame_get(f);
		else
			f = NULL;
		spin_unlock(&m->tree_lock);
		if (!f)
			return;
		frame_wait_writeback(f);
		frame_put(f);
	}
}

static int write_meta(struct mapping *m, bool wait)
{
	struct backing_store *b = m->store;
	if (!m->ops->write_meta)
		return 0;
	WRITE_ONCE(b->is_meta_dirty, false);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* changes from now on mark it again */
	int err = m->ops->write_meta(m, wait);
	if (err)
		writeback_error_set(m, err);
	return err;
}

int mapping_writeback(struct mapping *m, u64 start, u64 end, unsigned flags)
{
	struct backing_store *b = m->store;
	u64 before = __atomic_load_n(&b->nr_failed, __ATOMIC_ACQUIRE);
	if (end <= start)
		return 0;
	if (READ_ONCE(b->nr_dirty)) {
		/* No more than there is now: others may go on dirtying. Twice, as some are passed by. */
		u64 nr = flags & WRITEBACK_WAIT ? ~0ull : READ_ONCE(b->nr_dirty);
		write_pages(m, start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT, nr, flags & WRITEBACK_WAIT);
	}
	if (flags & WRITEBACK_WAIT && READ_ONCE(b->nr_writeback))
		mapping_wait_writeback(m, start, end);
	int err = flags & WRITEBACK_META ? write_meta(m, flags & WRITEBACK_WAIT) : 0;
	return __atomic_load_n(&b->nr_failed, __ATOMIC_ACQUIRE) != before ? READ_ONCE(b->failed_err) : err;
}

/* Errors. */

u64 writeback_error_sample(struct mapping *m)
{
	/* An error that nobody was told yet is this file's too. */
	u64 now = __atomic_load_n(&m->store->error_seq, __ATOMIC_ACQUIRE);
	return now & ERROR_SEEN || !now ? now : 0;
}

int writeback_error_check(struct mapping *m, u64 *since)
{
	u64 *word = &m->store->error_seq, now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	if ((now & ~ERROR_SEEN) == (*since & ~ERROR_SEEN))
		return READ_ONCE(m->store->has_lost) ? -EIO : 0;
	*since = __atomic_fetch_or(word, ERROR_SEEN, __ATOMIC_ACQ_REL) | ERROR_SEEN;
	return -(int)(*since & ERROR_ERRNO);
}

void writeback_error_set(struct mapping *m, int err)
{
	u64 *word = &m->store->error_seq, old = __atomic_load_n(word, __ATOMIC_RELAXED), next;
	do /* the counter moves only when somebody saw the last one */
		next = ((old & ~(ERROR_ERRNO | ERROR_SEEN)) + (old & ERROR_SEEN || !old ? ERROR_STEP : 0)) | (u64)-err;
	while (!__atomic_compare_exchange_n(word, &old, next, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
}
