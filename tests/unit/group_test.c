/* SPDX-License-Identifier: MIT */
/* Memory groups: what is charged to whom, what a limit does, and that nothing stays behind. */
#include "tests.h"
#include <asm/errno.h>
#include <hal/log.h>
#include <mm/group.h>
#include <mm/lru.h>
#include <mm/oom.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <stdio.h>
#include <string.h>

#define AT 0x10000000ul
#define RW (PROT_READ | PROT_WRITE)
#define NR_GROUPS 4u
#define MOST 400 /* more than the tables alone */

static struct space *space;
static struct host_disk *disk;
static unsigned area;

static struct mem_group *group(struct mem_group *parent)
{
	struct mem_group *g = mem_group_new(parent, NULL);
	assert_non_null(g);
	return g;
}

static void up(u64 swap_pages)
{
	struct mem_group *g[NR_GROUPS];
	machine_up(32ul << 20, 1);
	for (unsigned i = 0; i < NR_GROUPS; i++)
		g[i] = group(&mem_root);
	for (unsigned i = 0; i < NR_GROUPS; i++)
		mem_group_close(g[i]);
	machine_keep_frames();
	disk = swap_pages ? swap_disk(swap_pages, 0) : NULL;
	if (disk)
		assert_int_equal(swap_on(disk, swap_pages, -1, &area), 0);
	space = space_create();
	host_switch(space);
}

static void be_in(const struct mem_group *g) { host_context.group = g ? (u16)g->lru.number : 0; }

static void check(void)
{
	const char *broken = mem_group_validate();
	if (!broken)
		broken = lru_validate();
	if (!broken)
		broken = stat_validate();
	if (broken)
		fail_msg("%s", broken);
	assert_valid(space);
}

static void end_space(void)
{
	host_switch(NULL);
	if (space)
		space_put(space);
	space = NULL;
}

static void down(void)
{
	be_in(NULL);
	end_space();
	host_processes_forget();
	if (disk) {
		host_disk_run(disk);
		assert_int_equal(swap_area_remove(area), 0);
		host_disk_destroy(disk);
	}
	machine_down();
}

static void fill(uaddr_t at, unsigned nr, u8 plus)
{
	for (unsigned i = 0; i < nr; i++)
		put_byte(at + i * PAGE_SIZE, (u8)(i * 7 + plus));
}

static void expect(uaddr_t at, unsigned nr, u8 plus)
{
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(get_byte(at + i * PAGE_SIZE), (u8)(i * 7 + plus));
}

/* Used pages are only taken at the second or third look. */
static void reclaim_hard(struct mem_group *g)
{
	for (unsigned i = 0; i < 30; i++)
		mem_group_reclaim(g, 64);
	host_disk_run(disk);
}

/* The charge goes with a page that moves, and ends with one that whoever moves pages frees. */
static void a_page_that_moves_stays_charged(void **state)
{
	(void)state;
	up(0);
	struct mem_group *g = group(&mem_root);
	map(space, AT, 10 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	be_in(g);
	fill(AT, 10, 1);
	be_in(NULL);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(move_page_of(mapped_frame(space, AT + i * PAGE_SIZE)), 0);
	assert_int_equal(g->nr_of_kind[MEM_GROUP_ANON], 10);
	check();
	expect(AT, 10, 1);
	struct frame *f = mapped_frame(space, AT);
	assert_int_equal(space_munmap(space, AT, PAGE_SIZE), 0);
	assert_int_equal(g->nr_of_kind[MEM_GROUP_ANON], 10);
	frame_put_to_buddy(f);
	assert_int_equal(g->nr_of_kind[MEM_GROUP_ANON], 9);
	end_space();
	mem_group_close(g);
	down();
}

/* Whoever searches memory for pages may read anything as a group's number. */
static void a_frame_of_no_group_is_on_no_list(void **state)
{
	(void)state;
	up(0);
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	frame_set_flags(f, FRAME_LRU);
	for (u32 number = 0; number <= MEM_GROUP_MAX_NUMBER; number += 51) {
		f->group = (u16)number;
		if (!mem_group_find(number))
			assert_false(lru_get(f));
	}
	f->group = 0;
	frame_clear_flags(f, FRAME_LRU);
	frame_free(f, 0);
	down();
}

static void a_charge_counts_for_all_above(void **state)
{
	up(0);
	struct mem_group *a = group(&mem_root), *b = group(a), *c = group(a);
	map(space, AT, 300 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	be_in(b);
	fill(AT, 100, 1);
	assert_int_equal(b->nr_of_kind[MEM_GROUP_ANON], 100);
	assert_true(b->nr_of_kind[MEM_GROUP_TABLES] >= 1);
	assert_int_equal(b->memory.usage, 100 + b->nr_of_kind[MEM_GROUP_TABLES]);
	be_in(c);
	fill(AT + 100 * PAGE_SIZE, 50, 1);
	assert_int_equal(c->nr_of_kind[MEM_GROUP_ANON], 50);
	assert_int_equal(a->memory.usage, b->memory.usage + c->memory.usage);
	be_in(NULL);
	fill(AT + 150 * PAGE_SIZE, 20, 1);
	assert_int_equal(c->nr_of_kind[MEM_GROUP_ANON], 50);
	check();
	assert_int_equal(space_munmap(space, AT, 120 * PAGE_SIZE), 0);
	assert_int_equal(b->nr_of_kind[MEM_GROUP_ANON], 0);
	assert_int_equal(c->nr_of_kind[MEM_GROUP_ANON], 30);
	check();
	end_space();
	assert_int_equal(a->memory.usage, 0);
	assert_true(a->memory.peak >= 150);
	mem_group_close(b);
	mem_group_close(c);
	mem_group_close(a);
	down();
}

/* What does not fit goes to swap; the rest of the machine's memory is not touched for it. */
static void a_limit_is_kept_by_swapping(void **state)
{
	up(4096);
	struct mem_group *g = group(&mem_root);
	map(space, AT, 1000 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	mem_group_set_max(g, MOST);
	u64 before = frame_nr_free();
	be_in(g);
	fill(AT, 1000, 3);
	assert_true(g->memory.usage <= MOST);
	assert_true(g->memory.peak <= MOST);
	assert_true(frame_nr_free() + MOST + 60 > before); /* and the slots' own pages */
	assert_true(g->swap.usage >= 1000 - MOST);
	assert_true(g->events[MEM_GROUP_EVENT_MAX] > 0);
	assert_int_equal(g->events[MEM_GROUP_EVENT_OOM], 0);
	check();
	expect(AT, 1000, 3);
	assert_true(g->memory.usage <= MOST);
	s64 less = g->nr_of_kind[MEM_GROUP_TABLES] + 40;
	mem_group_set_max(g, less);
	assert_true(g->memory.usage <= less);
	mem_group_set_max(g, MEM_GROUP_UNLIMITED);
	expect(AT, 1000, 3);
	check();
	end_space();
	host_disk_run(disk);
	assert_int_equal(g->memory.usage, 0);
	assert_int_equal(g->swap.usage, 0);
	mem_group_close(g);
	down();
}

static void add_process(u32 pid, const struct mem_group *g, struct space *s)
{
	struct host_process p = { .pid = pid, .uid = 1000, .space = s, .group = (u16)g->lru.number };
	snprintf(p.name, sizeof(p.name), "process %u", pid);
	host_process_add(&p);
}

/* The machine has memory, the group has not: one of its own processes ends, though one outside is larger. */
static void the_group_is_short_and_pays_itself(void **state)
{
	up(0);
	struct mem_group *g = group(&mem_root), *out = group(&mem_root);
	struct space *large = space_create(), *small = space_create();
	host_switch(large);
	be_in(out);
	map(large, AT, 1000 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 1000, 1);
	host_switch(small);
	be_in(g);
	map(small, AT, 60 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 60, 1);
	host_switch(space);
	map(space, AT, 300 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	fill(AT, 30, 1);
	add_process(10, out, large);
	add_process(11, g, small);
	add_process(12, g, space);
	host_running_pid = 12;
	mem_group_set_max(g, 100);
	fill(AT, 50, 1);
	assert_false(host_process_is_killed(10));
	assert_true(host_process_is_killed(11));
	assert_int_equal(g->events[MEM_GROUP_EVENT_OOM_KILL], 1);
	assert_int_equal(out->events[MEM_GROUP_EVENT_OOM_KILL], 0);
	assert_true(g->events[MEM_GROUP_EVENT_OOM] >= 1);
	be_in(NULL);
	host_switch(NULL);
	host_processes_forget();
	space_put(large);
	space_put(small);
	end_space();
	mem_group_close(g);
	mem_group_close(out);
	down();
}

/* memory.oom.group: all of them, but for those that are never killed. */
static void a_group_can_end_as_a_whole(void **state)
{
	up(0);
	struct mem_group *g = group(&mem_root);
	struct space *s[3];
	g->oom_kills_all = true;
	be_in(g);
	for (unsigned i = 0; i < 3; i++) {
		s[i] = space_create();
		host_switch(s[i]);
		map(s[i], AT, 20 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
		fill(AT, 20, 1);
		struct host_process p = { .pid = 20 + i, .space = s[i], .group = (u16)g->lru.number, .oom_score_adj = i == 2 ? -1000 : 0, .name = "member" };
		host_process_add(&p);
	}
	mem_group_set_max(g, 10);
	assert_true(host_process_is_killed(20));
	assert_true(host_process_is_killed(21));
	assert_false(host_process_is_killed(22));
	assert_int_equal(g->events[MEM_GROUP_EVENT_OOM_GROUP_KILL], 1);
	assert_int_equal(g->events[MEM_GROUP_EVENT_OOM_KILL], 2);
	be_in(NULL);
	host_switch(NULL);
	host_processes_forget();
	for (unsigned i = 0; i < 3; i++)
		space_put(s[i]);
	mem_group_close(g);
	down();
}

/* Nothing can be killed: the allocation fails, and what was charged on the way is given back. */
static void without_a_victim_the_charge_fails(void **state)
{
	up(0);
	struct mem_group *g = group(&mem_root);
	mem_group_set_max(g, 20);
	assert_int_equal(mem_group_charge(g->lru.number, 4, ALLOC_KERNEL, MEM_GROUP_STACKS), g->lru.number);
	assert_int_equal(mem_group_charge(g->lru.number, 3, ALLOC_KERNEL, MEM_GROUP_STACKS), -ENOMEM);
	assert_int_equal(mem_group_charge(g->lru.number, 3, 0, MEM_GROUP_STACKS), -ENOMEM);
	assert_int_equal(g->memory.usage, 16);
	assert_true(g->memory.nr_failed > 0);
	mem_group_uncharge(g->lru.number, 4, MEM_GROUP_STACKS);
	assert_int_equal(g->memory.usage, 0);
	mem_group_close(g);
	down();
}

static void swap_has_a_limit_of_its_own(void **state)
{
	up(4096);
	struct mem_group *g = group(&mem_root);
	map(space, AT, 500 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	g->swap.max = 100;
	be_in(g);
	fill(AT, 300, 1);
	reclaim_hard(g);
	assert_int_equal(g->swap.usage, 100);
	expect(AT, 300, 1);
	check();
	end_space();
	mem_group_close(g);
	down();
}

/* The directory is gone, the pages are not: they stay charged, are reclaimed with the parent, and let go of the
 * group in the end. */
static void a_closed_group_lives_as_long_as_its_pages(void **state)
{
	up(4096);
	struct mem_group *top = group(&mem_root), *g = group(top);
	u32 number = g->lru.number;
	map(space, AT, 400 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	be_in(g);
	fill(AT, 200, 5);
	be_in(NULL);
	mem_group_close(g);
	assert_true(top->memory.usage >= 200);
	host_context.group = (u16)number; /* who has yet to notice is charged for its parent */
	fill(AT + 200 * PAGE_SIZE, 10, 5);
	assert_int_equal(top->nr_of_kind[MEM_GROUP_ANON], 10);
	be_in(NULL);
	reclaim_hard(top);
	assert_true(top->memory.usage < 100);
	expect(AT, 200, 5);
	check();
	end_space();
	host_disk_run(disk);
	assert_int_equal(top->memory.usage, 0);
	struct mem_group *again = group(&mem_root);
	assert_int_equal(again->lru.number, number); /* only now */
	mem_group_close(again);
	mem_group_close(top);
	down();
}

/* Whoever touches it: the page goes back to the group that it was charged to. */
static void a_page_from_swap_is_charged_as_before(void **state)
{
	up(4096);
	struct mem_group *a = group(&mem_root), *b = group(&mem_root);
	map(space, AT, 100 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	be_in(a);
	fill(AT, 100, 9);
	push_out(disk, space, AT, 100);
	assert_int_equal(a->nr_of_kind[MEM_GROUP_ANON], 0);
	assert_int_equal(a->swap.usage, 100);
	be_in(b);
	expect(AT, 100, 9);
	assert_int_equal(a->nr_of_kind[MEM_GROUP_ANON], 100);
	assert_int_equal(b->nr_of_kind[MEM_GROUP_ANON], 0);
	check();
	end_space();
	mem_group_close(a);
	mem_group_close(b);
	down();
}

/* Shared memory is charged to who made the page, shown apart, and goes to swap like other pages. */
static void shared_memory_is_charged_too(void **state)
{
	struct test_file f;
	up(4096);
	struct mem_group *g = group(&mem_root);
	file_init(&f, 300 * PAGE_SIZE);
	map(space, AT, 300 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	mem_group_set_max(g, 220);
	be_in(g);
	fill(AT, 300, 2);
	assert_true(g->memory.usage <= 220);
	assert_true(g->nr_of_kind[MEM_GROUP_SHMEM] > 50);
	assert_int_equal(g->nr_of_kind[MEM_GROUP_FILE], 0);
	check();
	be_in(NULL);
	expect(AT, 300, 2);
	assert_true(g->memory.usage <= 220);
	check();
	end_space();
	file_truncate(&f, 0);
	mapping_destroy(&f.mapping);
	host_disk_run(disk);
	assert_int_equal(g->memory.usage, 0);
	assert_int_equal(g->swap.usage, 0);
	mem_group_close(g);
	down();
}

static u64 nr_evicted(struct mem_group *const *g, unsigned nr)
{
	u64 sum = 0;
	for (unsigned i = 0; i < nr; i++)
		sum += g[i]->lru.lru[LRU_ANON].nr_evicted;
	return sum;
}

/* The machine is short: pages of all groups go, and switching policies finds them all. */
static void the_machine_takes_from_all_groups(void **state)
{
	up(8000);
	struct mem_group *g[3];
	map(space, AT, 3000 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 3; i++) {
		g[i] = group(i ? g[0] : &mem_root);
		be_in(g[i]);
		fill(AT + i * 1000 * PAGE_SIZE, 1000, 4);
	}
	be_in(NULL);
	for (unsigned i = 0; policy_at(i); i++) {
		policy_switch(policy_at(i));
		u64 before = nr_evicted(g, 3);
		for (unsigned round = 0; round < 8; round++)
			reclaim_pages(64, ALLOC_KERNEL);
		assert_true(nr_evicted(g, 3) > before);
		for (unsigned k = 0; k < 3; k++)
			expect(AT + k * 1000 * PAGE_SIZE, 1000, 4);
		check();
	}
	policy_switch(policy_at(0));
	for (unsigned round = 0; round < 60; round++)
		reclaim_pages(64, ALLOC_KERNEL);
	for (unsigned i = 0; i < 3; i++)
		assert_true(g[i]->swap.usage > 300);
	for (unsigned i = 0; i < 3; i++)
		expect(AT + i * 1000 * PAGE_SIZE, 1000, 4);
	check();
	end_space();
	for (unsigned i = 3; i-- > 0;)
		mem_group_close(g[i]);
	down();
}

int run_memgroup_tests(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_moves_stays_charged),
		cmocka_unit_test(a_frame_of_no_group_is_on_no_list),
		cmocka_unit_test(a_charge_counts_for_all_above),
		cmocka_unit_test(a_limit_is_kept_by_swapping),
		cmocka_unit_test(the_group_is_short_and_pays_itself),
		cmocka_unit_test(a_group_can_end_as_a_whole),
		cmocka_unit_test(without_a_victim_the_charge_fails),
		cmocka_unit_test(swap_has_a_limit_of_its_own),
		cmocka_unit_test(a_closed_group_lives_as_long_as_its_pages),
		cmocka_unit_test(a_page_from_swap_is_charged_as_before),
		cmocka_unit_test(shared_memory_is_charged_too),
		cmocka_unit_test(the_machine_takes_from_all_groups),
	};
	return run_group("group", tests, ARRAY_SIZE(tests));
}
