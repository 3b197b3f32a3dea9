/* SPDX-License-Identifier: MIT */
#include "image.h"
#include <host/machine.h>
#include <mm/frame.h>
#include <mm/slab.h>
#include <mm/writeback.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct host_disk *image_disk;
struct super *image_super;
unsigned image_nr_cpus = 1;

static char folder[64];
static u64 disk_bytes;

static void remove_folder(void)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (folder[0] && system(command))
		perror(folder);
}

const char *image_path(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];
	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "%s/quire-ext2-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
		if (!mkdtemp(folder))
			abort();
		atexit(remove_folder);
	}
	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

void image_write(const char *path, const u8 *bytes, u64 len)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

u8 *image_read(const char *path, u64 len)
{
	u8 *bytes = malloc(len);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(bytes, 1, len, f), len);
	fclose(f);
	return bytes;
}

void image_up_with(struct host_disk_config *c, const char *mke2fs_args, const char *source)
{
	char command[512];
	const char *path = image_path("fresh.img");
	disk_bytes = c->nr_sectors * 512;
	unlink(path);
	snprintf(command, sizeof(command), "mke2fs -q -F -t ext2 %s %s%s %s %lluk >/dev/null", mke2fs_args, source ? "-d " : "", source ? source : "", path,
	         (unsigned long long)(c->nr_sectors / 2));
	assert_int_equal(system(command), 0);
	u8 *bytes = image_read(path, disk_bytes);
	hal_debug_checks = true;
	struct host_config m = { .ram_bytes = 64ul << 20, .nr_cpus = image_nr_cpus, .nr_nodes = 1, .seed = 1, .threads = image_nr_cpus > 1 };
	host_machine_create(&m);
	fs_start();
	c->content = bytes;
	image_disk = host_disk_create(c);
	free(bytes);
}

void image_up(u64 disk_kib, const char *mke2fs_args, const char *source)
{
	struct host_disk_config c = { .nr_sectors = disk_kib * 2 };
	image_up_with(&c, mke2fs_args, source);
}

int image_fsck(const u8 *bytes, u64 len, const char *options)
{
	char command[400];
	const char *path = image_path("check.img");
	if (bytes)
		image_write(path, bytes, len);
	snprintf(command, sizeof(command), "e2fsck %s %s >%s 2>&1", options, path, image_path("check.log"));
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void image_check(void)
{
	if (!image_fsck(host_disk_bytes(image_disk), disk_bytes, "-fn"))
		return;
	char text[2000] = "";
	FILE *f = fopen(image_path("check.log"), "r");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		fclose(f);
	}
	const char *keep = getenv("QUIRE_KEEP_IMAGE");
	if (keep)
		image_write(keep, host_disk_bytes(image_disk), disk_bytes);
	fail_msg("e2fsck: %s", text);
}

void image_down(void)
{
	host_disk_destroy(image_disk);
	assert_null(frame_validate());
	assert_null(slab_validate());
	host_machine_destroy();
}

void image_mount(bool read_only) { assert_int_equal(fs_mount(host_disk_device(image_disk), read_only, NULL, &image_super), 0); }

void image_unmount(void)
{
	fs_unmount(image_super);
	image_super = NULL;
}

void image_remount(void)
{
	image_unmount();
	image_check();
	image_mount(false);
}
