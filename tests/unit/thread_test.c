/* SPDX-License-Identifier: MIT */
/*
 * CPUs as free-running threads, for TSan and for what only a race shows: allocators under load, and
 * all memory calls at once in one space and its children (live.c).
 */
#include "live.h"
#include <hal/log.h>
#include <mm/group.h>
#include <mm/lru.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/slab.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define NR_CPUS 4u

static void run_threads(void *(*fn)(void *))
{
	pthread_t t[NR_CPUS];
	for (unsigned i = 0; i < NR_CPUS; i++)
		pthread_create(&t[i], NULL, fn, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < NR_CPUS; i++)
		pthread_join(t[i], NULL);
	host_be_cpu(0);
}

/* ---- allocators ---- */

static void *allocate(void *arg)
{
	enum { N = 60 };
	struct frame *held[N] = { NULL };
	unsigned orders[N] = { 0 }, seed = (unsigned)(uintptr_t)arg + 1;
	host_be_cpu((unsigned)(uintptr_t)arg);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)rand_r(&seed) % N;
		if (held[i]) {
			CHECK(held[i]->owner == (u64)(uintptr_t)&held[i]);
			frame_free(held[i], orders[i]);
			held[i] = NULL;
			continue;
		}
		orders[i] = (unsigned)rand_r(&seed) % 4;
		held[i] = frame_alloc(orders[i], ALLOC_KERNEL, FRAME_KERNEL);
		if (held[i])
			held[i]->owner = (u64)(uintptr_t)&held[i];
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			frame_free(held[i], orders[i]);
	return NULL;
}

/* A block that was taken but not yet prepared counted as a free buddy and was joined. */
static void taken_block_is_nobodys_buddy(void **state)
{
	(void)state;
	machine_up_free_running(16ul << 20, NR_CPUS);
	run_threads(allocate);
	assert_null(frame_validate());
	machine_down();
}

static struct slab_cache *cache;

static void *use_objects(void *arg)
{
	enum { N = 100 };
	u64 *held[N] = { NULL };
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	host_be_cpu((unsigned)(uintptr_t)arg);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned i = (unsigned)rand_r(&seed) % N;
		if (held[i]) {
			CHECK(*held[i] == (u64)(uintptr_t)&held[i]);
			slab_free(cache, held[i]);
			held[i] = NULL;
		} else if ((held[i] = slab_alloc(cache, ALLOC_KERNEL)) != NULL) {
			*held[i] = (u64)(uintptr_t)&held[i];
		}
	}
	for (unsigned i = 0; i < N; i++)
		if (held[i])
			slab_free(cache, held[i]);
	return NULL;
}

static void slab_objects_belong_to_one_thread(void **state)
{
	(void)state;
	machine_up_free_running(16ul << 20, NR_CPUS);
	cache = slab_cache_create("threads", 56, 0, 0);
	run_threads(use_objects);
	assert_null(slab_validate());
	slab_cache_destroy(cache);
	machine_down();
}

/* ---- spaces ---- */

static void *live(void *arg)
{
	struct live_cpu c = { .id = (unsigned)(uintptr_t)arg, .seed = 7 + (unsigned)(uintptr_t)arg };
	host_be_cpu(c.id);
	live_rounds(&c, 250);
	host_switch(NULL);
	return NULL;
}

static void threads_share_a_space_and_fork(void **state)
{
	(void)state;
	machine_up_free_running(32ul << 20, NR_CPUS + 1); /* and the disk's */
	live_begin();
	run_threads(live);
	assert_null(live_validate());
	live_end();
	machine_down();
}

/* ---- two sharers of one table ---- */

#define NR_RACES 200u
static struct space *common;
static struct space *children[NR_RACES];
static unsigned at_the_line;

static void wait_for_both(unsigned round)
{
	__atomic_fetch_add(&at_the_line, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&at_the_line, __ATOMIC_SEQ_CST) < 2 * round)
		hal_cpu_pause();
}

static void *end_children(void *arg)
{
	(void)arg;
	host_be_cpu(1);
	for (unsigned i = 0; i < NR_RACES; i++) {
		wait_for_both(2 * i + 1);
		space_put(children[i]);
		wait_for_both(2 * i + 2);
	}
	return NULL;
}

/* Who unshares copies while it counts two sharers; the other one left meanwhile without the table's
 * lock, and nobody freed the old table. */
static void exit_of_one_sharer_while_the_other_unshares(void **state)
{
	(void)state;
	pthread_t other;
	machine_up_free_running(32ul << 20, 2);
	common = space_create();
	host_switch(common);
	map(common, AT, 400 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 400; i++)
		put_byte(AT + i * PAGE_SIZE, 1);
	at_the_line = 0;
	pthread_create(&other, NULL, end_children, NULL);
	for (unsigned i = 0; i < NR_RACES; i++) {
		assert_int_equal(space_fork(common, &children[i]), 0);
		wait_for_both(2 * i + 1);
		put_byte(AT + i * PAGE_SIZE, 2);
		wait_for_both(2 * i + 2);
	}
	pthread_join(other, NULL);
	assert_valid(common);
	host_switch(NULL);
	space_put(common);
	machine_down();
}

/* ---- truncation against regions that split and merge ---- */

#define NR_ROUNDS 4000
#define FILE_PAGES 40u
#define FILE_AT (0x10000000ul + LEAF_SPAN)

static struct test_file file;

/* CPU 0 makes a private copy of the file's last page and cuts that off; the others keep splitting the region
 * before it, and merging. */
static void *truncate_or_split(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg, seed = id;
	host_be_cpu(id);
	host_switch(common);
	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		struct fault_verdict v;
		u8 b = 1;
		if (id != 0) {
			uaddr_t at = FILE_AT + (unsigned)rand_r(&seed) % (FILE_PAGES - 1) * PAGE_SIZE;
			CHECK(space_mprotect(common, at, PAGE_SIZE, PROT_READ) == 0);
			CHECK(space_mprotect(common, at, PAGE_SIZE, RW) == 0);
			continue;
		}
		__atomic_store_n(&file.size, FILE_PAGES * PAGE_SIZE, __ATOMIC_RELAXED);
		host_store(FILE_AT + (FILE_PAGES - 1) * PAGE_SIZE, &b, 1, &v);
		file_truncate(&file, (FILE_PAGES - 1) * PAGE_SIZE);
		CHECK(READ_ONCE(common->rss[RSS_ANON]) == 0);
	}
	host_switch(NULL);
	return NULL;
}

/* While a split had shrunk the region and not yet listed the upper part, truncation found nothing to empty. */
static void truncation_overlooks_no_part_of_a_region_that_splits(void **state)
{
	(void)state;
	machine_up_free_running(32ul << 20, NR_CPUS);
	common = space_create();
	file_init(&file, FILE_PAGES * PAGE_SIZE);
	map(common, FILE_AT, FILE_PAGES * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED, &file, 0);
	run_threads(truncate_or_split);
	assert_valid(common);
	space_put(common);
	mapping_destroy(&file.mapping);
	machine_down();
}

/* ---- replacement lists ---- */

#define NR_PAGES 300u
#define NR_SWITCHES 1000u

static struct {
	struct spinlock lock; /* RANK_MAPPING_TREE: is_in */
	struct frame *frame;
	bool is_in;
} pages[NR_PAGES];
static struct mapping page_file;
static bool switching_ended;
static u64 nr_asked;

static unsigned some_use(struct frame *f) { return lru_harvest(f) | (__atomic_fetch_add(&nr_asked, 1, __ATOMIC_RELAXED) % 3 ? 0 : USED_MAPPED); }

/* Comes, is used, or goes. */
static void use_page(unsigned i, bool goes)
{
	spin_lock(&pages[i].lock);
	if (!pages[i].is_in)
		lru_add(pages[i].frame);
	else if (goes)
		lru_remove(pages[i].frame);
	pages[i].is_in = !pages[i].is_in || !goes;
	spin_unlock(&pages[i].lock);
	lru_touch(pages[i].frame);
}

static void shrink(enum lru_type type, bool evicts)
{
	struct frame *victims[LRU_BATCH];
	struct lru_look look = { 0 };
	unsigned n = lru_select(lru_of_type(type), victims, LRU_BATCH, &look);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = (unsigned)victims[i]->index;
		spin_lock(&pages[k].lock);
		if (evicts && pages[k].is_in) {
			lru_evict(victims[i]);
			lru_remove(victims[i]);
			pages[k].is_in = false;
		} else {
			lru_putback(victims[i]);
		}
		spin_unlock(&pages[k].lock);
		frame_put(victims[i]);
	}
}

static void *use_lists(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg, seed = id + 1, nr_policies = 0;
	host_be_cpu(id);
	while (policy_at(nr_policies))
		nr_policies++;
	for (unsigned n = 0; id == 0 ? n < NR_SWITCHES : !READ_ONCE(switching_ended); n++) {
		if (id == 0)
			policy_switch(policy_at((unsigned)rand_r(&seed) % nr_policies));
		else if (id == 1)
			shrink((unsigned)rand_r(&seed) % LRU_NR_TYPES, rand_r(&seed) % 2);
		else
			use_page((unsigned)rand_r(&seed) % NR_PAGES, rand_r(&seed) % 4 == 0);
	}
	if (id == 0)
		WRITE_ONCE(switching_ended, true);
	return NULL;
}

static void switching_policies_under_load_loses_no_page(void **state)
{
	u64 nr_in = 0, nr_listed = 0;
	machine_up_free_running(16ul << 20, NR_CPUS);
	lru_of_type(LRU_FILE)->group->harvest = some_use;
	page_file.id = 5;
	switching_ended = false;
	for (unsigned i = 0; i < NR_PAGES; i++) {
		struct frame *f = pages[i].frame = frame_alloc(0, 0, FRAME_CACHE);
		spin_lock_init(&pages[i].lock, RANK_MAPPING_TREE);
		pages[i].is_in = false;
		f->flags = i % 3 ? 0 : FRAME_SHMEM;
		f->mapping = &page_file;
		f->index = i;
	}
	run_threads(use_lists);
	assert_null(lru_validate());
	for (unsigned i = 0; i < LRU_NR_LISTS; i++)
		nr_listed += lru_of_type(LRU_FILE)->nr[i] + lru_of_type(LRU_ANON)->nr[i];
	for (unsigned i = 0; i < NR_PAGES; i++) {
		nr_in += pages[i].is_in;
		assert_int_equal(!!(pages[i].frame->flags & FRAME_LRU), pages[i].is_in);
		assert_int_equal(pages[i].frame->refs, 1);
		lru_remove(pages[i].frame);
		frame_put(pages[i].frame);
	}
	assert_int_equal(nr_in, nr_listed);
	machine_down();
}

/* ---- memory groups ---- */

#define NR_LIVING 4u
#define NR_LIVES  400u
#define NR_HELD   40u

static u32 living[NR_LIVING]; /* numbers of groups, some just closed */
static bool lives_ended;

/* Makes groups, below the root or below one another, and closes them while others charge them. */
static void live_and_die(unsigned seed)
{
	struct mem_group *g[NR_LIVING] = { NULL };
	for (unsigned n = 0; n < NR_LIVES; n++) {
		unsigned i = (unsigned)rand_r(&seed) % NR_LIVING, above = (unsigned)rand_r(&seed) % NR_LIVING;
		if (g[i])
			mem_group_close(g[i]);
		g[i] = NULL;
		g[i] = mem_group_new(above < i && g[above] ? g[above] : &mem_root, NULL);
		CHECK(g[i]);
		__atomic_store_n(&living[i], g[i]->lru.number, __ATOMIC_RELEASE);
	}
	for (unsigned i = 0; i < NR_LIVING; i++)
		if (g[i])
			mem_group_close(g[i]);
	__atomic_store_n(&lives_ended, true, __ATOMIC_RELEASE);
}

static void charge_and_free(unsigned seed)
{
	struct frame *held[NR_HELD] = { NULL };
	while (!__atomic_load_n(&lives_ended, __ATOMIC_ACQUIRE)) {
		unsigned i = (unsigned)rand_r(&seed) % NR_HELD;
		if (held[i])
			frame_put(held[i]);
		u32 number = __atomic_load_n(&living[(unsigned)rand_r(&seed) % NR_LIVING], __ATOMIC_ACQUIRE);
		held[i] = frame_alloc(0, ALLOC_MOVABLE | ALLOC_GROUP(number), FRAME_ANON);
		CHECK(held[i]);
		held[i]->flags = FRAME_UPTODATE;
		lru_add(held[i]);
	}
	for (unsigned i = 0; i < NR_HELD; i++)
		if (held[i])
			frame_put(held[i]);
}

static void walk_groups(unsigned seed)
{
	for (unsigned n = 0; !__atomic_load_n(&lives_ended, __ATOMIC_ACQUIRE); n++) {
		struct mem_group_stat st;
		if (n % 16 == 0)
			policy_switch(policy_at((unsigned)rand_r(&seed) % 4));
		mem_group_stat(&mem_root, &st);
		for (struct mem_group *g = NULL; (g = mem_group_next(&mem_root, g)) != NULL;) {
			struct frame *victims[LRU_BATCH];
			struct lru_look look;
			unsigned nr = lru_select(&g->lru.lru[LRU_ANON], victims, LRU_BATCH, &look);
			for (unsigned i = 0; i < nr; i++) {
				lru_putback(victims[i]);
				frame_put(victims[i]);
			}
		}
	}
}

static void *use_groups(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	host_be_cpu(id);
	if (id == 0)
		live_and_die(1);
	else if (id == 1)
		walk_groups(2);
	else
		charge_and_free(id);
	return NULL;
}

static void groups_come_and_go_while_they_are_charged(void **state)
{
	machine_up_free_running(16ul << 20, NR_CPUS);
	lives_ended = false;
	for (unsigned i = 0; i < NR_LIVING; i++)
		living[i] = 0;
	run_threads(use_groups);
	assert_null(lru_validate());
	assert_null(mem_group_validate());
	assert_true(list_is_empty(&mem_root.children));
	assert_int_equal(mem_root.refs, 1);
	machine_keep_frames(); /* groups are never given back */
	machine_down();
}

int run_thread_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_block_is_nobodys_buddy),
		cmocka_unit_test(groups_come_and_go_while_they_are_charged),
		cmocka_unit_test(slab_objects_belong_to_one_thread),
		cmocka_unit_test(threads_share_a_space_and_fork),
		cmocka_unit_test(exit_of_one_sharer_while_the_other_unshares),
		cmocka_unit_test(truncation_overlooks_no_part_of_a_region_that_splits),
		cmocka_unit_test(switching_policies_under_load_loses_no_page),
	};
	return run_group("threads", tests, ARRAY_SIZE(tests));
}
