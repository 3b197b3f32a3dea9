/* SPDX-License-Identifier: MIT */
/* What the files of fs/blkdev and the figures in /proc and /sys share. */
#ifndef FS_BLKDEV_INTERNAL_H
#define FS_BLKDEV_INTERNAL_H

#include "../internal.h"
#include <fs/blkdev.h>
#include <lib/rbtree.h>

/* One whole device or partition in the registry. Letters: (r) registry lock */
struct blkdev {
	struct block_device *dev;
	struct rb_node node;           /* (r) by number */
	struct list_head link;         /* (r) wholes: of all; partitions: of their whole, by number */
	struct list_head partitions;   /* (r) wholes */
	struct list_head removed;      /* of whoever has just removed it */
	struct blkdev *whole;          /* itself for a whole device; partitions hold no reference: it stays */
	u32 partition;                 /* number in the table; 0: whole */
	s32 refs;                      /* atomic; 1 for being registered */
	u32 nr_opens;                  /* (r) */
	const void *holder;            /* (r) who uses it exclusively */
	u32 nr_holds;                  /* (r) how often */
	u32 nr_held_partitions;        /* (r) wholes */
	u32 block_size;                /* BLKBSZGET: bytes */
	bool is_swap;                  /* (write_lock) writes are refused; read without */
	u32 nr_direct_writes;          /* atomic: under way, past the cache and without a lock */
	struct host_waitq direct_wait; /* until there are none */
	struct blkdev_info info;       /* wholes */
	char label[37];                /* partitions: name in the table, as ASCII; may be empty */
	u64 sequence;                  /* wholes: BLKGETDISKSEQ */
	struct mutex write_lock;       /* RANK_INODE: writes through the cache */
	struct mutex scan_lock;        /* RANK_FS_NAMESPACE: wholes: the partition table is being read */
	struct block_device partition_dev; /* partitions: dev points here */
};

#define BLKDEV_EXTENDED_MAJOR 259 /* of partitions that their disk has no number for, and of disks without own ones */

static inline struct blkdev *blkdev_of(struct block_device *d) { return d->entry; }

/* With a reference, or NULL. */
struct blkdev *blkdev_find(u64 rdev);
struct blkdev *blkdev_find_name(const char *name, size_t len);
void blkdev_put(struct blkdev *b);
/* The one after b (NULL: the first) in the order of registration, a whole device before its partitions, with
 * a reference; b's reference is dropped. NULL: no more. */
struct blkdev *blkdev_next(struct blkdev *b);

/* Reads the table anew. 0; -EBUSY: a partition is open. */
int blkdev_rescan(struct blkdev *whole);

/* devtmpfs */
void blkdev_node_add(struct blkdev *b);
void blkdev_node_remove(struct blkdev *b);

/* file.c, direct.c, ioctl.c */
void blkdev_file_init(void); /* before the first device can be opened; again does no harm */
int blkdev_open_file(struct inode *i, struct file *f);
static inline struct blkdev *file_blkdev(struct file *f) { return f->priv; }
static inline u64 blkdev_size(const struct blkdev *b) { return READ_ONCE(b->dev->nr_sectors) << SECTOR_SHIFT; }
bool blkdev_is_read_only(const struct blkdev *b);
/* O_DIRECT: len bytes (within the device). Bytes done or -errno. */
long blkdev_direct(struct blkdev *b, enum block_op op, u64 pos, u64 len, struct iov *iov);
long blkdev_ioctl(struct file *f, u32 cmd, u64 arg);
/* Writes zeros: no device here has a command for it. 0; -EINVAL: not whole blocks or not inside; -EIO, ... */
int blkdev_zero(struct blkdev *b, u64 start, u64 len);
int blkdev_sync(struct blkdev *b);

#endif
