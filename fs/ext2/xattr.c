/* SPDX-License-Identifier: MIT */
#include "ext2.h"
void ext2_xattr_free(struct inode *i) {}
long ext2_xattr_get(struct inode *i, const char *name, void *value, size_t size) { return -EOPNOTSUPP; }
int ext2_xattr_set(struct inode *i, const char *name, const void *value, size_t size, u32 flags, bool remove) { return -EOPNOTSUPP; }
long ext2_xattr_list(struct inode *i, char *list, size_t size) { return 0; }
