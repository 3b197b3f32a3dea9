/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing files through the page cache: one set of pages for read(2), write(2) and mmap(2).
 * For mappings with a backing store; shmem does it itself (fs/tmpfs).
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include <mm/mapping.h>
#include <mm/readahead.h>

/* Where bytes go to or come from: moves up to n bytes, returns how many (short: bad user memory). */
struct cache_copier {
	size_t (*move)(struct cache_copier *c, void *page, size_t n);
};

/* Copies bytes [pos, pos+len) within the file's size to c. Bytes moved; -EFAULT, -EIO, -ENOMEM, -EINTR
 * (fatal signal) when none was. Reads ahead as ra says. No locks required. */
long cache_read(struct mapping *m, struct readahead *ra, u64 pos, u64 len, struct cache_copier *c);

/* Copies bytes from c to [pos, pos+len); blocks come from ops->map_blocks(create). grow(m, end) is called
 * after each page that passed the size, to raise it. Bytes moved, or -errno of the first page. The file's
 * write lock (inode) is held; on a short write the caller gives back blocks beyond the size. */
long cache_write(struct mapping *m, u64 pos, u64 len, struct cache_copier *c, void (*grow)(struct mapping *m, u64 end));

/* For ops->make_writable of mappings with a store: gets blocks for the page before a shared mapping may
 * write to it. 0; -EAGAIN: truncated meanwhile; -ENOSPC, -EIO. May sleep. */
int cache_make_writable(struct mapping *m, u64 index, struct frame *f);

/* The size will grow from old_size: zeroes what the last page holds behind it (a mapping may have
 * written there). Write lock held. */
int cache_zero_tail(struct mapping *m, u64 old_size);

/* Zeroes bytes [from, to) of one page, dirty, unless they lie in a hole: before a truncation to `from`, while
 * the size is the old one. 0, -EIO, -ENOMEM. Write lock held. */
int cache_zero_range(struct mapping *m, u64 from, u64 to);

/* Bytes [start, end) become zeros, and the whole blocks among them a hole: release(m, block, end) is called for
 * stretches of blocks, whose pages are busy meanwhile. start lies within the size; end too, or at the end of its last
 * block. 0; -EIO, -ENOMEM, -EINTR (fatal signal), what release returned: then a part is done. Write lock held. */
int cache_punch(struct mapping *m, u64 start, u64 end, int (*release)(struct mapping *m, u64 block, u64 end));

/* Drops clean pages that nobody maps, holds or writes. Pages dropped: drop_caches, POSIX_FADV_DONTNEED.
 * Page numbers [first, last]. */
u64 mapping_drop_clean(struct mapping *m, u64 first, u64 last);

/* Writes back and drops [start, end) whole pages for O_DIRECT; 0, -EBUSY (mapped and dirtied again), -EIO. */
int mapping_invalidate(struct mapping *m, u64 start, u64 end);

#endif
