/* SPDX-License-Identifier: MIT */
/*
 * A disk in the host's memory, as a struct block_device, that a test can make slow, stuck or faulty and
 * whose writes and flushes it can have recorded.
 *
 * Without threads a request with a delay ends while somebody waits (virtual time passes to its end), or
 * in host_disk_run. With threads a worker, which acts as CPU config.worker_cpu, ends requests in order
 * after real time.
 */
#ifndef HOST_DISK_H
#define HOST_DISK_H

#include <mm/block.h>

struct host_disk;

struct host_disk_config {
	const char *name;            /* NULL: "disk" */
	u64 nr_sectors;
	const void *content;         /* nr_sectors * 512 bytes, copied; NULL: zeros */
	u32 logical_block;           /* 0: 512 */
	u32 max_segments, max_sectors; /* 0: 128, 1024 */
	u64 delay_ns;                /* how long each request takes; 0: ends within submit */
	bool is_read_only;
	bool records;                /* keep a list of what was written and flushed */
	unsigned worker_cpu;         /* with threads */
};

struct host_disk *host_disk_create(const struct host_disk_config *c);
void host_disk_destroy(struct host_disk *d); /* nothing is in flight */
struct block_device *host_disk_device(struct host_disk *d);
u8 *host_disk_bytes(struct host_disk *d); /* the medium itself */

void host_disk_set_delay(struct host_disk *d, u64 ns);
/* While stalled no request ends. Going on ends those that wait, in order. */
void host_disk_stall(struct host_disk *d, bool stalled);
/* Ends what is in flight (without threads; not while stalled). How many. */
unsigned host_disk_run(struct host_disk *d);

/* With threads: waits until nothing is in flight and the worker is through. */
void host_disk_settle(struct host_disk *d);

/* Requests of `op` that touch sectors [first, end) fail with -EIO and move nothing: `skip` pass first, then
 * `count` fail (~0: for ever). Flushes: any range. At most 16 at a time; host_disk_heal removes all. */
void host_disk_fail(struct host_disk *d, enum block_op op, u64 first, u64 end, u64 skip, u64 count);
void host_disk_heal(struct host_disk *d);
u64 host_disk_nr_failed(const struct host_disk *d);

/* In the order in which they ended; a failed request is not recorded. */
struct host_disk_record {
	enum block_op op; /* BLOCK_WRITE or BLOCK_FLUSH */
	u64 sector;
	u32 nr_sectors;
	const u8 *data;   /* what was written */
};
size_t host_disk_records(const struct host_disk *d, const struct host_disk_record **out);
/* The medium as a crash after the first `nr` records may leave it: everything before the last flush among
 * them, and of what came after it each logical block or not, as `seed` decides. out: nr_sectors * 512. */
void host_disk_crash_image(const struct host_disk *d, size_t nr, u64 seed, u8 *out);

#endif
