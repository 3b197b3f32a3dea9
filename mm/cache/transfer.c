/* SPDX-License-Identifier: MIT */
/*
 * Pages between the cache and the disk. A transfer is a run of neighbouring pages; the file system says
 * where their blocks lie, and blocks that are neighbours on the device too go out in one request.
 *
 *   pages     |  12  |  13  |  14  |  15  |
 *   extents   |<- at 800 ->|hole|<- at 96 ->|
 *   requests  [  8 sectors..]    [ ......... ]
 *
 * The transfer ends when its last request did; it counts one more while requests are being made.
 */
#include "internal.h"
#include <hal/log.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/trace.h>

struct transfer {
	struct mapping *mapping;
	bool is_write;
	s32 pending;                 /* atomic: requests under way, and one for the maker */
	u64 failed;                  /* atomic: bit per page */
	u64 starved;                 /* atomic: of those, pages the disk was not asked for, for want of memory */
	int err;                     /* the last error */
	unsigned nr;
	bool is_waited;              /* transfer_read_wait: pages stay busy, `done` is told */
	bool is_done;                /* (the device's waitq.lock) */
	bool has_masks;              /* only some sectors of each page are written */
	u8 masks[TRANSFER_PAGES];
	struct frame *bounce;        /* the last page with its tail zeroed; NULL: none */
	struct frame *pages[TRANSFER_PAGES];
};

/* One request; its segments follow. */
struct part {
	struct block_request r;
	struct transfer *transfer;
	u64 pages; /* bit per page it touches */
	u32 room;
	u32 sectors;
	struct block_segment segments[];
};

static void end_read(struct transfer *t, unsigned i)
{
	struct frame *f = t->pages[i];
	struct mapping *m = t->mapping;
	u64 size = m->ops->size(m), start = f->index << PAGE_SHIFT;
	if (t->failed >> i & 1) {
		mapping_remove_busy(m, f);
	} else {
		if (start + PAGE_SIZE > size) { /* what lies behind the end reads as zeros */
			u64 from = size > start ? size - start : 0;
			memset((char *)frame_ptr(f) + from, 0, PAGE_SIZE - from);
		}
		frame_set_flags(f, FRAME_UPTODATE);
	}
	frame_busy_unlock(f);
	frame_put(f);
}

/* nr neighbours are not on their way any more; failed: bit for each that did not get there. */
static void end_pages_write(struct mapping *m, struct frame *const *pages, unsigned nr, u64 failed)
{
	trace_point(TRACE_WRITTEN, m->id, pages[0]->index, nr, failed);
	spin_lock(&m->tree_lock);
	radix_tag_many(&m->pages, pages[0]->index, ~0ull >> (64 - nr), RADIX_WRITEBACK, false);
	WRITE_ONCE(m->store->nr_writeback, m->store->nr_writeback - nr);
	stat_add(STAT_NR_WRITEBACK, -(s64)nr);
	for (unsigned i = 0; i < nr; i++) {
		if (!(failed >> i & 1))
			refused_clear_locked(pages[i]);
		frame_end_writeback(pages[i]);
	}
	spin_unlock(&m->tree_lock);
	for (unsigned i = 0; i < nr; i++)
		frame_put(pages[i]);
}

/* It stays dirty, if it can: an fsync that ends well must not mean a page that an earlier one failed to write. */
static void page_write_failed(struct mapping *m, struct frame *f, int err, u8 sectors)
{
	bool is_kept = err == -ENOMEM || refused_keep(m, f);
	if (err != -ENOMEM) /* then the disk was never asked: nothing that a later fsync would have to hear of */
		writeback_error_set(m, err);
	WRITE_ONCE(m->store->failed_err, err);
	__atomic_fetch_add(&m->store->nr_failed, 1, __ATOMIC_RELEASE); /* before the page's waiters are told */
	if (is_kept)
		mapping_dirty_sectors(m, f, sectors);
}

static void end_writes(struct transfer *t)
{
	for (u64 failed = t->failed; failed; failed &= failed - 1) {
		unsigned i = (unsigned)__builtin_ctzll(failed);
		page_write_failed(t->mapping, t->pages[i], t->starved >> i & 1 ? -ENOMEM : t->err, t->has_masks ? t->masks[i] : 0xff);
	}
	end_pages_write(t->mapping, t->pages, t->nr, t->failed);
}

/* Everything is there. */
static void finish(struct transfer *t)
{
	if (t->is_waited) {
		struct host_waitq *q = &t->mapping->store->dev->waitq;
		unsigned long flags = spin_lock_irq(&q->lock);
		t->is_done = true;
		spin_unlock_irq(&q->lock, flags);
		host_wake_all(q);
		return;
	}
	struct flusher *fl = t->is_write ? &block_whole(t->mapping->store->dev)->flusher : NULL;
	if (t->is_write)
		end_writes(t);
	else
		for (unsigned i = 0; i < t->nr; i++)
			end_read(t, i);
	if (t->bounce)
		frame_put(t->bounce);
	if (fl)
		flusher_progress(fl, t->nr);
	kfree(t);
}

static void drop_pending(struct transfer *t)
{
	if (__atomic_sub_fetch(&t->pending, 1, __ATOMIC_ACQ_REL) == 0)
		finish(t);
}

static void fail(struct transfer *t, u64 pages, int err)
{
	if (err != -ENOMEM || !READ_ONCE(t->err))
		__atomic_store_n(&t->err, err, __ATOMIC_RELAXED);
	if (err == -ENOMEM)
		__atomic_fetch_or(&t->starved, pages, __ATOMIC_RELAXED);
	__atomic_fetch_or(&t->failed, pages, __ATOMIC_RELAXED);
}

static void part_done(struct block_request *r)
{
	struct part *p = container_of(r, struct part, r);
	struct transfer *t = p->transfer;
	if (r->err)
		fail(t, p->pages, r->err);
	kfree(p);
	drop_pending(t);
}

static void part_submit(struct transfer *t, struct part *p)
{
	if (!p)
		return;
	__atomic_fetch_add(&t->pending, 1, __ATOMIC_RELAXED);
	block_submit(t->mapping->store->dev, &p->r);
}

/* Write-back frees memory, so it may use the reserves. */
static unsigned alloc_flags(bool is_write) { return is_write ? ALLOC_WAIT | ALLOC_RESERVE : ALLOC_WAIT; }

/* A request that starts at `sector` with room for the pages from i on. NULL: no memory. */
static struct part *part_new(struct transfer *t, u64 sector, unsigned i)
{
	struct block_device *d = t->mapping->store->dev;
	u32 per_page = PAGE_SIZE >> t->mapping->store->block_shift;
	u32 room = min(min((t->nr - i) * per_page, d->max_segments), (u32)TRANSFER_PAGES);
	struct part *p = kmalloc(sizeof(*p) + room * sizeof(p->segments[0]), alloc_flags(t->is_write));
	if (!p)
		return NULL;
	*p = (struct part){ .transfer = t, .room = room };
	p->r = (struct block_request){ .op = t->is_write ? BLOCK_WRITE : BLOCK_READ, .sector = sector,
	                               .segments = p->segments, .done = part_done };
	return p;
}

/* The usual case of part_add: what begins a page goes on where p ends, and there is room. */
static inline bool part_append(struct transfer *t, struct part *p, u64 sector, unsigned i, u32 len)
{
	struct block_device *d = t->mapping->store->dev;
	u32 sectors = len >> SECTOR_SHIFT;
	if (!p || p->r.sector + p->sectors != sector || p->sectors + sectors > d->max_sectors || p->r.nr_segments == p->room ||
	    (t->bounce && i == t->nr - 1))
		return false;
	struct block_segment *s = &p->segments[p->r.nr_segments++];
	s->frame = t->pages[i];
	s->offset = 0;
	s->len = (u16)len;
	p->sectors += sectors;
	p->pages |= 1ull << i;
	return true;
}

/* Adds bytes [offset, offset+len) of page i, which lie at `sector`; submits what is full or does not go on
 * there. Returns the request that is being made. */
static struct part *part_add(struct transfer *t, struct part *p, u64 sector, unsigned i, u32 offset, u32 len)
{
	struct block_device *d = t->mapping->store->dev;
	struct frame *f = t->bounce && i == t->nr - 1 ? t->bounce : t->pages[i];
	struct block_segment *last = p ? &p->segments[p->r.nr_segments - 1] : NULL;
	if (p && p->r.sector + p->sectors == sector && p->sectors + (len >> SECTOR_SHIFT) <= d->max_sectors) {
		if (last->frame == f && last->offset + last->len == offset) {
			last->len = (u16)(last->len + len);
			p->sectors += len >> SECTOR_SHIFT;
			return p;
		}
		if (p->r.nr_segments == p->room) {
			part_submit(t, p);
			p = NULL;
		}
	} else {
		part_submit(t, p);
		p = NULL;
	}
	if (!p && !(p = part_new(t, sector, i))) {
		fail(t, 1ull << i, -ENOMEM);
		return NULL;
	}
	p->segments[p->r.nr_segments++] = (struct block_segment){ .frame = f, .offset = (u16)offset, .len = (u16)len };
	p->sectors += len >> SECTOR_SHIFT;
	p->pages |= 1ull << i;
	return p;
}

/* Bytes of page i that one extent covers, at `sector` or in a hole. */
static struct part *add_piece(struct transfer *t, struct part *p, bool is_hole, u64 sector, unsigned i, u32 offset, u32 len)
{
	if (is_hole) {
		if (!t->is_write)
			memset((char *)frame_ptr(t->pages[i]) + offset, 0, len);
		return p;
	}
	if (!t->has_masks)
		return !offset && part_append(t, p, sector, i, len) ? p : part_add(t, p, sector, i, offset, len);
	/* A device's own page: what is dirty, in blocks that the device can write. */
	u32 block = t->mapping->store->dev->logical_block, nr = block >> SECTOR_SHIFT;
	for (u32 end = offset + len; offset < end; offset += block, sector += nr)
		if (t->masks[i] >> (offset >> SECTOR_SHIFT) & ((1u << nr) - 1))
			p = part_add(t, p, sector, i, offset, block);
	return p;
}

/* Makes and submits all requests. */
static void transfer_run(struct transfer *t)
{
	struct mapping *m = t->mapping;
	unsigned shift = m->store->block_shift;
	u32 per_page = (u32)PAGE_SIZE >> shift;
	u64 first = t->pages[0]->index * per_page, nr_blocks = (u64)t->nr * per_page;
	u64 size_blocks = (m->ops->size(m) + (1u << shift) - 1) >> shift;
	struct part *p = NULL;
	for (u64 b = 0; b < nr_blocks;) {
		struct block_extent e = { .device_block = BLOCK_HOLE, .nr = (u32)(nr_blocks - b) };
		int err = first + b < size_blocks ? m->ops->map_blocks(m, first + b, (u32)(nr_blocks - b), false, &e) : 0;
		if (err) {
			fail(t, 1ull << (b / per_page), err);
			b += per_page - b % per_page;
			continue;
		}
		u64 sector = e.device_block << (shift - SECTOR_SHIFT);
		for (u64 end = min(b + e.nr, nr_blocks); b < end;) {
			u32 n = (u32)min(end - b, per_page - b % per_page), offset = (u32)(b % per_page) << shift;
			p = add_piece(t, p, e.device_block == BLOCK_HOLE, sector, (unsigned)(b / per_page), offset, n << shift);
			sector += (u64)n << (shift - SECTOR_SHIFT);
			b += n;
		}
	}
	part_submit(t, p);
	drop_pending(t);
}

/* Only as large as it needs to be. */
static struct transfer *transfer_new(struct mapping *m, struct frame *const *pages, unsigned nr, bool is_write)
{
	size_t size = offsetof(struct transfer, pages) + nr * sizeof(pages[0]);
	struct transfer *t = kmalloc(size, alloc_flags(is_write));
	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct transfer, pages));
	t->mapping = m;
	t->is_write = is_write;
	t->pending = 1;
	t->nr = nr;
	memcpy(t->pages, pages, nr * sizeof(pages[0]));
	return t;
}

void transfer_read(struct mapping *m, struct frame *const *pages, unsigned nr)
{
	trace_point(TRACE_FILL, m->id, pages[0]->index, nr, (u64)is_metadata(m) << 8);
	struct transfer *t = transfer_new(m, pages, nr, false);
	if (t) {
		transfer_run(t);
		return;
	}
	for (unsigned i = 0; i < nr; i++) { /* read-ahead that does not happen */
		mapping_remove_busy(m, pages[i]);
		frame_busy_unlock(pages[i]);
		frame_put(pages[i]);
	}
}

static bool is_done(void *arg) { return ((struct transfer *)arg)->is_done; }

int transfer_read_wait(struct mapping *m, struct frame *f)
{
	struct host_waitq *q = &m->store->dev->waitq;
	struct transfer *t = transfer_new(m, &f, 1, false);
	trace_point(TRACE_FILL, m->id, f->index, 1, 1 | (u64)is_metadata(m) << 8);
	if (!t)
		return -ENOMEM;
	t->is_waited = true;
	transfer_run(t);
	host_wait_io(q, is_done, t, 0);
	int err = t->failed ? t->err : 0;
	kfree(t);
	u64 size = m->ops->size(m), start = f->index << PAGE_SHIFT;
	if (!err && start + PAGE_SIZE > size) {
		u64 from = size > start ? size - start : 0;
		memset((char *)frame_ptr(f) + from, 0, PAGE_SIZE - from);
	}
	return err;
}

/* A copy of the last page whose tail behind the file's end is zero. */
static struct frame *make_bounce(struct frame *f, u64 size)
{
	struct frame *copy = frame_alloc(0, ALLOC_WAIT | ALLOC_RESERVE, FRAME_KERNEL);
	if (copy) {
		u64 used = size - (f->index << PAGE_SHIFT);
		memcpy(frame_ptr(copy), frame_ptr(f), used);
		memset((char *)frame_ptr(copy) + used, 0, PAGE_SIZE - used);
	}
	return copy;
}

void transfer_write(struct mapping *m, struct frame *const *pages, const u8 *masks, unsigned nr)
{
	struct transfer *t = transfer_new(m, pages, nr, true);
	u64 size = m->ops->size(m);
	if (!t) {
		for (unsigned i = 0; i < nr; i++)
			page_write_failed(m, pages[i], -ENOMEM, masks ? masks[i] : 0xff);
		end_pages_write(m, pages, nr, ~0ull);
		return;
	}
	t->has_masks = masks != NULL;
	if (masks)
		memcpy(t->masks, masks, nr);
	if (page_has_tail(m, pages[nr - 1], size))
		t->bounce = make_bounce(pages[nr - 1], size);
	transfer_run(t);
}
