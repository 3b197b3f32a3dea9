/* SPDX-License-Identifier: MIT */
/*
 * Block devices by number: what drivers register, what mount and block special files open.
 *
 * A whole device stays for ever once registered. Its partitions come from its table and go when the table
 * is read again (BLKRRPART), which is refused while one of them is open.
 */
#ifndef FS_BLKDEV_H
#define FS_BLKDEV_H

#include <mm/block.h>

struct blkdev_geometry {
	u16 cylinders;
	u8 heads, sectors; /* heads 0: none to tell */
};

/* What a driver knows of a whole device, for /sys and ioctl. */
struct blkdev_info {
	const char *driver; /* "virtblk": /proc/devices; static text */
	const char *place;  /* below /sys/devices: "pci0000:00/0000:00:04.0/virtio1"; stays */
	u32 nr_requests;    /* that may be in flight */
	u32 nr_minors;      /* device numbers from dev->dev on; further partitions get some of major 259 */
	bool is_rotational, has_write_cache;
	struct blkdev_geometry geometry;
};

/* "vda", ..., "vdz", "vdaa", ... */
void blkdev_disk_name(char name[16], const char *prefix, unsigned index);

/* A whole device that answers requests, after block_device_init. dev->dev 0: a number of major 259 is given.
 * Starts its flusher, reads its partition table, makes device nodes. 0, -EBUSY (number taken), -ENOMEM. */
int blkdev_register(struct block_device *whole, const struct blkdev_info *info);

/* The device with this number, for use until blkdev_close. holder != NULL: exclusively, that is without other
 * holders of it, of the whole device it is a part of, or of its own partitions. 0, -ENXIO, -EBUSY. */
int blkdev_open(u64 rdev, const void *holder, struct block_device **out);
/* Spin locks only. */
void blkdev_close(struct block_device *d, const void *holder);

/* Swap lies on the device, which the caller holds exclusively: writes to it through files and mappings are refused
 * with -ETXTBSY, those under way have ended, nothing of it is in the cache. 0 or -EIO, -EBUSY; then it is
 * as before. */
int blkdev_begin_swap(struct block_device *d);
/* No more; the cache drops what was read meanwhile. */
void blkdev_end_swap(struct block_device *d);

/* The device behind the block special file at `path`: 0, -ENOTBLK, -EACCES (nodev), else as lookup and
 * blkdev_open. */
int blkdev_open_path(const char *path, const void *holder, struct block_device **out);

/* Writes everything dirty on every device and makes it durable: sync(2), after the file systems' own. */
void blkdev_sync_all(void);
/* Drops the clean pages of the devices themselves (drop_caches 1). Pages dropped. */
u64 blkdev_drop_clean_all(void);

#endif
