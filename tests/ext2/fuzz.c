/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over broken images. An input picks one of the images that mke2fs made, how to mount it, and bytes
 * to change: records of where (kind of place, offset) and what. Then all of the tree is looked up, listed and
 * read, and some of it changed. Nothing may panic, leak or touch foreign memory.
 */
#include "host_fs.h"
#include <host/disk.h>
#include <host/machine.h>
#include <hal/log.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE_BYTES (2u << 20)
#define NR_IMAGES   3

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u8 *images[NR_IMAGES];
static unsigned budget; /* of inodes looked at in one run */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const shapes[NR_IMAGES] = { "-b 1024 -I 128", "-b 4096 -I 256", "-b 1024 -I 256 -g 512 -N 128" };
	char dir[] = "/tmp/quire-fuzz-XXXXXX", command[700];
	if (!mkdtemp(dir))
		abort();
	for (unsigned n = 0; n < NR_IMAGES; n++) {
		snprintf(command, sizeof(command),
		         "cd %s && mkdir -p d/sub/deep && echo hello >d/a && head -c 300000 /dev/urandom >d/big && ln -sf a d/short && "
		         "ln -sf %0200d d/long && for i in $(seq 40); do echo $i >d/sub/file$i; done && mkfifo -m 600 d/pipe 2>/dev/null; "
		         "rm -f i; mke2fs -q -F -t ext2 %s -d d i %uk >/dev/null",
		         dir, 1, shapes[n], IMAGE_BYTES >> 10);
		if (system(command))
			abort();
		snprintf(command, sizeof(command), "%s/i", dir);
		FILE *f = fopen(command, "r");
		images[n] = malloc(IMAGE_BYTES);
		if (!f || fread(images[n], 1, IMAGE_BYTES, f) != IMAGE_BYTES)
			abort();
		fclose(f);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static u32 word(const u8 *image, u32 at)
{
	u32 v;
	memcpy(&v, image + at, 4);
	return v;
}

/* Where byte `where` of a kind of place lies. */
static u32 place(const u8 *image, u8 kind, u32 where)
{
	u32 block = 1024u << word(image, 1024 + 24), descs = block == 1024 ? 2048 : block;
	switch (kind % 7) {
	case 0:
		return 1024 + where % 1024;
	case 1:
		return descs + where % 256;
	case 2:
		return word(image, descs) * block + where % block;
	case 3:
		return word(image, descs + 4) * block + where % block;
	case 4:
	case 5:
		return word(image, descs + 8) * block + where % (16 * 256);
	default:
		return (u32)((u64)where * IMAGE_BYTES / 65536) + kind / 7;
	}
}

static void look_at(struct inode *i, unsigned depth);

struct visit {
	struct inode *dir;
	unsigned depth;
	char names[24][256];
	unsigned nr;
};

static bool note_name(void *arg, const char *name, size_t len, u64 ino, unsigned type)
{
	struct visit *v = arg;
	memcpy(v->names[v->nr], name, len);
	v->names[v->nr++][len] = 0;
	return v->nr < 24;
}

static void look_into(struct inode *dir, unsigned depth)
{
	struct visit *v = calloc(1, sizeof(*v));
	fs_readdir(dir, note_name, v);
	for (unsigned n = 0; n < v->nr && budget; n++) {
		struct inode *i;
		budget--;
		if (fs_lookup(dir, v->names[n], &i))
			continue;
		look_at(i, depth + 1);
		fs_put(i);
	}
	free(v);
}

static void look_at(struct inode *i, unsigned depth)
{
	static u8 buf[70000];
	struct fs_stat st;
	fs_stat(i, &st);
	fs_xattr_list(i, (char *)buf, sizeof(buf));
	fs_xattr_get(i, "user.x", buf, sizeof(buf));
	if (S_ISDIR(st.mode)) {
		if (depth < 8)
			look_into(i, depth);
	} else if (S_ISLNK(st.mode)) {
		fs_readlink(i, (char *)buf, 4096);
	} else if (S_ISREG(st.mode)) {
		fs_read(i, buf, sizeof(buf), 0);
		fs_read(i, buf, sizeof(buf), st.size / 2);
		fs_read(i, buf, 5000, st.size > 5000 ? st.size - 5000 : 0);
	}
}

static void change(struct inode *root)
{
	struct inode *i, *sub;
	char name[20], data[3000] = "data";
	for (unsigned n = 0; n < 20; n++) {
		snprintf(name, sizeof(name), "made%u", n);
		if (fs_create(root, name, n % 5 ? S_IFREG | 0644 : S_IFDIR | 0755, 0, NULL, &i))
			continue;
		fs_write(i, data, sizeof(data), n * 30000);
		fs_xattr_set(i, "user.x", data, 100, 0);
		fs_put(i);
	}
	if (!fs_lookup(root, "big", &i)) {
		fs_write(i, data, sizeof(data), 299000);
		fs_truncate(i, 20000);
		fs_fsync(i, false);
		fs_put(i);
	}
	if (!fs_lookup(root, "sub", &sub)) {
		fs_rename(root, "made1", sub, "moved", 0);
		fs_rename(sub, "file3", root, "a", 0);
		fs_unlink(sub, "deep", true);
		fs_put(sub);
	}
	fs_unlink(root, "big", false);
	fs_unlink(root, "long", false);
	fs_unlink(root, "made0", true);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 2)
		return 0;
	u8 *image = malloc(IMAGE_BYTES);
	const u8 *base = images[data[0] % NR_IMAGES];
	memcpy(image, base, IMAGE_BYTES);
	for (size_t at = 2; at + 4 <= size; at += 4) {
		u32 where = place(base, data[at], data[at + 1] | (u32)data[at + 2] << 8);
		if (where < IMAGE_BYTES)
			image[where] = data[at + 3];
	}
	struct host_config m = { .ram_bytes = 24ul << 20, .nr_cpus = 1, .nr_nodes = 1, .seed = 1 };
	struct host_disk_config c = { .nr_sectors = IMAGE_BYTES / 512, .content = image };
	hal_debug_checks = true;
	host_machine_create(&m);
	fs_start();
	struct host_disk *disk = host_disk_create(&c);
	struct super *s;
	bool read_only = data[1] & 1;
	budget = 200;
	if (!fs_mount(host_disk_device(disk), read_only, data[1] & 2 ? "errors=continue" : NULL, &s)) {
		struct inode *root = fs_root(s);
		look_at(root, 0);
		if (!read_only)
			change(root);
		fs_sync(s);
		look_at(root, 0);
		fs_put(root);
		fs_unmount(s);
	}
	host_disk_destroy(disk);
	host_machine_destroy();
	free(image);
	return 0;
}
