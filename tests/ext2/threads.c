/* SPDX-License-Identifier: MIT */
/*
 * Threads that use one mounted file system at once, for TSan: each has files of its own, in directories that all
 * share, and knows what is in them; a few files are everybody's. One more thread writes back, commits, drops caches
 * and evicts inodes all the time. At the end e2fsck has nothing to say, and after another mount all is as it was.
 */
#include "image.h"
#include <asm/errno.h>
#include <host/machine.h>
#include <linux/falloc.h>
#include <mm/stat.h>
#include <mm/writeback.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR_USERS    4u
#define NR_DIRS     3u
#define NR_FILES    10u          /* of each user */
#define NR_COMMON   3u
#define MAX_BYTES   (150u << 10)
#define COMMON_CELL 512u         /* of a common file: one byte value throughout */

/* Bytes of pages may change while the disk or another thread of this test copies them. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:move_bytes\nrace:to_caller\nrace:from_caller\n";
}

#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "threads.c:%d: %s\n", __LINE__, #x), abort()))

struct own {
	unsigned dir;
	char name[24];
	bool exists;
	u64 size;
	u8 bytes[MAX_BYTES]; /* behind size: zeros */
};

struct user {
	unsigned id, serial, nr_ops;
	u64 seed;
	struct own files[NR_FILES];
	u8 buf[MAX_BYTES];
	pthread_t thread;
};

static struct user users[NR_USERS];
static struct inode *root, *dirs[NR_DIRS], *common[NR_COMMON];
static unsigned nr_done; /* atomic */

static unsigned below(struct user *u, unsigned n)
{
	u->seed = u->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((u->seed >> 33) % n);
}

static void fill(struct user *u, u8 *at, u64 n)
{
	u8 first = (u8)below(u, 256);
	for (u64 k = 0; k < n; k++)
		at[k] = (u8)(first + k / 7);
}

/* ---- a user's own files ---- */

static struct inode *get(struct own *f)
{
	struct inode *i;
	CHECK(fs_lookup(dirs[f->dir], f->name, &i) == 0);
	return i;
}

static void make(struct user *u, struct own *f)
{
	struct inode *i;
	f->dir = below(u, NR_DIRS);
	snprintf(f->name, sizeof(f->name), "u%u-%u", u->id, u->serial++);
	int err = fs_create(dirs[f->dir], f->name, S_IFREG | 0644, 0, NULL, &i);
	CHECK(err == 0 || err == -ENOSPC);
	if (err)
		return;
	f->exists = true;
	f->size = 0;
	memset(f->bytes, 0, sizeof(f->bytes));
	fs_put(i);
}

static void remove_file(struct own *f)
{
	CHECK(fs_unlink(dirs[f->dir], f->name, false) == 0);
	f->exists = false;
}

static void write_file(struct user *u, struct own *f)
{
	struct inode *i = get(f);
	u64 pos = below(u, MAX_BYTES), len = 1 + below(u, below(u, 4) ? 5000 : 60000);
	len = min(len, MAX_BYTES - pos);
	fill(u, u->buf, len);
	long n = fs_write(i, u->buf, len, pos);
	CHECK(n == (long)len || n == -ENOSPC || (n > 0 && n < (long)len));
	if (n > 0) {
		memcpy(f->bytes + pos, u->buf, (size_t)n);
		f->size = max(f->size, pos + (u64)n);
	}
	fs_put(i);
}

static void compare(struct user *u, struct own *f)
{
	struct inode *i = get(f);
	struct fs_stat st;
	fs_stat(i, &st);
	CHECK(st.size == f->size && st.nlink == 1);
	CHECK(fs_read(i, u->buf, MAX_BYTES, 0) == (long)f->size);
	CHECK(!memcmp(u->buf, f->bytes, f->size));
	fs_put(i);
}

static void truncate_file(struct user *u, struct own *f)
{
	struct inode *i = get(f);
	u64 size = below(u, MAX_BYTES);
	CHECK(fs_truncate(i, size) == 0);
	if (size < f->size)
		memset(f->bytes + size, 0, f->size - size);
	f->size = size;
	fs_put(i);
}

static void punch(struct user *u, struct own *f)
{
	struct inode *i = get(f);
	u64 pos = below(u, MAX_BYTES), len = 1 + below(u, MAX_BYTES);
	CHECK(fs_fallocate(i, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, len) == 0);
	if (pos < f->size)
		memset(f->bytes + pos, 0, min(len, f->size - pos));
	fs_put(i);
}

/* Also over another file of the same user. */
static void rename_file(struct user *u, struct own *f)
{
	struct own *over = &u->files[below(u, NR_FILES)];
	unsigned dir = below(u, NR_DIRS);
	char name[24];
	snprintf(name, sizeof(name), "u%u-%u", u->id, u->serial++);
	if (over != f && over->exists) {
		dir = over->dir;
		strcpy(name, over->name);
		over->exists = false;
	}
	int err = fs_rename(dirs[f->dir], f->name, dirs[dir], name, 0);
	CHECK(err == 0 || err == -ENOSPC);
	if (err)
		return;
	f->dir = dir;
	strcpy(f->name, name);
}

/* Unlinked while in use: it stays readable until it is put. */
static void use_unlinked(struct user *u, struct own *f)
{
	struct inode *i = get(f);
	remove_file(f);
	CHECK(fs_read(i, u->buf, MAX_BYTES, 0) == (long)f->size);
	CHECK(!memcmp(u->buf, f->bytes, f->size));
	fs_put(i);
}

/* ---- what is everybody's ---- */

static void use_common(struct user *u)
{
	struct inode *i = common[below(u, NR_COMMON)];
	u8 cell[COMMON_CELL];
	u64 pos = below(u, 300) * COMMON_CELL;
	switch (below(u, 6)) {
	case 0:
		CHECK(fs_truncate(i, pos) == 0);
		break;
	case 1:
		CHECK(fs_fallocate(i, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, 20 * COMMON_CELL) == 0);
		break;
	case 2:
	case 3: {
		memset(cell, 'a' + (int)u->id, sizeof(cell));
		long n = fs_write(i, cell, sizeof(cell), pos);
		CHECK(n == sizeof(cell) || n == -ENOSPC);
		break;
	}
	default: {
		long n = fs_read(i, cell, sizeof(cell), pos);
		CHECK(n >= 0);
		for (long k = 0; k < n; k++)
			CHECK(cell[k] == 0 || (cell[k] >= 'a' && cell[k] < 'a' + (int)NR_USERS));
	}
	}
}

static bool count_name(void *arg, const char *name, size_t len, u64 ino, unsigned type)
{
	(void)name, (void)ino, (void)type;
	CHECK(len > 0);
	++*(unsigned *)arg;
	return true;
}

static void use_dirs(struct user *u)
{
	char name[24];
	struct inode *i;
	unsigned nr = 0;
	if (below(u, 2)) {
		CHECK(fs_readdir(dirs[below(u, NR_DIRS)], count_name, &nr) == 0);
		return;
	}
	snprintf(name, sizeof(name), "d%u-%u", u->id, u->serial++);
	struct inode *dir = dirs[below(u, NR_DIRS)];
	int err = fs_create(dir, name, S_IFDIR | 0755, 0, NULL, &i);
	CHECK(err == 0 || err == -ENOSPC);
	if (err)
		return;
	CHECK(fs_unlink(dir, name, true) == 0);
	fs_put(i);
}

static void do_one(struct user *u)
{
	struct own *f = &u->files[below(u, NR_FILES)];
	unsigned what = below(u, 100);
	if (what < 15)
		use_common(u);
	else if (what < 22)
		use_dirs(u);
	else if (!f->exists)
		make(u, f);
	else if (what < 55)
		write_file(u, f);
	else if (what < 70)
		compare(u, f);
	else if (what < 78)
		truncate_file(u, f);
	else if (what < 86)
		punch(u, f);
	else if (what < 91)
		rename_file(u, f);
	else if (what < 95)
		use_unlinked(u, f);
	else if (what < 98)
		remove_file(f);
	else {
		struct inode *i = get(f);
		CHECK(fs_fsync(i, what == 99) == 0);
		fs_put(i);
	}
}

static void *be_user(void *arg)
{
	struct user *u = arg;
	host_be_cpu(u->id);
	fs_thread();
	for (unsigned n = 0; n < u->nr_ops; n++)
		do_one(u);
	__atomic_fetch_add(&nr_done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* What a kernel does on the side. */
static void *be_kernel(void *arg)
{
	(void)arg;
	host_be_cpu(NR_USERS);
	fs_thread();
	for (unsigned n = 0; __atomic_load_n(&nr_done, __ATOMIC_ACQUIRE) < NR_USERS; n++) {
		if (n % 3 == 0)
			flusher_round(&host_disk_device(image_disk)->flusher, ~0ull >> 1);
		else if (n % 3 == 1)
			fs_shrink(image_super);
		else
			CHECK(fs_sync(image_super) == 0);
	}
	return NULL;
}

static void begin(u64 seed, unsigned nr_ops)
{
	char name[24];
	root = fs_root(image_super);
	for (unsigned n = 0; n < NR_DIRS; n++) {
		snprintf(name, sizeof(name), "dir%u", n);
		assert_int_equal(fs_create(root, name, S_IFDIR | 0755, 0, NULL, &dirs[n]), 0);
	}
	for (unsigned n = 0; n < NR_COMMON; n++) {
		snprintf(name, sizeof(name), "common%u", n);
		assert_int_equal(fs_create(root, name, S_IFREG | 0644, 0, NULL, &common[n]), 0);
	}
	nr_done = 0;
	for (unsigned n = 0; n < NR_USERS; n++) {
		struct user *u = &users[n];
		memset(u, 0, sizeof(*u));
		*u = (struct user){ .id = n, .seed = seed * NR_USERS + n, .nr_ops = nr_ops };
	}
}

static void put_all(void)
{
	for (unsigned n = 0; n < NR_DIRS; n++)
		fs_put(dirs[n]);
	for (unsigned n = 0; n < NR_COMMON; n++)
		fs_put(common[n]);
	fs_put(root);
}

static void compare_all(void)
{
	char name[24];
	root = fs_root(image_super);
	for (unsigned n = 0; n < NR_DIRS; n++) {
		snprintf(name, sizeof(name), "dir%u", n);
		assert_int_equal(fs_lookup(root, name, &dirs[n]), 0);
	}
	for (unsigned n = 0; n < NR_USERS; n++)
		for (unsigned k = 0; k < NR_FILES; k++)
			if (users[n].files[k].exists)
				compare(&users[n], &users[n].files[k]);
	for (unsigned n = 0; n < NR_DIRS; n++)
		fs_put(dirs[n]);
	fs_put(root);
}

static void threads_use_one_file_system(void **state)
{
	(void)state;
	static const char *const shapes[] = { "-b 1024", "-b 4096", "-b 2048 -N 200" };
	pthread_t kernel;
	u64 first = getenv("QUIRE_SEED") ? strtoull(getenv("QUIRE_SEED"), NULL, 0) : 1;
	u64 nr = getenv("QUIRE_SEQUENCES") ? strtoull(getenv("QUIRE_SEQUENCES"), NULL, 0) : 3;
	image_nr_cpus = NR_USERS + 2; /* one for the kernel's thread, one for the disk's */
	for (u64 s = first; s < first + nr; s++) {
		print_message("seed %llu\n", (unsigned long long)s);
		struct host_disk_config c = { .nr_sectors = s % 2 ? 24576 : 8192, .delay_ns = s % 3 ? 0 : 20000, .worker_cpu = NR_USERS + 1 };
		image_up_with(&c, shapes[s % ARRAY_SIZE(shapes)], NULL);
		host_be_cpu(0);
		image_mount(false);
		begin(s, 400);
		for (unsigned n = 0; n < NR_USERS; n++)
			pthread_create(&users[n].thread, NULL, be_user, &users[n]);
		pthread_create(&kernel, NULL, be_kernel, NULL);
		for (unsigned n = 0; n < NR_USERS; n++)
			pthread_join(users[n].thread, NULL);
		pthread_join(kernel, NULL);
		host_be_cpu(0);
		put_all();
		image_unmount();
		image_check();
		image_mount(false);
		compare_all();
		image_unmount();
		image_down();
	}
}

/* A removed file's pages are free when its last user has gone, also while a flusher writes them. */

#define BIG_BYTES (8u << 20)

static void *be_flusher(void *arg)
{
	(void)arg;
	host_be_cpu(1);
	fs_thread();
	flusher_round(&host_disk_device(image_disk)->flusher, ~0ull >> 1);
	return NULL;
}

static void write_big(struct inode *i)
{
	static u8 bytes[1u << 20];
	for (u64 pos = 0; pos < BIG_BYTES; pos += sizeof(bytes))
		assert_int_equal(fs_write(i, bytes, sizeof(bytes), pos), sizeof(bytes));
}

static void removal_waits_for_the_flusher(void **state)
{
	(void)state;
	struct host_disk_config c = { .nr_sectors = 65536, .delay_ns = 500000, .worker_cpu = 2 };
	struct inode *i;
	pthread_t flusher;
	image_nr_cpus = 3;
	image_up_with(&c, "-b 4096", NULL);
	host_be_cpu(0);
	image_mount(false);
	root = fs_root(image_super);
	for (unsigned round = 0; round < 5; round++) {
		s64 before = (s64)stat_read(STAT_NR_FILE_PAGES);
		assert_int_equal(fs_create(root, "big", S_IFREG | 0644, 0, NULL, &i), 0);
		write_big(i);
		pthread_create(&flusher, NULL, be_flusher, NULL);
		while (!stat_read(STAT_NR_WRITEBACK))
			sched_yield();
		assert_int_equal(fs_unlink(root, "big", false), 0);
		fs_put(i);
		s64 kept = (s64)stat_read(STAT_NR_FILE_PAGES) - before; /* blocks of the file's map stay */
		pthread_join(flusher, NULL);
		assert_true(kept < 64);
	}
	fs_put(root);
	image_unmount();
	image_check();
	image_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(threads_use_one_file_system), cmocka_unit_test(removal_waits_for_the_flusher) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("%d passed, %d failed\n", (int)ARRAY_SIZE(tests) - failed, failed);
	return failed != 0;
}
