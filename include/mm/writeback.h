/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages and their way to the disk.
 *
 * A mapping with a backing store counts and tags its dirty pages and stands on its device's flusher
 * list while it has any (or changed metadata). The flusher writes what is older than
 * dirty_expire_centisecs, and everything while more is dirty than the background threshold; a writer
 * beyond half way to the hard threshold is made to wait (Linux: Documentation/admin-guide/sysctl/vm.rst).
 *
 * An error of a write is remembered in the store until every open file had the chance to see it
 * through fsync (writeback_error_*).
 */
#ifndef MM_WRITEBACK_H
#define MM_WRITEBACK_H

#include <hal/lock.h>
#include <hal/types.h>
#include <lib/list.h>
#include <mm/host.h>

struct mapping;
struct frame;
struct block_device;
struct backing_store;

/* One per whole device. */
struct flusher {
	struct spinlock lock;         /* RANK_FLUSHER: the list */
	struct list_head dirty;       /* backing_store.dirty_link, oldest first */
	struct host_waitq waitq;      /* the worker, and those who wait for it */
	bool is_started, must_run, must_stop; /* (waitq.lock) */
	struct list_head link;        /* in the list of flushers that run */
	struct rwlock round_lock;     /* RANK_FLUSH_ROUND: one round at a time */
	u64 round;                    /* (round_lock) its number */
	u64 nr_written;               /* atomic: pages, ever; throttled writers watch it */
};

/* What a mapping has when its pages have a home on a device; embedded beside it by the file system. */
struct backing_store {
	struct mapping *mapping;
	struct block_device *dev;     /* where blocks lie (a partition or a whole device) */
	u8 block_shift;               /* 9..12: log2 of the file system's block size */
	bool is_meta_dirty;           /* (flusher lock) ops->write_meta has something to do */
	bool has_tail;                /* a mapping may have written behind the end of the last page */
	bool is_given_up;             /* the file is removed and going: nothing more need be written */
	u64 nr_dirty, nr_writeback;   /* (tree_lock) pages */
	struct list_head dirty_link;  /* (flusher lock) */
	u64 dirtied_ns;               /* (flusher lock) when it went onto the list */
	u64 round;                    /* (flusher lock) the last round that wrote it */
	u64 error_seq;                /* atomic: errno | counter, see writeback_error_* */
	u64 nr_failed;                /* atomic: pages whose write failed, ever */
	bool has_lost;                /* a page was given up: see mm/cache/refused.c */
	s32 failed_err;               /* of the last one: -EIO, or -ENOMEM: the disk was never asked */
};

void backing_store_init(struct backing_store *b, struct mapping *m, struct block_device *dev, unsigned block_shift);

/* A page of a mapping with a store changed (or is about to): marks it. The caller holds a reference to
 * the frame, which is in the index; spin locks below RANK_MAPPING_TREE may be held. */
void mapping_dirty_page(struct mapping *m, struct frame *f);
/* The same for nr (1..64) neighbours in the index, not of a device. */
void mapping_dirty_neighbours(struct mapping *m, struct frame *const *pages, unsigned nr);
/* The same when only some 512-byte pieces of it did (bit 0: the first). Which ones matters for a device's own
 * pages: the others are not written. */
void mapping_dirty_sectors(struct mapping *m, struct frame *f, u8 sectors);
/* The file's own record (inode) changed: ops->write_meta is called before long. Any context that may
 * take RANK_FLUSHER. */
void mapping_dirty_meta(struct mapping *m);

/* Writes dirty pages of bytes [start, end) (end ~0: all) and, with WRITEBACK_WAIT, waits until they and
 * those already on their way are there. WRITEBACK_META: then ops->write_meta. No device flush. 0, or the
 * error of a page that could not be written meanwhile (-ENOMEM: for want of memory). It stays dirty, or is lost
 * (has_lost). May sleep; the caller keeps the mapping alive. */
#define WRITEBACK_WAIT 1u
#define WRITEBACK_META 2u
int mapping_writeback(struct mapping *m, u64 start, u64 end, unsigned flags);
/* Waits for writes under way in [start, end). */
void mapping_wait_writeback(struct mapping *m, u64 start, u64 end);

/* Nobody will read the file again: a write-back under way writes no further page. */
static inline void writeback_give_up(struct backing_store *b) { WRITE_ONCE(b->is_given_up, true); }

/* Errors: an open file samples at open; fsync reports what came after its sample, once per file; and that a page was
 * lost, each time. */
u64 writeback_error_sample(struct mapping *m);
int writeback_error_check(struct mapping *m, u64 *since); /* 0 or -EIO, -ENOSPC; advances *since */
void writeback_error_set(struct mapping *m, int err);

/* Dirty pages, of all devices, whose last write the disk refused: see mm/cache/refused.c. */
u64 writeback_nr_refused(void);

/* After nr (1..) pages were dirtied by write(2), a shared mapping's fault or a new name, without locks that write-back
 * needs (an inode's lock is fine): sleeps while too much is dirty. */
void writeback_throttle(struct mapping *m, unsigned nr);

void flusher_init(struct flusher *fl);
/* The worker of a device: started when the device appears. 0 or -ENOMEM. */
int flusher_start(struct block_device *whole);
void flusher_stop(struct block_device *whole);
/* One round as the worker does it, `now` of hal_clock_ns(): returns pages written. For tests and the host. */
u64 flusher_round(struct flusher *fl, u64 now);
/* Writes everything dirty on the device and waits; file systems' own sync comes before. */
int flusher_sync(struct block_device *whole);
/* Wakes all flushers: memory is short, or sync(2). */
void flusher_kick_all(void);

/* /proc/sys/vm/dirty_*; a ratio of 0 with bytes != 0 means bytes count. */
extern struct writeback_tunables {
	u32 dirty_ratio, dirty_background_ratio;             /* percent of available memory: 20, 10 */
	u64 dirty_bytes, dirty_background_bytes;
	u32 dirty_expire_centisecs, dirty_writeback_centisecs; /* 3000, 500 */
} writeback_tunables;
/* The thresholds as they stand, pages: /proc/vmstat nr_dirty_threshold, nr_dirty_background_threshold. */
void writeback_thresholds(u64 *background, u64 *hard);

#endif
