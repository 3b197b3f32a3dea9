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

static void dirty_page(struct mapping *m, struct frame *f)
{
	struct backing_store *b = m->store;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the change is visible before the mark is looked at */
	if (likely(frame_flags(f) & FRAME_DIRTY))
		return;
	bool is_first = false;
	spin_lock(&m->tree_lock);
	if (f->mapping == m && !radix_tag(&m->pages, f->index, RADIX_DIRTY, true)) { /* else truncated */
		frame_set_flags(f, FRAME_DIRTY);
		is_first = b->nr_dirty++ == 0;
		stat_add(STAT_NR_FILE_DIRTY, 1);
		stat_add(STAT_NR_DIRTIED, 1);
	}
	spin_unlock(&m->tree_lock);
	if (is_first)
		flusher_add(b);
}

void mapping_dirty_sectors(struct mapping *m, struct frame *f, u8 sectors)
{
	if (m->flags & MAPPING_DEVICE)
		__atomic_fetch_or(&f->owner, sectors, __ATOMIC_ACQ_REL);
	dirty_page(m, f);
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

/* Moves a busy dirty page to write-back; what of a device's page is dirty goes to *mask. False: it is
 * clean or gone. */
static bool start_page(struct mapping *m, struct frame *f, u8 *mask)
{
	struct backing_store *b = m->store;
	bool is_started = false;
	spin_lock(&m->tree_lock);
	if (f->mapping == m && radix_tag(&m->pages, f->index, RADIX_DIRTY, false)) {
		b->nr_dirty--;
		b->nr_writeback++;
		frame_clear_flags(f, FRAME_DIRTY);
		frame_set_flags(f, FRAME_WRITEBACK);
		radix_tag(&m->pages, f->index, RADIX_WRITEBACK, true);
		stat_add(STAT_NR_FILE_DIRTY, -1);
		stat_add(STAT_NR_WRITEBACK, 1);
		stat_add(STAT_NR_WRITTEN, 1);
		is_started = true;
	}
	spin_unlock(&m->tree_lock);
	if (!is_started)
		return false;
	if (READ_ONCE(f->nr_slots))
		walk_back_clean(f);
	*mask = m->flags & MAPPING_DEVICE ? (u8)__atomic_exchange_n(&f->owner, 0, __ATOMIC_ACQ_REL) : 0xff;
	return true;
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

struct run { /* neighbouring pages on their way */
	struct mapping *mapping;
	unsigned nr;
	struct frame *pages[TRANSFER_PAGES];
	u8 masks[TRANSFER_PAGES];
};

static void run_end(struct run *r)
{
	if (r->nr)
		transfer_write(r->mapping, r->pages, r->mapping->flags & MAPPING_DEVICE ? r->masks : NULL, r->nr);
	r->nr = 0;
}

/* Takes up f (referenced). must_wait: also when it is under write-back already. */
static void run_add(struct run *r, struct frame *f, bool must_wait)
{
	struct mapping *m = r->mapping;
	u8 mask;
	if (!frame_busy_trylock(f)) {
		run_end(r); /* nothing is held while waiting */
		frame_busy_lock(f);
	}
	if (frame_flags(f) & FRAME_WRITEBACK) {
		if (!must_wait) { /* dirty again meanwhile: another time */
			frame_busy_unlock(f);
			frame_put(f);
			return;
		}
		run_end(r);
		frame_wait_writeback(f);
	}
	bool is_started = start_page(m, f, &mask);
	frame_busy_unlock(f);
	if (!is_started) {
		frame_put(f);
		return;
	}
	if (r->nr == TRANSFER_PAGES || (r->nr && r->pages[r->nr - 1]->index + 1 != f->index))
		run_end(r);
	r->masks[r->nr] = mask;
	r->pages[r->nr++] = f;
}

/* Starts writing at most nr dirty pages of [first, last]. */
static void write_pages(struct mapping *m, u64 first, u64 last, u64 nr, bool must_wait)
{
	struct run r = { .mapping = m };
	u64 index = first;
	for (struct frame *f; nr-- && (f = next_dirty(m, &index, last)) != NULL; index++)
		run_add(&r, f, must_wait);
	run_end(&r);
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
		return 0;
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
