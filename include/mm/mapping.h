/* SPDX-License-Identifier: MIT */
/*
 * A mapping: the pages of one file (or shmem object) in memory, indexed by page number, and the
 * regions of address spaces that show it. File systems embed one in each inode; mm/ reaches the file
 * only through mapping_ops.
 *
 * A page in the index holds one reference to its frame. A frame leaves the index only with its busy
 * bit held and all slots that map it gone.
 */
#ifndef MM_MAPPING_H
#define MM_MAPPING_H

#include <hal/types.h>
#include <lib/list.h>
#include <mm/radix.h>
#include <mm/frame.h>
#include <mm/host.h>

struct mapping;

struct readahead;
struct backing_store;

#define BLOCK_HOLE (~0ull)
struct block_extent {
	u64 device_block; /* on the store's device; BLOCK_HOLE: nothing there, reads as zeros */
	u32 nr;           /* blocks, at least 1 */
	bool is_new;      /* just allocated: the disk's content means nothing */
};

struct mapping_ops {
	/* Bytes the file has; may be called under spin locks. */
	u64 (*size)(struct mapping *m);
	/* Reads page `index` into the (busy) frame. NULL: pages start as zeros (shmem). -errno: -EIO.. */
	int (*fill)(struct mapping *m, u64 index, struct frame *f);
	/* A shared mapping is about to be written through for the first time (times, block
	 * allocation: see cache_make_writable). May sleep. NULL: nothing to do. */
	int (*make_writable)(struct mapping *m, u64 index, struct frame *f);

	/* With a backing store only. */
	/* Where blocks of the file lie: the extent that `block` (in store->block_shift units) begins,
	 * at most max blocks. create: makes what is missing, as one extent or a part of it. 0; -EIO, -ENOSPC,
	 * -EUCLEAN. Called with busy pages of this file held; may read the device's own pages; may sleep. */
	int (*map_blocks)(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out);
	/* Writes the file's own record into the device's pages; with wait, until it is on the device. */
	int (*write_meta)(struct mapping *m, bool wait);
	/* Keeps the file alive for the flusher: false when it is being destroyed. May be called under
	 * RANK_FLUSHER (pin) and without locks (unpin). */
	bool (*pin)(struct mapping *m);
	void (*unpin)(struct mapping *m);
	/* Read-ahead state of an open file, or NULL. */
	struct readahead *(*readahead)(void *file);
	/* Takes room for nr pages, or gives it back (nr < 0): asked before a page is inserted, told when one
	 * has left. 0 or -ENOSPC; giving back does not fail. May be called under spin locks. NULL: no limit. */
	int (*charge)(struct mapping *m, s64 nr);
	/* Reference counts of the open file behind a region. */
	void (*file_get)(void *file);
	void (*file_put)(void *file);
	/* As fsync(2) of bytes [start, end): msync(MS_SYNC). NULL: nothing to do. May sleep. */
	int (*fsync)(void *file, u64 start, u64 end);
	/* As fallocate(2) with FALLOC_FL_PUNCH_HOLE of bytes [start, end): madvise(MADV_REMOVE). NULL: a file with a
	 * store has no holes. No locks are held; may sleep. */
	int (*punch)(void *file, u64 start, u64 end);
};

#define MAPPING_SHMEM  (1u << 0) /* pages have no backing file: never dropped, counted as Shmem */
#define MAPPING_DEVICE (1u << 1) /* a block device's own pages: counted as Buffers, dirty by sector */

struct mapping {
	const struct mapping_ops *ops;
	u32 flags;
	u64 id;                    /* never given again: which file an evicted page belonged to */
	struct spinlock tree_lock; /* RANK_MAPPING_TREE: pages, nr_pages */
	struct radix_tree pages;   /* page number -> struct frame */
	u64 nr_pages;              /* in `pages` */
	struct radix_tree swapped; /* (tree_lock) shmem: page number -> swap entry, see mm/shmem.h */
	u64 nr_swapped;            /* (tree_lock) of those that are not in `pages` */
	struct list_head swap_link; /* in the list of mappings with pages in swap */
	struct rwlock regions_lock; /* RANK_MAPPING: regions */
	struct list_head regions;   /* struct region.mapping_link */
	struct backing_store *store; /* NULL: pages have no home on a device */
	s64 nr_writable;            /* atomic: shared writable regions; < 0: such are refused (seals) */
};

void mapping_init(struct mapping *m, const struct mapping_ops *ops, u32 flags);

/* All regions are gone: drops every page. */
void mapping_destroy(struct mapping *m);

/* Finds page `index` with a reference taken, or NULL. */
struct frame *mapping_find(struct mapping *m, u64 index);

/* Finds or makes page `index`, up to date, with a reference taken. alloc: ALLOC_* bits.
 * 0; -ENOMEM; -ENOSPC: no room (ops->charge); -EIO or what the file system returned; -ENODATA: beyond the size of a file with a store. */
int mapping_get(struct mapping *m, u64 index, unsigned alloc, struct frame **out);

/* Puts a page whose content is complete (kind FRAME_CACHE, the caller's reference stays) at `index`; for
 * mappings without a backing store. 0; -EEXIST; -ENOMEM; -ENOSPC. */
int mapping_add(struct mapping *m, u64 index, unsigned alloc, struct frame *f);

/* The file's size was set to `size` bytes (already visible through ops->size): unmaps and drops what
 * lies beyond, private copies too; zeroes the rest of the last page. May sleep. */
void mapping_truncate(struct mapping *m, u64 size);

/* Unmaps and drops whole pages in [start, end) bytes, zeroes partial ones (hole punch). */
void mapping_punch(struct mapping *m, u64 start, u64 end);

/* Takes one page out of the index and unmaps it everywhere; the caller holds a reference. May sleep. */
void mapping_remove(struct mapping *m, struct frame *f);

/* Takes the busy page f, which no slot maps, out of the index, under its tree lock. False: it is not in. The
 * index's reference is the caller's to drop. */
bool mapping_detach_locked(struct mapping *m, struct frame *f);

const char *mapping_validate(struct mapping *m);

#endif
