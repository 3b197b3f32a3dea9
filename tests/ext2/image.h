/* SPDX-License-Identifier: MIT */
/* Images for tests: made by mke2fs, judged by e2fsck. */
#ifndef TESTS_EXT2_IMAGE_H
#define TESTS_EXT2_IMAGE_H

#include "host_fs.h"
#include <host/disk.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* A machine with a disk that holds a fresh file system; `mke2fs_args` e.g. "-b 1024 -I 128"; source: a
 * directory to fill it with, or NULL. */
void image_up(u64 disk_kib, const char *mke2fs_args, const char *source);
void image_up_with(struct host_disk_config *c, const char *mke2fs_args, const char *source);
/* e2fsck -fn finds nothing to complain about in what the disk holds now; fails the test with what it says. */
void image_check(void);
/* The same for an image elsewhere. 0: clean. */
int image_fsck(const u8 *bytes, u64 len, const char *options);
void image_write(const char *path, const u8 *bytes, u64 len);
u8 *image_read(const char *path, u64 len);
void image_down(void);
const char *image_path(const char *name); /* in the test's own folder */

extern struct host_disk *image_disk;
extern unsigned image_nr_cpus; /* of machines to come; more than 1: threads that run freely */
extern struct super *image_super;
void image_mount(bool read_only);
void image_unmount(void);
void image_remount(void); /* unmounts, checks, mounts again */

void machine_up(u64 ram_bytes, unsigned cpus);
void host_machine_destroy(void);

#endif
