/* SPDX-License-Identifier: MIT */
/* tmpfs inside: what a super, a directory and a file of it carry. */
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "../internal.h"
#include <lib/rbtree.h>

struct tmpfs_super {
	u64 max_pages;  /* 0: no limit */
	u64 max_inodes; /* 0: no limit */
	s64 nr_pages;   /* atomic: pages charged */
	s64 nr_inodes;  /* atomic */
	u32 mode, uid, gid; /* of the root, and as given to mount */
};

/* One name in a directory. */
struct tmpfs_entry {
	struct rb_node by_name;  /* hash, then length and bytes */
	struct rb_node by_order; /* newest first */
	u64 order;               /* readdir position; counts down from ORDER_FIRST */
	struct inode *inode;     /* with a reference */
	u32 hash;
	u16 len;
	char name[];
};

struct tmpfs_dir { /* inode->priv of a directory; (inode lock) */
	struct rb_root names, order;
	u64 next_order;
	u64 nr_entries;
	struct inode *parent; /* for ".." in readdir; no reference: a parent outlives its child's name */
};

extern const struct inode_ops tmpfs_dir_ops, tmpfs_file_ops, tmpfs_link_ops, tmpfs_special_ops;
extern const struct file_ops tmpfs_dir_fops, tmpfs_file_fops;

static inline struct tmpfs_super *tmpfs_of(const struct inode *i) { return i->super->priv; }

/* A new inode of the type in mode, owner taken from dir and the running task. 0, -ENOSPC, -ENOMEM. */
int tmpfs_inode_new(struct super *s, struct inode *dir, u32 mode, u64 rdev, const char *target, struct inode **out);
void tmpfs_inode_uncount(struct inode *i);

extern const struct mapping_ops tmpfs_mapping_ops;
/* Charges nr_pages to the super and to Committed_AS, or gives them back (< 0). 0 or -ENOSPC. */
int tmpfs_charge(struct inode *i, s64 nr_pages);
void tmpfs_file_evict(struct inode *i);

struct tmpfs_dir *tmpfs_dir_new(struct inode *parent);
/* Takes every entry out of the tree of directories below `root` (unmount). */
void tmpfs_dir_destroy_tree(struct inode *root);
void tmpfs_dir_evict(struct inode *i);

#endif
