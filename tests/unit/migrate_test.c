/* SPDX-License-Identifier: MIT */
/* Pages move to other frames under everything that uses them. */
#include "tests.h"
#include <asm/errno.h>
#include <mm/leaf.h>
#include <mm/lru.h>
#include <mm/migrate.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static pte_t entry_of(struct space *s, uaddr_t addr)
{
	struct leaf l;
	assert_true(leaf_lock(s, addr, &l));
	pte_t e = hal_entry_load(l.entry);
	leaf_unlock(&l);
	return e;
}

static struct frame *move_at(struct space *s, uaddr_t addr)
{
	struct frame *f = mapped_frame(s, addr);
	assert_non_null(f);
	assert_int_equal(move_page_of(f), 0);
	return pte_frame(entry_of(s, addr));
}

/* Rights, accessed and dirty bits, content and kind are the page's. */
static void a_page_keeps_what_it_has(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct space *s = space_create();
	host_switch(s);
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)(i + 1));
	assert_int_equal(space_mprotect(s, AT + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(space_mprotect(s, AT + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	for (unsigned i = 0; i < 4; i++) {
		uaddr_t at = AT + i * PAGE_SIZE;
		pte_t before = entry_of(s, at);
		struct frame *f = move_at(s, at);
		assert_int_not_equal(frame_pfn(f), pte_pfn(before));
		assert_int_equal(entry_of(s, at).bits & ~PTE_PFN, before.bits & ~PTE_PFN);
		assert_int_equal(f->kind, FRAME_ANON);
		assert_int_equal(f->refs, 1);
		assert_valid(s);
	}
	assert_int_equal(get_byte(AT + PAGE_SIZE), 2);
	assert_int_equal(try_write(AT + PAGE_SIZE).kind, FAULT_SIGNAL);
	assert_int_equal(space_mprotect(s, AT + 2 * PAGE_SIZE, PAGE_SIZE, RW), 0);
	assert_int_equal(get_byte(AT + 2 * PAGE_SIZE), 3);
	put_byte(AT + 3 * PAGE_SIZE, 9); /* in place: nobody else has it */
	assert_int_equal(stat_read(STAT_PGMIGRATE_SUCCESS), 4);
	host_switch(NULL);
	space_put(s);
	machine_down();
}

/* A locked page stays locked, and is counted once. */
static void a_locked_page_moves(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct space *s = space_create();
	host_switch(s);
	map(s, AT, 2 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	put_byte(AT + PAGE_SIZE, 2);
	assert_int_equal(space_mlock(s, AT, PAGE_SIZE, false), 0);
	struct frame *f = move_at(s, AT);
	assert_true(f->flags & FRAME_MLOCKED);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 1);
	assert_null(lru_validate());
	assert_int_equal(space_munlock(s, AT, PAGE_SIZE), 0);
	f = move_at(s, AT);
	assert_false(f->flags & FRAME_MLOCKED);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 0);
	assert_null(lru_validate());
	host_switch(NULL);
	space_put(s);
	machine_down();
}

/* Of the steps of a migration: the page at AT is in `to` for the lists, and all entries still lead to f. */
static struct frame *move_half(struct space *s, struct frame **to)
{
	struct frame *f = mapped_frame(s, AT);
	*to = frame_alloc(0, ALLOC_USER, FRAME_ANON);
	assert_non_null(*to);
	frame_busy_lock(f);
	walk_back_suspend(f);
	hal_page_copy(frame_pfn(*to), frame_pfn(f));
	frame_set_flags(*to, FRAME_UPTODATE);
	lru_replace(f, *to);
	return f;
}

static void move_rest(struct frame *f, struct frame *to)
{
	walk_back_resume(f, to);
	frame_busy_unlock(f);
	frame_put(f);
	frame_put(to);
}

/* What a page is unlocked from, or locked by, while it moves, counts. */
static void a_page_is_unlocked_while_it_moves(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct space *s = space_create();
	struct frame *to;
	host_switch(s);
	map(s, AT, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	assert_int_equal(space_mlock(s, AT, PAGE_SIZE, false), 0);
	struct frame *f = move_half(s, &to);
	assert_int_equal(space_munlock(s, AT, PAGE_SIZE), 0);
	move_rest(f, to);
	assert_false(to->flags & FRAME_MLOCKED);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 0);
	assert_null(lru_validate());
	f = move_half(s, &to);
	assert_int_equal(space_mlock(s, AT, PAGE_SIZE, true), 0);
	move_rest(f, to);
	assert_true(to->flags & FRAME_MLOCKED);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 1);
	assert_int_equal(get_byte(AT), 1);
	assert_valid(s);
	assert_null(lru_validate());
	host_switch(NULL);
	space_put(s);
	machine_down();
}

/* A page that reclaim isolates just before it moves stays on the lists: reclaim puts back a frame without a page. */
static void a_page_is_isolated_while_it_moves(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct space *s = space_create();
	struct frame *to;
	host_switch(s);
	map(s, AT, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	struct frame *isolated = mapped_frame(s, AT);
	assert_true(lru_isolate(isolated));
	struct frame *f = move_half(s, &to);
	move_rest(f, to);
	lru_putback(isolated);
	frame_put(isolated);
	frame_put(isolated);
	assert_true(lru_get(to)); /* on a list, and not isolated */
	frame_put(to);
	assert_int_equal(stat_read(STAT_NR_ISOLATED_ANON), 0);
	assert_null(lru_validate());
	host_switch(NULL);
	space_put(s);
	machine_down();
}

/* Shared tables are changed in place, and each sharer sees the new frame. */
static void sharers_move_together(void **state)
{
	(void)state;
	enum { NR = 5 };
	struct space *s[NR];
	machine_up(16ul << 20, 1);
	s[0] = space_create();
	host_switch(s[0]);
	map(s[0], AT, 3 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	put_byte(AT + PAGE_SIZE, 2);
	for (unsigned i = 1; i < NR; i++)
		assert_int_equal(space_fork(s[0], &s[i]), 0);
	host_switch(s[1]);
	put_byte(AT + PAGE_SIZE, 3); /* its table is its own now, the page at AT has two slots */
	u64 nr_unshared = stat_read(STAT_PGUNSHARE);
	struct frame *f = move_at(s[0], AT);
	assert_int_equal(f->nr_slots, 2);
	assert_int_equal(stat_read(STAT_PGUNSHARE), nr_unshared);
	for (unsigned i = 0; i < NR; i++) {
		assert_ptr_equal(pte_frame(entry_of(s[i], AT)), f);
		host_switch(s[i]);
		assert_int_equal(get_byte(AT), 1);
		assert_valid(s[i]);
	}
	put_byte(AT, 7);
	host_switch(s[0]);
	assert_int_equal(get_byte(AT), 1);
	host_switch(NULL);
	for (unsigned i = 0; i < NR; i++)
		space_put(s[i]);
	machine_down();
}

/* More mappings than a walk takes in one batch. */
static void a_page_of_many_spaces_moves(void **state)
{
	(void)state;
	enum { NR = 150 };
	static struct space *s[NR];
	struct test_file file;
	machine_up(32ul << 20, 1);
	file_init(&file, PAGE_SIZE);
	for (unsigned i = 0; i < NR; i++) {
		s[i] = space_create();
		host_switch(s[i]);
		map(s[i], AT, PAGE_SIZE, RW, MAP_SHARED, &file, 0);
		put_byte(AT + i, (u8)i);
	}
	struct frame *f = move_at(s[7], AT);
	assert_ptr_equal(f, radix_lookup(&file.mapping.pages, 0));
	assert_int_equal(f->nr_slots, NR);
	assert_null(mapping_validate(&file.mapping));
	for (unsigned i = 0; i < NR; i++) {
		host_switch(s[i]);
		assert_int_equal(get_byte(AT + (i + 1) % NR), (u8)((i + 1) % NR));
		assert_valid(s[i]);
	}
	host_switch(NULL);
	for (unsigned i = 0; i < NR; i++)
		space_put(s[i]);
	mapping_destroy(&file.mapping);
	machine_down();
}

/* Whoever has a reference in hand keeps the page where it is, and nothing is changed. */
static void a_page_in_use_stays(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	struct space *s = space_create();
	struct test_file file;
	host_switch(s);
	file_init(&file, 2 * PAGE_SIZE);
	map(s, AT, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(s, AT + PAGE_SIZE, PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	for (unsigned i = 0; i < 2; i++) {
		uaddr_t at = AT + i * PAGE_SIZE;
		put_byte(at, 5);
		struct frame *f = mapped_frame(s, at);
		pte_t before = entry_of(s, at);
		frame_get(f);
		assert_int_equal(move_page_of(f), -EBUSY);
		frame_busy_lock(f);
		frame_get(f);
		assert_int_equal(move_page_of(f), -EBUSY);
		frame_busy_unlock(f);
		frame_set_flags(f, FRAME_WRITEBACK);
		frame_get(f);
		assert_int_equal(move_page_of(f), -EINVAL);
		frame_end_writeback(f);
		assert_int_equal(entry_of(s, at).bits, before.bits);
		frame_put(f);
		assert_valid(s);
		move_at(s, at);
		assert_int_equal(get_byte(at), 5);
	}
	assert_int_equal(stat_read(STAT_PGMIGRATE_FAIL), 6);
	struct frame *slab = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	frame_get(slab);
	assert_int_equal(move_page_of(slab), -EINVAL);
	frame_free(slab, 0);
	host_switch(NULL);
	space_put(s);
	mapping_destroy(&file.mapping);
	machine_down();
}

/* A file's pages that nobody maps, the only one (index 0) included. */
static void unmapped_pages_move(void **state)
{
	(void)state;
	machine_up(16ul << 20, 1);
	for (unsigned nr = 1; nr <= 80; nr += 79) {
		struct test_file file;
		file_init(&file, nr * PAGE_SIZE);
		for (unsigned i = 0; i < nr; i++) {
			struct frame *f;
			assert_int_equal(mapping_get(&file.mapping, i, ALLOC_USER, &f), 0);
			memset(frame_ptr(f), (int)i + 1, PAGE_SIZE);
			assert_int_equal(move_page_of(f), 0);
			f = mapping_find(&file.mapping, i);
			assert_int_equal(((u8 *)frame_ptr(f))[PAGE_SIZE - 1], i + 1);
			frame_put(f);
			assert_null(mapping_validate(&file.mapping));
		}
		mapping_destroy(&file.mapping);
	}
	machine_down();
}

int run_migrate_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_keeps_what_it_has),
		cmocka_unit_test(a_locked_page_moves),
		cmocka_unit_test(a_page_is_unlocked_while_it_moves),
		cmocka_unit_test(a_page_is_isolated_while_it_moves),
		cmocka_unit_test(sharers_move_together),
		cmocka_unit_test(a_page_of_many_spaces_moves),
		cmocka_unit_test(a_page_in_use_stays),
		cmocka_unit_test(unmapped_pages_move),
	};
	return run_group("migrate", tests, ARRAY_SIZE(tests));
}
