/* SPDX-License-Identifier: MIT */
/*
 * Read-ahead. A window of pages is read at once; the first page of its later part is marked, and
 * whoever reaches the mark starts the next window, so that a sequential reader never waits:
 *
 *      start            start+size
 *        |....|mark........|            reached the mark: the next window begins at start+size
 *                          |..........|
 *
 * Sizes as Linux 6.1 takes them (mm/readahead.c: the documented behaviour of ondemand read-ahead): a
 * first window of two or four times the request, then doubled up to the limit.
 */
#include "internal.h"
#include <mm/readahead.h>
#include <mm/region.h>

#define MISS_LIMIT 100 /* mapped access with so many more misses than hits is random */

void readahead_init(struct readahead *ra, u32 limit)
{
	*ra = (struct readahead){ .limit = limit, .last = ~0ull };
}

static u64 round_up_pow2(u64 n)
{
	u64 p = 1;
	while (p < n)
		p <<= 1;
	return p;
}

static u32 first_size(u64 nr, u32 limit)
{
	u64 size = round_up_pow2(min(nr, (u64)limit));
	if (size <= limit / 32)
		size *= 4;
	else if (size <= limit / 4)
		size *= 2;
	else
		size = limit;
	return (u32)min(size, (u64)limit);
}

static u32 next_size(u32 size, u32 limit)
{
	if (size < limit / 16)
		return size * 4;
	return size <= limit / 2 ? size * 2 : limit;
}

struct batch {
	struct mapping *mapping;
	unsigned nr;
	struct frame *pages[TRANSFER_PAGES];
};

static void batch_end(struct batch *b)
{
	if (b->nr) {
		stat_add(STAT_READAHEAD, b->nr);
		transfer_read(b->mapping, b->pages, b->nr);
	}
	b->nr = 0;
}

/* The first page number at or behind `index` that is in memory; ~0: none. */
static u64 next_present(struct mapping *m, u64 index)
{
	spin_lock(&m->tree_lock);
	bool present = radix_next(&m->pages, &index) != NULL;
	spin_unlock(&m->tree_lock);
	return present ? index : ~0ull;
}

/* Reads the absent pages of [index, index + nr) within the file; `mark` (~0: none) is flagged. Memory that is
 * short ends it, and nobody is killed for it: whoever needs a page asks again. */
static void read_pages(struct mapping *m, u64 index, u64 nr, u64 mark)
{
	struct batch b = { .mapping = m };
	u64 size = mapping_size_pages(m), end = min(index + nr, size), present = next_present(m, index);
	for (; index < end; index++) {
		struct frame *f;
		int err = index == present ? -EEXIST : mapping_insert_busy(m, index, ALLOC_WAIT | ALLOC_PAGE, &f);
		if (err == -EEXIST) {
			present = next_present(m, index + 1);
			batch_end(&b);
			continue;
		}
		if (err)
			break;
		b.pages[b.nr++] = f;
		unsigned more = (unsigned)min(min(end, present) - index - 1, (u64)TRANSFER_PAGES - b.nr);
		more = more ? mapping_insert_busy_many(m, index + 1, more, ALLOC_USER, &b.pages[b.nr]) : 0;
		if (mark - index <= more)
			frame_set_flags(b.pages[b.nr - 1 + (mark - index)], FRAME_READAHEAD);
		b.nr += more;
		index += more;
		if (b.nr == TRANSFER_PAGES)
			batch_end(&b);
	}
	batch_end(&b);
}

static void read_window(struct mapping *m, struct readahead *ra)
{
	read_pages(m, ra->start, ra->size, ra->async ? ra->start + ra->size - ra->async : ~0ull);
}

void readahead_miss(struct mapping *m, struct readahead *ra, u64 index, u64 nr)
{
	u32 limit = ra->limit;
	if (!limit) {
		read_pages(m, index, min(nr, (u64)TRANSFER_PAGES), ~0ull);
		return;
	}
	if (ra->size && index == ra->start + ra->size) { /* ran into the end of the window */
		ra->start = index;
		ra->size = next_size(ra->size, limit);
		ra->async = ra->size;
	} else if (index == 0 || index == ra->last + 1 || index == ra->last || nr > limit) {
		ra->start = index;
		ra->size = first_size(nr, limit);
		ra->async = ra->size > nr ? ra->size - (u32)nr : ra->size;
	} else { /* somewhere else: only what is asked for */
		read_pages(m, index, min(nr, (u64)limit), ~0ull);
		return;
	}
	if (ra->async == ra->size && index == ra->start && ra->size > 1)
		ra->async = ra->size - 1; /* the page asked for is not its own trigger */
	read_window(m, ra);
}

/* Takes the mark off; false: another was first. */
static bool take_mark(struct mapping *m, u64 index)
{
	struct frame *f = mapping_find(m, index);
	if (!f)
		return false;
	bool was = __atomic_fetch_and(&f->flags, ~FRAME_READAHEAD, __ATOMIC_RELAXED) & FRAME_READAHEAD;
	frame_put(f);
	return was;
}

void readahead_hit(struct mapping *m, struct readahead *ra, u64 index)
{
	if (!take_mark(m, index) || !ra->limit)
		return;
	if (ra->size && index >= ra->start && index <= ra->start + ra->size) {
		ra->start += ra->size;
		ra->size = next_size(ra->size, ra->limit);
	} else { /* the mark is another reader's: go on from here */
		ra->start = index + 1;
		ra->size = first_size(1, ra->limit);
	}
	ra->async = ra->size;
	read_window(m, ra);
}

void readahead_fault(struct mapping *m, struct readahead *ra, u64 index, u32 region_flags)
{
	if (region_flags & REGION_RAND_READ || !ra->limit)
		return;
	if (region_flags & REGION_SEQ_READ) {
		readahead_miss(m, ra, index, 1);
		return;
	}
	if (ra->nr_misses < MISS_LIMIT * 10)
		ra->nr_misses++;
	if (ra->nr_misses > MISS_LIMIT)
		return; /* around it does not pay */
	ra->start = index - min(index, (u64)ra->limit / 2);
	ra->size = ra->limit;
	ra->async = ra->limit / 4;
	read_window(m, ra);
}

int readahead_force(struct mapping *m, u64 index, u64 nr)
{
	read_pages(m, index, nr, ~0ull);
	return 0;
}
