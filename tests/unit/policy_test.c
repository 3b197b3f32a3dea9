/* SPDX-License-Identifier: MIT */
/*
 * Replacement policies. Each runs on reference strings against its naive model (policy_model.c), seeing every
 * use or accessed bits alone, and must evict the same pages in the same order. No page is lost when
 * policies are switched.
 */
#include "policy_model.h"
#include "tests.h"
#include <mm/lru.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <string.h>

#define MAX_FRAMES 128

/* Memory of a few frames, whose pages are on the machine's own lists. */
static struct {
	enum seeing seeing;
	enum lru_type type;
	unsigned nr_frames, nr_used;
	struct frame *frames[MAX_FRAMES];
	struct frame *page[MODEL_PAGES]; /* where it is, or NULL */
	bool accessed[MODEL_PAGES];
	struct mapping file;
} t;

static unsigned harvest(struct frame *f)
{
	unsigned used = lru_harvest(f);
	if (t.accessed[f->index])
		used |= USED_MAPPED;
	t.accessed[f->index] = false;
	return used;
}

static struct lru *lists(void) { return lru_of_type(t.type); }

static void up(const char *policy, unsigned nr_frames, enum seeing seeing, bool anon)
{
	machine_up(4ul << 20, 1);
	memset(&t, 0, sizeof(t));
	t.seeing = seeing;
	t.type = anon ? LRU_ANON : LRU_FILE;
	t.nr_frames = nr_frames;
	t.file.id = 77;
	assert_non_null(policy_find(policy));
	policy_switch(policy_find(policy));
	lists()->group->harvest = harvest;
}

static void come(struct frame *f, unsigned page)
{
	f->flags = FRAME_UPTODATE | (t.type == LRU_ANON ? FRAME_SHMEM : 0);
	f->mapping = &t.file;
	f->index = page;
	t.page[page] = f;
	lru_add(f);
}

static void go(unsigned page)
{
	lru_remove(t.page[page]);
	t.page[page]->mapping = NULL;
	t.page[page] = NULL;
	t.accessed[page] = false;
}

/* Lets the policy choose; the page that goes, and the frame that is free then. */
static unsigned evict(struct frame **out)
{
	struct frame *f;
	for (unsigned round = 0; round < 100000; round++) {
		struct lru_look look = { 0 };
		if (lru_select(lists(), &f, 1, &look)) {
			unsigned page = (unsigned)f->index;
			lru_evict(f);
			go(page);
			frame_put(f);
			*out = f;
			return page;
		}
		assert_true(look.nr_aged + look.nr_selected);
	}
	fail_msg("nothing is ever evicted");
	return 0;
}

/* One reference; the page evicted for it, or -1. */
static int reference(unsigned page, bool is_write, bool *fault)
{
	int victim = -1;
	struct frame *f = t.page[page];
	*fault = !f;
	if (!f) {
		if (t.nr_used < t.nr_frames) {
			f = t.frames[t.nr_used++] = frame_alloc(0, 0, FRAME_CACHE);
			assert_non_null(f);
		} else {
			victim = (int)evict(&f);
		}
		come(f, page);
	} else if (t.seeing == SEES_ALL) {
		lru_touch(f);
	}
	if (t.seeing == SEES_BITS)
		t.accessed[page] = true;
	if (is_write)
		frame_set_flags(f, FRAME_DIRTY);
	return victim;
}

static void down(void)
{
	assert_null(lru_validate());
	for (unsigned i = 0; i < MODEL_PAGES; i++)
		if (t.page[i])
			go(i);
	for (unsigned i = 0; i < t.nr_used; i++)
		frame_put(t.frames[i]);
	assert_null(lru_validate());
	lists()->group->harvest = lru_harvest;
	policy_switch(policy_at(0));
	machine_down();
}

static unsigned faults_of(const char *policy, unsigned nr_frames, const char *string)
{
	unsigned nr = 0;
	up(policy, nr_frames, SEES_ALL, false);
	for (; *string; string++) {
		bool fault;
		reference((unsigned)(*string - '0'), false, &fault);
		nr += fault;
	}
	down();
	return nr;
}

#define BELADY "123412512345"

/* Source: Belady, Nelson, Shedler, An anomaly in space-time characteristics, CACM 12 (1969). */
static void known_strings(void **state)
{
	assert_int_equal(faults_of("fifo", 3, BELADY), 9);
	assert_int_equal(faults_of("fifo", 4, BELADY), 10);
	assert_int_equal(faults_of("lru-exact", 3, BELADY), 10);
	assert_int_equal(faults_of("lru-exact", 4, BELADY), 8);
	/* Silberschatz, Operating System Concepts: 15 and 12 faults with three frames. */
	assert_int_equal(faults_of("fifo", 3, "70120304230321201701"), 15);
	assert_int_equal(faults_of("lru-exact", 3, "70120304230321201701"), 12);
}

/* ---- random strings ---- */

static u64 random_state;

static unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((random_state >> 33) % n);
}

enum shape { UNIFORM, SKEWED, LOOP, SCAN_AND_HOT, PHASES, NR_SHAPES };

static unsigned next_page(enum shape shape, unsigned nr_pages, unsigned at)
{
	switch (shape) {
	case SKEWED:
		return min(min(random_below(nr_pages), random_below(nr_pages)), random_below(nr_pages));
	case LOOP:
		return at % nr_pages;
	case SCAN_AND_HOT:
		return at % 2 ? random_below(nr_pages / 4) : nr_pages / 4 + at / 2 % (nr_pages - nr_pages / 4);
	case PHASES:
		return (at / 200 * 7 + random_below(nr_pages / 3)) % nr_pages;
	default:
		return random_below(nr_pages);
	}
}

static void compare(const struct model *model, unsigned seed)
{
	random_state = seed;
	unsigned nr_frames = 1 + random_below(seed % 3 ? 12 : 60), nr_pages = 4 + nr_frames + random_below(2 * nr_frames + 4);
	enum seeing seeing = seed % 2 ? SEES_ALL : SEES_BITS;
	enum shape shape = seed / 2 % NR_SHAPES;
	bool anon = seed / 10 % 2;
	nr_pages = min(nr_pages, (unsigned)MODEL_PAGES);
	up(model->policy, nr_frames, seeing, anon);
	model->reset(nr_frames, seeing, anon);
	for (unsigned i = 0; i < 1500; i++) {
		unsigned page = next_page(shape, nr_pages, i);
		bool is_write = random_below(4) == 0, fault, expected_fault;
		int expected = model->reference(page, is_write, &expected_fault), got = reference(page, is_write, &fault);
		if (fault != expected_fault || got != expected)
			fail_msg("%s, seed %u, reference %u to page %u: evicts %d, the model %d", model->policy, seed, i, page, got, expected);
	}
	down();
}

static void policies_do_what_their_models_do(void **state)
{
	for (unsigned i = 0; i < nr_policy_models; i++)
		for (unsigned seed = 1; seed <= 200; seed++)
			compare(&policy_models[i], seed);
}

static void every_policy_has_a_model(void **state)
{
	const struct policy *p;
	for (unsigned i = 0; (p = policy_at(i)) != NULL; i++) {
		bool found = false;
		for (unsigned k = 0; k < nr_policy_models; k++)
			found |= !strcmp(policy_models[k].policy, p->name);
		if (!found)
			fail_msg("%s has no model", p->name);
		assert_true(strlen(p->name) < POLICY_NAME_MAX);
	}
}

/* ---- switching ---- */

static unsigned nr_on_lists(void)
{
	u64 nr = 0;
	for (unsigned i = 0; i < LRU_NR_LISTS; i++)
		nr += lists()->nr[i];
	return (unsigned)nr;
}

static void a_thousand_switches_lose_no_page(void **state)
{
	unsigned nr_policies = 0;
	while (policy_at(nr_policies))
		nr_policies++;
	random_state = 4711;
	up("lru", MAX_FRAMES, SEES_BITS, false);
	for (unsigned i = 0; i < 1000; i++) {
		bool fault;
		for (unsigned k = 0; k < 50; k++) {
			t.seeing = random_below(2) ? SEES_ALL : SEES_BITS;
			reference(next_page(SKEWED, MODEL_PAGES, i), random_below(2), &fault);
		}
		policy_switch(policy_at(random_below(nr_policies)));
		assert_null(lru_validate());
		assert_int_equal(nr_on_lists(), t.nr_used);
	}
	down();
}

/* A page that was named before a switch meets the new policy. */
static void isolated_pages_survive_a_switch(void **state)
{
	struct frame *f[8];
	struct lru_look look = { 0 };
	bool fault;
	up("lru", 16, SEES_ALL, false);
	for (unsigned i = 0; i < 16; i++)
		reference(i, false, &fault);
	unsigned n = lru_select(lists(), f, 8, &look);
	assert_int_equal(n, 8);
	assert_int_equal(stat_read(STAT_NR_ISOLATED_FILE), 8);
	policy_switch(policy_find("fifo"));
	assert_true(lru_isolate(t.page[15]));
	assert_false(lru_isolate(t.page[15]));
	for (unsigned i = 0; i < n; i++)
		lru_touch(f[i]);
	policy_switch(policy_find("lru-exact"));
	assert_null(lru_validate());
	go(0); /* one leaves while it is isolated */
	for (unsigned i = 0; i < n; i++) {
		lru_putback(f[i]);
		frame_put(f[i]);
	}
	lru_putback(t.page[15]);
	frame_put(t.page[15]);
	assert_int_equal(stat_read(STAT_NR_ISOLATED_FILE), 0);
	assert_int_equal(nr_on_lists(), 15);
	down();
}

/* Pages that are being freed, whose last reference is gone, are left to their owner. */
static void a_page_without_references_is_not_taken(void **state)
{
	struct frame *f;
	struct lru_look look = { 0 };
	bool fault;
	up("fifo", 2, SEES_ALL, false);
	reference(0, false, &fault);
	reference(1, false, &fault);
	t.page[0]->refs = 0;
	assert_false(lru_isolate(t.page[0]));
	assert_int_equal(lru_select(lists(), &f, 1, &look), 1);
	assert_ptr_equal(f, t.page[1]);
	lru_putback(f);
	frame_put(f);
	struct frame *gone = t.page[0];
	lru_remove_many(&gone, 1);
	gone->refs = 1;
	t.page[0] = NULL;
	assert_int_equal(nr_on_lists(), 1);
	down();
}

/* Distances of pages that come back, and what the counters say. */
static void refaults_are_counted(void **state)
{
	bool fault;
	up("lru", 8, SEES_ALL, false);
	for (unsigned i = 0; i < 8; i++) {
		reference(i, false, &fault);
		if (i < 4) { /* four active pages */
			reference(i, false, &fault);
			reference(i, false, &fault);
		}
	}
	assert_int_equal(stat_read(STAT_NR_ACTIVE_FILE), 4);
	assert_int_equal(reference(100, false, &fault), 4);
	assert_int_equal(reference(101, false, &fault), 5);
	assert_int_equal(reference(4, false, &fault), 6); /* two evictions later: would have stayed as an active page */
	assert_int_equal(stat_read(STAT_WORKINGSET_REFAULT_FILE), 1);
	assert_int_equal(stat_read(STAT_WORKINGSET_ACTIVATE_FILE), 1);
	down();
}

/* ---- locked pages ---- */

#define AT 0x10000000ul
#define RW (PROT_READ | PROT_WRITE)

static void assert_locked(u64 nr)
{
	assert_int_equal(stat_read(STAT_NR_MLOCK), nr);
	assert_int_equal(stat_read(STAT_NR_UNEVICTABLE), nr);
	assert_null(lru_validate());
}

/* Every page that can be had, put back again. */
static unsigned nr_victims(enum lru_type type)
{
	static struct frame *all[256];
	struct frame *f[LRU_BATCH];
	struct lru_look look = { 0 };
	unsigned nr = 0;
	do {
		unsigned n = lru_select(lru_of_type(type), f, LRU_BATCH, &look);
		for (unsigned i = 0; i < n; i++)
			all[nr++] = f[i];
	} while (look.nr_selected + look.nr_aged);
	for (unsigned i = 0; i < nr; i++) {
		lru_putback(all[i]);
		frame_put(all[i]);
	}
	return nr;
}

static void locked_pages_are_left_alone(void **state)
{
	struct space *s, *child;
	machine_up(16ul << 20, 1);
	s = space_create();
	host_switch(s);
	map(s, AT, 10 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 8; i++)
		put_byte(AT + i * PAGE_SIZE, (u8)i);
	assert_locked(0);
	assert_int_equal(space_mlock(s, AT + 4 * PAGE_SIZE, 6 * PAGE_SIZE, false), 0); /* two are brought in */
	assert_locked(6);
	assert_int_equal(nr_victims(LRU_ANON), 4);
	for (unsigned i = 0; (policy_at(i)); i++) {
		policy_switch(policy_at(i));
		assert_int_equal(nr_victims(LRU_ANON), 4);
		assert_locked(6);
	}
	policy_switch(policy_at(0));
	assert_int_equal(space_munlock(s, AT + 4 * PAGE_SIZE, PAGE_SIZE), 0);
	assert_locked(5);
	assert_int_equal(nr_victims(LRU_ANON), 5);

	/* The child's are not locked; what it writes to is copied, and the parent's stay. */
	assert_int_equal(space_fork(s, &child), 0);
	host_switch(child);
	put_byte(AT + 5 * PAGE_SIZE, 9);
	host_switch(s);
	put_byte(AT + 6 * PAGE_SIZE, 9); /* a copy, in the locked region; the old page is the child's */
	assert_locked(5);
	host_switch(NULL);
	space_put(child);
	host_switch(s);
	assert_int_equal(space_munmap(s, AT + 8 * PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_locked(3);
	map(s, AT + 8 * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_LOCKED, NULL, 0);
	put_byte(AT + 8 * PAGE_SIZE, 1);
	assert_locked(4);
	assert_valid(s);
	host_switch(NULL);
	space_put(s);
	assert_locked(0);
	machine_down();
}

/* A page that two spaces lock: when one lets go, reclaim finds the other. */
static void a_page_locked_twice_is_found_again(void **state)
{
	static struct test_file file;
	struct space *s[2];
	machine_up(16ul << 20, 1);
	file_init(&file, 4 * PAGE_SIZE);
	for (unsigned i = 0; i < 2; i++) {
		s[i] = space_create();
		host_switch(s[i]);
		map(s[i], AT, 4 * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
		assert_int_equal(space_mlock(s[i], AT, 4 * PAGE_SIZE, false), 0);
		assert_int_equal(stat_read(STAT_NR_MLOCK), 4);
	}
	assert_int_equal(space_munmap(s[1], AT, 4 * PAGE_SIZE), 0);
	assert_int_equal(nr_victims(LRU_ANON), 0);
	struct frame *f = mapping_find(&file.mapping, 2);
	struct tlb_batch owed;
	tlb_batch_init(&owed);
	assert_true(frame_busy_trylock(f));
	assert_false(walk_back_unmap_unlocked(f, &owed));
	assert_int_equal(f->nr_slots, 1);
	assert_int_equal(space_munlock(s[0], AT, 4 * PAGE_SIZE), 0);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 0);
	assert_true(walk_back_unmap_unlocked(f, &owed));
	tlb_batch_flush(&owed);
	frame_busy_unlock(f);
	frame_put(f);
	for (unsigned i = 0; i < 2; i++) {
		host_switch(NULL);
		space_put(s[i]);
	}
	mapping_destroy(&file.mapping);
	machine_down();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(known_strings),
	cmocka_unit_test(every_policy_has_a_model),
	cmocka_unit_test(policies_do_what_their_models_do),
	cmocka_unit_test(a_thousand_switches_lose_no_page),
	cmocka_unit_test(isolated_pages_survive_a_switch),
	cmocka_unit_test(a_page_without_references_is_not_taken),
	cmocka_unit_test(refaults_are_counted),
	cmocka_unit_test(locked_pages_are_left_alone),
	cmocka_unit_test(a_page_locked_twice_is_found_again),
};

int run_policy_tests(void) { return run_group("policy", tests, sizeof(tests) / sizeof(tests[0])); }
