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

/* Directories whose names end in numbers: cpu0, cpu1, ... In those node->arg is the number, moved up by `shift`, with
 * the bits of the directory above. */
struct sys_numbered {
	const char *prefix;
	const struct pseudo_entry *entry;
	unsigned (*count)(void);           /* numbers are below this */
	bool (*is_there)(unsigned number); /* NULL: all are */
	unsigned shift;
};
int sys_numbered_lookup(struct inode *dir, const char *name, size_t len, struct inode **out);
int sys_numbered_list(struct file *f, struct dir_emit *e);
#define SYS_NUMBERED_DIR(n, table, w) \
	{ .name = (n), .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(table), .lookup = sys_numbered_lookup, .list = sys_numbered_list, .data = (void *)&(w) }

/* cpu.c, node.c, memory.c: /sys/devices/system/{cpu,node,memory} */
extern const struct pseudo_entry sys_cpu_entries[5], sys_node_entries[5], sys_memory_entries[1];
extern const struct sys_numbered sys_cpus, sys_nodes, sys_memory_blocks;
/* Numbers whose bits are set, as "0-1,3". */
void sys_show_list(struct seq *s, u64 mask);
int sys_show_cpus(struct seq *s, struct pseudo_node *n); /* all of them; then as a mask */
int sys_show_cpu_map(struct seq *s, struct pseudo_node *n);

#endif
