/* SPDX-License-Identifier: MIT */
/* Pages on their way into and out of a file's index, as the files of mm/cache/ see them. */
#ifndef MM_CACHE_INTERNAL_H
#define MM_CACHE_INTERNAL_H

#include <asm/errno.h>
#include <mm/block.h>
#include <mm/mapping.h>
#include <mm/stat.h>
#include <mm/writeback.h>

static inline u64 mapping_size_pages(struct mapping *m)
{
	return (m->ops->size(m) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Puts the new page f (flags set; content or busy) at `index`; the index's reference is the caller's to
 * have counted. within_size: -ENODATA beyond the file's size, which truncation lowers before it passes
 * through the tree lock. 0, -EEXIST, -ENOMEM, -ENODATA. */
int mapping_insert(struct mapping *m, u64 index, unsigned alloc, struct frame *f, bool within_size);

/* A new busy page at `index`, one reference for the index and one for the caller. Errors as above. */
int mapping_insert_busy(struct mapping *m, u64 index, unsigned alloc, struct frame **out);

/* Parts of the above and of mapping_detach_locked, without charges, tags and swap: puts f at `index`, as radix_insert
 * says; takes it out. Tree lock held. */
int mapping_index_locked(struct mapping *m, u64 index, struct frame *f, struct radix_reserve *reserve);
void mapping_unindex_locked(struct mapping *m, struct frame *f);

/* The same for nr neighbours of a file with a store, as many as find empty places in a node that is there. How many:
 * 0 is no error, but a reason to ask for one. */
unsigned mapping_insert_busy_many(struct mapping *m, u64 index, unsigned nr, unsigned alloc, struct frame **out);

/* Takes f (busy) out of the index, with every slot that maps it; not under write-back. */
void mapping_remove_busy(struct mapping *m, struct frame *f);

#define FIND_PAGES 16u

/* Up to `want` (at most FIND_PAGES) neighbours from `index` on that are up to date and have none of the flags `but`,
 * as far as one node of the index goes, with a reference each; how many. */
static inline unsigned mapping_find_many(struct mapping *m, u64 index, u64 want, u32 but, struct frame **pages)
{
	void *const *items;
	unsigned n = 0;
	spin_lock(&m->tree_lock);
	unsigned nr = radix_stretch(&m->pages, index, (unsigned)min(want, (u64)FIND_PAGES), &items);
	for (; items && n < nr; n++) {
		struct frame *f = items[n];
		if (unlikely(!f || (frame_flags(f) & (FRAME_UPTODATE | but)) != FRAME_UPTODATE))
			break;
		frame_get(f);
		pages[n] = f;
	}
	spin_unlock(&m->tree_lock);
	return n;
}

/* Unmaps pages [first, last) wherever the file's own pages are mapped; a fault may map them again. May sleep. */
void mapping_unmap_range(struct mapping *m, u64 first, u64 last);

#define TRANSFER_PAGES 64

/* Reads nr (1..TRANSFER_PAGES) pages with neighbouring indexes, busy and in the index. Each becomes up to
 * date or leaves the index, is unlocked, and loses the caller's reference. May return before that. */
void transfer_read(struct mapping *m, struct frame *const *pages, unsigned nr);

/* Reads one busy page, which stays busy and keeps its reference. 0 or -errno. */
int transfer_read_wait(struct mapping *m, struct frame *f);

/* Writes nr neighbouring pages marked FRAME_WRITEBACK; masks: of device pages, their dirty sectors. Each
 * loses the mark and the caller's reference when it is done; errors go to the store. */
void transfer_write(struct mapping *m, struct frame *const *pages, const u8 *masks, unsigned nr);

/* The write of f, which is under write-back, failed, and not for want of memory. Whether it stays dirty (the caller
 * marks it); false: it is lost, and the file remembers. No spin locks are held. */
bool refused_keep(struct mapping *m, struct frame *f);
/* f was written, or leaves the index. Tree lock held. */
void refused_clear_locked(struct frame *f);
/* How many of the dirty pages nobody waits for, given the background threshold: R2. */
u64 refused_exempt(u64 background);

/* n pages reached the disk, or were refused. */
void flusher_progress(struct flusher *fl, u64 n);
/* The mapping has dirty pages or metadata: onto its device's list, if it is not there. */
void flusher_add(struct backing_store *b);
/* It is being destroyed: off the list. */
void flusher_remove(struct backing_store *b);

/* The tail of the file's last page behind `size` may hold what a mapping wrote there. */
bool page_has_tail(struct mapping *m, const struct frame *f, u64 size);

/* Pages of a disk itself: superblock, tables, directories. */
static inline bool is_metadata(const struct mapping *m) { return m->flags & MAPPING_DEVICE; }

#endif
