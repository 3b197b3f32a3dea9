/* SPDX-License-Identifier: MIT */
/*
 * Writing through the cache: bytes go into pages, blocks are found for them at once, the disk comes
 * later. Order for a new page: content, blocks, index, the file's size, dirty; for pages that are there, several
 * at once: blocks, content, size, dirty. So a page that is dirty has blocks and lies within the size, and a
 * file that cannot get blocks (ENOSPC) shows nothing of what failed.
 *
 * Blocks behind the end of the file are asked for in one piece for the whole write; whoever called gives
 * back what a short write left there.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/cache.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>

#define EXTENT_MAX 2048u /* blocks asked for at once */

struct writer {
	struct mapping *mapping;
	struct cache_copier *copier;
	void (*grow)(struct mapping *m, u64 end);
	u64 end;                       /* of the whole write, bytes */
	u64 mapped_first, mapped_end;  /* blocks known to exist */
};

static u64 block_end(struct mapping *m, u64 byte) { return (byte + (1u << m->store->block_shift) - 1) >> m->store->block_shift; }

/* A hole in the file gets blocks. The page, when it is in the index, is dirty before they are there: a write-back
 * that begins meanwhile waits for the busy bit, and one that ends later has written them. */
static int fill_hole(struct mapping *m, struct frame *f, u64 block, u32 nr, struct block_extent *e)
{
	if (!f)
		return m->ops->map_blocks(m, block, nr, true, e);
	frame_busy_lock(f);
	mapping_dirty_page(m, f);
	int err = m->ops->map_blocks(m, block, nr, true, e);
	frame_busy_unlock(f);
	return err;
}

/* Makes sure that blocks for bytes [pos, pos + n) exist. f: the page they are in, NULL when it is not in the index
 * yet. Bytes from pos on that have some, or -errno for the first. */
static long need_blocks(struct writer *w, struct frame *f, u64 pos, u64 n)
{
	struct mapping *m = w->mapping;
	u64 block = pos >> m->store->block_shift, end = block_end(m, pos + n);
	while (block < end) {
		if (block >= w->mapped_first && block < w->mapped_end) {
			block = w->mapped_end;
			continue;
		}
		struct block_extent e = { .device_block = BLOCK_HOLE };
		u64 size_end = block_end(m, m->ops->size(m));
		u32 rest = (u32)min(block_end(m, w->end) - block, (u64)EXTENT_MAX);
		int err = block < size_end ? m->ops->map_blocks(m, block, rest, false, &e) : 0;
		if (!err && e.device_block == BLOCK_HOLE)
			err = block < size_end ? fill_hole(m, f, block, (u32)(end - block), &e) /* no more than is written now */
			                       : m->ops->map_blocks(m, block, rest, true, &e);
		if (err) {
			u64 got = block << m->store->block_shift;
			return got > pos ? (long)(got - pos) : err;
		}
		w->mapped_first = block;
		block = w->mapped_end = block + e.nr;
	}
	return (long)n;
}

/* The 512-byte pieces that bytes [pos, pos + n) of one page touch. */
static u8 sector_mask(u64 pos, size_t n)
{
	u32 first = (u32)(pos & ~PAGE_MASK) >> SECTOR_SHIFT, last = (u32)((pos & ~PAGE_MASK) + n - 1) >> SECTOR_SHIFT;
	return (u8)((2u << last) - (1u << first));
}

/* n bytes of f from pos on hold what they shall. */
static void written(struct writer *w, struct frame *f, u64 pos, size_t n)
{
	if (n && pos + n > w->mapping->ops->size(w->mapping))
		w->grow(w->mapping, pos + n);
	mapping_dirty_sectors(w->mapping, f, n ? sector_mask(pos, n) : 0);
	if (((pos + n) & ~PAGE_MASK) == 0) /* small writes that go on in one page are one use */
		lru_touch(f);
}

/* Into a page that is up to date. Bytes moved or -errno. */
static long write_present(struct writer *w, struct frame *f, u64 pos, size_t n, const void *from)
{
	char *at = (char *)frame_ptr(f) + (pos & ~PAGE_MASK);
	long got = need_blocks(w, f, pos, n);
	if (got < 0)
		return got;
	size_t moved = (size_t)got;
	if (from)
		memcpy(at, from, moved);
	else
		moved = w->copier->move(w->copier, at, moved);
	/* Also when nothing moved: a block that was a hole must not keep the disk's old bytes. */
	written(w, f, pos, moved);
	return (long)moved;
}

/* Into the page of the index, read first when it is absent. */
static long write_found(struct writer *w, u64 pos, size_t n, const void *from)
{
	struct frame *f;
	int err = mapping_get(w->mapping, pos >> PAGE_SHIFT, ALLOC_USER, &f);
	if (err)
		return err;
	long moved = write_present(w, f, pos, n, from);
	frame_put(f);
	return moved;
}

/* A page of which nothing old is needed: filled before anybody sees it. */
static long write_new(struct writer *w, u64 pos, size_t n)
{
	struct mapping *m = w->mapping;
	u64 off = pos & ~PAGE_MASK;
	struct frame *f = frame_alloc(0, ALLOC_USER, FRAME_CACHE);
	if (!f)
		return -ENOMEM;
	char *page = frame_ptr(f);
	size_t moved = w->copier->move(w->copier, page + off, n);
	bool has_old = pos >> PAGE_SHIFT < mapping_size_pages(m);
	long result = !moved ? 0 : moved < n && has_old ? (long)moved : need_blocks(w, NULL, pos, moved);
	if (result > 0 && (size_t)result < n && has_old) {
		/* Bad memory, or a full disk at the end of a block: the rest of the page is needed after all. */
		result = write_found(w, pos, (size_t)result, page + off);
	} else if (result > 0) {
		memset(page, 0, off);
		memset(page + off + result, 0, PAGE_SIZE - off - (u64)result);
		f->flags = FRAME_UPTODATE;
		frame_get(f); /* the index's */
		int err = mapping_insert(m, pos >> PAGE_SHIFT, ALLOC_USER, f, false);
		if (!err) {
			written(w, f, pos, (size_t)result);
		} else {
			f->refs = 1;
			result = err == -EEXIST ? write_found(w, pos, (size_t)result, page + off) : err; /* a fault was faster */
		}
	}
	frame_put(f);
	return result;
}

/* How many bytes of [pos, end), from pos on and within the file's size, have blocks already. */
static u64 bytes_with_blocks(struct writer *w, u64 pos, u64 end)
{
	struct mapping *m = w->mapping;
	u64 block = pos >> m->store->block_shift, last = block_end(m, min(end, m->ops->size(m)));
	while (block < last) {
		struct block_extent e;
		if (block < w->mapped_first || block >= w->mapped_end) {
			u32 rest = (u32)min(block_end(m, w->end) - block, (u64)EXTENT_MAX);
			if (m->ops->map_blocks(m, block, rest, false, &e) || e.device_block == BLOCK_HOLE)
				break;
			w->mapped_first = block;
			w->mapped_end = block + e.nr;
		}
		block = w->mapped_end;
	}
	u64 got = block << m->store->block_shift;
	return got > pos ? min(got, end) - pos : 0;
}

/* Bytes [pos, end), which have blocks, into the pages that hold them. Bytes moved. */
static u64 copy_into(struct writer *w, struct frame *const *pages, u64 pos, u64 end)
{
	struct mapping *m = w->mapping;
	u64 at = pos;
	unsigned n = 0;
	while (at < end) {
		u64 off = at & ~PAGE_MASK;
		size_t want = min(PAGE_SIZE - off, end - at), moved = w->copier->move(w->copier, (char *)frame_ptr(pages[n++]) + off, want);
		at += moved;
		if (unlikely(moved < want))
			break;
	}
	if (at > pos && at > m->ops->size(m))
		w->grow(m, at);
	mapping_dirty_neighbours(m, pages, n);
	lru_touch_many(pages, (unsigned)((at >> PAGE_SHIFT) - (pos >> PAGE_SHIFT))); /* those written to their ends */
	return at - pos;
}

/* The usual overwriting: several pages that are in memory and have blocks. Bytes moved; *want: how many should have; 0:
 * this is not the usual case. *nr: pages. */
static u64 write_present_many(struct writer *w, u64 pos, u64 len, size_t *want, unsigned *nr)
{
	struct frame *pages[FIND_PAGES];
	u64 index = pos >> PAGE_SHIFT, moved = 0;
	*nr = mapping_find_many(w->mapping, index, ((pos + len - 1) >> PAGE_SHIFT) - index + 1, 0, pages);
	*want = *nr ? bytes_with_blocks(w, pos, pos + min(len, ((index + *nr) << PAGE_SHIFT) - pos)) : 0;
	if (*want)
		moved = copy_into(w, pages, pos, pos + *want);
	for (unsigned i = 0; i < *nr; i++)
		frame_put(pages[i]);
	return moved;
}

static long write_piece(struct writer *w, u64 pos, size_t n)
{
	struct mapping *m = w->mapping;
	u64 size = m->ops->size(m), index = pos >> PAGE_SHIFT;
	struct frame *f = mapping_find(m, index);
	if (f) {
		bool is_ready = frame_flags(f) & FRAME_UPTODATE;
		long moved = is_ready ? write_present(w, f, pos, n, NULL) : 0;
		frame_put(f);
		return is_ready ? moved : write_found(w, pos, n, NULL);
	}
	bool is_whole = (pos & ~PAGE_MASK) == 0 && (n == PAGE_SIZE || pos + n >= size);
	if (is_whole || index >= mapping_size_pages(m))
		return write_new(w, pos, n);
	return write_found(w, pos, n, NULL);
}

long cache_write(struct mapping *m, u64 pos, u64 len, struct cache_copier *c, void (*grow)(struct mapping *m, u64 end))
{
	struct writer w = { .mapping = m, .copier = c, .grow = grow, .end = pos + len };
	u64 size = m->ops->size(m);
	long done = 0;
	int err = len && pos + len > size ? cache_zero_tail(m, size) : 0;
	while (len && !err) {
		size_t n = 0;
		unsigned nr;
		long moved = m->flags & MAPPING_DEVICE ? 0 : (long)write_present_many(&w, pos, len, &n, &nr);
		if (!n) {
			n = min(PAGE_SIZE - (pos & ~PAGE_MASK), len);
			nr = 1;
			moved = write_piece(&w, pos, n);
		}
		if (moved < 0) {
			err = (int)moved;
			break;
		}
		pos += (u64)moved;
		len -= (u64)moved;
		done += moved;
		if ((size_t)moved < n)
			err = -EFAULT;
		else if (len && host_current()->is_being_killed)
			err = -EINTR;
		writeback_throttle(m, nr);
	}
	return done ? done : err;
}

int cache_zero_tail(struct mapping *m, u64 old_size)
{
	struct frame *f;
	if (!m->store->has_tail || !(old_size & ~PAGE_MASK))
		return 0;
	f = mapping_find(m, old_size >> PAGE_SHIFT);
	m->store->has_tail = false;
	if (!f)
		return 0; /* on the disk the tail is zero: see transfer.c */
	frame_busy_lock(f);
	memset((char *)frame_ptr(f) + (old_size & ~PAGE_MASK), 0, PAGE_SIZE - (old_size & ~PAGE_MASK));
	mapping_dirty_page(m, f);
	walk_back_clean(f); /* mappings could write, but only blocks below the old size were got for them */
	frame_busy_unlock(f);
	frame_put(f);
	return 0;
}

int cache_zero_range(struct mapping *m, u64 from, u64 to)
{
	struct block_extent e;
	struct frame *f = mapping_find(m, from >> PAGE_SHIFT);
	int err = 0;
	if (from >= to)
		err = 1;
	else if (!f) { /* a hole is zero already */
		err = m->ops->map_blocks(m, from >> m->store->block_shift, 1, false, &e);
		if (!err && e.device_block == BLOCK_HOLE && m->store->block_shift == PAGE_SHIFT)
			err = 1;
	}
	if (f)
		frame_put(f);
	if (!err)
		err = mapping_get(m, from >> PAGE_SHIFT, ALLOC_USER, &f);
	if (err)
		return err < 0 ? err : 0;
	frame_busy_lock(f);
	memset((char *)frame_ptr(f) + (from & ~PAGE_MASK), 0, to - from);
	mapping_dirty_page(m, f);
	frame_busy_unlock(f);
	frame_put(f);
	return 0;
}

int cache_make_writable(struct mapping *m, u64 index, struct frame *f)
{
	unsigned shift = m->store->block_shift;
	int err = 0;
	frame_busy_lock(f); /* a truncation that has this page to remove waits, and then frees the blocks */
	u64 size = m->ops->size(m), start = index << PAGE_SHIFT;
	if (f->mapping != m || start >= size)
		err = -EAGAIN;
	u64 end = block_end(m, min(start + PAGE_SIZE, size));
	for (u64 b = start >> shift; !err && b < end;) {
		struct block_extent e;
		err = m->ops->map_blocks(m, b, (u32)(end - b), false, &e);
		if (!err && e.device_block == BLOCK_HOLE) {
			mapping_dirty_page(m, f); /* whatever comes of the fault: the block must not keep the disk's old bytes */
			err = m->ops->map_blocks(m, b, (u32)min((u64)e.nr, end - b), true, &e);
		}
		b += err ? 0 : e.nr;
	}
	if (!err && start + PAGE_SIZE > size)
		m->store->has_tail = true;
	frame_busy_unlock(f);
	return err;
}
