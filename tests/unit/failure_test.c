/* SPDX-License-Identifier: MIT */
/* Failure by countdown: each allocation of an operation fails in turn; nothing may leak or half-apply. */
#include "tests.h"
#include <mm/inject.h>
#include <mm/slab.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static struct space *s;
static struct test_file file;

/* A space with private, shared and locked parts, resident. */
static void prepare(void)
{
	s = space_create();
	host_switch(s);
	file_init(&file, 1024 * PAGE_SIZE);
	map(s, AT, 600 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(s, AT + 700 * PAGE_SIZE, 300 * PAGE_SIZE, RW, MAP_SHARED, &file, 0);
	for (unsigned i = 0; i < 1000; i += 50)
		if (i < 600 || i >= 700)
			put_byte(AT + i * PAGE_SIZE, 1);
}

static void finish(void)
{
	assert_valid(s);
	host_switch(NULL);
	space_put(s);
	mapping_destroy(&file.mapping);
}

/* Runs op with the n-th frame (or slab object) allocation failing, for n = 0, 1, ... until none does. */
static void countdown(int (*op)(void), void (*undo)(void))
{
	for (unsigned pass = 0; pass < 2; pass++) {
		bool struck = true;
		for (long n = 0; struck; n++) {
			machine_up(32ul << 20, 1);
			prepare();
			slab_drain(); /* so that objects really have to be allocated */
			inject_failure(pass ? INJECT_SLABS : INJECT_FRAMES, n, NULL);
			int err = op();
			struck = inject_struck();
			inject_stop();
			assert_true(struck || err == 0);
			assert_valid(s);
			if (err == 0 && undo)
				undo();
			finish();
			machine_down();
			assert_true(n < 500);
		}
	}
}

static struct space *child;
static int op_fork(void) { return space_fork(s, &child); }
static void undo_fork(void)
{
	assert_valid(child);
	space_put(child);
}

static int op_map(void)
{
	uaddr_t out;
	struct mmap_request q = { .addr = AT + 100 * PAGE_SIZE, .len = 700 * PAGE_SIZE, .prot = RW,
		                      .flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS };
	return space_mmap(s, &q, &out);
}

static int op_protect(void) { return space_mprotect(s, AT + 10 * PAGE_SIZE, 20 * PAGE_SIZE, PROT_READ); }
static int op_unmap(void) { return space_munmap(s, AT + 10 * PAGE_SIZE, 20 * PAGE_SIZE); }

static int op_remap(void)
{
	uaddr_t out;
	return space_mremap(s, AT + 10 * PAGE_SIZE, 590 * PAGE_SIZE, 590 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
	                    AT + 3000 * PAGE_SIZE, &out);
}

static int op_touch(void)
{
	u8 b = 1;
	struct fault_verdict v;
	return host_store(AT + 3 * PAGE_SIZE, &b, 1, &v) == 1 && host_store(AT + 703 * PAGE_SIZE, &b, 1, &v) == 1 ? 0 : -1;
}

/* A write under a table that a child shares. */
static int op_unshare(void)
{
	u8 b = 1;
	struct fault_verdict v;
	return host_store(AT, &b, 1, &v) == 1 ? 0 : -1;
}

/* There is no room behind the region, so it moves. */
static int op_grow(void)
{
	uaddr_t out;
	return space_mremap(s, AT + 5 * PAGE_SIZE, 595 * PAGE_SIZE, 1200 * PAGE_SIZE, MREMAP_MAYMOVE, 0, &out);
}

static int op_shrink(void)
{
	uaddr_t out;
	return space_mremap(s, AT, 600 * PAGE_SIZE, 55 * PAGE_SIZE, 0, 0, &out);
}

static int op_brk(void)
{
	s->brk_start = s->brk = AT + 5000 * PAGE_SIZE;
	return space_brk(s, s->brk_start + 3 * PAGE_SIZE) == s->brk_start + 3 * PAGE_SIZE ? 0 : -1;
}

static int op_lock(void) { return space_mlock(s, AT + 20 * PAGE_SIZE, 100 * PAGE_SIZE, false); }
static int op_advise(void) { return space_madvise(s, AT + 10 * PAGE_SIZE, 20 * PAGE_SIZE, MADV_DONTFORK); }
static int op_populate(void) { return space_madvise(s, AT + 690 * PAGE_SIZE + 10 * PAGE_SIZE, 40 * PAGE_SIZE, MADV_POPULATE_WRITE); }

/* A region that the child must not have: its tables are built entry by entry. */
static int op_fork_apart(void)
{
	int err = space_madvise(s, AT + 40 * PAGE_SIZE, 20 * PAGE_SIZE, MADV_DONTFORK);
	return err ? err : space_fork(s, &child);
}

/* Reading and writing a private view of the file. */
static int op_touch_view(void)
{
	u8 b = 1;
	struct fault_verdict v;
	uaddr_t at = AT + 4000 * PAGE_SIZE, out;
	struct mmap_request q = { .addr = at, .len = 60 * PAGE_SIZE, .prot = RW, .flags = MAP_PRIVATE | MAP_FIXED,
		                      .mapping = &file.mapping, .file = &file, .file_readable = true };
	if (space_mmap(s, &q, &out))
		return -1;
	bool read = host_load(at + 50 * PAGE_SIZE, &b, 1, &v) == 1;
	return read && host_store(at + 50 * PAGE_SIZE, &b, 1, &v) == 1 && host_store(at, &b, 1, &v) == 1 ? 0 : -1;
}

static void fork_survives_each_failure(void **state) { (void)state; countdown(op_fork, undo_fork); }
static void mmap_survives_each_failure(void **state) { (void)state; countdown(op_map, NULL); }
static void munmap_survives_each_failure(void **state) { (void)state; countdown(op_unmap, NULL); }
static void mprotect_survives_each_failure(void **state) { (void)state; countdown(op_protect, NULL); }
static void mremap_survives_each_failure(void **state) { (void)state; countdown(op_remap, NULL); }
static void fault_survives_each_failure(void **state) { (void)state; countdown(op_touch, NULL); }
static void mremap_grow_survives_each_failure(void **state) { (void)state; countdown(op_grow, NULL); }
static void mremap_shrink_survives_each_failure(void **state) { (void)state; countdown(op_shrink, NULL); }
static void brk_survives_each_failure(void **state) { (void)state; countdown(op_brk, NULL); }
static void mlock_survives_each_failure(void **state) { (void)state; countdown(op_lock, NULL); }
static void madvise_survives_each_failure(void **state) { (void)state; countdown(op_advise, NULL); }
static void populate_survives_each_failure(void **state) { (void)state; countdown(op_populate, NULL); }
static void fork_apart_survives_each_failure(void **state) { (void)state; countdown(op_fork_apart, undo_fork); }
static void file_fault_survives_each_failure(void **state) { (void)state; countdown(op_touch_view, NULL); }

/* Operations on a space whose tables a child shares: each has to unshare first. */
static void countdown_shared(int (*op)(void))
{
	for (unsigned pass = 0; pass < 2; pass++) {
		bool struck = true;
		for (long n = 0; struck; n++) {
			machine_up(32ul << 20, 1);
			prepare();
			assert_int_equal(space_fork(s, &child), 0);
			slab_drain();
			inject_failure(pass ? INJECT_SLABS : INJECT_FRAMES, n, NULL);
			int err = op();
			struck = inject_struck();
			inject_stop();
			assert_true(struck || err == 0);
			assert_valid(s);
			undo_fork();
			finish();
			machine_down();
			assert_true(n < 500);
		}
	}
}

static void shared_tables_survive_each_failure(void **state)
{
	(void)state;
	static int (*const ops[])(void) = { op_unshare, op_map,  op_unmap,   op_protect, op_remap,    op_touch,
		                                op_grow,    op_shrink, op_lock, op_advise,  op_populate };
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		countdown_shared(ops[i]);
}

int run_failure_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fork_survives_each_failure),     cmocka_unit_test(mmap_survives_each_failure),
		cmocka_unit_test(munmap_survives_each_failure),   cmocka_unit_test(mprotect_survives_each_failure),
		cmocka_unit_test(mremap_survives_each_failure),   cmocka_unit_test(fault_survives_each_failure),
		cmocka_unit_test(mremap_grow_survives_each_failure), cmocka_unit_test(mremap_shrink_survives_each_failure),
		cmocka_unit_test(brk_survives_each_failure),      cmocka_unit_test(mlock_survives_each_failure),
		cmocka_unit_test(madvise_survives_each_failure),  cmocka_unit_test(populate_survives_each_failure),
		cmocka_unit_test(fork_apart_survives_each_failure), cmocka_unit_test(file_fault_survives_each_failure),
		cmocka_unit_test(shared_tables_survive_each_failure),
	};
	return run_group("failure", tests, ARRAY_SIZE(tests));
}
