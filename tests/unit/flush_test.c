/* SPDX-License-Identifier: MIT */
/*
 * Flushes that are owed (mm/pagetable/tlb_batch.c): one for each space and batch; nothing comes before them that must
 * come after; and nobody relies on an entry that was emptied while one is owed. QUIRE_SEED and QUIRE_TURNS as in
 * turns_test.c.
 */
#include "live.h"
#include <hal/cpu.h>
#include <mm/inspect.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000ul
#define TO 0x20000000ul
#define NR 100u

static struct space *s;
static struct test_file file;

static uaddr_t page(unsigned i) { return AT + i * PAGE_SIZE; }

/* CPU `cpu` has a translation for each page of the space. */
static void read_all_on(unsigned cpu, struct space *space, unsigned nr)
{
	host_be_cpu(cpu);
	host_switch(space);
	for (unsigned i = 0; i < nr; i++)
		get_byte(page(i));
	host_be_cpu(0);
}

static void up(unsigned nr_cpus, u32 prot, u32 flags)
{
	machine_up(16ul << 20, nr_cpus);
	file_init(&file, NR * PAGE_SIZE);
	s = space_create();
	host_switch(s);
	map(s, AT, NR * PAGE_SIZE, prot, flags, &file, 0);
}

static void unload(unsigned nr_cpus)
{
	for (unsigned cpu = nr_cpus; cpu-- > 0;) {
		host_be_cpu(cpu);
		host_switch(NULL);
	}
	space_put(s);
}

static void down(unsigned nr_cpus)
{
	unload(nr_cpus);
	mapping_destroy(&file.mapping);
	machine_down();
}

/* ---- a batch, held open ---- */

static struct {
	struct tlb_batch flushes;
	struct frame *pages[NR];
	unsigned nr;
} owed;

/* Pages [first, first + nr) of the file, as far as they are not busy, are unmapped as reclaim does it. */
static void owe(unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++) {
		struct frame *f = mapping_find(&file.mapping, i);
		if (f && frame_busy_trylock(f)) {
			walk_back_unmap_unlocked(f, &owed.flushes);
			owed.pages[owed.nr++] = f;
		} else if (f) {
			frame_put(f);
		}
	}
}

static void settle(void)
{
	tlb_batch_flush(&owed.flushes);
	for (unsigned i = 0; i < owed.nr; i++) {
		frame_busy_unlock(owed.pages[i]);
		frame_put(owed.pages[i]);
	}
	owed.nr = 0;
}

/* ---- who must not rely on an empty entry ---- */

static void unmap(u64 len) { assert_int_equal(space_munmap(s, AT, len), 0); }
static void forbid(u64 len) { assert_int_equal(space_mprotect(s, AT, len, PROT_NONE), 0); }
static void forbid_writes(u64 len) { assert_int_equal(space_mprotect(s, AT, len, PROT_READ), 0); }
static void discard(u64 len) { assert_int_equal(space_madvise(s, AT, len, MADV_DONTNEED), 0); }
static void map_over(u64 len) { map(s, AT, len, RW, MAP_PRIVATE, NULL, 0); }

static void move(u64 len)
{
	uaddr_t out;
	assert_int_equal(space_mremap(s, AT, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, TO, &out), 0);
}

static void move_back_over(u64 len)
{
	uaddr_t out;
	map(s, TO, len, RW, MAP_PRIVATE, NULL, 0);
	assert_int_equal(space_mremap(s, TO, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, AT, &out), 0);
}

static void shrink(u64 len)
{
	uaddr_t out;
	if (len > PAGE_SIZE)
		assert_int_equal(space_mremap(s, AT, len, PAGE_SIZE, 0, 0, &out), 0);
	unmap(PAGE_SIZE);
}

static void fork_once(u64 len)
{
	struct space *child;
	(void)len;
	assert_int_equal(space_fork(s, &child), 0);
	space_put(child);
}

static void nobody_relies_on_an_emptied_entry(void **state)
{
	static void (*const ops[])(u64) = { unmap, forbid, forbid_writes, discard, map_over, move, move_back_over, shrink, fork_once };
	static const unsigned sizes[] = { 1, 8, NR };
	(void)state;
	for (unsigned k = 0; k < ARRAY_SIZE(ops) * ARRAY_SIZE(sizes) * 2; k++) {
		unsigned nr = sizes[k / 2 % ARRAY_SIZE(sizes)];
		up(2, RW, k % 2 ? MAP_SHARED : MAP_PRIVATE);
		read_all_on(1, s, NR);
		owe(0, nr);
		assert_non_null(host_tlb_validate()); /* CPU 1 sees the pages still */
		ops[k / 2 / ARRAY_SIZE(sizes)](nr * PAGE_SIZE);
		assert_null(host_tlb_validate());
		settle();
		assert_valid(s);
		down(2);
	}
}

/* A sharer of a table is owed its own flush, and both are marked. */
static void sharers_of_a_table_are_owed_one_each(void **state)
{
	struct space *child;
	(void)state;
	up(2, RW, MAP_PRIVATE);
	for (unsigned i = 0; i < 8; i++)
		get_byte(page(i));
	assert_int_equal(space_fork(s, &child), 0);
	read_all_on(1, child, 8);
	read_all_on(0, s, 8);
	owe(0, 8);
	assert_int_equal(owed.flushes.nr, 2);
	unmap(8 * PAGE_SIZE);
	assert_non_null(host_tlb_validate()); /* the child's */
	assert_int_equal(space_munmap(child, AT, 8 * PAGE_SIZE), 0);
	assert_null(host_tlb_validate());
	settle();
	assert_valid(s);
	assert_valid(child);
	host_be_cpu(1);
	host_switch(NULL);
	host_be_cpu(0);
	space_put(child);
	down(2);
}

static u64 flushes_of_unmapping(struct space *space, uaddr_t at, u64 len)
{
	u64 before = host_mmu_stat.flushes;
	assert_int_equal(space_munmap(space, at, len), 0);
	return host_mmu_stat.flushes - before;
}

/* Calls find nothing to flush as before: in a space that is owed nothing, and once nothing is owed any more. */
static void who_is_owed_nothing_does_not_flush(void **state)
{
	(void)state;
	up(2, RW, MAP_SHARED);
	struct space *other = space_create();
	map(other, AT, NR * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	map(s, TO, 10 * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	read_all_on(1, s, 4);
	read_all_on(0, other, 4);
	owe(0, 3);
	assert_int_equal(flushes_of_unmapping(other, page(4), 2 * PAGE_SIZE), 0); /* below tables that hold pages */
	assert_int_equal(flushes_of_unmapping(s, page(4), 2 * PAGE_SIZE), 1);
	settle();
	assert_int_equal(flushes_of_unmapping(s, page(6), 2 * PAGE_SIZE), 0);
	assert_int_equal(flushes_of_unmapping(s, TO, 4 * PAGE_SIZE), 0);
	host_switch(s);
	space_put(other);
	down(2);
}

/* ---- reclaim ---- */

#define STORED_PAGES 64u

static struct host_disk *disk;
static struct stored {
	struct mapping mapping;
	struct backing_store store;
} stored;

static u64 stored_size(struct mapping *m) { return STORED_PAGES * PAGE_SIZE; }
static int stored_map(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	*out = (struct block_extent){ .device_block = block, .nr = max };
	return 0;
}
static bool stored_pin(struct mapping *m) { return true; }
static void stored_unpin(struct mapping *m) {}
static int stored_writable(struct mapping *m, u64 index, struct frame *f) { return 0; }

static const struct mapping_ops stored_ops = {
	.size = stored_size, .map_blocks = stored_map, .make_writable = stored_writable, .pin = stored_pin, .unpin = stored_unpin,
};

static void map_stored(struct space *space, uaddr_t at, u32 prot, u32 flags)
{
	uaddr_t out;
	struct mmap_request q = { .addr = at, .len = STORED_PAGES * PAGE_SIZE, .prot = prot, .flags = flags | MAP_FIXED,
		                      .mapping = &stored.mapping, .file_readable = true, .file_writable = true };
	assert_int_equal(space_mmap(space, &q, &out), 0);
}

/* Each byte of page i is i + 1. */
static void up_stored(unsigned nr_cpus)
{
	struct host_disk_config c = { .nr_sectors = STORED_PAGES * PAGE_SIZE / 512 };
	machine_up(16ul << 20, nr_cpus);
	disk = host_disk_create(&c);
	for (unsigned i = 0; i < STORED_PAGES; i++)
		memset((u8 *)host_disk_bytes(disk) + i * PAGE_SIZE, (int)i + 1, PAGE_SIZE);
	memset(&stored, 0, sizeof(stored));
	mapping_init(&stored.mapping, &stored_ops, 0);
	backing_store_init(&stored.store, &stored.mapping, host_disk_device(disk), PAGE_SHIFT);
	s = space_create();
	host_switch(s);
	map_stored(s, AT, PROT_READ, MAP_SHARED);
}

static void down_stored(unsigned nr_cpus)
{
	unload(nr_cpus);
	mapping_destroy(&stored.mapping);
	host_disk_destroy(disk);
	machine_down();
}

/* Two spaces map a file on two CPUs: reclaim takes all of it, with one flush for each space and batch. */
static void a_batch_of_file_pages_costs_one_flush_per_space(void **state)
{
	(void)state;
	up_stored(2);
	struct space *other = space_create();
	map_stored(other, AT, PROT_READ, MAP_PRIVATE);
	read_all_on(0, s, STORED_PAGES);
	read_all_on(1, other, STORED_PAGES);
	assert_int_equal(stat_read(STAT_NR_MAPPED), STORED_PAGES);
	for (unsigned i = 0; i < 4; i++) { /* used pages get another chance */
		u64 flushes = host_mmu_stat.flushes, stolen = stat_read(STAT_PGSTEAL_DIRECT);
		reclaim_pages(STORED_PAGES, ALLOC_KERNEL);
		assert_true(host_mmu_stat.flushes - flushes <= 2 * (STORED_PAGES / 32));
		assert_null(host_tlb_validate());
		if (stat_read(STAT_PGSTEAL_DIRECT) - stolen == STORED_PAGES)
			break;
	}
	assert_int_equal(stat_read(STAT_NR_MAPPED), 0);
	assert_int_equal(stored.mapping.nr_pages, 0);
	for (unsigned i = 0; i < STORED_PAGES; i++)
		assert_int_equal(get_byte(page(i)), i + 1);
	assert_valid(s);
	assert_valid(other);
	host_be_cpu(1);
	host_switch(NULL);
	host_be_cpu(0);
	space_put(other);
	down_stored(2);
}

/* Pages of shared memory go to swap in a batch: one flush. */
static void a_batch_of_shmem_costs_one_flush(void **state)
{
	struct frame *pages[SWAP_BATCH];
	unsigned nr_started, area;
	(void)state;
	up(2, RW, MAP_SHARED);
	disk = swap_disk(512, 0);
	assert_int_equal(swap_on(disk, 512, -1, &area), 0);
	for (unsigned i = 0; i < SWAP_BATCH; i++)
		put_byte(page(i), (u8)(i + 1));
	read_all_on(1, s, SWAP_BATCH);
	for (unsigned i = 0; i < SWAP_BATCH; i++) {
		pages[i] = mapping_find(&file.mapping, i);
		assert_true(frame_busy_trylock(pages[i]));
	}
	u64 before = host_mmu_stat.flushes;
	swap_out(pages, SWAP_BATCH, &nr_started);
	assert_int_equal(host_mmu_stat.flushes - before, 1);
	assert_int_equal(nr_started, SWAP_BATCH);
	host_disk_run(disk);
	assert_null(host_tlb_validate());
	for (unsigned i = 0; i < SWAP_BATCH; i++)
		assert_int_equal(get_byte(page(i)), i + 1);
	assert_valid(s);
	unload(2);
	mapping_destroy(&file.mapping);
	assert_int_equal(swap_area_remove(area), 0);
	host_disk_destroy(disk);
	machine_down();
}

/* ---- in turns: CPU 0 reclaims, CPU 1 changes, CPU 2 must see it ---- */

#define FEW 10u /* pages */

static u8 done[FEW];

static void mark_done(unsigned i) { __atomic_store_n(&done[i], 1, __ATOMIC_RELEASE); }
static bool is_done(unsigned i)
{
	hal_switch_point();
	return __atomic_load_n(&done[i], __ATOMIC_ACQUIRE);
}

static bool can_read(unsigned i, u8 *value)
{
	struct fault_verdict v;
	hal_switch_point();
	return host_load(page(i), value, 1, &v) == 1;
}

static bool can_write(unsigned i, u8 value)
{
	struct fault_verdict v;
	hal_switch_point();
	return host_store(page(i), &value, 1, &v) == 1;
}

static void owe_and_settle(void)
{
	for (unsigned round = 0; round < 4; round++) {
		owe(0, FEW);
		settle();
	}
}

/* Every order that the seeds give. up and down make and end what fn(cpu) runs in. */
static void in_every_order(const char *what, void (*begin)(void), void (*fn)(void *), void (*end)(void))
{
	const char *first = getenv("QUIRE_SEED"), *nr = getenv("QUIRE_TURNS");
	unsigned long seed = first ? strtoul(first, NULL, 0) : 1, last = seed + (nr ? strtoul(nr, NULL, 0) : 40);
	for (; seed < last; seed++) {
		snprintf(host_panic_note, sizeof(host_panic_note), "%s, again: QUIRE_SEED=%lu QUIRE_TURNS=1 UNIT flush", what, seed);
		memset(done, 0, sizeof(done));
		begin();
		run_in_turns(seed, 3, fn);
		assert_null(host_tlb_validate());
		assert_valid(s);
		end();
	}
	host_panic_note[0] = 0;
}

static void load_on_all(void)
{
	for (unsigned cpu = 1; cpu < 3; cpu++)
		read_all_on(cpu, s, FEW);
}

static void up_private(void)
{
	up(3, RW, MAP_PRIVATE);
	load_on_all();
}

static void up_shared(void)
{
	up(3, RW, MAP_SHARED);
	for (unsigned i = 0; i < FEW; i++)
		put_byte(page(i), 7);
	load_on_all();
}

static void down_three(void) { down(3); }

/* The file's bytes are 0; a private write makes one 1. */
static void copy_and_look(void *cpu)
{
	if (cpu == NULL)
		owe_and_settle();
	for (unsigned i = 0; i < FEW && cpu == (void *)1; i++) {
		CHECK(can_write(i, 1));
		mark_done(i);
	}
	for (unsigned k = 0; k < 4 * FEW && cpu == (void *)2; k++) {
		bool is_written = is_done(k % FEW);
		u8 value;
		CHECK(can_read(k % FEW, &value) && value >= is_written);
	}
}

static void a_private_copy_is_seen_by_all(void **state)
{
	(void)state;
	in_every_order("copy", up_private, copy_and_look, down_three);
}

/* What CPU 1 does to page i. */
static void take_away(unsigned i)
{
	uaddr_t out;
	struct mmap_request q = { .addr = page(i), .len = PAGE_SIZE, .prot = RW, .flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS };
	switch (i % 5) {
	case 0:
		CHECK(space_munmap(s, page(i), PAGE_SIZE) == 0);
		break;
	case 1:
		CHECK(space_mprotect(s, page(i), PAGE_SIZE, PROT_NONE) == 0);
		break;
	case 2:
		CHECK(space_mprotect(s, page(i), PAGE_SIZE, PROT_READ) == 0);
		break;
	case 3:
		CHECK(space_mremap(s, page(i), PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, TO + i * PAGE_SIZE, &out) == 0);
		break;
	case 4:
		CHECK(space_mmap(s, &q, &out) == 0);
		break;
	}
}

/* Is page i, taken away, as it must be for everybody? */
static bool is_away(unsigned i)
{
	u8 value = 7;
	if (i % 5 == 2)
		return !can_write(i, 7);
	return i % 5 == 4 ? can_read(i, &value) && value == 0 : !can_read(i, &value);
}

static void take_away_and_look(void *cpu)
{
	u8 value;
	if (cpu == NULL)
		owe_and_settle();
	for (unsigned i = 0; i < FEW && cpu == (void *)1; i++) {
		take_away(i);
		mark_done(i);
	}
	for (unsigned k = 0; k < 4 * FEW && cpu == (void *)2; k++) {
		if (is_done(k % FEW))
			CHECK(is_away(k % FEW));
		else
			can_read(k % FEW, &value);
	}
}

static void what_is_taken_away_is_away_for_all(void **state)
{
	(void)state;
	in_every_order("take away", up_shared, take_away_and_look, down_three);
}

static void read_and_reclaim(void *cpu)
{
	u8 value;
	for (unsigned k = 0; k < 4 && cpu == NULL; k++)
		reclaim_pages(STORED_PAGES, ALLOC_KERNEL);
	for (unsigned k = 0; k < 12 * FEW && cpu != NULL; k++)
		CHECK(can_read(k % FEW, &value) && value == k % FEW + 1);
}

static void up_stored_on_all(void)
{
	up_stored(3);
	load_on_all();
}

static void down_stored_three(void) { down_stored(3); }

/* A translation that leads to a frame that was freed stops the run (arch/host/mmu.c). */
static void nothing_is_freed_before_its_flush(void **state)
{
	(void)state;
	in_every_order("reclaim", up_stored_on_all, read_and_reclaim, down_stored_three);
}

static unsigned swap_area;

static void up_swap(void)
{
	machine_up(16ul << 20, 3);
	disk = swap_disk(512, 0);
	assert_int_equal(swap_on(disk, 512, -1, &swap_area), 0);
	s = space_create();
	host_switch(s);
	map(s, AT, FEW * PAGE_SIZE, RW, MAP_PRIVATE, NULL, 0);
	for (unsigned cpu = 3; cpu-- > 0;) {
		host_be_cpu(cpu);
		host_switch(s);
		for (unsigned i = 0; i < FEW; i++)
			put_byte(page(i), 7);
	}
}

static void down_swap(void)
{
	unload(3);
	host_disk_run(disk);
	assert_int_equal(swap_area_remove(swap_area), 0);
	host_disk_destroy(disk);
	machine_down();
}

static void protect_and_swap(void *cpu)
{
	for (unsigned round = 0; round < 3 && cpu == NULL; round++)
		CHECK(space_madvise(s, AT, FEW * PAGE_SIZE, MADV_PAGEOUT) == 0);
	for (unsigned i = 0; i < FEW && cpu == (void *)1; i++) {
		CHECK(space_mprotect(s, page(i), PAGE_SIZE, PROT_READ) == 0);
		mark_done(i);
	}
	for (unsigned k = 0; k < 4 * FEW && cpu == (void *)2; k++) {
		bool is_read_only = is_done(k % FEW);
		CHECK(!can_write(k % FEW, 7) || !is_read_only);
	}
}

static void rights_taken_from_pages_in_swap_are_flushed(void **state)
{
	(void)state;
	in_every_order("swap", up_swap, protect_and_swap, down_swap);
}

int run_flush_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_relies_on_an_emptied_entry),
		cmocka_unit_test(sharers_of_a_table_are_owed_one_each),
		cmocka_unit_test(who_is_owed_nothing_does_not_flush),
		cmocka_unit_test(a_batch_of_file_pages_costs_one_flush_per_space),
		cmocka_unit_test(a_batch_of_shmem_costs_one_flush),
		cmocka_unit_test(a_private_copy_is_seen_by_all),
		cmocka_unit_test(what_is_taken_away_is_away_for_all),
		cmocka_unit_test(nothing_is_freed_before_its_flush),
		cmocka_unit_test(rights_taken_from_pages_in_swap_are_flushed),
	};
	return run_group("flush", tests, ARRAY_SIZE(tests));
}
