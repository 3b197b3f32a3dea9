/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of memory calls in several forked spaces against a model that keeps, for each page
 * of an arena, whether it is mapped, with which rights, from where, and the byte it must hold. After
 * every operation all validators run.
 */
#include "tests.h"
#include <mm/pagetable.h>
#include <mm/swap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA   0x40000000ul
#define NR_PAGES 1600u /* a little over three leaf tables, or many small ones */
#define NR_SPACES 4u
#define FILE_PAGES 700u
#define SWAP_PAGES 4096u

enum source { NONE, ANON, PRIVATE_FILE, SHARED_FILE };

struct page {
	u8 source, prot, is_copied, value;
	u16 index; /* in the file */
};

static struct {
	struct space *space;
	struct page pages[NR_PAGES];
} procs[NR_SPACES];

static struct test_file file;
static u8 file_bytes[FILE_PAGES];
static unsigned current;
static struct host_disk *disk;
static unsigned area;
static unsigned (*rnd)(unsigned n);

/* Half of all touches go to few pages, so that translations are met again. */
static unsigned hot_page(void) { return rnd(2) ? 500 + rnd(24) : rnd(NR_PAGES); }

static struct page *page_at(unsigned i) { return &procs[current].pages[i]; }

/* Two CPUs: the other one keeps what it ran last, and its stale translations. */
static void run_as(unsigned p)
{
	current = p;
	host_be_cpu(rnd(2));
	host_switch(procs[p].space);
}

/* The space ends: no CPU may have it loaded. */
static void put_space(unsigned p)
{
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		host_be_cpu(cpu);
		if (host_loaded() == procs[p].space)
			host_switch(NULL);
	}
	space_put(procs[p].space);
	procs[p].space = NULL;
	if (p != current)
		run_as(current);
}

static void pick_range(unsigned *first, unsigned *nr)
{
	*first = rnd(NR_PAGES);
	*nr = 1 + (rnd(4) ? rnd(40) : rnd(700));
	if (rnd(6) == 0) { /* whole tables */
		*first &= ~(TABLE_ENTRIES - 1);
		*nr = TABLE_ENTRIES * (1 + rnd(2));
	}
	*nr = min(*nr, NR_PAGES - *first);
}

static u8 expected(const struct page *p)
{
	bool from_file = p->source == SHARED_FILE || (p->source == PRIVATE_FILE && !p->is_copied);
	return from_file ? file_bytes[p->index] : p->value;
}

static bool beyond_end(const struct page *p)
{
	return (p->source == SHARED_FILE || p->source == PRIVATE_FILE) && (u64)p->index * PAGE_SIZE >= file.size;
}

static void op_map(void)
{
	unsigned first, nr, kind = rnd(4), prot = rnd(8) == 0 ? PROT_NONE : rnd(4) ? PROT_READ | PROT_WRITE : PROT_READ;
	pick_range(&first, &nr);
	unsigned offset = rnd(FILE_PAGES);
	uaddr_t at = ARENA + first * PAGE_SIZE;
	bool is_file = kind >= 2;
	map(procs[current].space, at, nr * PAGE_SIZE, prot, kind == 3 ? MAP_SHARED : MAP_PRIVATE, is_file ? &file : NULL,
	    (u64)offset * PAGE_SIZE);
	for (unsigned i = 0; i < nr; i++)
		*page_at(first + i) = (struct page){ kind == 3 ? SHARED_FILE : kind == 2 ? PRIVATE_FILE : ANON, (u8)prot, 0, 0,
			                                 (u16)(offset + i) };
}

static void op_unmap(void)
{
	unsigned first, nr;
	pick_range(&first, &nr);
	assert_int_equal(space_munmap(procs[current].space, ARENA + first * PAGE_SIZE, nr * PAGE_SIZE), 0);
	memset(page_at(first), 0, nr * sizeof(struct page));
}

static void op_protect(void)
{
	unsigned first, nr, prot = rnd(3) ? PROT_READ | PROT_WRITE : rnd(2) ? PROT_READ : PROT_NONE;
	pick_range(&first, &nr);
	bool hole = false;
	for (unsigned i = 0; i < nr && !hole; i++) {
		hole = page_at(first + i)->source == NONE;
		if (!hole)
			page_at(first + i)->prot = (u8)prot;
	}
	int err = space_mprotect(procs[current].space, ARENA + first * PAGE_SIZE, nr * PAGE_SIZE, prot);
	assert_int_equal(err, hole ? -12 : 0);
}

static void op_write(void)
{
	for (unsigned n = 1 + rnd(20), i = hot_page(); n; n--, i = (i + 1 + rnd(3)) % NR_PAGES) {
		struct page *p = page_at(i);
		uaddr_t at = ARENA + i * PAGE_SIZE + 123;
		if (p->source == NONE || !(p->prot & PROT_WRITE) || (beyond_end(p) && !p->is_copied)) {
			struct fault_verdict v = try_write(at);
			assert_int_equal(v.sig, p->source == NONE || !(p->prot & PROT_WRITE) ? 11 : 7);
			continue;
		}
		u8 b = (u8)rnd(256);
		put_byte(at, b);
		if (p->source == SHARED_FILE)
			file_bytes[p->index] = b;
		p->value = b;
		p->is_copied = p->source == PRIVATE_FILE;
	}
}

static void op_read(void)
{
	for (unsigned n = 1 + rnd(40), i = hot_page(); n; n--, i = (i + 1 + rnd(3)) % NR_PAGES) {
		struct page *p = page_at(i);
		uaddr_t at = ARENA + i * PAGE_SIZE + 123;
		if (p->source == NONE || p->prot == PROT_NONE || (beyond_end(p) && !p->is_copied))
			assert_int_equal(try_read(at).sig, p->source == NONE || p->prot == PROT_NONE ? 11 : 7);
		else
			assert_int_equal(get_byte(at), expected(p));
	}
}

static void op_discard(void)
{
	unsigned first, nr;
	pick_range(&first, &nr);
	space_madvise(procs[current].space, ARENA + first * PAGE_SIZE, nr * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned i = 0; i < nr; i++)
		page_at(first + i)->value = page_at(first + i)->is_copied = 0;
}

static void op_truncate(void)
{
	u64 size = (u64)rnd(FILE_PAGES + 1) * PAGE_SIZE;
	if (size < file.size) {
		for (unsigned i = size / PAGE_SIZE; i < FILE_PAGES; i++)
			file_bytes[i] = 0;
		for (unsigned s = 0; s < NR_SPACES; s++)
			for (unsigned i = 0; i < NR_PAGES; i++) {
				struct page *p = &procs[s].pages[i];
				if (p->source == PRIVATE_FILE && (u64)p->index * PAGE_SIZE >= size)
					p->is_copied = 0;
			}
	}
	file_truncate(&file, size);
}

static void op_punch(void)
{
	unsigned first = rnd(FILE_PAGES), nr = 1 + rnd(60);
	nr = min(nr, FILE_PAGES - first);
	mapping_punch(&file.mapping, first * PAGE_SIZE, (first + nr) * PAGE_SIZE);
	memset(file_bytes + first, 0, nr);
}

/* Moves a range of one kind to another place of the arena. */
static void op_remap(void)
{
	unsigned first, nr, to = rnd(NR_PAGES);
	pick_range(&first, &nr);
	if (rnd(2))
		to = (to & ~(TABLE_ENTRIES - 1)) | (first & (TABLE_ENTRIES - 1)); /* congruent: tables move whole */
	struct page *p = page_at(first);
	if (p->source == NONE)
		return;
	for (unsigned i = 1; i < nr; i++)
		if (page_at(first + i)->source != p->source || page_at(first + i)->prot != p->prot ||
		    (p->source != ANON && page_at(first + i)->index != p->index + i))
			nr = i;
	if (to + nr > NR_PAGES || (to < first + nr && first < to + nr))
		return;
	uaddr_t out;
	int err = space_mremap(procs[current].space, ARENA + first * PAGE_SIZE, nr * PAGE_SIZE, nr * PAGE_SIZE,
	                       MREMAP_MAYMOVE | MREMAP_FIXED, ARENA + to * PAGE_SIZE, &out);
	if (err == -14) { /* alike but two regions (a charge apart): refused, the target is gone */
		memset(page_at(to), 0, nr * sizeof(struct page));
		return;
	}
	assert_int_equal(err, 0);
	memcpy(page_at(to), page_at(first), nr * sizeof(struct page));
	memset(page_at(first), 0, nr * sizeof(struct page));
}

static void op_fork(void)
{
	unsigned to = rnd(NR_SPACES);
	if (to == current)
		return;
	if (procs[to].space)
		put_space(to);
	assert_int_equal(space_fork(procs[current].space, &procs[to].space), 0);
	memcpy(procs[to].pages, procs[current].pages, sizeof(procs[to].pages));
}

static void op_exit(void)
{
	unsigned p = rnd(NR_SPACES);
	if (p == current || !procs[p].space)
		return;
	put_space(p);
	memset(procs[p].pages, 0, sizeof(procs[p].pages));
}

static void op_switch(void)
{
	unsigned p = rnd(NR_SPACES);
	if (procs[p].space)
		run_as(p);
	else
		run_as(current); /* perhaps on the other CPU */
}

static void op_migrate(void) { run_as(current); }

static void op_swap_out(void)
{
	unsigned first, nr;
	pick_range(&first, &nr);
	push_out(disk, procs[current].space, ARENA + first * PAGE_SIZE, nr);
}

static void op_swapoff(void)
{
	if (rnd(4))
		return;
	assert_int_equal(swap_area_remove(area), 0);
	assert_int_equal(swap_on(disk, SWAP_PAGES, (int)rnd(3), &area), 0);
}

/* Pages of whatever space move to other frames; nobody uses them just now, so each can. */
static void op_move_frames(void)
{
	unsigned p = rnd(NR_SPACES);
	for (unsigned n = 0; n < 8 && procs[p].space; n++) {
		struct frame *f = mapped_frame(procs[p].space, ARENA + hot_page() * PAGE_SIZE);
		if (f)
			assert_int_equal(move_page_of(f), 0);
		f = mapping_find(&file.mapping, rnd(FILE_PAGES));
		if (f)
			assert_int_equal(move_page_of(f), 0);
	}
	assert_null(mapping_validate(&file.mapping));
}

static void check_all(void)
{
	assert_null(swap_validate());
	for (unsigned s = 0; s < NR_SPACES; s++)
		if (procs[s].space)
			assert_valid(procs[s].space);
}

void sequence_run(unsigned (*random)(unsigned n), unsigned nr_ops)
{
	static void (*const ops[])(void) = { op_map, op_map, op_unmap, op_protect, op_write, op_write, op_write, op_read,
		                                 op_read, op_discard, op_truncate, op_punch, op_remap, op_remap, op_fork, op_fork,
		                                 op_exit, op_swap_out, op_swap_out, op_swap_out, op_swapoff, op_move_frames, op_switch, op_migrate, op_migrate, op_migrate, op_migrate };
	rnd = random;
	memset(procs, 0, sizeof(procs));
	memset(file_bytes, 0, sizeof(file_bytes));
	file_init(&file, FILE_PAGES * PAGE_SIZE / 2);
	disk = swap_disk(SWAP_PAGES, rnd(2) ? 1000 : 0);
	assert_int_equal(swap_on(disk, SWAP_PAGES, -1, &area), 0);
	procs[0].space = space_create();
	run_as(0);
	for (unsigned n = 0; n < nr_ops; n++) {
		ops[rnd(ARRAY_SIZE(ops))]();
		check_all();
	}
	for (unsigned s = 0; s < NR_SPACES; s++)
		if (procs[s].space) {
			current = s;
			put_space(s);
		}
	host_be_cpu(0);
	host_disk_run(disk);
	assert_int_equal(file.refs, 0);
	mapping_destroy(&file.mapping);
	assert_int_equal(swap_nr_free(), swap_nr_total());
	assert_int_equal(swap_area_remove(area), 0);
	host_disk_destroy(disk);
}
