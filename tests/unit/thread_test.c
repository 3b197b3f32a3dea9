/* SPDX-License-Identifier: MIT */
/*
 * CPUs as free-running threads, for TSan and for what only a race shows: allocators under load, and
 * all memory calls at once in one space and its children.
 *
 * Each thread owns a slot of pages, which no other thread changes, so it knows what they must hold;
 * several slots lie in one leaf table. Next to the slots all threads use one shared file that thread 0
 * truncates now and then; each has its own byte of every page.
 */
#include "tests.h"
#include <hal/log.h>
#include <mm/pagetable.h>
#include <mm/slab.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define NR_CPUS 4u
#define SLOT_PAGES 100u
#define FILE_PAGES 40u
#define FILE_AT (AT + NR_CPUS * SLOT_PAGES * PAGE_SIZE)
#define VIEW_AT (FILE_AT + FILE_PAGES * PAGE_SIZE)

/* cmocka's assertions jump, which a thread of its own must not. */
#define CHECK(cond)                                                                                 \
	do {                                                                                            \
		if (!(cond)) {                                                                              \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);                      \
			abort();                                                                                \
		}                                                                                           \
	} while (0)

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

static struct space *common;
static struct test_file file;

struct page {
	bool is_mapped, is_writable;
	u8 value;
};

struct cpu {
	unsigned id, seed;
	struct page pages[SLOT_PAGES];
	u8 written[FILE_PAGES]; /* last byte stored in the file's page */
};

static unsigned rnd(struct cpu *c, unsigned n) { return (unsigned)rand_r(&c->seed) % n; }
static uaddr_t page_addr(const struct cpu *c, unsigned i) { return AT + (c->id * SLOT_PAGES + i) * PAGE_SIZE; }

static unsigned pick_range(struct cpu *c, unsigned *nr)
{
	unsigned first = rnd(c, SLOT_PAGES);
	*nr = min(1 + rnd(c, 20), SLOT_PAGES - first);
	return first;
}

static void op_map(struct cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	uaddr_t out;
	struct mmap_request q = { .addr = page_addr(c, first), .len = nr * PAGE_SIZE, .prot = RW,
		                      .flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS };
	CHECK(space_mmap(s, &q, &out) == 0);
	for (unsigned i = first; i < first + nr; i++)
		c->pages[i] = (struct page){ true, true, 0 };
}

static void op_unmap(struct cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	CHECK(space_munmap(s, page_addr(c, first), nr * PAGE_SIZE) == 0);
	memset(&c->pages[first], 0, nr * sizeof(struct page));
}

static void op_protect(struct cpu *c, struct space *s)
{
	unsigned first = rnd(c, SLOT_PAGES), writable = rnd(c, 3) != 0;
	int err = space_mprotect(s, page_addr(c, first), PAGE_SIZE, writable ? RW : PROT_READ);
	CHECK(err == (c->pages[first].is_mapped ? 0 : -12));
	if (!err)
		c->pages[first].is_writable = writable;
}

static void op_discard(struct cpu *c, struct space *s)
{
	unsigned nr, first = pick_range(c, &nr);
	space_madvise(s, page_addr(c, first), nr * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned i = first; i < first + nr; i++)
		c->pages[i].value = 0;
}

/* One page to another place of the slot. */
static void op_move(struct cpu *c, struct space *s)
{
	unsigned from = rnd(c, SLOT_PAGES), to = rnd(c, SLOT_PAGES);
	uaddr_t out;
	if (from == to || !c->pages[from].is_mapped)
		return;
	int err = space_mremap(s, page_addr(c, from), PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, page_addr(c, to), &out);
	CHECK(err == 0);
	c->pages[to] = c->pages[from];
	c->pages[from] = (struct page){ false, false, 0 };
}

static void touch_own(struct cpu *c)
{
	for (unsigned n = 0; n < 20; n++) {
		unsigned i = rnd(c, SLOT_PAGES), write = rnd(c, 2);
		struct page *p = &c->pages[i];
		u8 b = write ? (u8)rnd(c, 256) : 0;
		struct fault_verdict v;
		bool done = (write ? host_store(page_addr(c, i), &b, 1, &v) : host_load(page_addr(c, i), &b, 1, &v)) == 1;
		CHECK(done == (p->is_mapped && (!write || p->is_writable)));
		if (done && write)
			p->value = b;
		else if (done)
			CHECK(b == p->value);
	}
}

/* A byte of the file is what this thread stored last, or zero after a truncation. */
static void touch_file(struct cpu *c)
{
	unsigned i = rnd(c, FILE_PAGES);
	uaddr_t at = FILE_AT + i * PAGE_SIZE + c->id;
	struct fault_verdict v;
	u8 b = (u8)rnd(c, 256), back = 0;
	if (rnd(c, 2) && host_store(at, &b, 1, &v) == 1)
		c->written[i] = b;
	if (host_load(at, &back, 1, &v) == 1)
		CHECK(back == 0 || back == c->written[i]);
	if (host_load(VIEW_AT + i * PAGE_SIZE + c->id, &back, 1, &v) == 1)
		CHECK(back == 0 || back == c->written[i]);
}

static bool count_place(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	(void)s, (void)e;
	CHECK(addr >= FILE_AT && addr < VIEW_AT + FILE_PAGES * PAGE_SIZE);
	++*(unsigned *)arg;
	return true;
}

static void look_around(struct cpu *c)
{
	struct frame *f = mapping_find(&file.mapping, rnd(c, FILE_PAGES));
	unsigned places = 0;
	if (f) {
		walk_back(f, count_place, &places);
		frame_put(f);
	}
}

/* The child sees what the parent had; what it writes stays its own. */
static void fork_and_leave(struct cpu *c)
{
	struct space *child;
	if (space_fork(common, &child))
		return;
	struct cpu in_child = *c;
	host_switch(child);
	for (unsigned round = 0; round < 3; round++) {
		touch_own(&in_child);
		op_unmap(&in_child, child);
		op_move(&in_child, child);
		touch_file(c);
	}
	host_switch(common);
	c->seed = in_child.seed;
	space_put(child);
}

static void *live(void *arg)
{
	static void (*const ops[])(struct cpu *, struct space *) = { op_map, op_map, op_unmap, op_protect, op_discard, op_move };
	struct cpu c = { .id = (unsigned)(uintptr_t)arg, .seed = 7 + (unsigned)(uintptr_t)arg };
	host_be_cpu(c.id);
	host_switch(common);
	for (unsigned round = 0; round < 250; round++) {
		ops[rnd(&c, ARRAY_SIZE(ops))](&c, common);
		touch_own(&c);
		touch_file(&c);
		if (round % 4 == 0)
			look_around(&c);
		if (round % 6 == c.id)
			fork_and_leave(&c);
		if (c.id == 0 && round % 9 == 0) {
			file_truncate(&file, rnd(&c, FILE_PAGES) * PAGE_SIZE);
			file_truncate(&file, FILE_PAGES * PAGE_SIZE);
		}
	}
	host_switch(NULL);
	return NULL;
}

static void threads_share_a_space_and_fork(void **state)
{
	(void)state;
	machine_up_free_running(32ul << 20, NR_CPUS);
	common = space_create();
	file_init(&file, FILE_PAGES * PAGE_SIZE);
	map(common, FILE_AT, FILE_PAGES * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	map(common, VIEW_AT, FILE_PAGES * PAGE_SIZE, PROT_READ, MAP_PRIVATE, &file, 0);
	run_threads(live);
	assert_valid(common);
	space_put(common);
	assert_int_equal(file.refs, 0);
	mapping_destroy(&file.mapping);
	machine_down();
}

/* ---- two sharers of one table ---- */

#define NR_RACES 200u
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

int run_thread_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_block_is_nobodys_buddy),
		cmocka_unit_test(slab_objects_belong_to_one_thread),
		cmocka_unit_test(threads_share_a_space_and_fork),
		cmocka_unit_test(exit_of_one_sharer_while_the_other_unshares),
		cmocka_unit_test(truncation_overlooks_no_part_of_a_region_that_splits),
	};
	return run_group("threads", tests, ARRAY_SIZE(tests));
}
