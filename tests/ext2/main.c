/* SPDX-License-Identifier: MIT */
/* ext2 with the page cache on the host's memory disk. Needs mke2fs and e2fsck. */
#include "image.h"
#include "model.h"
#include <asm/errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static u64 seed;

static unsigned random_below(unsigned n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((seed >> 33) % n);
}

/* What mke2fs -d put there is what is read. */
static void populated_image_reads_back(void **state)
{
	static const char *const shapes[] = { "-b 4096", "-b 1024 -I 128", "-b 2048 -I 256", "-b 4096 -I 128 -O ^dir_index,^filetype", "-b 1024 -r 0" };
	char command[600];
	snprintf(command, sizeof(command),
	         "mkdir -p %s/d/sub && cd %s/d && echo hello >a && head -c 3000000 /dev/zero | tr '\\0' x >big && "
	         "for i in $(seq 300); do echo $i >sub/file$i; done && ln -s a link && ln -s %0100d long && ln a hard",
	         image_path(""), image_path(""), 7);
	assert_int_equal(system(command), 0);
	for (unsigned n = 0; n < ARRAY_SIZE(shapes); n++) {
		struct inode *root, *i, *sub;
		char buf[4096];
		image_up(16384, shapes[n], image_path("d"));
		image_mount(true);
		root = fs_root(image_super);
		assert_int_equal(fs_lookup(root, "nothing", &i), -ENOENT);
		assert_int_equal(fs_lookup(root, "a", &i), 0);
		assert_int_equal(fs_read(i, buf, sizeof(buf), 0), 6);
		assert_memory_equal(buf, "hello\n", 6);
		assert_int_equal(fs_write(i, buf, 1, 0), -EROFS);
		fs_put(i);
		assert_int_equal(fs_lookup(root, "big", &i), 0);
		for (u64 pos = 0; pos < 3000000; pos += 4096) {
			long got = fs_read(i, buf, sizeof(buf), pos);
			assert_int_equal(got, min(4096ull, 3000000 - pos));
			for (long k = 0; k < got; k++)
				assert_int_equal(buf[k], 'x');
		}
		fs_put(i);
		assert_int_equal(fs_lookup(root, "long", &i), 0);
		assert_int_equal(fs_readlink(i, buf, sizeof(buf)), 100);
		fs_put(i);
		assert_int_equal(fs_lookup(root, "sub", &sub), 0);
		for (unsigned k = 1; k <= 300; k++) {
			char name[20], text[20];
			snprintf(name, sizeof(name), "file%u", k);
			int len = snprintf(text, sizeof(text), "%u\n", k);
			assert_int_equal(fs_lookup(sub, name, &i), 0);
			assert_int_equal(fs_read(i, buf, sizeof(buf), 0), len);
			assert_memory_equal(buf, text, len);
			fs_put(i);
		}
		fs_put(sub);
		fs_put(root);
		image_unmount();
		image_check();
		image_down();
	}
}

static void run_model(const char *shape, u64 kib, unsigned rounds, unsigned ops)
{
	image_up(kib, shape, NULL);
	image_mount(false);
	model_begin(random_below);
	for (unsigned n = 0; n < rounds; n++) {
		model_run(ops);
		model_compare();
		if (random_below(2)) {
			image_remount();
		} else { /* what a sync leaves is whole too */
			assert_int_equal(fs_sync(image_super), 0);
			fs_shrink(image_super);
		}
		model_compare();
	}
	image_unmount();
	image_check();
	model_end();
	image_down();
}

static void random_operations_keep_to_the_model(void **state)
{
	static const char *const shapes[] = { "-b 4096", "-b 1024 -I 128", "-b 2048", "-b 1024 -I 256 -g 1024 -N 600", "-b 1024 -r 0" };
	u64 first = getenv("QUIRE_SEED") ? strtoull(getenv("QUIRE_SEED"), NULL, 0) : 1;
	u64 nr = getenv("QUIRE_SEQUENCES") ? strtoull(getenv("QUIRE_SEQUENCES"), NULL, 0) : 5;
	for (u64 s = first; s < first + nr; s++) {
		seed = s;
		print_message("seed %llu\n", (unsigned long long)s);
		run_model(shapes[s % ARRAY_SIZE(shapes)], s % 3 ? 24576 : 6000, 6, 300);
	}
}

static void seek_finds_data_and_holes(void **state)
{
	struct inode *root, *i;
	image_up(8192, "-b 1024", NULL);
	image_mount(false);
	root = fs_root(image_super);
	assert_int_equal(fs_create(root, "sparse", S_IFREG | 0644, 0, NULL, &i), 0);
	assert_int_equal(fs_write(i, "x", 1, 5000), 1);
	assert_int_equal(fs_write(i, "y", 1, 3000000), 1);
	assert_int_equal(fs_truncate(i, 4000000), 0);
	assert_int_equal(fs_seek(i, 0, 3), 4096); /* SEEK_DATA */
	assert_int_equal(fs_seek(i, 4500, 3), 4500);
	assert_int_equal(fs_seek(i, 4500, 4), 5120); /* SEEK_HOLE */
	assert_int_equal(fs_seek(i, 5200, 3), 3000000 / 1024 * 1024);
	assert_int_equal(fs_seek(i, 3100000, 3), -ENXIO);
	assert_int_equal(fs_seek(i, 3100000, 4), 3100000);
	assert_int_equal(fs_seek(i, 4000000, 4), -ENXIO);
	fs_put(i);
	fs_put(root);
	image_unmount();
	image_check();
	image_down();
}

/* Holes give their blocks back, and indirect blocks with nothing left in them go too. */
static void holes_free_blocks_and_the_trees_above(void **state)
{
	(void)state;
	enum { HOLE = 3 }; /* FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
	struct inode *root, *i;
	struct fs_stat st;
	static char x[20000], got[20000];
	memset(x, 'x', sizeof(x));
	image_up(8192, "-b 1024", NULL);
	image_mount(false);
	root = fs_root(image_super);
	assert_int_equal(fs_create(root, "holes", S_IFREG | 0644, 0, NULL, &i), 0);
	assert_int_equal(fs_write(i, x, sizeof(x), 0), sizeof(x)); /* 12 direct, 8 behind an indirect block */
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * 21);
	assert_int_equal(fs_fallocate(i, HOLE, 1500, 100), 0); /* inside a block */
	assert_int_equal(fs_fallocate(i, HOLE, 2000, 1100), 0); /* 2048..3071, and parts of its neighbours */
	assert_int_equal(fs_fallocate(i, HOLE, 13 * 1024, 1024), 0);
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * 19);
	memset(x + 1500, 0, 100), memset(x + 2000, 0, 1100), memset(x + 13 * 1024, 0, 1024);
	assert_int_equal(fs_read(i, got, sizeof(got), 0), sizeof(x));
	assert_memory_equal(got, x, sizeof(x));
	assert_int_equal(fs_fallocate(i, HOLE, 12 * 1024, 1 << 20), 0); /* beyond the end: the last block whole */
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * 11);
	assert_int_equal(st.size, sizeof(x));
	assert_int_equal(fs_write(i, "y", 1, 400 << 10), 1);  /* two levels */
	assert_int_equal(fs_write(i, "z", 1, 100 << 20), 1);  /* three */
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * (11 + 3 + 4));
	assert_int_equal(fs_fallocate(i, HOLE, 50 << 10, 99 << 20), 0); /* the two-level tree, on the way to the other */
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * (11 + 4));
	assert_int_equal(fs_fallocate(i, HOLE, 100 << 20, 1), 0); /* the end of the file is in that block */
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 2 * 11);
	assert_int_equal(fs_fallocate(i, HOLE, 0, 1 << 30), 0);
	fs_stat(i, &st);
	assert_int_equal(st.blocks, 0);
	assert_int_equal(fs_fallocate(i, HOLE, 1 << 30, 4096), 0);
	assert_int_equal(fs_fallocate(i, 0, 0, 4096), -EOPNOTSUPP);
	fs_put(i);
	fs_put(root);
	image_remount();
	image_unmount();
	image_check();
	image_down();
}

/* Attributes: set, replaced, removed, listed, in the record as mke2fs -d leaves them and in a block; freed with
 * their file; e2fsck agrees with hashes and counts. */
static void attributes_are_kept(void **state)
{
	static const char *const shapes[] = { "-b 1024 -I 128", "-b 4096 -I 256" };
	for (unsigned n = 0; n < ARRAY_SIZE(shapes); n++) {
		struct inode *root, *i;
		char value[1024], list[300], name[40];
		image_up(8192, shapes[n], NULL);
		image_mount(false);
		root = fs_root(image_super);
		assert_int_equal(fs_create(root, "a", S_IFREG | 0644, 0, NULL, &i), 0);
		assert_int_equal(fs_xattr_get(i, "user.x", value, sizeof(value)), -ENODATA);
		assert_int_equal(fs_xattr_set(i, "user.x", "first", 5, 2 /* XATTR_REPLACE */), -ENODATA);
		assert_int_equal(fs_xattr_set(i, "user.x", "first", 5, 1 /* XATTR_CREATE */), 0);
		assert_int_equal(fs_xattr_set(i, "user.x", "first", 5, 1), -EEXIST);
		assert_int_equal(fs_xattr_set(i, "security.capability", "\1\2\3", 3, 0), 0);
		assert_int_equal(fs_xattr_set(i, "trusted.t", "", 0, 0), 0);
		assert_int_equal(fs_xattr_set(i, "user.x", "second", 6, 0), 0);
		assert_int_equal(fs_xattr_set(i, "system.other", "x", 1, 0), -EOPNOTSUPP);
		assert_int_equal(fs_xattr_get(i, "user.x", value, 3), -ERANGE);
		for (unsigned round = 0; round < 2; round++) {
			assert_int_equal(fs_xattr_get(i, "user.x", value, sizeof(value)), 6);
			assert_memory_equal(value, "second", 6);
			assert_int_equal(fs_xattr_list(i, list, sizeof(list)), 7 + 20 + 10);
			fs_put(i);
			fs_put(root);
			image_remount();
			root = fs_root(image_super);
			assert_int_equal(fs_lookup(root, "a", &i), 0);
		}
		unsigned nr = 0; /* until the block is full */
		memset(value, 'v', sizeof(value));
		for (; nr < 100; nr++) {
			snprintf(name, sizeof(name), "user.many%u", nr);
			int err = fs_xattr_set(i, name, value, 100, 0);
			if (err) {
				assert_int_equal(err, -ENOSPC);
				break;
			}
		}
		assert_in_range(nr, 5, 60);
		for (unsigned k = 0; k < nr; k++) {
			snprintf(name, sizeof(name), "user.many%u", k);
			assert_int_equal(fs_xattr_remove(i, name), 0);
		}
		assert_int_equal(fs_xattr_remove(i, "user.x"), 0);
		assert_int_equal(fs_xattr_remove(i, "trusted.t"), 0);
		assert_int_equal(fs_xattr_list(i, NULL, 0), 20);
		assert_int_equal(fs_xattr_remove(i, "security.capability"), 0);
		struct fs_stat st;
		fs_stat(i, &st);
		assert_int_equal(st.blocks, 0);
		assert_int_equal(fs_xattr_set(i, "user.last", "goes with the file", 18, 0), 0);
		fs_put(i);
		assert_int_equal(fs_unlink(root, "a", false), 0);
		fs_put(root);
		image_unmount();
		image_check();
		image_down();
	}
}

/* What debugfs finds in a file of the crashed image; its length. */
static size_t dump(const char *name, char *got, size_t max)
{
	char command[300];
	snprintf(command, sizeof(command), "debugfs -R 'dump %s %s' %s >/dev/null 2>&1", name, image_path("out"), image_path("check.img"));
	unlink(image_path("out"));
	if (system(command))
		fail_msg("debugfs");
	FILE *f = fopen(image_path("out"), "r");
	size_t have = f ? fread(got, 1, max, f) : 0;
	if (f)
		fclose(f);
	return have;
}

/* What a crash leaves at any point: e2fsck repairs it, and what fsync promised is there. */
static void crashes_keep_what_fsync_promised(void **state)
{
	enum { FILES = 40 };
	static char expect[FILES][9000];
	size_t promised_at[FILES];
	struct host_disk_config c = { .nr_sectors = 16384, .records = true };
	const struct host_disk_record *records;
	seed = getenv("QUIRE_SEED") ? strtoull(getenv("QUIRE_SEED"), NULL, 0) : 7;
	image_up_with(&c, "-b 1024", NULL);
	image_mount(false);
	struct inode *root = fs_root(image_super), *i;
	for (unsigned n = 0; n < FILES; n++) {
		char name[20];
		/* Churn: files that come and go, so that blocks and inodes are used again. */
		for (unsigned k = 0; k < 4; k++) {
			snprintf(name, sizeof(name), "junk%u", random_below(12));
			if (fs_create(root, name, S_IFREG | 0600, 0, NULL, &i) == -EEXIST) {
				assert_int_equal(fs_unlink(root, name, false), 0);
				continue;
			}
			for (unsigned at = 0; at < 600000; at += 60000)
				fs_write(i, expect[random_below(FILES)], 9000, at + random_below(1000));
			fs_put(i);
		}
		/* The usual way to replace a file: written aside, fsync, rename. */
		memset(expect[n], 'a' + (int)n % 26, sizeof(expect[n]));
		assert_int_equal(fs_create(root, "new", S_IFREG | 0600, 0, NULL, &i), 0);
		assert_int_equal(fs_write(i, expect[n], sizeof(expect[n]), 0), sizeof(expect[n]));
		assert_int_equal(fs_fsync(i, false), 0);
		snprintf(name, sizeof(name), "kept%u", n % 10);
		assert_int_equal(fs_rename(root, "new", root, name, 0), 0);
		assert_int_equal(fs_fsync(root, false), 0);
		promised_at[n] = host_disk_records(image_disk, &records);
		fs_put(i);
		if (n % 8 == 7)
			flusher_round(&host_disk_device(image_disk)->flusher, ~0ull >> 1);
	}
	fs_put(root);
	size_t nr = host_disk_records(image_disk, &records);
	u64 len = c.nr_sectors * 512;
	u8 *image = malloc(len);
	unsigned points = getenv("QUIRE_CRASHES") ? (unsigned)atoi(getenv("QUIRE_CRASHES")) : 40;
	for (unsigned point = 0; point < points; point++) {
		size_t at = promised_at[0] + random_below((unsigned)(nr - promised_at[0]));
		host_disk_crash_image(image_disk, at, point, image);
		assert_in_range(image_fsck(image, len, "-fy"), 0, 1);
		for (unsigned slot = 0; slot < 10; slot++) {
			char name[20], got[9001];
			int last = -1;
			for (unsigned n = slot; n < FILES; n += 10)
				if (promised_at[n] <= at)
					last = (int)n;
			if (last < 0)
				continue;
			snprintf(name, sizeof(name), "kept%u", slot);
			size_t have = dump(name, got, sizeof(got));
			/* The promised content, or that of a later rename that was under way. */
			bool ok = have == 9000 && !memcmp(got, expect[last], 9000);
			ok |= have == 9000 && last + 10 < FILES && !memcmp(got, expect[last + 10], 9000);
			if (!ok)
				fail_msg("crash %u after %zu of %zu records: kept%u (promise %d) has %zu bytes '%c'", point, at, nr, slot, last, have, got[0]);
		}
	}
	free(image);
	image_unmount();
	image_check();
	image_down();
}

/* Free blocks of the disk hold bytes of a removed file. */
static void soil_free_blocks(struct inode *root)
{
	static char junk[100000];
	struct inode *i;
	memset(junk, 'j', sizeof(junk));
	assert_int_equal(fs_create(root, "junk", S_IFREG | 0600, 0, NULL, &i), 0);
	for (u64 at = 0; at < 6000000; at += sizeof(junk))
		fs_write(i, junk, sizeof(junk), at);
	assert_int_equal(fs_sync(image_super), 0);
	fs_put(i);
	assert_int_equal(fs_unlink(root, "junk", false), 0);
	assert_int_equal(fs_sync(image_super), 0);
}

/* A hole whose zeros fsync promised is written to in part; its new block reaches the disk's tree before its data, because
 * another file's fsync, the directory's, writes the record. */
static void promised_holes_stay_zero(void **state)
{
	enum { SIZE = 200000, STEP = 4096 * 3 };
	static const char *const shapes[] = { "-b 4096", "-b 1024" };
	static char got[SIZE + 1];
	u64 len = 16384 * 512;
	u8 *image = malloc(len);
	seed = 1;
	for (unsigned n = 0; n < ARRAY_SIZE(shapes); n++) {
		struct host_disk_config c = { .nr_sectors = 16384, .records = true };
		const struct host_disk_record *records;
		struct inode *root, *i;
		image_up_with(&c, shapes[n], NULL);
		image_mount(false);
		root = fs_root(image_super);
		soil_free_blocks(root);
		assert_int_equal(fs_create(root, "sparse", S_IFREG | 0600, 0, NULL, &i), 0);
		assert_int_equal(fs_truncate(i, SIZE), 0);
		assert_int_equal(fs_fsync(i, false), 0);
		assert_int_equal(fs_fsync(root, false), 0);
		size_t promised_at = host_disk_records(image_disk, &records);
		for (u64 at = 0; at + STEP < SIZE; at += STEP) {
			if (at / STEP % 2)
				assert_int_equal(fs_touch_mapped(i, at / 4096, 'w'), 0);
			else
				assert_int_equal(fs_write(i, "w", 1, at), 1);
			assert_int_equal(fs_fsync(root, false), 0);
		}
		fs_put(i);
		fs_put(root);
		size_t nr = host_disk_records(image_disk, &records);
		for (unsigned point = 0; point < 30; point++) {
			size_t at = promised_at + random_below((unsigned)(nr - promised_at));
			host_disk_crash_image(image_disk, at, point, image);
			assert_in_range(image_fsck(image, len, "-fy"), 0, 1);
			assert_int_equal(dump("sparse", got, sizeof(got)), SIZE);
			for (unsigned k = 0; k < SIZE; k++)
				if (got[k] && !(k % STEP == 0 && got[k] == 'w'))
					fail_msg("crash %u after %zu of %zu records: byte %u is '%c'", point, at, nr, k, got[k]);
		}
		image_unmount();
		image_check();
		image_down();
	}
	free(image);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(populated_image_reads_back),
		cmocka_unit_test(seek_finds_data_and_holes),
		cmocka_unit_test(holes_free_blocks_and_the_trees_above),
	cmocka_unit_test(attributes_are_kept),
		cmocka_unit_test(crashes_keep_what_fsync_promised),
		cmocka_unit_test(promised_holes_stay_zero),
		cmocka_unit_test(random_operations_keep_to_the_model),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("%d passed, %d failed\n", (int)ARRAY_SIZE(tests) - failed, failed);
	return failed != 0;
}
