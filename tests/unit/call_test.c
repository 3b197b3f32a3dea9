/* SPDX-License-Identifier: MIT */
/* Memory calls: documented errors and corner cases (man pages of section 2), limits, figures. */
#include "tests.h"
#include <asm/errno.h>
#include <asm/signal.h>
#include <mm/commit.h>
#include <mm/inspect.h>
#include <mm/region.h>
#include <mm/stat.h>
#include <mm/trace.h>
#include <string.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul

static struct space *s;

static void up(void)
{
	machine_up(32ul << 20, 1);
	s = space_create();
	host_switch(s);
}

static void down(void)
{
	assert_valid(s);
	host_switch(NULL);
	space_put(s);
	machine_down();
}

static int try_mmap(uaddr_t at, u64 len, u32 prot, u32 flags)
{
	uaddr_t out;
	struct mmap_request q = { .addr = at, .len = len, .prot = prot, .flags = flags };
	return space_mmap(s, &q, &out);
}

static void mmap_refuses_what_linux_refuses(void **state)
{
	(void)state;
	u32 anon = MAP_PRIVATE | MAP_ANONYMOUS;
	up();
	assert_int_equal(try_mmap(0, 0, RW, anon), -EINVAL);
	assert_int_equal(try_mmap(0, ~0ul, RW, anon), -ENOMEM);
	assert_int_equal(try_mmap(0, 1ul << 47, RW, anon), -ENOMEM);
	assert_int_equal(try_mmap(0, PAGE_SIZE, RW, MAP_ANONYMOUS), -EINVAL);
	assert_int_equal(try_mmap(AT + 1, PAGE_SIZE, RW, anon | MAP_FIXED), -EINVAL);
	assert_int_equal(try_mmap(0, PAGE_SIZE, RW, anon | MAP_FIXED), -EPERM);
	assert_int_equal(try_mmap(HAL_USER_END, PAGE_SIZE, RW, anon | MAP_FIXED), -ENOMEM);
	assert_int_equal(try_mmap(AT, PAGE_SIZE, RW, anon | MAP_FIXED_NOREPLACE), 0);
	assert_int_equal(try_mmap(AT, PAGE_SIZE, RW, anon | MAP_FIXED_NOREPLACE), -EEXIST);
	assert_int_equal(try_mmap(AT - PAGE_SIZE, 2 * PAGE_SIZE, RW, anon | MAP_FIXED_NOREPLACE), -EEXIST);
	host_limits[RLIMIT_AS].cur = 8 * PAGE_SIZE;
	assert_int_equal(try_mmap(0, 8 * PAGE_SIZE, RW, anon), -ENOMEM);
	assert_int_equal(try_mmap(0, 7 * PAGE_SIZE, RW, anon), 0);
	host_limits[RLIMIT_AS].cur = ~0ul;
	down();
}

static void file_rights_limit_the_mapping(void **state)
{
	(void)state;
	struct test_file f;
	uaddr_t out;
	up();
	file_init(&f, PAGE_SIZE);
	struct mmap_request q = { .len = PAGE_SIZE, .prot = RW, .flags = MAP_SHARED, .mapping = &f.mapping, .file = &f,
		                      .file_readable = true };
	assert_int_equal(space_mmap(s, &q, &out), -EACCES);
	q.prot = PROT_READ;
	assert_int_equal(space_mmap(s, &q, &out), 0);
	assert_int_equal(space_mprotect(s, out, PAGE_SIZE, RW), -EACCES); /* not MAYWRITE */
	q.flags = MAP_PRIVATE;
	q.prot = RW;
	assert_int_equal(space_mmap(s, &q, &out), 0); /* a private copy needs no right to write */
	q.file_readable = false;
	assert_int_equal(space_mmap(s, &q, &out), -EACCES);
	assert_int_equal(space_munmap(s, PAGE_SIZE, HAL_USER_END - PAGE_SIZE), 0);
	assert_int_equal(f.refs, 0);
	mapping_destroy(&f.mapping);
	down();
}

static int try_mremap(uaddr_t old, u64 old_len, u64 new_len, u32 flags, uaddr_t to)
{
	uaddr_t out;
	return space_mremap(s, old, old_len, new_len, flags, to, &out);
}

static void mremap_refuses_what_linux_refuses(void **state)
{
	(void)state;
	u32 fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	up();
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(try_mremap(AT + 1, PAGE_SIZE, PAGE_SIZE, 0, 0), -EINVAL);
	assert_int_equal(try_mremap(AT, PAGE_SIZE, 0, 0, 0), -EINVAL);
	assert_int_equal(try_mremap(AT, PAGE_SIZE, PAGE_SIZE, 64, 0), -EINVAL);
	assert_int_equal(try_mremap(AT, PAGE_SIZE, PAGE_SIZE, MREMAP_FIXED, AT + 0x100000), -EINVAL);
	assert_int_equal(try_mremap(AT, PAGE_SIZE, PAGE_SIZE, fixed, AT + 0x100001), -EINVAL);
	assert_int_equal(try_mremap(AT, 2 * PAGE_SIZE, 2 * PAGE_SIZE, fixed, AT + PAGE_SIZE), -EINVAL); /* overlap */
	assert_int_equal(try_mremap(AT, 2 * PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	assert_int_equal(try_mremap(AT + 8 * PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0, 0), -EFAULT);
	assert_int_equal(try_mremap(AT, 8 * PAGE_SIZE, 9 * PAGE_SIZE, MREMAP_MAYMOVE, 0), -EFAULT); /* beyond the region */
	assert_int_equal(try_mremap(AT, 0, PAGE_SIZE, MREMAP_MAYMOVE, 0), -EINVAL); /* private: no second view */
	assert_int_equal(s->total_pages, 4);
	down();
}

static void mremap_of_length_zero_is_a_second_view(void **state)
{
	(void)state;
	struct test_file f;
	uaddr_t out;
	up();
	file_init(&f, 4 * PAGE_SIZE);
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_SHARED, &f, 0);
	put_byte(AT + PAGE_SIZE, 3);
	assert_int_equal(space_mremap(s, AT, 0, 4 * PAGE_SIZE, MREMAP_MAYMOVE, 0, &out), 0);
	assert_true(out != AT);
	assert_int_equal(get_byte(out + PAGE_SIZE), 3);
	put_byte(out, 9);
	assert_int_equal(get_byte(AT), 9);
	space_munmap(s, AT, 4 * PAGE_SIZE);
	space_munmap(s, out, 4 * PAGE_SIZE);
	mapping_destroy(&f.mapping);
	down();
}

static void dontunmap_leaves_the_old_range_empty(void **state)
{
	(void)state;
	uaddr_t out;
	up();
	map(s, AT, 4 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 5);
	assert_int_equal(space_mremap(s, AT, 4 * PAGE_SIZE, 4 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, &out), 0);
	assert_int_equal(get_byte(out), 5);
	assert_int_equal(get_byte(AT), 0);
	assert_int_equal(s->total_pages, 8);
	down();
}

static void madvise_errors_and_holes(void **state)
{
	(void)state;
	up();
	map(s, AT, 2 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(s, AT + 4 * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	put_byte(AT + 4 * PAGE_SIZE, 1);
	assert_int_equal(space_madvise(s, AT + 1, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
	assert_int_equal(space_madvise(s, AT, 0, MADV_DONTNEED), 0);
	assert_int_equal(space_madvise(s, AT, 0, 9999), -EINVAL);
	assert_int_equal(space_madvise(s, AT, ~0ul, MADV_DONTNEED), -EINVAL);
	assert_int_equal(space_madvise(s, AT, 6 * PAGE_SIZE, MADV_DONTNEED), -ENOMEM); /* both sides of the hole are done */
	assert_int_equal(s->rss[RSS_ANON], 0);
	assert_int_equal(space_mlock(s, AT, PAGE_SIZE, false), 0);
	assert_int_equal(space_madvise(s, AT, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
	assert_int_equal(space_munlock(s, AT, PAGE_SIZE), 0);
	assert_int_equal(space_madvise(s, AT, PAGE_SIZE, MADV_REMOVE), -EINVAL); /* no file behind it */
	assert_int_equal(space_madvise(s, AT, 2 * PAGE_SIZE, MADV_POPULATE_WRITE), 0);
	assert_int_equal(s->rss[RSS_ANON], 2);
	assert_int_equal(space_madvise(s, AT, 3 * PAGE_SIZE, MADV_POPULATE_WRITE), -ENOMEM);
	down();
}

static void lock_limits_are_kept(void **state)
{
	(void)state;
	up();
	map(s, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	host_context.has_ipc_lock = false;
	host_limits[RLIMIT_MEMLOCK].cur = 4 * PAGE_SIZE;
	assert_int_equal(space_mlock(s, AT, 5 * PAGE_SIZE, false), -ENOMEM);
	assert_int_equal(space_mlock(s, AT, 4 * PAGE_SIZE, false), 0);
	assert_int_equal(space_mlock(s, AT + PAGE_SIZE, 2 * PAGE_SIZE, false), 0); /* counted once */
	assert_int_equal(try_mmap(0, PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED), -EAGAIN);
	assert_int_equal(space_mlockall(s, MCL_CURRENT), -ENOMEM);
	assert_int_equal(space_mlockall(s, MCL_ONFAULT), -EINVAL);
	assert_int_equal(space_mlockall(s, 64), -EINVAL);
	host_limits[RLIMIT_MEMLOCK].cur = 0;
	assert_int_equal(space_mlock(s, AT, PAGE_SIZE, false), -EPERM);
	host_context.has_ipc_lock = true;
	host_limits[RLIMIT_MEMLOCK].cur = ~0ul;
	assert_int_equal(space_mlock(s, AT, 9 * PAGE_SIZE, false), -ENOMEM); /* a hole at the end */
	assert_int_equal(s->locked_pages, 8);
	assert_int_equal(stat_read(STAT_NR_MLOCK), 4); /* pages, not what regions could have: the last call brought none in */
	assert_int_equal(space_munlockall(s), 0);
	down();
}

static void commit_charge_follows_the_policy(void **state)
{
	(void)state;
	u64 total;
	up();
	total = frame_total();
	assert_int_equal(try_mmap(0, (total + 1) * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS), -ENOMEM);
	assert_int_equal(try_mmap(0, (total + 1) * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), 0);
	assert_int_equal(space_committed(), 0);
	assert_int_equal(try_mmap(AT, 10 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), 0);
	assert_int_equal(space_committed(), 10);
	assert_int_equal(space_mprotect(s, AT, 5 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(space_committed(), 10); /* once writable, charged until unmapped */
	mm_tunables.overcommit_memory = 2;
	assert_int_equal(try_mmap(0, space_commit_limit() * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS), -ENOMEM);
	assert_int_equal(try_mmap(0, space_commit_limit() * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS), 0);
	mm_tunables.overcommit_memory = 1;
	assert_int_equal(try_mmap(0, (total + 1) * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS), 0);
	mm_tunables.overcommit_memory = 0;
	assert_int_equal(space_munmap(s, AT, 10 * PAGE_SIZE), 0);
	down();
	assert_int_equal(space_committed(), 0);
}

/* ptrace wrote to a read-only page under a table that fork had shared: both processes saw it. */
static void forced_write_stays_private_after_fork(void **state)
{
	(void)state;
	struct space *child;
	u8 b = 7;
	up();
	map(s, AT, 2 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	assert_int_equal(space_mprotect(s, AT, 2 * PAGE_SIZE, PROT_READ), 0);
	assert_int_equal(space_fork(s, &child), 0);
	assert_int_equal(space_access(s, AT, &b, 1, true, false), 0);
	assert_int_equal(space_access(s, AT, &b, 1, true, true), 1);
	assert_int_equal(get_byte(AT), 7);
	assert_int_equal(space_access(child, AT, &b, 1, false, false), 1);
	assert_int_equal(b, 1);
	assert_int_equal(try_write(AT).sig, SIGSEGV); /* still read-only for the process itself */
	assert_valid(child);
	space_put(child);
	down();
}

static void shares_are_proportional(void **state)
{
	(void)state;
	struct region_usage u;
	struct space *child;
	up();
	map(s, AT, 8 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned i = 0; i < 6; i++)
		put_byte(AT + i * PAGE_SIZE, 1);
	region_usage_locked(region_first(s), &u);
	assert_int_equal(u.rss, 6 * PAGE_SIZE);
	assert_int_equal(u.pss, 6 * PAGE_SIZE);
	assert_int_equal(u.private_dirty, 6 * PAGE_SIZE);
	assert_int_equal(space_fork(s, &child), 0);
	region_usage_locked(region_first(s), &u);
	assert_int_equal(u.rss, 6 * PAGE_SIZE);
	assert_int_equal(u.pss, 3 * PAGE_SIZE);
	assert_int_equal(u.shared_dirty, 6 * PAGE_SIZE);
	put_byte(AT, 2); /* unshares the table; five pages stay shared, each mapped from two tables */
	region_usage_locked(region_first(s), &u);
	assert_int_equal(u.pss, PAGE_SIZE + 5 * PAGE_SIZE / 2);
	assert_int_equal(u.private_dirty, PAGE_SIZE);
	assert_int_equal(u.anonymous, 6 * PAGE_SIZE);
	assert_true(space_pagemap_locked(s, AT) >> 56 & 1);
	assert_false(space_pagemap_locked(s, AT + PAGE_SIZE) >> 56 & 1);
	assert_int_equal(space_pagemap_locked(s, AT + 7 * PAGE_SIZE), 0);
	space_put(child);
	down();
}

static void trace_tells_the_causes(void **state)
{
	(void)state;
	static const u16 want[] = { TRACE_MAP, TRACE_FAULT, TRACE_SHARE, TRACE_UNSHARE, TRACE_COPY, TRACE_FAULT, TRACE_UNMAP };
	struct trace_record r[16];
	struct space *child;
	u64 lost;
	up();
	assert_int_equal(trace_enable((1u << TRACE_NR) - 1, 0), 0);
	map(s, AT, PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	put_byte(AT, 1);
	assert_int_equal(space_fork(s, &child), 0);
	put_byte(AT, 2);
	assert_int_equal(space_munmap(s, AT, PAGE_SIZE), 0);
	assert_int_equal(trace_read(0, r, ARRAY_SIZE(r), &lost), ARRAY_SIZE(want));
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(r[i].event, want[i]);
	assert_int_equal(r[1].args[0], AT);
	assert_int_equal(r[2].args[1], child->root_pfn);
	assert_int_equal(r[4].args[0], AT);
	trace_release();
	space_put(child);
	down();
}

/* Found by 10,000 sequences on Linux and here. */
static void bringing_in_goes_where_linux_goes(void **state)
{
	(void)state;
	u8 there[4];
	struct test_file f;
	up();
	/* mprotect of a locked region that could not be written to brings its pages in. */
	map(s, AT, 4 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_LOCKED, NULL, 0);
	assert_int_equal(space_mprotect(s, AT, 4 * PAGE_SIZE, RW), 0);
	assert_int_equal(space_mincore(s, AT, 4, there), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(there[i], 1);
	/* MADV_POPULATE_READ minds no MLOCK_ONFAULT, and finds the end of the file. */
	file_init(&f, PAGE_SIZE);
	uaddr_t at = AT + (1ul << 21);
	map(s, at, 2 * PAGE_SIZE, PROT_READ, MAP_SHARED, &f, 0);
	assert_int_equal(space_mlock(s, at, 2 * PAGE_SIZE, true), 0);
	assert_int_equal(space_madvise(s, at, 2 * PAGE_SIZE, 22), -EFAULT);
	/* It goes on behind a hole. */
	map(s, at + 8 * PAGE_SIZE, PAGE_SIZE, PROT_NONE, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_madvise(s, at + 4 * PAGE_SIZE, 8 * PAGE_SIZE, 22), -EINVAL);
	assert_int_equal(space_munmap(s, at, 2 * PAGE_SIZE), 0);
	mapping_destroy(&f.mapping);
	down();
}

int run_call_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mmap_refuses_what_linux_refuses),
		cmocka_unit_test(file_rights_limit_the_mapping),
		cmocka_unit_test(mremap_refuses_what_linux_refuses),
		cmocka_unit_test(mremap_of_length_zero_is_a_second_view),
		cmocka_unit_test(dontunmap_leaves_the_old_range_empty),
		cmocka_unit_test(madvise_errors_and_holes),
		cmocka_unit_test(lock_limits_are_kept),
		cmocka_unit_test(commit_charge_follows_the_policy),
		cmocka_unit_test(forced_write_stays_private_after_fork),
		cmocka_unit_test(shares_are_proportional),
		cmocka_unit_test(trace_tells_the_causes),
		cmocka_unit_test(bringing_in_goes_where_linux_goes),
	};
	return run_group("calls", tests, ARRAY_SIZE(tests));
}
