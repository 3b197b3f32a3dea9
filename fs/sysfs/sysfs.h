/* SPDX-License-Identifier: MIT */
/* Parts of sysfs that are made from what is registered. */
#ifndef FS_SYSFS_H
#define FS_SYSFS_H

#include "../proc/proc.h"

/* block.c: links by name in /sys/block (whole devices) and /sys/class/block, by number in /sys/dev/block. */
int sys_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int sys_block_list(struct file *f, struct dir_emit *e);
int sys_class_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int sys_class_block_list(struct file *f, struct dir_emit *e);
int sys_dev_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int sys_dev_block_list(struct file *f, struct dir_emit *e);
/* place.c: the directories themselves, below /sys/devices. */
int sys_places_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int sys_places_list(struct file *f, struct dir_emit *e);

#define DYNAMIC_DIR(n, what) { .name = (n), .mode = S_IFDIR | 0555, .lookup = what##_lookup, .list = what##_list }

/* block.c: /sys/devices/.../block/NAME; node->arg is the device number. */
extern const struct pseudo_entry sys_disk_dir, sys_partition_dir;

#endif
