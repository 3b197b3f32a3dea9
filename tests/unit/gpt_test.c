/* SPDX-License-Identifier: MIT */
/* Partition tables, whole and broken. */
#include "gpt.h"
#include "tests.h"
#include <asm/errno.h>

static struct partition seen[GPT_ENTRIES];
static int nr_seen;

static void found(const struct partition *p, void *arg)
{
	(void)arg;
	seen[nr_seen++] = *p;
}

/* Reads g's table from a disk, with the n-th read failing (n < 0: none). */
static int read_failing(const struct gpt_image *g, long n)
{
	machine_up(16ul << 20, 1);
	struct host_disk *d = host_disk_create(&(struct host_disk_config){ .nr_sectors = g->len / 512, .content = g->bytes, .logical_block = g->block });
	if (n >= 0)
		host_disk_fail(d, BLOCK_READ, 0, ~0ull, (u64)n, 1);
	nr_seen = 0;
	int ret = partition_read_gpt(host_disk_device(d), found, NULL);
	host_disk_destroy(d);
	machine_down();
	return ret;
}

static int read_table(const struct gpt_image *g) { return read_failing(g, -1); }

static void check_both(const struct gpt_image *g)
{
	u64 factor = g->block / 512;
	assert_int_equal(read_table(g), 2);
	assert_int_equal(nr_seen, 2);
	assert_true(seen[0].number == 1 && seen[0].start_sector == 20 * factor && seen[0].nr_sectors == 10 * factor);
	assert_string_equal(seen[0].label, "one");
	assert_true(seen[1].number == 3 && seen[1].start_sector == 40 * factor && seen[1].nr_sectors == 10 * factor);
}

static void table_is_read(void **state)
{
	(void)state;
	for (u32 block = 512; block <= 4096; block *= 2) {
		struct gpt_image g = gpt_new(block, 96);
		check_both(&g);
		free(g.bytes);
	}
}

static void backup_serves_when_the_primary_is_broken(void **state)
{
	(void)state;
	static const struct { size_t at; u8 flip; } damage[] = {
		{ 512, 1 },       /* signature */
		{ 512 + 16, 1 },  /* header's checksum */
		{ 512 + 24, 1 },  /* its own place */
		{ 512 + 73, 1 },  /* where the array is */
		{ 512 + 88, 1 },  /* the array's checksum */
		{ 1024 + 33, 1 }, /* an entry */
	};
	for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
		struct gpt_image g = gpt_new(512, 96);
		g.bytes[damage[i].at] ^= damage[i].flip;
		check_both(&g);
		g.bytes[g.len - 512] ^= 1; /* and now the backup too */
		assert_int_equal(read_table(&g), 0);
		free(g.bytes);
	}
}

static void unreadable_primary_is_as_a_broken_one(void **state)
{
	(void)state;
	struct gpt_image g = gpt_new(512, 96);
	assert_int_equal(read_failing(&g, 0), -EIO); /* nothing says that there is a table */
	for (long n = 1; n < 3; n++)
		assert_int_equal(read_failing(&g, n), 2);
	assert_int_equal(read_failing(&g, 3), -EIO); /* checked, but gone when it was to be used */
	free(g.bytes);
}

static void only_a_protective_mbr_makes_a_table(void **state)
{
	(void)state;
	struct gpt_image g = gpt_new(512, 96);
	g.bytes[446 + 4] = 0x83;
	assert_int_equal(read_table(&g), 0);
	g.bytes[446 + 4] = 0xee;
	g.bytes[510] = 0;
	assert_int_equal(read_table(&g), 0);
	free(g.bytes);
}

static void entries_out_of_bounds_are_left_out(void **state)
{
	(void)state;
	static const u64 bad[][2] = { { 0, 10 }, { 20, 19 }, { 50, 95 }, { 50, ~0ull }, { ~0ull, ~0ull }, { 200, 300 } };
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gpt_image g = gpt_new(512, 96);
		gpt_entry(&g, 0, bad[i][0], bad[i][1], "bad");
		gpt_seal(&g, 1);
		assert_int_equal(read_table(&g), 1);
		assert_int_equal(seen[0].number, 3);
		free(g.bytes);
	}
}

static void absurd_headers_are_refused(void **state)
{
	(void)state;
	static const struct { unsigned at, bytes; u64 value; } absurd[] = {
		{ 12, 4, 91 }, { 12, 4, 513 }, { 12, 4, ~0u },         /* header size */
		{ 72, 8, 0 }, { 72, 8, 95 }, { 72, 8, ~0ull },         /* array's place */
		{ 80, 4, ~0u }, { 80, 4, 1000 },                       /* entries */
		{ 84, 4, 0 }, { 84, 4, 127 }, { 84, 4, 192 }, { 84, 4, 8192 }, { 84, 4, 1u << 31 },
		{ 40, 8, 95 }, { 48, 8, 96 }, { 48, 8, ~0ull },        /* usable blocks */
	};
	for (unsigned i = 0; i < ARRAY_SIZE(absurd); i++) {
		struct gpt_image g = gpt_new(512, 96);
		memset(g.bytes + g.len - 512, 0, 512); /* no backup */
		put_le(g.bytes + 512 + absurd[i].at, absurd[i].value, absurd[i].bytes);
		gpt_seal(&g, 1);
		if (read_table(&g) != 0)
			fail_msg("case %u was not refused", i);
		free(g.bytes);
	}
}

static void tiny_disks_have_no_table(void **state)
{
	(void)state;
	for (u64 nr = 1; nr < 8; nr++) {
		struct gpt_image g = { .bytes = calloc(nr, 512), .len = nr * 512, .block = 512 };
		g.bytes[510] = 0x55, g.bytes[511] = 0xaa, g.bytes[450] = 0xee, g.bytes[454] = 1;
		assert_int_equal(read_table(&g), 0);
		free(g.bytes);
	}
}

static void checksum_is_the_known_one(void **state)
{
	(void)state;
	assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32(crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

int run_gpt_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_read),
		cmocka_unit_test(backup_serves_when_the_primary_is_broken),
		cmocka_unit_test(unreadable_primary_is_as_a_broken_one),
		cmocka_unit_test(only_a_protective_mbr_makes_a_table),
		cmocka_unit_test(entries_out_of_bounds_are_left_out),
		cmocka_unit_test(absurd_headers_are_refused),
		cmocka_unit_test(tiny_disks_have_no_table),
		cmocka_unit_test(checksum_is_the_known_one),
	};
	return run_group("gpt", tests, ARRAY_SIZE(tests));
}
