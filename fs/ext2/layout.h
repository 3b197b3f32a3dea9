/* SPDX-License-Identifier: MIT */
/*
 * ext2 on the disk: little endian, as this machine is. Numbers of blocks count from the device's start,
 * of inodes from 1.
 * Source: D. Poirier, "The Second Extended File System: Internal Layout"; e2fsprogs' documentation.
 */
#ifndef FS_EXT2_LAYOUT_H
#define FS_EXT2_LAYOUT_H

#include <hal/types.h>

#define EXT2_MAGIC        0xef53u
#define EXT2_SUPER_OFFSET 1024u /* bytes from the device's start */
#define EXT2_ROOT_INO     2u
#define EXT2_MAX_SHIFT    12u   /* blocks of at most a page */
#define EXT2_MAX_LINKS    65000u

/* s_state */
#define EXT2_STATE_VALID  1u /* unmounted cleanly */
#define EXT2_STATE_ERRORS 2u

/* s_errors */
#define EXT2_ERRORS_CONTINUE 1u
#define EXT2_ERRORS_RO       2u
#define EXT2_ERRORS_PANIC    3u

/* s_feature_compat */
#define EXT2_COMPAT_HAS_JOURNAL 0x4u
#define EXT2_COMPAT_EXT_ATTR    0x8u
#define EXT2_COMPAT_DIR_INDEX   0x20u
/* s_feature_incompat */
#define EXT2_INCOMPAT_COMPRESSION 0x1u
#define EXT2_INCOMPAT_FILETYPE    0x2u
#define EXT2_INCOMPAT_RECOVER     0x4u
#define EXT2_INCOMPAT_JOURNAL_DEV 0x8u
#define EXT2_INCOMPAT_META_BG     0x10u
#define EXT2_INCOMPAT_EXTENTS     0x40u
#define EXT2_INCOMPAT_64BIT       0x80u
#define EXT2_INCOMPAT_FLEX_BG     0x200u
#define EXT2_INCOMPAT_KNOWN       (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_META_BG)
/* s_feature_ro_compat */
#define EXT2_RO_SPARSE_SUPER 0x1u
#define EXT2_RO_LARGE_FILE   0x2u
#define EXT2_RO_BTREE_DIR    0x4u
#define EXT2_RO_KNOWN        (EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE | EXT2_RO_BTREE_DIR)

/* s_default_mount_opts */
#define EXT2_DEFM_XATTR_USER 0x4u

struct ext2_disk_super {
	u32 inodes_count, blocks_count, r_blocks_count, free_blocks_count, free_inodes_count;
	u32 first_data_block, log_block_size, log_frag_size;
	u32 blocks_per_group, frags_per_group, inodes_per_group;
	u32 mtime, wtime;
	u16 mnt_count, max_mnt_count, magic, state, errors, minor_rev;
	u32 lastcheck, checkinterval, creator_os, rev_level;
	u16 def_resuid, def_resgid;
	/* revision 1 */
	u32 first_ino;
	u16 inode_size, block_group_nr;
	u32 compat, incompat, ro_compat;
	u8 uuid[16];
	char volume_name[16], last_mounted[64];
	u32 algorithm_bitmap;
	u8 prealloc_blocks, prealloc_dir_blocks;
	u16 reserved_gdt_blocks;
	u8 journal_uuid[16];
	u32 journal_inum, journal_dev, last_orphan, hash_seed[4];
	u8 def_hash_version, journal_backup_type;
	u16 desc_size;
	u32 default_mount_opts, first_meta_bg;
	u32 rest[190];
};
_Static_assert(sizeof(struct ext2_disk_super) == 1024, "superblock");

struct ext2_disk_group {
	u32 block_bitmap, inode_bitmap, inode_table;
	u16 free_blocks_count, free_inodes_count, used_dirs_count, pad;
	u32 rest[3];
};
_Static_assert(sizeof(struct ext2_disk_group) == 32, "group descriptor");

#define EXT2_NDIR   12u /* block pointers in the inode itself */
#define EXT2_IND    12u
#define EXT2_DIND   13u
#define EXT2_TIND   14u
#define EXT2_NPTRS  15u
#define EXT2_GOOD_OLD_INODE_SIZE 128u
#define EXT2_GOOD_OLD_FIRST_INO  11u

struct ext2_disk_inode {
	u16 mode, uid;
	u32 size, atime, ctime, mtime, dtime;
	u16 gid, links_count;
	u32 blocks; /* 512-byte units, indirect blocks included */
	u32 flags, osd1;
	u32 block[EXT2_NPTRS];
	u32 generation, file_acl, size_high; /* size_high: dir_acl of directories */
	u32 faddr;
	u8 frag, fsize;
	u16 pad;
	u16 uid_high, gid_high;
	u32 reserved;
};
_Static_assert(sizeof(struct ext2_disk_inode) == 128, "inode");

/* What may follow in records of more than 128 bytes; extra_isize says how much of it means anything. Times: 30
 * bits of nanoseconds above two further bits of seconds. */
struct ext2_disk_inode_more {
	u16 extra_isize, checksum_high;
	u32 ctime_extra, mtime_extra, atime_extra, crtime, crtime_extra, version_high, projid;
};
#define EXT2_EXTRA_ISIZE      32u
#define EXT2_EXTRA_WITH_TIMES 16u /* extra_isize that covers atime_extra */

/* inode flags: those of FS_IOC_GETFLAGS (linux/fs.h) that ext2 gives a meaning or keeps */
#define EXT2_FL_SYNC      0x8u
#define EXT2_FL_IMMUTABLE 0x10u
#define EXT2_FL_APPEND    0x20u
#define EXT2_FL_NODUMP    0x40u
#define EXT2_FL_NOATIME   0x80u
#define EXT2_FL_INDEX     0x1000u /* hash-indexed directory: cleared by the first change */
#define EXT2_FL_NOTAIL    0x8000u
#define EXT2_FL_DIRSYNC   0x10000u
#define EXT2_FL_TOPDIR    0x20000u
#define EXT2_FL_VISIBLE   0x0003dfffu
#define EXT2_FL_MODIFIABLE 0x000380ffu
/* What a new file takes from its directory (by type less: ext2_inherit_flags) */
#define EXT2_FL_INHERITED 0x0001c6cfu

struct ext2_dirent {
	u32 inode; /* 0: unused */
	u16 rec_len;
	u8 name_len, type;
	char name[];
};
#define EXT2_DIRENT_HEAD 8u
#define EXT2_NAME_MAX    255u
static inline u32 ext2_dirent_size(size_t name_len) { return ((u32)name_len + EXT2_DIRENT_HEAD + 3) & ~3u; }

/* Extended attributes: one block for a file, which files with equal attributes may share. */
#define EXT2_XATTR_MAGIC 0xea020000u
#define EXT2_XATTR_MAX   256u /* more than fit into a block: an entry takes 20 bytes at least */
struct ext2_xattr_header {
	u32 magic, refcount, blocks, hash, reserved[4];
};
struct ext2_xattr_entry {
	u8 name_len, name_index;
	u16 value_offs;
	u32 value_block, value_size, hash;
	char name[];
};
static inline u32 ext2_xattr_entry_size(u32 name_len) { return (name_len + 16 + 3) & ~3u; }

#endif
