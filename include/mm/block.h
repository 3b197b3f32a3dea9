/* SPDX-License-Identifier: MIT */
/*
 * Block devices: what a driver hands in, and how mm/ and file systems move sectors.
 *
 * A request is a list of page pieces and a sector. Whoever submits it owns the memory until `done` was
 * called, exactly once, in a thread (never in an interrupt handler): it may take spin locks and wake,
 * not sleep. A synchronous driver may call it from within submit.
 *
 * The memory consists of single, reference-counted frames: a driver whose device does not answer gives up
 * with -EIO but keeps references until the device lets go. So after -EIO of a read the frames' content may
 * still change: they are dropped, not filled again.
 *
 * A partition is a device whose `parent` is set: requests are shifted and passed on.
 */
#ifndef MM_BLOCK_H
#define MM_BLOCK_H

#include <hal/types.h>
#include <lib/list.h>
#include <mm/frame.h>
#include <mm/mapping.h>
#include <mm/writeback.h>

#define SECTOR_SHIFT 9
#define SECTOR_SIZE  (1u << SECTOR_SHIFT)

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

/* Bytes of one page; offset and len are multiples of SECTOR_SIZE. */
struct block_segment {
	struct frame *frame;
	u16 offset;
	u16 len; /* 512..4096 */
};

struct block_request {
	enum block_op op;
	u32 nr_segments;            /* 0 for BLOCK_FLUSH; at most dev->max_segments */
	u64 sector;                 /* first sector, in units of 512 bytes, relative to dev */
	struct block_segment *segments;
	void (*done)(struct block_request *r);
	void *arg;                  /* the submitter's own */
	int err;                    /* set before done: 0, -EIO, -ENXIO (beyond the end), -EROFS, -EINVAL (not whole
	                             * logical blocks), -EOPNOTSUPP */
	/* while in flight, the block layer's and the driver's; all above but err are the submitter's again
	 * in done, as he set them */
	struct block_device *dev;   /* as submitted to */
	u32 nr_sectors;             /* sum of the segments */
	u64 start_ns;
	struct list_head link;
	u64 driver[2];
};

struct block_ops {
	/* Takes r on; sectors are already those of this (whole) device and in range. May sleep for room. */
	void (*submit)(struct block_device *d, struct block_request *r);
};

/* Since boot; atomic. /proc/diskstats (Linux: Documentation/admin-guide/iostats.rst). */
struct block_stats {
	u64 requests[3], sectors[3], ns[3]; /* ended requests, by enum block_op */
	u64 in_flight[3];
	u64 busy_ns, busy_until_ns;         /* time with requests in flight, counted up to busy_until_ns */
};

struct block_device {
	const struct block_ops *ops;     /* whole devices */
	struct block_device *parent;     /* partitions: the whole device */
	u64 start_sector;                /* partitions: in the parent */
	u64 nr_sectors;                  /* of 512 bytes; may be changed by block_set_size only */
	u32 logical_block, physical_block; /* bytes: 512..4096, powers of two */
	u32 max_segments, max_sectors;   /* per request, at least 1 and 8 */
	bool is_read_only;
	u64 dev;                         /* device number as in st_rdev */
	char name[16];                   /* "vda", "vda1" */
	u32 readahead_pages;             /* whole devices: for files opened from now on; settable */
	void *priv;                      /* the driver's */
	void *entry;                     /* the registry's (fs/blkdev) */
	struct block_stats stats;
	struct host_waitq waitq;         /* who reads one page of a file waits here */
	struct mapping mapping;          /* its own pages: file-system metadata, reads of /dev/vda */
	struct backing_store store;      /* of `mapping` */
	struct flusher flusher;          /* writes dirty pages of every file on the (whole) device */
	struct spinlock holder_lock;     /* RANK_BLOCK_HOLDER: the next two */
	void (*write_refused)(void *holder); /* NULL: nobody holds metadata in the device's own pages */
	void *holder;
};

/* Of every device's own pages. Whoever opens devices as files adds file_get, file_put, readahead and fsync. */
extern struct mapping_ops block_mapping_ops;

/* Before first use: ops or parent, sizes, limits, name, dev, is_read_only and priv are set by the caller; the
 * rest is made ready. Then a flusher may be started with flusher_start. */
void block_device_init(struct block_device *d);
/* No request is in flight, nothing uses it any more: writes nothing, drops its pages. */
void block_device_destroy(struct block_device *d);

/* Starts r on d (fields above `dev` are set). Errors arrive through done. May sleep. */
void block_submit(struct block_device *d, struct block_request *r);

/* The driver's call when r ended, in a thread: counts and calls r->done. r may be gone afterwards. */
void block_done(struct block_request *r, int err);

/* Moves `len` bytes (multiple of 512, within one page's frame at offset) and waits. 0 or -errno. */
int block_rw(struct block_device *d, enum block_op op, u64 sector, struct frame *f, u32 offset, u32 len);

/* Who keeps metadata in the device's own pages hears through write_refused, any number of times, that the disk refuses
 * to write them for good: nothing more must be changed. It is called in a thread under RANK_BLOCK_HOLDER and must not
 * sleep. NULL: nobody does so any more; when this returns the old one is not called again. */
void block_set_holder(struct block_device *d, void (*write_refused)(void *holder), void *holder);
/* Calls it. false: there is none. Under no spin lock. */
bool block_tell_holder(struct block_device *d);

/* Makes everything written so far durable. 0 or -EIO. */
int block_flush(struct block_device *d);

/* The device has another size now. Pages beyond a smaller one stay, what is read or written there fails. Any
 * context. */
void block_set_size(struct block_device *d, u64 nr_sectors);

u64 block_nr_in_flight(const struct block_device *d);
u64 block_busy_ns(const struct block_device *d); /* up to now */

static inline struct block_device *block_whole(struct block_device *d) { return d->parent ? d->parent : d; }

#endif
