/* SPDX-License-Identifier: MIT */
/* ext2 with the page cache on the host's memory disk. Needs mke2fs and e2fsck. */
#include "image.h"
#include "model.h"
#include <asm/errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(populated_image_reads_back),
		cmocka_unit_test(random_operations_keep_to_the_model),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("%d passed, %d failed\n", (int)ARRAY_SIZE(tests) - failed, failed);
	return failed != 0;
}
