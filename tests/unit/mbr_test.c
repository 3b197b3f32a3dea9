/* SPDX-License-Identifier: MIT */
/* MBR partition tables: primary and logical partitions, chains that are broken, what is no table. */
#include "gpt.h"
#include "tests.h"
#include <asm/errno.h>

#define NR_BLOCKS 4096u

static struct partition seen[256];
static int nr_seen;

static void found(const struct partition *p, void *arg)
{
	(void)arg;
	seen[nr_seen++] = *p;
}

struct disk {
	u8 *bytes; /* malloc'ed */
	u32 block;
};

static struct disk disk_new(u32 block) { return (struct disk){ calloc(NR_BLOCKS, block), block }; }

/* Record n (from 0) of the table in block `at`. */
static void record(struct disk *d, u64 at, unsigned n, u8 type, u32 start, u32 nr)
{
	u8 *table = d->bytes + at * d->block, *r = table + 446 + 16 * n;
	r[4] = type;
	put_le(r + 8, start, 4);
	put_le(r + 12, nr, 4);
	table[510] = 0x55;
	table[511] = 0xaa;
}

/* Reads the table, with the n-th read failing (n < 0: none). */
static int read_failing(const struct disk *d, long n)
{
	machine_up(16ul << 20, 1);
	struct host_disk *h = host_disk_create(&(struct host_disk_config){ .nr_sectors = (u64)NR_BLOCKS * d->block / 512, .content = d->bytes,
	                                                                   .logical_block = d->block });
	if (n >= 0)
		host_disk_fail(h, BLOCK_READ, 0, ~0ull, (u64)n, 1);
	nr_seen = 0;
	int ret = partition_read(host_disk_device(h), found, NULL);
	host_disk_destroy(h);
	machine_down();
	if (ret >= 0)
		assert_int_equal(nr_seen, ret);
	return ret;
}

static int read_table(const struct disk *d) { return read_failing(d, -1); }

static void assert_part(int n, u32 number, u64 start, u64 nr)
{
	if (seen[n].number != number || seen[n].start_sector != start || seen[n].nr_sectors != nr)
		fail_msg("partition %u: %llu + %llu", seen[n].number, (unsigned long long)seen[n].start_sector, (unsigned long long)seen[n].nr_sectors);
}

/* Two primary partitions, an extended one with three logical ones. */
static struct disk usual(u32 block)
{
	struct disk d = disk_new(block);
	record(&d, 0, 0, 0x83, 64, 100);
	record(&d, 0, 1, 0x82, 200, 50);
	record(&d, 0, 3, 0x05, 1000, 2000);
	record(&d, 1000, 0, 0x83, 63, 400);
	record(&d, 1000, 1, 0x05, 500, 600);
	record(&d, 1500, 0, 0x83, 10, 500);
	record(&d, 1500, 1, 0x05, 1200, 700);
	record(&d, 2200, 0, 0x8e, 1, 600);
	return d;
}

static void primary_and_logical_partitions_are_read(void **state)
{
	(void)state;
	for (u32 block = 512; block <= 4096; block *= 2) {
		struct disk d = usual(block);
		u64 f = block / 512;
		assert_int_equal(read_table(&d), 6);
		assert_part(0, 1, 64 * f, 100 * f);
		assert_part(1, 2, 200 * f, 50 * f);
		assert_part(2, 4, 1000 * f, max(f, 2ul)); /* room for a boot loader only */
		assert_part(3, 5, 1063 * f, 400 * f);
		assert_part(4, 6, 1510 * f, 500 * f);
		assert_part(5, 7, 2201 * f, 600 * f);
		assert_int_equal(seen[1].type[0], 0x82);
		free(d.bytes);
	}
}

static void other_extended_types_are_chains_too(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		struct disk d = usual(512);
		d.bytes[446 + 3 * 16 + 4] = n ? 0x85 : 0x0f;
		assert_int_equal(read_table(&d), 6);
		free(d.bytes);
	}
}

/* Some write the link first; the last two records count only within the table's part. */
static void tables_of_the_chain_may_hold_more(void **state)
{
	(void)state;
	struct disk d = disk_new(512);
	record(&d, 0, 0, 0x05, 1000, 2000);
	record(&d, 1000, 0, 0x05, 900, 100);
	record(&d, 1000, 1, 0x83, 10, 90);
	record(&d, 1000, 2, 0x83, 100, 200);
	record(&d, 1000, 3, 0x83, 5, 4000000); /* garbage */
	record(&d, 1900, 0, 0x83, 1, 50);
	assert_int_equal(read_table(&d), 4);
	assert_part(1, 5, 1010, 90);
	assert_part(2, 6, 1100, 200);
	assert_part(3, 7, 1901, 50);
	free(d.bytes);
}

static void circles_end(void **state)
{
	(void)state;
	struct disk d = disk_new(512);
	record(&d, 0, 0, 0x05, 1000, 2000);
	record(&d, 1000, 0, 0x05, 0, 2000); /* leads to itself, to no partition */
	assert_int_equal(read_table(&d), 1);
	record(&d, 1000, 1, 0x83, 1, 10); /* to the same one for ever */
	assert_int_equal(read_table(&d), 1 + 251);
	assert_int_equal(seen[251].number, 255);
	free(d.bytes);
}

static void the_end_of_the_disk_is_the_end(void **state)
{
	(void)state;
	struct disk d = disk_new(512);
	record(&d, 0, 0, 0x83, 4000, 1000);
	record(&d, 0, 1, 0x83, 4096, 1);
	record(&d, 0, 2, 0x05, ~0u, ~0u);
	record(&d, 0, 3, 0x83, 4095, ~0u);
	assert_int_equal(read_table(&d), 2);
	assert_part(0, 1, 4000, 96);
	assert_part(1, 4, 4095, 1);
	free(d.bytes);
}

static void unreadable_tables_end_the_chain(void **state)
{
	(void)state;
	struct disk d = usual(512);
	assert_int_equal(read_failing(&d, 0), -EIO); /* as a GPT's MBR, which is read first */
	assert_int_equal(read_failing(&d, 1), -EIO);
	assert_int_equal(read_failing(&d, 2), 3);
	assert_int_equal(read_failing(&d, 3), 4);
	d.bytes[1500 * 512 + 511] = 0;
	assert_int_equal(read_table(&d), 4);
	free(d.bytes);
}

static void boot_sectors_and_protective_tables_are_none(void **state)
{
	(void)state;
	struct disk d = usual(512);
	d.bytes[446 + 16] = 0x80; /* one to boot from */
	assert_int_equal(read_table(&d), 6);
	d.bytes[446 + 32] = 0x41; /* code */
	assert_int_equal(read_table(&d), 0);
	d.bytes[446 + 32] = 0;
	d.bytes[446 + 32 + 4] = 0xee; /* a GPT's, whose own tables are gone */
	assert_int_equal(read_table(&d), 0);
	d.bytes[446 + 32 + 4] = 0;
	d.bytes[510] = 0;
	assert_int_equal(read_table(&d), 0);
	free(d.bytes);
}

int run_mbr_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(primary_and_logical_partitions_are_read),
		cmocka_unit_test(other_extended_types_are_chains_too),
		cmocka_unit_test(tables_of_the_chain_may_hold_more),
		cmocka_unit_test(circles_end),
		cmocka_unit_test(the_end_of_the_disk_is_the_end),
		cmocka_unit_test(unreadable_tables_end_the_chain),
		cmocka_unit_test(boot_sectors_and_protective_tables_are_none),
	};
	return run_group("mbr", tests, ARRAY_SIZE(tests));
}
