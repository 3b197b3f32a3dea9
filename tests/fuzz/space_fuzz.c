/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over regions and page tables. The input's first byte picks one of two interpreters of the
 * rest:
 *   even  well-formed calls in several forked spaces against the model of tests/unit/sequence.c
 *   odd   wild calls in one space: any length, alignment, flag and address; only validators judge
 * Either way all validators run after every call and at the end nothing may have leaked.
 */
#include "../unit/tests.h"
#include <mm/inspect.h>
#include <mm/mman.h>
#include <mm/inject.h>
#include <mm/slab.h>
#include <stdlib.h>

#define ARENA 0x10000000ul

static const u8 *input;
static size_t input_left;

static unsigned take_byte(void)
{
	if (!input_left)
		return 0;
	input_left--;
	return *input++;
}

static unsigned take_below(unsigned n)
{
	unsigned v = take_byte();
	if (n > 256)
		v = v << 8 | take_byte();
	return v % n;
}

/* Mostly near the arena, often on page bounds, sometimes anywhere. */
static u64 take_address(void)
{
	static const u64 special[] = { 0,       1,   PAGE_SIZE, 65536 - PAGE_SIZE, HAL_USER_END - PAGE_SIZE, HAL_USER_END,
		                           ~0ul - PAGE_SIZE + 1, ~0ul };
	unsigned kind = take_byte();
	if (kind < 8)
		return special[kind];
	u64 addr = ARENA + (u64)take_below(2048) * PAGE_SIZE;
	return kind < 16 ? addr + take_byte() : addr;
}

static u64 take_length(void)
{
	static const u64 special[] = { 0, 1, PAGE_SIZE - 1, 2ul << 20, 1ul << 30, HAL_USER_END, ~0ul - 1, ~0ul };
	unsigned kind = take_byte();
	return kind < 8 ? special[kind] : (u64)(1 + (kind < 128 ? take_below(16) : take_below(1100))) * PAGE_SIZE;
}

static struct space *s;
static struct test_file file;

static void wild_mmap(void)
{
	static const u32 types[] = { MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, 0 };
	unsigned bits = take_byte();
	bool is_file = take_byte() & 1;
	u32 extra = (bits & 1 ? MAP_FIXED : 0) | (bits & 2 ? MAP_FIXED_NOREPLACE : 0) | (bits & 4 ? MAP_GROWSDOWN : 0) |
	            (bits & 8 ? MAP_LOCKED : 0) | (bits & 16 ? MAP_NORESERVE : 0) | (bits & 32 ? MAP_POPULATE : 0);
	struct mmap_request q = {
		.addr = take_address(),
		.len = take_length(),
		.prot = take_byte() & 7,
		.flags = types[bits >> 6] | extra | (is_file ? 0 : MAP_ANONYMOUS),
		.mapping = is_file ? &file.mapping : NULL,
		.file = is_file ? &file : NULL,
		.offset = is_file ? (u64)take_below(64) * PAGE_SIZE : 0,
		.file_readable = true,
		.file_writable = take_byte() & 1,
	};
	uaddr_t out;
	space_mmap(s, &q, &out);
}

static void wild_munmap(void)
{
	u64 addr = take_address();
	space_munmap(s, addr, take_length());
}

static void wild_mprotect(void)
{
	u64 addr = take_address(), len = take_length();
	unsigned prot = take_byte();
	space_mprotect(s, addr, len, prot < 240 ? prot & 7 : (prot & 7) | PROT_GROWSDOWN);
}

static void wild_mremap(void)
{
	u64 from = take_address(), old_len = take_length(), new_len = take_length(), to = take_address();
	uaddr_t out;
	space_mremap(s, from, old_len, new_len, take_byte() & 7, to, &out);
}

static void wild_madvise(void)
{
	u64 addr = take_address(), len = take_length();
	space_madvise(s, addr, len, take_byte() % 30);
}

static void wild_brk(void)
{
	s->brk_start = s->brk_start ? s->brk_start : ARENA + 0x4000123;
	s->brk = s->brk ? s->brk : s->brk_start;
	space_brk(s, s->brk_start + (u64)take_below(300) * 700);
}

static void wild_lock(void)
{
	u64 addr = take_address(), len = take_length();
	switch (take_byte() & 3) {
	case 0:
		space_mlock(s, addr, len, take_byte() & 1);
		break;
	case 1:
		space_munlock(s, addr, len);
		break;
	case 2:
		space_mlockall(s, take_byte() & 15);
		break;
	default:
		space_munlockall(s);
	}
}

static void wild_query(void)
{
	static u8 vec[256];
	u64 addr = take_address(), len = take_length();
	space_mincore(s, addr & PAGE_MASK, min(len >> PAGE_SHIFT, (u64)sizeof(vec)), vec);
	space_msync(s, addr, len, take_byte() & 7);
}

static void wild_touch(void)
{
	static u8 buf[3 * PAGE_SIZE];
	struct fault_verdict v;
	u64 addr = take_address();
	size_t len = 1 + take_below(2 * PAGE_SIZE);
	unsigned way = take_byte() & 3;
	if (way == 0)
		host_load(addr, buf, len, &v);
	else if (way == 1)
		host_store(addr, buf, len, &v);
	else if (way == 2)
		host_fetch(addr, &v);
	else
		space_access(s, addr, buf, len, take_byte() & 1, take_byte() & 1);
}

static void wild_fork(void)
{
	struct space *child;
	if (space_fork(s, &child))
		return;
	assert_valid(child);
	if (take_byte() & 1) { /* live on as the child */
		struct space *old = s;
		host_switch(child);
		s = child;
		child = old;
	}
	space_put(child);
}

static void wild_truncate(void) { file_truncate(&file, (u64)take_below(64) * 3000); }

static void wild_punch(void)
{
	u64 start = (u64)take_below(64) * 3000;
	mapping_punch(&file.mapping, start, start + (u64)take_below(64) * 3000);
}

/* The next allocation but n fails. */
static void wild_failure(void)
{
	if (take_byte() & 1)
		inject_failure(INJECT_FRAMES, take_below(16), NULL);
	else
		inject_failure(INJECT_SLABS, take_below(8), NULL);
}

static void run_wild(void)
{
	static void (*const ops[])(void) = { wild_mmap,  wild_mmap, wild_munmap, wild_mprotect, wild_mremap,   wild_madvise,
		                                 wild_brk,   wild_lock, wild_query,  wild_touch,    wild_touch,    wild_touch,
		                                 wild_fork,  wild_truncate, wild_punch, wild_failure };
	file_init(&file, 64 * PAGE_SIZE);
	s = space_create();
	host_switch(s);
	host_context.has_ipc_lock = take_byte() & 1;
	host_limits[RLIMIT_MEMLOCK].cur = 64 * PAGE_SIZE;
	while (input_left) {
		ops[take_byte() % ARRAY_SIZE(ops)]();
		assert_valid(s);
		assert_null(mapping_validate(&file.mapping));
	}
	inject_stop();
	host_context.has_ipc_lock = true;
	host_switch(NULL);
	space_put(s);
	assert_int_equal(file.refs, 0);
	mapping_destroy(&file.mapping);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 2)
		return 0;
	input = data + 1;
	input_left = size - 1;
	machine_up(16ul << 20, 2);
	if (data[0] & 1)
		run_wild();
	else
		sequence_run(take_below, (unsigned)min(size / 4, (size_t)120));
	machine_down();
	return 0;
}
