/* SPDX-License-Identifier: MIT */
/*
 * ext2 as tests on the host call it: the vfs's part (locks, references) is done here, names are single
 * components in an open directory. Errors are -errno. Inodes come with a reference; fs_put gives it back.
 */
#ifndef TESTS_EXT2_HOST_FS_H
#define TESTS_EXT2_HOST_FS_H

#include <hal/types.h>

struct block_device;
struct inode;
struct super;

void fs_start(void); /* once per machine, after machine_up */
void fs_thread(void); /* the calling thread is going to use it too */
int fs_mount(struct block_device *dev, bool read_only, const char *options, struct super **out);
void fs_unmount(struct super *s);
int fs_remount(struct super *s, bool read_only);
int fs_sync(struct super *s);
bool fs_is_read_only(struct super *s);
struct inode *fs_root(struct super *s); /* with a reference */
void fs_put(struct inode *i);
u64 fs_shrink(struct super *s); /* drops clean pages and unused inodes */

struct fs_stat {
	u64 ino, size, blocks, rdev;
	u32 mode, nlink, uid, gid;
	s64 mtime_ns;
};
void fs_stat(struct inode *i, struct fs_stat *out);
struct fs_space {
	u64 blocks, free, available, files, free_files, block_size;
};
void fs_space(struct super *s, struct fs_space *out);

int fs_lookup(struct inode *dir, const char *name, struct inode **out);
int fs_create(struct inode *dir, const char *name, u32 mode, u64 rdev, const char *target, struct inode **out);
int fs_tmpfile(struct inode *dir, u32 mode, struct inode **out);
int fs_link(struct inode *dir, const char *name, struct inode *target);
int fs_unlink(struct inode *dir, const char *name, bool is_rmdir);
int fs_rename(struct inode *od, const char *on, struct inode *nd, const char *nn, u32 flags);
long fs_readlink(struct inode *i, char *buf, size_t size);
/* Entries but "." and ".."; fn returns false to stop. */
int fs_readdir(struct inode *dir, bool (*fn)(void *arg, const char *name, size_t len, u64 ino, unsigned type), void *arg);
long fs_read(struct inode *i, void *buf, size_t len, u64 pos);
long fs_write(struct inode *i, const void *buf, size_t len, u64 pos);
/* What the first store to a shared mapping of page `index` asks for; then the store, of one byte at its start. */
int fs_touch_mapped(struct inode *i, u64 index, char byte);
int fs_truncate(struct inode *i, u64 size);
int fs_fsync(struct inode *i, bool data_only);
s64 fs_seek(struct inode *i, s64 offset, int whence);
int fs_fallocate(struct inode *i, u32 mode, u64 offset, u64 len);
int fs_set_owner(struct inode *i, u32 uid, u32 gid, u32 mode);
long fs_xattr_get(struct inode *i, const char *name, void *value, size_t size);
int fs_xattr_set(struct inode *i, const char *name, const void *value, size_t size, u32 flags);
int fs_xattr_remove(struct inode *i, const char *name);
long fs_xattr_list(struct inode *i, char *list, size_t size);

extern s64 fs_now_ns;      /* the wall clock */
extern u32 fs_uid;         /* who is asking; 0 has all capabilities */

#endif
