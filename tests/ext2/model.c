/* SPDX-License-Identifier: MIT */
/*
 * Random operations against a model: a tree of names and bytes in plain memory. After each stretch everything
 * is compared, the file system is unmounted, e2fsck has nothing to say, and it is compared again.
 */
#include "model.h"
#include "image.h"
#include <asm/errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <mm/block.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 400
#define NODES_MAX 300
#define FILE_LIMIT (3u << 20)

struct node {
	u32 mode, nlink;
	u64 size;
	u8 *bytes;      /* size of them; symbolic links: the text */
	u64 rdev;
	bool is_used;
};

struct name { /* dir -1: free */
	int dir, node;
	char text[256];
};

static struct node nodes[NODES_MAX];
static struct name names[NAMES_MAX];

static unsigned (*rnd)(unsigned n);

static int new_node(u32 mode)
{
	for (int n = 1; n < NODES_MAX; n++)
		if (!nodes[n].is_used) {
			nodes[n] = (struct node){ .mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1, .is_used = true };
			return n;
		}
	return -1;
}

static void drop_node(int n)
{
	free(nodes[n].bytes);
	nodes[n] = (struct node){ 0 };
}

static int find_name(int dir, const char *text)
{
	for (int k = 0; k < NAMES_MAX; k++)
		if (names[k].dir == dir && !strcmp(names[k].text, text))
			return k;
	return -1;
}

static int free_name(void)
{
	for (int k = 0; k < NAMES_MAX; k++)
		if (names[k].dir < 0)
			return k;
	return -1;
}

static int random_name(bool (*ok)(u32 mode))
{
	for (int tries = 0; tries < 50; tries++) {
		int k = (int)rnd(NAMES_MAX);
		if (names[k].dir >= 0 && (!ok || ok(nodes[names[k].node].mode)))
			return k;
	}
	return -1;
}

static bool is_dir(u32 mode) { return S_ISDIR(mode); }
static bool is_reg(u32 mode) { return S_ISREG(mode); }
static bool is_no_dir(u32 mode) { return !S_ISDIR(mode); }

static int random_dir(void)
{
	int k = rnd(3) ? random_name(is_dir) : -1;
	return k < 0 ? 0 : names[k].node;
}

/* The inode of a model node: walks from the root. */
static struct inode *open_node(int node)
{
	if (node == 0)
		return fs_root(image_super);
	for (int k = 0; k < NAMES_MAX; k++) {
		if (names[k].dir < 0 || names[k].node != node)
			continue;
		struct inode *dir = open_node(names[k].dir), *i;
		int err = fs_lookup(dir, names[k].text, &i);
		if (err)
			fail_msg("lookup of %s: %d", names[k].text, err);
		fs_put(dir);
		return i;
	}
	fail_msg("node %d has no name", node);
	return NULL;
}

static void make_text(char *text)
{
	unsigned len = rnd(20) == 0 ? 200 + rnd(55) : 1 + rnd(12);
	for (unsigned n = 0; n < len; n++)
		text[n] = (char)('a' + rnd(rnd(2) ? 3 : 26));
	text[len] = 0;
}

static bool is_full(int err) { return err == -ENOSPC; }

static void op_create(void)
{
	static const u32 types[] = { S_IFREG | 0644, S_IFREG | 0644, S_IFREG | 0600, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO | 0644, S_IFCHR | 0600, S_IFBLK | 0660, S_IFSOCK | 0755 };
	int dir = random_dir(), k = free_name();
	u32 mode = types[rnd(ARRAY_SIZE(types))];
	char text[256], target[300] = "";
	u64 rdev = S_ISCHR(mode) || S_ISBLK(mode) ? (rnd(2) ? 0x0103 : 0x12345678) : 0;
	struct inode *i;
	make_text(text);
	for (unsigned n = 0, len = rnd(2) ? 1 + rnd(58) : 59 + rnd(200); n < len && S_ISLNK(mode); n++)
		target[n] = (char)('A' + rnd(26));
	struct inode *d = open_node(dir);
	int err = fs_create(d, text, mode, rdev, S_ISLNK(mode) ? target : NULL, &i);
	fs_put(d);
	if (find_name(dir, text) >= 0) {
		assert_int_equal(err, -EEXIST);
		return;
	}
	if (err && is_full(err))
		return;
	assert_int_equal(err, 0);
	fs_put(i);
	int node = k < 0 ? -1 : new_node(mode);
	if (node < 0) { /* the model is full: away with it */
		d = open_node(dir);
		assert_int_equal(fs_unlink(d, text, S_ISDIR(mode)), 0);
		fs_put(d);
		return;
	}
	nodes[node].rdev = rdev;
	if (S_ISLNK(mode)) {
		nodes[node].size = strlen(target);
		nodes[node].bytes = (u8 *)strdup(target);
	}
	if (S_ISDIR(mode))
		nodes[dir].nlink++;
	names[k] = (struct name){ .dir = dir, .node = node };
	strcpy(names[k].text, text);
}

static bool has_entries(int dir)
{
	for (int k = 0; k < NAMES_MAX; k++)
		if (names[k].dir == dir)
			return true;
	return false;
}

static void forget_name(int k)
{
	int node = names[k].node;
	if (S_ISDIR(nodes[node].mode)) {
		nodes[names[k].dir].nlink--;
		nodes[node].nlink = 0;
	} else {
		nodes[node].nlink--;
	}
	names[k].dir = -1;
	if (!nodes[node].nlink)
		drop_node(node);
}

static void op_unlink(void)
{
	int k = random_name(NULL);
	if (k < 0)
		return;
	bool dir = S_ISDIR(nodes[names[k].node].mode);
	struct inode *d = open_node(names[k].dir);
	int err = fs_unlink(d, names[k].text, dir);
	fs_put(d);
	if (dir && has_entries(names[k].node)) {
		assert_int_equal(err, -ENOTEMPTY);
		return;
	}
	assert_int_equal(err, 0);
	forget_name(k);
}

static void op_link(void)
{
	int k = random_name(is_no_dir), to = free_name(), dir = random_dir();
	char text[256];
	if (k < 0 || to < 0)
		return;
	make_text(text);
	if (find_name(dir, text) >= 0)
		return;
	struct inode *i = open_node(names[k].node), *d = open_node(dir);
	int err = fs_link(d, text, i);
	fs_put(d);
	fs_put(i);
	if (is_full(err))
		return;
	assert_int_equal(err, 0);
	names[to] = (struct name){ .dir = dir, .node = names[k].node };
	strcpy(names[to].text, text);
	nodes[names[k].node].nlink++;
}

static bool is_below(int node, int dir)
{
	for (;;) {
		if (dir == node)
			return true;
		if (dir == 0)
			return false;
		int k = 0;
		while (names[k].dir < 0 || names[k].node != dir)
			k++;
		dir = names[k].dir;
	}
}

static void reparent(int node, int from, int to)
{
	if (S_ISDIR(nodes[node].mode)) {
		nodes[from].nlink--;
		nodes[to].nlink++;
	}
}

static void op_exchange(int a, int b)
{
	struct inode *od = open_node(names[a].dir), *nd = open_node(names[b].dir);
	if (!is_below(names[a].node, names[b].dir) && !is_below(names[b].node, names[a].dir) && names[a].node != names[b].node) {
		assert_int_equal(fs_rename(od, names[a].text, nd, names[b].text, RENAME_EXCHANGE), 0);
		reparent(names[a].node, names[a].dir, names[b].dir);
		reparent(names[b].node, names[b].dir, names[a].dir);
		int t = names[a].node;
		names[a].node = names[b].node;
		names[b].node = t;
	}
	fs_put(od);
	fs_put(nd);
}

static void op_rename(void)
{
	int k = random_name(NULL), dir = random_dir(), over = rnd(3) ? -1 : random_name(NULL);
	char text[256];
	if (k < 0)
		return;
	if (over >= 0 && over != k && rnd(3) == 0) {
		op_exchange(k, over);
		return;
	}
	make_text(text);
	if (over >= 0) {
		dir = names[over].dir;
		strcpy(text, names[over].text);
	} else {
		over = find_name(dir, text);
	}
	int node = names[k].node;
	bool moves_dir = S_ISDIR(nodes[node].mode);
	if (moves_dir && is_below(node, dir))
		return; /* the vfs refuses */
	if (over >= 0 && is_below(names[over].node, names[k].dir))
		return;
	struct inode *od = open_node(names[k].dir), *nd = open_node(dir);
	u32 flags = rnd(4) ? 0 : RENAME_NOREPLACE;
	int err = fs_rename(od, names[k].text, nd, text, flags);
	fs_put(od);
	fs_put(nd);
	if (over >= 0 && (flags || over == k || names[over].node == node)) {
		assert_int_equal(err, flags ? -EEXIST : 0);
		return; /* one file: nothing happens */
	}
	if (over >= 0 && S_ISDIR(nodes[names[over].node].mode) != moves_dir) {
		assert_int_equal(err, moves_dir ? -ENOTDIR : -EISDIR);
		return;
	}
	if (over >= 0 && moves_dir && has_entries(names[over].node)) {
		assert_int_equal(err, -ENOTEMPTY);
		return;
	}
	if (is_full(err))
		return;
	assert_int_equal(err, 0);
	if (over >= 0)
		forget_name(over);
	reparent(node, names[k].dir, dir);
	names[k].dir = dir;
	strcpy(names[k].text, text);
}

static void resize(struct node *n, u64 size)
{
	n->bytes = realloc(n->bytes, size + 1);
	if (size > n->size)
		memset(n->bytes + n->size, 0, size - n->size);
	n->size = size;
}

static void op_write(void)
{
	static u8 data[200000];
	int k = random_name(is_reg);
	if (k < 0)
		return;
	struct node *n = &nodes[names[k].node];
	u64 pos = rnd(3) ? n->size : rnd(FILE_LIMIT), len = 1 + rnd(rnd(4) ? 9000 : sizeof(data) - 1);
	if (rnd(3) == 0 && n->size)
		pos = rnd((unsigned)n->size);
	if (pos + len > FILE_LIMIT)
		return;
	for (u64 at = 0; at < len; at++)
		data[at] = (u8)rnd(256);
	struct inode *i = open_node(names[k].node);
	long done = fs_write(i, data, len, pos);
	fs_put(i);
	if (is_full((int)done))
		return;
	assert_true(done > 0 && (u64)done <= len);
	if (pos + (u64)done > n->size)
		resize(n, pos + (u64)done);
	memcpy(n->bytes + pos, data, (size_t)done);
}

static void op_truncate(void)
{
	int k = random_name(is_reg);
	if (k < 0)
		return;
	struct node *n = &nodes[names[k].node];
	u64 size = rnd(2) ? rnd(FILE_LIMIT) : n->size ? rnd((unsigned)n->size) : 0;
	if (rnd(4) == 0)
		size = 0;
	struct inode *i = open_node(names[k].node);
	assert_int_equal(fs_truncate(i, size), 0);
	fs_put(i);
	resize(n, size);
}

static void op_punch(void)
{
	int k = random_name(is_reg);
	if (k < 0)
		return;
	struct node *n = &nodes[names[k].node];
	u64 pos = rnd(2) && n->size ? rnd((unsigned)n->size) : rnd(FILE_LIMIT), len = 1 + rnd(rnd(2) ? 9000 : FILE_LIMIT);
	struct inode *i = open_node(names[k].node);
	struct fs_stat before, after;
	fs_stat(i, &before);
	assert_int_equal(fs_fallocate(i, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, len), 0);
	fs_stat(i, &after);
	assert_true(after.size == before.size && after.blocks <= before.blocks);
	fs_put(i);
	if (pos < n->size)
		memset(n->bytes + pos, 0, min(len, n->size - pos));
}

static void compare_file(struct inode *i, const struct node *n, u64 from, u64 len)
{
	static u8 data[FILE_LIMIT + 1];
	long got = fs_read(i, data, len, from);
	u64 expect = from >= n->size ? 0 : min(len, n->size - from);
	if (got != (long)expect) {
		struct fs_stat st;
		fs_stat(i, &st);
		long more = fs_read(i, data, 10, from + (u64)max(got, 0l));
		fail_msg("read of %llu at %llu gives %ld (then %ld); size %llu, should be %llu", (unsigned long long)len, (unsigned long long)from, got, more, (unsigned long long)st.size, (unsigned long long)n->size);
	}
	if (expect && memcmp(data, n->bytes + from, expect)) {
		for (u64 at = 0; at < expect; at++)
			if (data[at] != n->bytes[from + at])
				fail_msg("byte %llu is %u, not %u", (unsigned long long)(from + at), data[at], n->bytes[from + at]);
	}
}

static void op_read(void)
{
	int k = random_name(is_reg);
	if (k < 0)
		return;
	struct inode *i = open_node(names[k].node);
	compare_file(i, &nodes[names[k].node], rnd(FILE_LIMIT), rnd(100000));
	fs_put(i);
}

/* A file that is unlinked while it is open goes with its last reference. */
static void op_unlinked_open(void)
{
	struct inode *d = open_node(0), *i;
	int err = rnd(2) ? fs_create(d, "UNLINKED", S_IFREG | 0600, 0, NULL, &i) : fs_tmpfile(d, S_IFREG | 0600, &i);
	if (!err) {
		struct fs_stat st;
		fs_stat(i, &st);
		if (st.nlink)
			assert_int_equal(fs_unlink(d, "UNLINKED", false), 0);
		long n = fs_write(i, "gone soon", 9, rnd(100000));
		assert_true(n == 9 || is_full((int)n));
		fs_put(i);
	}
	fs_put(d);
}

static void op_maintain(void)
{
	struct block_device *dev = host_disk_device(image_disk);
	switch (frame_nr_free() < frame_total() / 4 ? 2 : rnd(4)) {
	case 0:
		assert_int_equal(fs_sync(image_super), 0);
		break;
	case 1:
		flusher_round(&dev->flusher, ~0ull >> 1);
		break;
	case 2:
		fs_sync(image_super);
		fs_shrink(image_super);
		break;
	default: {
		int k = random_name(is_reg);
		if (k < 0)
			return;
		struct inode *i = open_node(names[k].node);
		assert_int_equal(fs_fsync(i, rnd(2)), 0);
		fs_put(i);
	}
	}
}

/* Comparing everything. */

struct listing {
	int dir;
	unsigned nr;
};

static bool check_listed(void *arg, const char *name, size_t len, u64 ino, unsigned type)
{
	struct listing *l = arg;
	char text[256];
	memcpy(text, name, len);
	text[len] = 0;
	if (!strcmp(text, "lost+found") && l->dir == 0)
		return true;
	int k = find_name(l->dir, text);
	if (k < 0)
		fail_msg("'%s' should not be there", text);
	if (type)
		assert_int_equal(type, (nodes[names[k].node].mode & S_IFMT) >> 12);
	l->nr++;
	return true;
}

static void compare_node(int k)
{
	struct node *n = &nodes[names[k].node];
	struct inode *dir = open_node(names[k].dir), *i;
	struct fs_stat st;
	assert_int_equal(fs_lookup(dir, names[k].text, &i), 0);
	fs_put(dir);
	fs_stat(i, &st);
	assert_int_equal(st.mode, n->mode);
	assert_int_equal(st.nlink, n->nlink);
	if (S_ISREG(n->mode)) {
		assert_int_equal(st.size, n->size);
		compare_file(i, n, 0, n->size + 1);
	} else if (S_ISLNK(n->mode)) {
		char text[4096];
		assert_int_equal(fs_readlink(i, text, sizeof(text)), n->size);
		assert_memory_equal(text, n->bytes, n->size);
	} else if (S_ISDIR(n->mode)) {
		struct listing l = { names[k].node, 0 };
		assert_int_equal(fs_readdir(i, check_listed, &l), 0);
		unsigned expect = 0;
		for (int j = 0; j < NAMES_MAX; j++)
			expect += names[j].dir == names[k].node;
		assert_int_equal(l.nr, expect);
	} else {
		assert_int_equal(st.rdev, n->rdev);
	}
	fs_put(i);
}

void model_compare(void)
{
	struct listing l = { 0, 0 };
	struct inode *root = fs_root(image_super);
	assert_int_equal(fs_readdir(root, check_listed, &l), 0);
	fs_put(root);
	for (int k = 0; k < NAMES_MAX; k++)
		if (names[k].dir >= 0) {
			compare_node(k);
			if (frame_nr_free() < frame_total() / 4) { /* nobody reclaims here: holes take memory too */
				fs_sync(image_super);
				fs_shrink(image_super);
			}
		}
}

void model_begin(unsigned (*random)(unsigned n))
{
	rnd = random;
	for (int k = 0; k < NAMES_MAX; k++)
		names[k].dir = -1;
	nodes[0] = (struct node){ .mode = S_IFDIR | 0755, .nlink = 3, .is_used = true };
}

void model_run(unsigned nr_ops)
{
	bool each = getenv("QUIRE_COMPARE_EACH") != NULL;
	while (nr_ops--) {
		if (each)
			model_compare();
		unsigned what = frame_nr_free() < frame_total() / 4 ? 99 : rnd(100);
		fs_now_ns += 123456789;
		if (what < 22)
			op_create();
		else if (what < 34)
			op_unlink();
		else if (what < 40)
			op_link();
		else if (what < 52)
			op_rename();
		else if (what < 74)
			op_write();
		else if (what < 80)
			op_truncate();
		else if (what < 86)
			op_punch();
		else if (what < 92)
			op_read();
		else if (what < 95)
			op_unlinked_open();
		else
			op_maintain();
		if (each)
			print_message("%u to go: did %u\n", nr_ops, what);
	}
}

void model_end(void)
{
	for (int n = 0; n < NODES_MAX; n++)
		if (nodes[n].is_used)
			drop_node(n);
}
