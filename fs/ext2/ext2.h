/* SPDX-License-Identifier: MIT */
/*
 * ext2 inside: what a super, a group and an inode carry in memory.
 *
 * Locks, outermost first: inode->lock (content of directories, size) > commit_lock > xattr_lock > busy
 * pages of a file > map_lock (where a file's blocks lie) > a group's lock (bitmaps) > busy pages of the
 * device. What is on the disk is reached through the device's own pages (mm/buffer.h).
 */
#ifndef FS_EXT2_H
#define FS_EXT2_H

#include "../internal.h"
#include "layout.h"
#include <lib/bitmap.h>
#include <lib/format.h>
#include <lib/rbtree.h>
#include <mm/block.h>
#include <mm/buffer.h>
#include <mm/cache.h>

struct ext2_sb;

/* Blocks set aside for one file in one group, so that files that grow side by side do not interleave. */
struct ext2_window {
	struct list_head link; /* (group lock) group->windows */
	u32 group;             /* (map_lock) */
	u32 start, len;        /* (group lock) block numbers within the group; len 0: none */
	u32 next_len;          /* (map_lock) of the next one: doubles while it is used up in order */
};

/* Bitmaps of what the disk's bitmaps call free and yet must not be handed out. NULL: none. */
struct ext2_group {
	struct mutex lock;        /* RANK_FS_GROUP: the group's bitmaps, its descriptor, all below */
	u64 *reserved;            /* blocks in some window */
	u64 *freed_blocks[2];     /* since the last commit, and before the commit under way: see commit.c */
	u64 *freed_inodes[2];
	u32 nr_freed[2];          /* blocks and inodes in the two above */
	bool is_closed[2];        /* no memory to note what was freed: nothing is handed out until committed */
	u8 side;                  /* which of the two frees go to */
	u8 checked;               /* EXT2_CHECKED_*: bitmaps looked at once */
	struct list_head windows; /* oldest first */
};
#define EXT2_CHECKED_BLOCKS 1u
#define EXT2_CHECKED_INODES 2u
#define EXT2_CHECKED_BAD    4u /* a bitmap is broken or cannot be read: the group is left alone */

struct ext2_chunk { /* the groups of one block of descriptors */
	struct buffer descs;
	struct ext2_group groups[];
};

struct ext2_options {
	u32 errors; /* EXT2_ERRORS_* */
	u32 resuid, resgid;
	u64 sb_block; /* in 1 KiB units */
	bool has_resuid, has_resgid, no_user_xattr, minixdf, grpid;
};

struct ext2_sb {
	struct super *super;
	struct block_device *dev;
	struct buffer super_buffer;
	struct ext2_disk_super *disk; /* in super_buffer; (commit_lock) */
	u32 shift, block_size;        /* blocks: 1 << shift bytes */
	u32 inode_size, first_ino;
	u32 blocks_count, inodes_count, first_data_block;
	u32 blocks_per_group, inodes_per_group, inodes_per_block, table_blocks;
	u32 nr_groups, descs_per_block, nr_chunks;
	u32 ptrs, ptrs_shift;         /* block pointers in an indirect block */
	s64 free_blocks, free_inodes, nr_dirs; /* atomic */
	u32 reserved_blocks;          /* for resuid, resgid and CAP_SYS_RESOURCE */
	struct ext2_options opt;
	u16 clean_state;              /* s_state to write at unmount */
	bool is_clean;                /* mounted read-only: the disk's s_state stands */
	bool is_ending;               /* being made read-only */
	bool is_opened;               /* the device is to be closed at unmount */
	bool has_commit;              /* ext2_commit_init was called */
	u32 nr_errors;                /* atomic: logged */
	u32 last_dir_group;           /* hint */
	struct mutex commit_lock;     /* RANK_FS_COMMIT */
	struct spinlock dirty_lock;   /* RANK_FLUSHER; pins inodes under it */
	struct list_head dirty_inodes; /* (dirty_lock) ext2_inode.dirty_link */
	s64 nr_freed;                 /* atomic: blocks and inodes freed and not yet to be had again */
	s32 commit_pins;               /* atomic; -1: unmounting */
	struct host_waitq commit_wait;
	struct mapping commit_mapping; /* no pages: being dirty makes the flusher commit */
	struct backing_store commit_store;
	u32 next_generation;          /* atomic */
	struct ext2_chunk **chunks;
};

/* A block of a file's tree (or a new block of a directory) that changed and is kept until it is written. */
struct ext2_meta {
	struct rb_node node; /* by block number */
	struct buffer buffer;
	bool is_new;         /* nothing on the disk leads to it yet */
};

/* Blocks in a row that were found last: most questions are about those. */
struct ext2_extent {
	struct spinlock lock; /* RANK_FLUSHER */
	u32 nr, phys;         /* (lock) nr 0: none */
	u64 first;            /* (lock) */
	u32 scan;             /* (lock) how far to look ahead, beyond what is asked for */
};

struct ext2_inode {
	struct inode *vfs;
	struct backing_store store;
	struct rwlock map_lock; /* RANK_FS_MAP */
	u32 block[EXT2_NPTRS];  /* (map_lock); a fast symbolic link's text, a device's number */
	struct rb_root metas;   /* (map_lock) */
	struct ext2_window window;
	struct ext2_extent extent; /* set under map_lock, emptied under map_lock for writing */
	u32 next_block, next_phys; /* (map_lock) where a sequential writer goes on */
	u64 record_size;        /* (map_lock) the size that the record has, or will have when the fsync under way ends */
	bool has_zeroed;        /* (map_lock) blocks for holes were zeroed on the disk and not flushed yet: rule C4 of commit.c */
	u32 flags;              /* EXT2_FL_*; (inode lock) */
	u32 generation;
	u32 file_acl;           /* (xattr_lock) block of attributes; 0: none */
	u32 dir_acl;            /* kept as found */
	u8 faddr[6];            /* kept as found */
	bool is_record_unsure;  /* the record was copied to its block, which may not be on the disk yet */
	bool is_new_record;     /* what lies behind the first 128 bytes of the record means nothing */
	u32 dirty;              /* (dirty_lock) EXT2_DIRTY_*; read without */
	struct list_head dirty_link; /* (dirty_lock) in sb->dirty_inodes while dirty */
	u32 find_hint, room_hint; /* (inode lock) directories: the block of the last name found; of the last one made */
	struct rwlock xattr_lock; /* RANK_FS_MAP */
};
#define EXT2_DIRTY_META  1u /* more than times changed */
#define EXT2_DIRTY_TIMES 2u

static inline struct ext2_sb *ext2_sb(const struct super *s) { return s->priv; }
static inline struct ext2_inode *ext2_i(const struct inode *i) { return i->priv; }
static inline struct ext2_sb *ext2_sb_of(const struct inode *i) { return i->super->priv; }
/* Nothing may be changed; not so while what was changed before is still being written (is_ending). */
static inline bool ext2_is_read_only(const struct ext2_sb *sb) { return sb->is_clean || ((READ_ONCE(sb->super->flags) & MS_RDONLY) && !sb->is_ending); }
static inline u64 ext2_blocks_of(const struct ext2_sb *sb, u64 bytes) { return (bytes + sb->block_size - 1) >> sb->shift; }

/* super.c */
/* The image is broken: logs, marks the super, does what errors= says. Always -EUCLEAN. */
int ext2_corrupt(struct ext2_sb *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The device failed: the same, and returns err. */
int ext2_io_error(struct ext2_sb *sb, int err, const char *what, u64 number);
int ext2_mount_device(struct block_device *dev, u32 flags, const char *data, struct super **out);
void ext2_init_caches(void);
extern const struct super_ops ext2_super_ops;
void ext2_update_super(struct ext2_sb *sb); /* free counts into the superblock */
void ext2_use_feature(struct ext2_sb *sb, u32 compat, u32 ro_compat);

/* register.c */
void ext2_close_device(struct block_device *dev);

/* options.c */
bool ext2_parse_options(const char *text, struct ext2_options *o);

/* group.c */
struct ext2_group *ext2_group(struct ext2_sb *sb, u32 group);
struct ext2_disk_group *ext2_desc(struct ext2_sb *sb, u32 group, struct buffer **out);
static inline u32 ext2_group_first(const struct ext2_sb *sb, u32 group) { return sb->first_data_block + group * sb->blocks_per_group; }
static inline u32 ext2_group_of(const struct ext2_sb *sb, u32 block) { return (block - sb->first_data_block) / sb->blocks_per_group; }
u32 ext2_group_blocks(const struct ext2_sb *sb, u32 group);
bool ext2_group_has_super(const struct ext2_sb *sb, u32 group);
int ext2_groups_load(struct ext2_sb *sb);
void ext2_groups_free(struct ext2_sb *sb);
/* Is [block, block+nr) inside the file system, and not a superblock, descriptor, bitmap or inode table? */
bool ext2_is_data_block(struct ext2_sb *sb, u32 block, u32 nr);
/* The group's bitmap, checked at first use. Group lock is held. 0, -EIO, -EUCLEAN, -ENOMEM. */
int ext2_block_bitmap(struct ext2_sb *sb, u32 group, struct buffer *out);
int ext2_inode_bitmap(struct ext2_sb *sb, u32 group, struct buffer *out);

/* balloc.c */
/* Up to max blocks in a row near goal for i (map_lock held for writing): *start, *nr. 0, -ENOSPC, -EIO.. */
int ext2_new_blocks(struct inode *i, u32 goal, u32 max, u32 *start, u32 *nr);
/* Blocks that the disk may still call used: to be had again after the next commit. */
void ext2_free_blocks(struct ext2_sb *sb, u32 block, u32 nr);
/* Takes back what ext2_new_blocks gave and nothing refers to. */
void ext2_unallocate(struct ext2_sb *sb, u32 block, u32 nr);
void ext2_window_discard(struct inode *i); /* map_lock held for writing, or i is nobody else's */
u64 ext2_blocks_available(struct ext2_sb *sb); /* to the running task */
/* After -ENOSPC: would a commit bring blocks or inodes back? Does one then. The caller holds at most inode locks. */
bool ext2_reclaim_freed(struct ext2_sb *sb);

/* ialloc.c */
int ext2_new_inode(struct inode *dir, u32 mode, struct inode **out);
void ext2_free_inode(struct inode *i); /* its number is to be had again after the next commit */

/* commit.c */
void ext2_note_freed_blocks(struct ext2_sb *sb, u32 group, u32 first, u32 nr); /* group lock */
void ext2_note_freed_inode(struct ext2_sb *sb, u32 group, u32 index);
/* All metadata written and flushed; what was freed before may be used again. 0 or -EIO. */
int ext2_commit(struct ext2_sb *sb);
int ext2_write_metadata(struct ext2_sb *sb); /* the device's dirty pages, and a flush */
void ext2_commit_soon(struct ext2_sb *sb);
void ext2_commit_init(struct ext2_sb *sb);
void ext2_commit_end(struct ext2_sb *sb); /* the flusher will not come any more */
extern const struct mapping_ops ext2_commit_ops;

/* map.c */
int ext2_map_blocks(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out);
/* The same for one block of a directory or symbolic link: its number, 0 = hole. */
void ext2_extent_init(struct ext2_extent *x);
void ext2_extent_forget(struct ext2_extent *x); /* blocks are going to be taken from the file; map_lock is held for writing */
int ext2_map_one(struct inode *i, u64 block, u32 *out);
/* A new block at `block` of i, zeroed, kept until written (directories, symbolic links). The inode's
 * lock is held. */
int ext2_append_block(struct inode *i, u64 block, struct buffer *out);
bool ext2_is_in_map(struct ext2_sb *sb, u64 block);
u64 ext2_max_bytes(const struct ext2_sb *sb);

/* meta.c: the blocks of ext2_inode.metas */
void ext2_meta_init_cache(void);
struct ext2_meta *ext2_meta_alloc(void);
void ext2_meta_add(struct ext2_inode *e, struct ext2_meta *n, const struct buffer *b, bool is_new); /* takes over b's reference */
struct ext2_meta *ext2_meta_find(struct ext2_inode *e, u64 block);
/* b changed: kept if it is not yet. spare: one node, taken when needed (*spare = NULL). */
void ext2_meta_changed(struct ext2_inode *e, const struct buffer *b, struct ext2_meta **spare);
void ext2_meta_free(struct ext2_meta *n);
void ext2_meta_forget(struct ext2_inode *e, u64 block); /* freed */
int ext2_meta_write(struct ext2_inode *e); /* all of them, new ones first; map_lock held for writing */
void ext2_meta_drop(struct ext2_inode *e);

/* truncate.c */
/* Frees the blocks behind `size` bytes; pages are gone already. 0 or the first error. */
int ext2_truncate_blocks(struct inode *i, u64 size);
int ext2_set_size(struct inode *i, u64 size); /* inode lock held */
int ext2_fallocate(struct file *f, u32 mode, u64 offset, u64 len);

/* inode.c */
int ext2_iget(struct super *s, u32 ino, struct inode **out);
void ext2_dirty(struct inode *i, u32 what); /* EXT2_DIRTY_* */
int ext2_write_inode(struct inode *i, bool wait);
/* The block that holds the record of ino, and the record in it. 0, -EIO, -ENOMEM. */
int ext2_record_of(struct ext2_sb *sb, u32 ino, struct buffer *b, struct ext2_disk_inode **out);
void ext2_set_ops(struct inode *i);
int ext2_inode_alloc(struct inode *i); /* i->priv */
void ext2_evict(struct inode *i);
void ext2_unload(struct inode *i); /* i->priv of an inode that did not come to be */
void ext2_unlinked(struct inode *i); /* nlink became 0 */
extern const struct mapping_ops ext2_mapping_ops;

void ext2_inode_init_cache(void);
/* 512-byte units that the block of attributes counts for */
static inline u64 ext2_acl_blocks(const struct inode *i) { return ext2_i(i)->file_acl ? ext2_sb_of(i)->block_size >> 9 : 0; }
static inline bool ext2_is_fast_link(const struct inode *i) { return i->blocks <= ext2_acl_blocks(i); }

/* dir.c */
int ext2_find_entry(struct inode *dir, const char *name, size_t len, struct buffer *b, struct ext2_dirent **out);
int ext2_add_entry(struct inode *dir, const char *name, size_t len, struct inode *target);
int ext2_remove_entry(struct inode *dir, struct buffer *b, struct ext2_dirent *de);
int ext2_set_entry(struct inode *dir, struct buffer *b, struct ext2_dirent *de, struct inode *target);
int ext2_make_empty(struct inode *dir, struct inode *parent);
int ext2_is_empty(struct inode *dir);
/* Writes the changed records of inodes in memory that dir names (not to the disk yet). */
int ext2_sync_children(struct inode *dir);
int ext2_find_dotdot(struct inode *dir, struct buffer *b, struct ext2_dirent **out);
extern const struct file_ops ext2_dir_fops;

/* namei.c, file.c, symlink.c, ioctl.c */
extern const struct inode_ops ext2_dir_ops, ext2_file_ops, ext2_link_ops, ext2_special_ops;
extern const struct file_ops ext2_file_fops;
int ext2_setattr(struct inode *i, const struct attr *a);
int ext2_fsync(struct file *f, bool data_only);
int ext2_symlink_init(struct inode *i, const char *target);
void ext2_link_loaded(struct inode *i); /* a symbolic link's record is in memory: i->link, if its text is sound */
long ext2_ioctl(struct file *f, u32 cmd, u64 arg);
void ext2_apply_flags(struct inode *i); /* e->flags into inode->flags */
u32 ext2_inherit_flags(u32 mode, u32 dir_flags);

/* xattr.c */
void ext2_xattr_free(struct inode *i);
long ext2_xattr_get(struct inode *i, const char *name, void *value, size_t size);
int ext2_xattr_set(struct inode *i, const char *name, const void *value, size_t size, u32 flags, bool remove);
long ext2_xattr_list(struct inode *i, char *list, size_t size);
#define EXT2_XATTR_OPS .xattr_get = ext2_xattr_get, .xattr_set = ext2_xattr_set, .xattr_list = ext2_xattr_list

#endif
