/* SPDX-License-Identifier: MIT */
/* Turns: who gets one, when it ends, and that reclaim leaves alone what the holder maps, whatever the policy. */
#include "tests.h"
#include <hal/time.h>
#include <mm/policy.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/turn.h>
#include <string.h>

#define MS 1000000ull
#define AT 0x10000000ul

enum { NR = 3 };
static struct space *spaces[NR];
static struct frame *missed; /* a page that was evicted */
static u64 at;

static void up(void)
{
	machine_up(64ul << 20, 1);
	at = 1000 * MS;
	host_clock_pass(at);
	mm_tunables.turn_ms = 1000;
	for (unsigned i = 0; i < NR; i++)
		spaces[i] = space_create();
	missed = frame_alloc(0, 0, FRAME_ANON);
}

static void down(void)
{
	for (unsigned i = 0; i < NR; i++)
		if (spaces[i])
			space_put(spaces[i]);
	assert_false(turn_is_held);
	frame_put(missed);
	machine_down();
}

static void pass(u64 ns)
{
	at += ns;
	host_clock_pass(at);
}

/* The space waits so long for pages, 10 ms each; others too, if `all`. */
static void miss(unsigned who, u64 ns)
{
	for (u64 done = 0; done < ns; done += 10 * MS) {
		pass(10 * MS);
		turn_missed(spaces[who], missed, at - 10 * MS);
	}
}

static int holder(void)
{
	int found = -1;
	for (int i = 0; i < NR; i++)
		if (spaces[i] && spaces[i]->is_protected) {
			assert_int_equal(found, -1);
			found = i;
		}
	assert_int_equal(turn_is_held, found >= 0);
	return found;
}

static void one_alone_gets_no_turn(void **state)
{
	(void)state;
	up();
	miss(0, 500 * MS);
	assert_int_equal(holder(), -1);
	miss(1, 50 * MS); /* not enough */
	assert_int_equal(holder(), -1);
	pass(2000 * MS);
	miss(1, 200 * MS); /* the first one misses nothing any more */
	assert_int_equal(holder(), -1);
	down();
}

static void turns_go_round(void **state)
{
	(void)state;
	up();
	miss(0, 150 * MS);
	miss(1, 150 * MS);
	assert_int_equal(holder(), 0);
	miss(2, 150 * MS);
	miss(1, 100 * MS);
	assert_int_equal(holder(), 0);
	/* It works: 300 ms so far. */
	pass(600 * MS);
	turn_refresh();
	assert_int_equal(holder(), 0);
	pass(150 * MS);
	turn_refresh();
	assert_int_equal(holder(), 1);
	miss(0, 110 * MS); /* stands in the queue again, behind 2 */
	miss(2, 100 * MS);
	pass(1000 * MS);
	turn_refresh();
	assert_int_equal(holder(), 2);
	miss(0, 10 * MS);
	pass(1000 * MS);
	turn_refresh();
	assert_int_equal(holder(), 0);
	down();
}

static void a_turn_lasts_as_long_as_it_cost(void **state)
{
	(void)state;
	up();
	miss(0, 150 * MS);
	miss(1, 150 * MS);
	assert_int_equal(holder(), 0);
	miss(0, 3000 * MS); /* brings its pages in */
	miss(1, 10 * MS);
	assert_int_equal(holder(), 0);
	pass(2900 * MS);
	miss(1, 10 * MS);
	assert_int_equal(holder(), 0);
	pass(200 * MS);
	miss(1, 10 * MS);
	assert_int_equal(holder(), 1);
	down();
}

static void no_turn_lasts_for_ever(void **state)
{
	(void)state;
	up();
	miss(0, 150 * MS);
	miss(1, 150 * MS);
	for (unsigned i = 0; i < 29; i++) {
		miss(0, 990 * MS); /* waits all the time: it never gets what it needs */
		miss(1, 10 * MS);
		assert_int_equal(holder(), 0);
	}
	miss(0, 990 * MS);
	miss(1, 10 * MS);
	assert_int_equal(holder(), 1);
	down();
}

static void who_has_nearly_all_needs_no_turn(void **state)
{
	(void)state;
	up();
	miss(0, 150 * MS);
	miss(1, 150 * MS);
	assert_int_equal(holder(), 0);
	spaces[0]->rss[RSS_ANON] += (s64)(frame_total() / 4 * 3 + 1);
	turn_refresh();
	assert_int_equal(holder(), 1);
	spaces[0]->rss[RSS_ANON] = 0;
	down();
}

static void who_ends_leaves(void **state)
{
	(void)state;
	up();
	for (unsigned i = 0; i < NR; i++)
		miss(i, 150 * MS);
	assert_int_equal(holder(), 0);
	space_put(spaces[0]);
	spaces[0] = NULL;
	assert_int_equal(holder(), 1);
	space_put(spaces[2]); /* from the queue */
	spaces[2] = NULL;
	pass(1100 * MS);
	turn_refresh();
	assert_int_equal(holder(), -1);
	down();
}

static void turned_off_there_are_none(void **state)
{
	(void)state;
	up();
	miss(0, 150 * MS);
	miss(1, 150 * MS);
	assert_int_equal(holder(), 0);
	mm_tunables.turn_ms = 0;
	turn_refresh();
	assert_int_equal(holder(), -1);
	miss(0, 1000 * MS);
	miss(1, 1000 * MS);
	assert_int_equal(holder(), -1);
	mm_tunables.turn_ms = 1000;
	down();
}

#define PAGES 256u

static u64 resident(struct space *s) { return (u64)s->rss[RSS_ANON]; }

/* Two spaces with as many pages each: the holder's stay, though they came first; only when little else is left they go too.
 * On lists as short as these the last round comes soon, so some may go. */
static void reclaim_takes_the_others_pages(const char *policy)
{
	machine_up(64ul << 20, 1);
	policy_switch(policy_find(policy));
	struct host_disk *disk = swap_disk(4096, 0);
	unsigned area;
	assert_int_equal(swap_on(disk, 4096, -1, &area), 0);
	struct space *s[2];
	for (unsigned i = 0; i < 2; i++) {
		s[i] = space_create();
		host_switch(s[i]);
		map(s[i], AT, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, NULL, 0);
		for (unsigned k = 0; k < PAGES; k++)
			put_byte(AT + k * PAGE_SIZE, (u8)k);
	}
	s[0]->is_protected = turn_is_held = true;
	for (unsigned i = 0; i < 200 && resident(s[1]) > PAGES / 4; i++)
		reclaim_pages(8, ALLOC_KERNEL);
	if (resident(s[1]) > PAGES / 4 || resident(s[0]) < PAGES / 4 * 3)
		fail_msg("%s: of %u pages each the holder has %lu left, the other one %lu", policy, PAGES, (unsigned long)resident(s[0]), (unsigned long)resident(s[1]));
	for (unsigned i = 0; i < 400 && resident(s[0]) + resident(s[1]); i++)
		reclaim_pages(32, ALLOC_KERNEL);
	if (resident(s[0]) + resident(s[1]))
		fail_msg("%s: %lu and %lu pages do not go", policy, (unsigned long)resident(s[0]), (unsigned long)resident(s[1]));
	s[0]->is_protected = turn_is_held = false;
	host_switch(NULL);
	for (unsigned i = 0; i < 2; i++)
		space_put(s[i]);
	host_disk_run(disk);
	assert_int_equal(swap_area_remove(area), 0);
	host_disk_destroy(disk);
	policy_switch(policy_at(0));
	machine_down();
}

static void the_holders_pages_stay_whatever_the_policy(void **state)
{
	(void)state;
	const struct policy *p;
	for (unsigned i = 0; (p = policy_at(i)) != NULL; i++)
		reclaim_takes_the_others_pages(p->name);
}

int run_turn_tests(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_alone_gets_no_turn),
		cmocka_unit_test(turns_go_round),
		cmocka_unit_test(a_turn_lasts_as_long_as_it_cost),
		cmocka_unit_test(no_turn_lasts_for_ever),
		cmocka_unit_test(who_has_nearly_all_needs_no_turn),
		cmocka_unit_test(who_ends_leaves),
		cmocka_unit_test(turned_off_there_are_none),
		cmocka_unit_test(the_holders_pages_stay_whatever_the_policy),
	};
	return run_group("turn", tests, ARRAY_SIZE(tests));
}
