/* SPDX-License-Identifier: MIT */
/* When memory runs out: what processes weigh, who is chosen, what the reaper takes, and who else notices. */
#include "tests.h"
#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <mm/commit.h>
#include <mm/fault.h>
#include <mm/frame.h>
#include <mm/oom.h>
#include <mm/stat.h>
#include <stdio.h>

#define AT   0x10000000ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MIB  (1ul << 20)

static void touch_pages(struct space *s, uaddr_t at, u64 nr)
{
	host_switch(s);
	for (u64 i = 0; i < nr; i++)
		put_byte(at + i * PAGE_SIZE, (u8)i);
}

/* A process whose first `bytes` at AT are resident. */
static struct space *process(u32 pid, s16 adj, u64 bytes)
{
	struct space *s = space_create();
	assert_non_null(s);
	struct host_process p = { .pid = pid, .uid = 1000, .oom_score_adj = adj, .space = s };
	snprintf(p.name, sizeof(p.name), "process %u", pid);
	map(s, AT, PAGE_ALIGN_UP(bytes) + PAGE_SIZE, RW, ANON, NULL, 0);
	touch_pages(s, AT, bytes >> PAGE_SHIFT);
	host_process_add(&p);
	return s;
}

/* Ends what is left of processes. */
static void end(struct space **spaces, unsigned nr)
{
	host_switch(NULL);
	host_processes_forget();
	for (unsigned i = 0; i < nr; i++)
		space_put(spaces[i]);
	machine_down();
}

/* Takes frames until nobody new is killed for one; all are given back. */
static u64 take_all_memory(void)
{
	struct list_head taken = LIST_HEAD_INIT(taken);
	struct frame *f, *next;
	u64 nr = 0;
	for (; (f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)) != NULL; nr++)
		list_add(&f->list, &taken);
	list_for_each_entry_safe(f, next, &taken, list)
		frame_free(f, 0);
	return nr;
}

/* As many as leave nr free, none of them in the CPU's own list; given back by end_hog. */
static struct list_head hog = LIST_HEAD_INIT(hog);

static void hog_all_but(u64 nr)
{
	while (frame_nr_free() > nr) {
		struct frame *f = frame_alloc(0, ALLOC_RESERVE, FRAME_KERNEL);
		assert_non_null(f);
		list_add(&f->list, &hog);
	}
	frame_drain_pcp();
}

static void end_hog(void)
{
	struct frame *f, *next;
	list_for_each_entry_safe(f, next, &hog, list) {
		list_del(&f->list);
		frame_free(f, 0);
	}
}

static void badness_counts_pages_tables_and_swap(void **state)
{
	struct space s = { .rss = { 100, 20, 3, 7 }, .nr_tables = 5 };
	assert_int_equal(oom_badness(&s, 0, 64000), 135);
	assert_int_equal(oom_badness(&s, 500, 64000), 135 + 32000);
	assert_int_equal(oom_badness(&s, -100, 64000), 135 - 6400);
	assert_int_equal(oom_badness(&s, -1000, 64000), OOM_NEVER);
	s.oom.state = OOM_VICTIM | OOM_DONE;
	assert_int_equal(oom_badness(&s, 0, 64000), OOM_NEVER);
}

/* Source: proc(5); a small process has 666 since Linux 5.9. */
static void score_is_two_thirds_of_the_way(void **state)
{
	assert_int_equal(oom_score(0, 64000), 666);
	assert_int_equal(oom_score(32000, 64000), 1000);
	assert_int_equal(oom_score(64000, 64000), 1333);
	assert_int_equal(oom_score(-64000, 64000), 0);
	assert_int_equal(oom_score(-90000, 64000), 0);
	assert_int_equal(oom_score(OOM_NEVER, 64000), 0);
}

/* The processes of the textbook: one is never ended, of the others first the one that says so itself, though it is
 * the smallest, then the larger one. */
static void the_heaviest_goes_first(void **state)
{
	static const struct { u32 pid; s16 adj; u64 bytes; } p[] = {
		{ 10, -1000, 3 * MIB }, { 11, 0, 4 * MIB }, { 12, 500, MIB }, { 13, 0, 2 * MIB },
	};
	static const u32 order[] = { 12, 11, 13 };
	struct space *s[4];
	machine_up(16 * MIB, 1);
	for (unsigned i = 0; i < 4; i++)
		s[i] = process(p[i].pid, p[i].adj, p[i].bytes);
	host_switch(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		hog_all_but(60);
		struct frame *f;
		while ((f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)) != NULL && !host_process_is_killed(order[i]))
			list_add(&f->list, &hog);
		assert_non_null(f);
		list_add(&f->list, &hog);
		assert_int_equal(stat_read(STAT_OOM_KILL), i + 1);
		for (unsigned k = i + 1; k < ARRAY_SIZE(order); k++)
			assert_false(host_process_is_killed(order[k]));
	}
	take_all_memory(); /* nobody is left: it ends with an error */
	assert_false(host_process_is_killed(10));
	assert_int_equal(stat_read(STAT_OOM_KILL), 3);
	end_hog();
	end(s, 4);
}

/* swapoff brings in what others swapped out: it goes before them, however small it is, and even at -1000. */
static void who_ends_an_area_goes_first(void **state)
{
	struct space *s[2];
	machine_up(16 * MIB, 1);
	s[0] = process(10, 0, 4 * MIB);
	s[1] = process(11, -1000, MIB / 4);
	host_running_pid = 11;
	host_set_oom_origin(true);
	host_switch(NULL);
	hog_all_but(60);
	struct frame *f;
	while ((f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)) != NULL && !host_process_is_killed(11) && !host_process_is_killed(10))
		list_add(&f->list, &hog);
	if (f)
		list_add(&f->list, &hog);
	assert_true(host_process_is_killed(11));
	assert_false(host_process_is_killed(10));
	end_hog();
	end(s, 2);
}

static void fault_kills_another_and_goes_on(void **state)
{
	struct space *s[2];
	machine_up(16 * MIB, 1);
	s[0] = process(5, 0, MIB);
	s[1] = process(6, 0, 9 * MIB);
	map(s[0], 2 * AT, 7 * MIB, RW, ANON, NULL, 0);
	host_running_pid = 5;
	touch_pages(s[0], 2 * AT, 7 * MIB >> PAGE_SHIFT); /* more than is free: no fault fails */
	assert_true(host_process_is_killed(6));
	assert_false(host_process_is_killed(5));
	assert_int_equal(s[1]->rss[RSS_ANON], 0);
	assert_valid(s[0]);
	assert_valid(s[1]);
	end(s, 2);
}

static void exempt_and_borrowers_are_spared(void **state)
{
	struct space *s[3];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB / 4);
	s[1] = space_create();
	s[2] = space_create();
	struct host_process kernel = { .pid = 8, .name = "init", .is_exempt = true, .space = s[1] };
	struct host_process borrower = { .pid = 9, .name = "vfork", .is_borrower = true, .space = s[2] };
	host_process_add(&kernel);
	host_process_add(&borrower);
	map(s[1], AT, MIB, RW, ANON, NULL, 0);
	touch_pages(s[1], AT, MIB >> PAGE_SHIFT);
	map(s[2], AT, MIB, RW, ANON, NULL, 0);
	touch_pages(s[2], AT, MIB >> PAGE_SHIFT);
	take_all_memory();
	assert_true(host_process_is_killed(7));
	assert_false(host_process_is_killed(8));
	assert_false(host_process_is_killed(9));
	end(s, 3);
}

static void dying_process_is_waited_for(void **state)
{
	struct space *s[2];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, 4 * MIB);
	s[1] = space_create();
	struct host_process p = { .pid = 8, .name = "dying", .is_dying = true, .space = s[1] };
	host_process_add(&p);
	map(s[1], AT, MIB, RW, ANON, NULL, 0);
	touch_pages(s[1], AT, MIB >> PAGE_SHIFT);
	host_switch(NULL);
	hog_all_but(40);
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	assert_non_null(f);
	frame_free(f, 0);
	assert_int_equal(stat_read(STAT_OOM_KILL), 0); /* what the dying one gave was enough */
	assert_false(host_process_is_killed(7));
	end_hog();
	end(s, 2);
}

static void processes_that_share_a_space_go_together(void **state)
{
	struct space *s[1];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB);
	struct host_process p = { .pid = 8, .name = "sharer", .oom_score_adj = 0, .space = s[0] };
	host_process_add(&p);
	take_all_memory();
	assert_true(host_process_is_killed(7));
	assert_true(host_process_is_killed(8));
	assert_int_equal(stat_read(STAT_OOM_KILL), 1);
	end(s, 1);
}

/* init shares the victim's space: what it uses is not taken. */
static void space_of_an_exempt_one_is_not_reaped(void **state)
{
	struct space *s[1];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB);
	struct host_process p = { .pid = 8, .name = "init", .is_exempt = true, .space = s[0] };
	host_process_add(&p);
	take_all_memory();
	assert_true(host_process_is_killed(7));
	assert_int_equal(s[0]->rss[RSS_ANON], MIB >> PAGE_SHIFT);
	end(s, 1);
}

/* The victim waits in the middle of a fault: its space is locked for reading, and another of its threads waits to write. */
static void blocked_victim_is_reaped(void **state)
{
	struct space *s[1];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, 2 * MIB);
	rwlock_read(&s[0]->lock);
	__atomic_fetch_or(&s[0]->lock.state, RWLOCK_WAITERS, __ATOMIC_RELAXED);
	s64 tables = s[0]->nr_tables;
	u64 before = frame_nr_free(), nr = take_all_memory();
	assert_true(nr > before); /* the victim's pages too */
	assert_int_equal(s[0]->rss[RSS_ANON], 0);
	assert_true(s[0]->nr_tables < tables); /* leaf tables went with the pages */
	__atomic_fetch_and(&s[0]->lock.state, ~RWLOCK_WAITERS, __ATOMIC_RELAXED);
	rwlock_read_unlock(&s[0]->lock);
	end(s, 1);
}

/* Its lock is held for writing and stays so: the next one is chosen. */
static void victim_that_cannot_be_reaped_is_given_up(void **state)
{
	struct space *s[2];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, 3 * MIB);
	s[1] = process(8, 0, MIB);
	host_switch(NULL);
	rwlock_write(&s[0]->lock);
	hog_all_but(40);
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	assert_non_null(f);
	frame_free(f, 0);
	assert_true(host_process_is_killed(7));
	assert_true(host_process_is_killed(8));
	assert_int_equal(s[0]->rss[RSS_ANON], 3 * MIB >> PAGE_SHIFT);
	rwlock_write_unlock(&s[0]->lock);
	end_hog();
	end(s, 2);
}

/* A forked victim: its shared tables are left, not copied; the other sharer keeps every byte. */
static void reaping_leaves_shared_tables_to_others(void **state)
{
	struct space *s[2];
	struct test_file file;
	machine_up(16 * MIB, 1);
	s[0] = process(7, 0, 4 * MIB);
	file_init(&file, 64 * PAGE_SIZE);
	map(s[0], 2 * AT, 64 * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	touch_pages(s[0], 2 * AT, 64);
	host_switch(NULL);
	assert_int_equal(space_fork(s[0], &s[1]), 0);
	host_switch(s[1]);
	put_byte(AT + 5 * PAGE_SIZE, 99); /* one table of its own */
	host_switch(NULL);
	hog_all_but(60);
	u64 free = frame_nr_free();
	assert_null(frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL)); /* the other one keeps the pages */
	assert_true(host_process_is_killed(7));
	assert_true(frame_nr_free() > free && frame_nr_free() < free + 64);
	assert_int_equal(s[0]->rss[RSS_ANON], 0);
	assert_int_equal(s[0]->rss[RSS_SHMEM], 0);
	end_hog();
	assert_valid(s[0]);
	assert_valid(s[1]);
	host_switch(s[1]);
	for (u64 i = 0; i < 4 * MIB >> PAGE_SHIFT; i++)
		assert_int_equal(get_byte(AT + i * PAGE_SIZE), i == 5 ? 99 : (u8)i);
	for (u64 i = 0; i < 64; i++)
		assert_int_equal(get_byte(2 * AT + i * PAGE_SIZE), (u8)i);
	host_switch(NULL);
	space_put(s[1]);
	mapping_truncate(&file.mapping, 0);
	end(s, 1);
}

/* What a reaped process sees: its private pages are lost, never zeros; files are read again. */
static void reaped_pages_are_not_zeros(void **state)
{
	struct space *s[1];
	struct test_file file;
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB);
	file_init(&file, 8 * PAGE_SIZE);
	map(s[0], 2 * AT, 8 * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	touch_pages(s[0], 2 * AT, 8);
	take_all_memory();
	assert_true(host_process_is_killed(7));
	host_switch(s[0]);
	struct fault_verdict v = try_read(AT);
	assert_int_equal(v.kind, FAULT_SIGNAL);
	assert_int_equal(v.sig, SIGBUS);
	assert_int_equal(try_write(AT + 3 * PAGE_SIZE).sig, SIGBUS);
	assert_int_equal(get_byte(2 * AT + 3 * PAGE_SIZE), 3);
	assert_valid(s[0]);
	host_switch(NULL);
	mapping_truncate(&file.mapping, 0);
	end(s, 1);
}

static void victim_gets_half_of_the_reserve(void **state)
{
	struct frame_node_stat n;
	struct space *s[1];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB / 4);
	host_switch(NULL);
	host_context.is_being_killed = true;
	u64 nr = take_all_memory();
	assert_true(host_context.may_use_reserves);
	frame_node_stat(0, &n);
	frame_drain_pcp();
	assert_true(frame_nr_free() - nr >= n.wmark_min / 2);
	assert_true(frame_nr_free() - nr < n.wmark_min / 2 + 64);
	assert_int_equal(stat_read(STAT_OOM_KILL), 0); /* nobody else dies for it */
	end(s, 1);
}

static void nobody_dies_for_large_blocks_or_pieces(void **state)
{
	struct space *s[1];
	struct frame *piece[1024];
	unsigned nr = 0;
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB);
	host_switch(NULL);
	while (frame_nr_free() > 200) { /* every second page, then the rest back */
		struct frame *f = frame_alloc(0, ALLOC_RESERVE, FRAME_KERNEL);
		if (frame_pfn(f) % 2)
			list_add(&f->list, &hog);
		else if (nr < ARRAY_SIZE(piece))
			piece[nr++] = f;
		else
			list_add(&f->list, &hog);
	}
	hog_all_but(0);
	while (nr)
		frame_free(piece[--nr], 0);
	frame_drain_pcp();
	assert_null(frame_alloc(3, ALLOC_KERNEL, FRAME_KERNEL));
	assert_null(frame_alloc(FRAME_MAX_ORDER, ALLOC_KERNEL, FRAME_KERNEL));
	assert_int_equal(stat_read(STAT_OOM_KILL), 0);
	end_hog();
	end(s, 1);
}

static void only_who_may_start_io_kills(void **state)
{
	struct space *s[1];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, MIB);
	host_switch(NULL);
	hog_all_but(40);
	assert_null(frame_alloc(0, ALLOC_WAIT, FRAME_KERNEL));
	assert_null(frame_alloc(0, 0, FRAME_KERNEL));
	assert_false(host_process_is_killed(7));
	end_hog();
	end(s, 1);
}

static void allocating_task_dies_when_asked_for(void **state)
{
	struct space *s[2];
	machine_up(8 * MIB, 1);
	s[0] = process(7, 0, 3 * MIB);
	s[1] = process(8, 0, MIB);
	mm_tunables.oom_kill_allocating_task = 1;
	host_running_pid = 8;
	take_all_memory();
	mm_tunables.oom_kill_allocating_task = 0;
	assert_true(host_process_is_killed(8));
	assert_false(host_process_is_killed(7));
	end(s, 2);
}

/* Linux: vm_enough_memory, Documentation/mm/overcommit-accounting. */
static void mode_2_keeps_reserves(void **state)
{
	machine_up(64 * MIB, 1);
	struct space *s = space_create();
	u64 limit = space_commit_limit();
	assert_int_equal(limit, frame_total() / 2);
	space_commit_init();
	u64 admin = mm_tunables.admin_reserve_kbytes / 4;
	assert_true(admin > 0 && admin <= 2048);
	mm_tunables.overcommit_memory = 2;
	assert_int_equal(space_commit_charge(NULL, limit - admin), -ENOMEM); /* below it, not at it */
	assert_int_equal(space_commit_charge(NULL, limit - admin - 1), 0);
	space_commit_release(limit - admin - 1);
	host_context.has_sys_admin = true;
	assert_int_equal(space_commit_charge(NULL, limit - 1), 0);
	space_commit_release(limit - 1);
	s->total_pages = 3200; /* a process that is large already leaves a part of its size */
	assert_int_equal(space_commit_charge(s, limit - 100), -ENOMEM);
	assert_int_equal(space_commit_charge(s, limit - 101), 0);
	space_commit_release(limit - 101);
	s->total_pages = 0;
	host_context.has_sys_admin = false;
	mm_tunables.overcommit_kbytes = 4096;
	assert_int_equal(space_commit_limit(), 1024);
	mm_tunables.overcommit_kbytes = 0;
	mm_tunables.overcommit_memory = 0;
	space_put(s);
	machine_down();
}

int run_oom_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(badness_counts_pages_tables_and_swap),
		cmocka_unit_test(score_is_two_thirds_of_the_way),
		cmocka_unit_test(the_heaviest_goes_first),
		cmocka_unit_test(who_ends_an_area_goes_first),
		cmocka_unit_test(fault_kills_another_and_goes_on),
		cmocka_unit_test(exempt_and_borrowers_are_spared),
		cmocka_unit_test(dying_process_is_waited_for),
		cmocka_unit_test(processes_that_share_a_space_go_together),
		cmocka_unit_test(space_of_an_exempt_one_is_not_reaped),
		cmocka_unit_test(blocked_victim_is_reaped),
		cmocka_unit_test(victim_that_cannot_be_reaped_is_given_up),
		cmocka_unit_test(reaping_leaves_shared_tables_to_others),
		cmocka_unit_test(reaped_pages_are_not_zeros),
		cmocka_unit_test(victim_gets_half_of_the_reserve),
		cmocka_unit_test(nobody_dies_for_large_blocks_or_pieces),
		cmocka_unit_test(only_who_may_start_io_kills),
		cmocka_unit_test(allocating_task_dies_when_asked_for),
		cmocka_unit_test(mode_2_keeps_reserves),
	};
	return run_group("oom", tests, ARRAY_SIZE(tests));
}
