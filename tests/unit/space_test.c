/* SPDX-License-Identifier: MIT */
/* Regions, faults, rights: one small case each. Strips show the regions, one character a page. */
#include "tests.h"
#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <mm/inject.h>
#include <mm/pagetable.h>
#include <mm/region.h>
#include <mm/slab.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static struct space *up(void)
{
	machine_up(32ul << 20, 1);
	struct space *s = space_create();
	host_switch(s);
	return s;
}

static void down(struct space *s)
{
	assert_valid(s);
	host_switch(NULL);
	space_put(s);
	machine_down();
}

static unsigned nr_regions(struct space *s) { return s->nr_regions; }

static void first_touch_gives_a_zeroed_frame(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 16 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(s->rss[RSS_ANON], 0);
	assert_int_equal(get_byte(AT), 0); /* the zero frame is not counted */
	assert_int_equal(s->rss[RSS_ANON], 0);
	put_byte(AT, 7);
	put_byte(AT + 5 * PAGE_SIZE, 9);
	assert_int_equal(s->rss[RSS_ANON], 2);
	assert_int_equal(get_byte(AT), 7);
	assert_int_equal(s->total_pages, 16);
	assert_valid(s);
	assert_int_equal(space_munmap(s, AT, 16 * PAGE_SIZE), 0);
	assert_int_equal(s->rss[RSS_ANON], 0);
	assert_int_equal(s->nr_tables, 0);
	down(s);
}

static void outside_a_region_is_sigsegv_maperr(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, PAGE_SIZE, PROT_READ, MAP_PRIVATE, NULL, 0);
	struct fault_verdict v = try_read(AT - PAGE_SIZE);
	assert_int_equal(v.sig, SIGSEGV);
	assert_int_equal(v.code, SEGV_MAPERR);
	v = try_write(AT);
	assert_int_equal(v.sig, SIGSEGV);
	assert_int_equal(v.code, SEGV_ACCERR);
	map(s, AT, PAGE_SIZE, PROT_NONE, MAP_PRIVATE, NULL, 0);
	assert_int_equal(try_read(AT).code, SEGV_ACCERR);
	down(s);
}

static void past_the_file_end_is_sigbus(void **state)
{
	(void)state;
	struct space *s = up();
	struct test_file f;
	file_init(&f, PAGE_SIZE + 1);
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	put_byte(AT + PAGE_SIZE, 1);
	struct fault_verdict v = try_read(AT + 2 * PAGE_SIZE);
	assert_int_equal(v.sig, SIGBUS);
	assert_int_equal(v.code, BUS_ADRERR);
	space_munmap(s, AT, 4 * PAGE_SIZE);
	mapping_destroy(&f.mapping);
	down(s);
}

/*  munmap splits:  |aaaaaaaa|  ->  |aa|....|aa|  ->  mmap joins  |aaaaaaaa| */
static void munmap_splits_and_mmap_merges(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 8; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)(i + 1));
	assert_int_equal(space_munmap(s, AT + 2 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
	assert_int_equal(nr_regions(s), 2);
	assert_int_equal(s->rss[RSS_ANON], 4);
	assert_int_equal(get_byte(AT + PAGE_SIZE), 2);
	assert_int_equal(get_byte(AT + 6 * PAGE_SIZE), 7);
	try_read(AT + 3 * PAGE_SIZE);
	assert_valid(s);
	map(s, AT + 2 * PAGE_SIZE, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(nr_regions(s), 1);
	assert_int_equal(get_byte(AT + 3 * PAGE_SIZE), 0);
	down(s);
}

static void mprotect_takes_and_gives_rights(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 8; i++)
		put_byte(AT + i * PAGE_SIZE, 5);
	assert_int_equal(space_mprotect(s, AT + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(nr_regions(s), 3);
	assert_int_equal(try_write(AT + 2 * PAGE_SIZE).code, SEGV_ACCERR);
	assert_int_equal(get_byte(AT + 2 * PAGE_SIZE), 5);
	assert_int_equal(space_mprotect(s, AT + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(try_read(AT + 2 * PAGE_SIZE).code, SEGV_ACCERR);
	assert_valid(s);
	assert_int_equal(space_mprotect(s, AT, 8 * PAGE_SIZE, RW), 0);
	assert_int_equal(nr_regions(s), 1);
	put_byte(AT + 2 * PAGE_SIZE, 6);
	assert_int_equal(s->rss[RSS_ANON], 8);
	assert_int_equal(space_mprotect(s, AT + 7 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), -ENOMEM);
	down(s);
}

static void kernel_picks_the_highest_hole(void **state)
{
	(void)state;
	struct space *s = up();
	s->mmap_base = 0x7ffff0000000ul;
	uaddr_t a = map(s, 0, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(a, s->mmap_base - 4 * PAGE_SIZE);
	uaddr_t b = map(s, 0, 4 * PAGE_SIZE, PROT_READ, MAP_PRIVATE, NULL, 0);
	assert_int_equal(b, a - 4 * PAGE_SIZE);
	uaddr_t c = map(s, 0, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(c, b - 4 * PAGE_SIZE);
	space_munmap(s, b, 4 * PAGE_SIZE);
	assert_int_equal(map(s, 0, 5 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0), c - 5 * PAGE_SIZE);
	assert_int_equal(map(s, 0, 3 * PAGE_SIZE, PROT_READ, MAP_PRIVATE, NULL, 0), b + PAGE_SIZE);
	down(s);
}

static u64 dice = 11;
static unsigned rnd(unsigned n)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(dice >> 33) % n;
}

/* Where a search from the top must end, by looking at every hole. */
static uaddr_t highest_hole(struct space *s, u64 len)
{
	uaddr_t best = 0;
	for (struct region *r = region_first(s);; r = region_next(r)) {
		uaddr_t start = !r ? s->last->end : region_prev(r) ? region_prev(r)->end : PAGE_SIZE;
		uaddr_t end = min(r ? r->start : HAL_USER_END, s->mmap_base);
		if (end > start && end - start >= len)
			best = end - len;
		if (!r)
			return best;
	}
}

/* The search begins where the last one ended: that must never hide a higher hole that would do. */
static void kernel_picks_the_highest_hole_after_any_history(void **state)
{
	(void)state;
	enum { N = 80 };
	struct { uaddr_t at; u64 len; } held[N] = { { 0, 0 } };
	struct space *s = up();
	s->mmap_base = 0x7ffff0000000ul;
	map(s, s->mmap_base + LEAF_SPAN, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned i = rnd(N), kind = rnd(4);
		u64 len = (rnd(20) ? 1 + rnd(5) : 30 + rnd(3000)) * PAGE_SIZE;
		if (held[i].len && kind == 0) { /* an end or the middle goes first */
			space_munmap(s, held[i].at + rnd((unsigned)(held[i].len >> PAGE_SHIFT)) * PAGE_SIZE, PAGE_SIZE);
		} else if (held[i].len) {
			assert_int_equal(space_munmap(s, held[i].at, held[i].len), 0);
			held[i].len = 0;
		} else {
			uaddr_t want = highest_hole(s, len);
			held[i].at = map(s, 0, len, kind & 1 ? RW : PROT_READ, MAP_PRIVATE, NULL, 0);
			held[i].len = len;
			assert_int_equal(held[i].at, want);
		}
		if (step % 16 == 0)
			assert_valid(s);
	}
	down(s);
}

/* Ends and boundaries of regions move in place: without memory, and without a region more. */
static void ends_move_without_memory(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 16 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT + 4 * PAGE_SIZE, 4);
	assert_int_equal(space_mprotect(s, AT, 4 * PAGE_SIZE, PROT_READ), 0); /* rrrrwwwwwwwwwwww */
	unsigned most = mm_tunables.max_map_count;
	mm_tunables.max_map_count = 2;
	inject_failure(INJECT_SLABS, 0, NULL);
	assert_int_equal(space_mprotect(s, AT + 4 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0); /* rrrrrrww... */
	assert_int_equal(space_mprotect(s, AT + 3 * PAGE_SIZE, 3 * PAGE_SIZE, RW), 0);        /* rrrwwwww... */
	assert_int_equal(space_munmap(s, AT, PAGE_SIZE), 0);                                  /* .rrwwwww... */
	assert_int_equal(space_munmap(s, AT + 15 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(space_munmap(s, AT + 2 * PAGE_SIZE, 2 * PAGE_SIZE), 0); /* .r..wwww */
	assert_false(inject_struck());
	assert_int_equal(space_munmap(s, AT + 8 * PAGE_SIZE, PAGE_SIZE), -ENOMEM); /* a hole makes one more */
	mm_tunables.max_map_count = most;
	assert_int_equal(space_munmap(s, AT + 8 * PAGE_SIZE, PAGE_SIZE), -ENOMEM);
	assert_true(inject_struck());
	inject_stop();
	assert_valid(s);
	assert_int_equal(nr_regions(s), 2);
	assert_int_equal(s->total_pages, 12);
	assert_int_equal(get_byte(AT + 4 * PAGE_SIZE), 4);
	down(s);
}

static void stack_grows_down_to_its_limit(void **state)
{
	(void)state;
	struct space *s = up();
	uaddr_t top = 0x20000000ul;
	map(s, top - 4 * PAGE_SIZE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_GROWSDOWN, NULL, 0);
	put_byte(top - 20 * PAGE_SIZE, 3);
	assert_int_equal(s->total_pages, 20);
	assert_valid(s);
	host_limits[RLIMIT_STACK].cur = 30 * PAGE_SIZE;
	assert_int_equal(try_write(top - 31 * PAGE_SIZE).code, SEGV_MAPERR);
	host_limits[RLIMIT_STACK].cur = 8ul << 20;
	map(s, top - 400 * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(try_write(top - 200 * PAGE_SIZE).code, SEGV_MAPERR); /* inside the guard gap */
	down(s);
}

static void mremap_moves_tables_whole_and_pages_singly(void **state)
{
	(void)state;
	static const uaddr_t from = 0x40000000, to[] = { 0x80000000, 0x80001000 };
	for (unsigned k = 0; k < 2; k++) {
		struct space *s = up();
		u64 len = 3 * LEAF_SPAN;
		uaddr_t out;
		map(s, from, len, RW, MAP_PRIVATE, NULL, 0);
		for (u64 off = 0; off < len; off += 37 * PAGE_SIZE)
			put_byte(from + off, (u8)(off / PAGE_SIZE));
		s64 rss = s->rss[RSS_ANON];
		assert_int_equal(space_mremap(s, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to[k], &out), 0);
		assert_valid(s);
		assert_int_equal(s->rss[RSS_ANON], rss);
		for (u64 off = 0; off < len; off += 37 * PAGE_SIZE)
			assert_int_equal(get_byte(to[k] + off), (u8)(off / PAGE_SIZE));
		try_read(from);
		down(s);
	}
}

/* The part of the source without a table was passed by; then its table was made, as one of the target's, and
 * when everything moved it had no target. */
static void mremap_down_onto_a_table_of_its_own_source(void **state)
{
	(void)state;
	struct space *s = up();
	uaddr_t base = 0x40000000, from = base + LEAF_SPAN + LEAF_SPAN / 2, to = base + LEAF_SPAN / 2, out;
	u64 len = LEAF_SPAN / 4 * 3;
	map(s, from, len, RW, MAP_PRIVATE, NULL, 0);
	put_byte(base + 2 * LEAF_SPAN + PAGE_SIZE, 7);
	assert_int_equal(space_mremap(s, from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to, &out), 0);
	assert_valid(s);
	assert_int_equal(get_byte(base + LEAF_SPAN + PAGE_SIZE), 7);
	down(s);
}

static void mremap_grows_in_place_or_moves(void **state)
{
	(void)state;
	struct space *s = up();
	uaddr_t out;
	map(s, AT, 2 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	assert_int_equal(space_mremap(s, AT, 2 * PAGE_SIZE, 4 * PAGE_SIZE, 0, 0, &out), 0);
	assert_int_equal(out, AT);
	map(s, AT + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_mremap(s, AT, 4 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0, &out), -ENOMEM);
	assert_int_equal(space_mremap(s, AT, 4 * PAGE_SIZE, 8 * PAGE_SIZE, MREMAP_MAYMOVE, 0, &out), 0);
	assert_true(out != AT);
	assert_int_equal(get_byte(out), 1);
	assert_int_equal(space_mremap(s, out, 8 * PAGE_SIZE, PAGE_SIZE, 0, 0, &out), 0);
	assert_int_equal(s->total_pages, 2);
	down(s);
}

static void truncate_takes_shared_pages_and_private_copies(void **state)
{
	(void)state;
	struct space *s = up();
	struct test_file f;
	file_init(&f, 4 * PAGE_SIZE);
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	map(s, AT + LEAF_SPAN, 4 * PAGE_SIZE, RW, MAP_PRIVATE, &f, 0);
	for (unsigned i = 0; i < 4; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)(i + 1));
	put_byte(AT + LEAF_SPAN + 2 * PAGE_SIZE, 77);
	assert_int_equal(get_byte(AT + LEAF_SPAN + PAGE_SIZE), 2);
	assert_int_equal(get_byte(AT + 2 * PAGE_SIZE), 3); /* the copy is private */
	assert_valid(s);
	file_truncate(&f, PAGE_SIZE);
	assert_int_equal(f.mapping.nr_pages, 1);
	assert_int_equal(try_read(AT + PAGE_SIZE).sig, SIGBUS);
	assert_int_equal(try_read(AT + LEAF_SPAN + 2 * PAGE_SIZE).sig, SIGBUS);
	assert_int_equal(get_byte(AT), 1);
	assert_valid(s);
	file_truncate(&f, 4 * PAGE_SIZE);
	assert_int_equal(get_byte(AT + PAGE_SIZE), 0);
	space_munmap(s, AT, 2 * LEAF_SPAN);
	assert_int_equal(f.refs, 0);
	mapping_destroy(&f.mapping);
	down(s);
}

static void madvise_dontneed_reads_zeros_again(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		put_byte(AT + i * PAGE_SIZE, 4);
	assert_int_equal(space_madvise(s, AT + PAGE_SIZE, 2 * PAGE_SIZE, MADV_DONTNEED), 0);
	assert_int_equal(s->rss[RSS_ANON], 2);
	assert_int_equal(get_byte(AT + PAGE_SIZE), 0);
	assert_int_equal(get_byte(AT), 4);
	assert_int_equal(space_madvise(s, AT, 8 * PAGE_SIZE, MADV_DONTNEED), -ENOMEM);
	assert_int_equal(s->rss[RSS_ANON], 0);
	assert_int_equal(space_madvise(s, AT, PAGE_SIZE, 12345), -EINVAL);
	down(s);
}

static void mlock_and_populate_bring_pages_in(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_mlock(s, AT, 4 * PAGE_SIZE, false), 0);
	assert_int_equal(s->rss[RSS_ANON], 4);
	assert_int_equal(s->locked_pages, 4);
	assert_int_equal(space_munlock(s, AT, 2 * PAGE_SIZE), 0);
	assert_int_equal(s->locked_pages, 2);
	map(s, AT + LEAF_SPAN, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_POPULATE, NULL, 0);
	assert_int_equal(s->rss[RSS_ANON], 8);
	u8 vec[8];
	assert_int_equal(space_mincore(s, AT, 8, vec), 0);
	assert_int_equal(vec[0] + vec[3] + vec[4], 2);
	assert_int_equal(space_munlockall(s), 0);
	assert_int_equal(s->locked_pages, 0);
	down(s);
}

/* Asked for by name, pages come also where locking waits for faults, and behind a hole too: Linux 6.1 goes on. */
static void populate_by_advice_minds_no_lock_on_fault(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_mlock(s, AT, 4 * PAGE_SIZE, true), 0);
	assert_int_equal(s->rss[RSS_ANON], 0);
	assert_int_equal(space_madvise(s, AT, 2 * PAGE_SIZE, MADV_POPULATE_WRITE), 0);
	assert_int_equal(s->rss[RSS_ANON], 2);
	map(s, AT + 8 * PAGE_SIZE, 2 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_madvise(s, AT + 3 * PAGE_SIZE, 7 * PAGE_SIZE, MADV_POPULATE_WRITE), -ENOMEM);
	assert_int_equal(s->rss[RSS_ANON], 5);
	down(s);
}

/* Locked pages that become writable are copied at once. */
static void mprotect_makes_locked_pages_its_own(void **state)
{
	(void)state;
	struct space *s = up();
	map(s, AT, 4 * PAGE_SIZE, PROT_READ, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_mlock(s, AT, 2 * PAGE_SIZE, false), 0);
	assert_int_equal(s->rss[RSS_ANON], 0); /* the zero page */
	assert_int_equal(space_mprotect(s, AT, 4 * PAGE_SIZE, RW), 0);
	assert_int_equal(s->rss[RSS_ANON], 2);
	down(s);
}

static void brk_grows_and_shrinks(void **state)
{
	(void)state;
	struct space *s = up();
	s->brk_start = s->brk = AT + 100;
	assert_int_equal(space_brk(s, 0), AT + 100);
	assert_int_equal(space_brk(s, AT + 3 * PAGE_SIZE), AT + 3 * PAGE_SIZE);
	put_byte(AT + 2 * PAGE_SIZE, 1);
	assert_int_equal(s->total_pages, 2);
	assert_int_equal(space_brk(s, AT + 101), AT + 101);
	assert_int_equal(s->total_pages, 0);
	assert_int_equal(s->rss[RSS_ANON], 0);
	down(s);
}

int run_space_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_touch_gives_a_zeroed_frame),
		cmocka_unit_test(outside_a_region_is_sigsegv_maperr),
		cmocka_unit_test(past_the_file_end_is_sigbus),
		cmocka_unit_test(munmap_splits_and_mmap_merges),
		cmocka_unit_test(mprotect_takes_and_gives_rights),
		cmocka_unit_test(kernel_picks_the_highest_hole),
		cmocka_unit_test(kernel_picks_the_highest_hole_after_any_history),
		cmocka_unit_test(ends_move_without_memory),
		cmocka_unit_test(stack_grows_down_to_its_limit),
		cmocka_unit_test(mremap_moves_tables_whole_and_pages_singly),
		cmocka_unit_test(mremap_down_onto_a_table_of_its_own_source),
		cmocka_unit_test(mremap_grows_in_place_or_moves),
		cmocka_unit_test(truncate_takes_shared_pages_and_private_copies),
		cmocka_unit_test(madvise_dontneed_reads_zeros_again),
		cmocka_unit_test(mlock_and_populate_bring_pages_in),
		cmocka_unit_test(populate_by_advice_minds_no_lock_on_fault),
		cmocka_unit_test(mprotect_makes_locked_pages_its_own),
		cmocka_unit_test(brk_grows_and_shrinks),
	};
	return run_group("space", tests, ARRAY_SIZE(tests));
}
