/* SPDX-License-Identifier: MIT */
/*
 * Pages of tmpfs and shared memory (MAPPING_SHMEM) in swap. The mapping's second index, `swapped`, says which
 * swap entry holds a page: one that is in swap only, or one that is in memory as well.
 */
#ifndef MM_SHMEM_H
#define MM_SHMEM_H

#include <mm/mapping.h>

/* Page `index` if the file has it, in memory or in swap: 0, with a reference, or *out = NULL for a hole. -ENOMEM,
 * -EIO: it could not be read. May sleep. */
int shmem_find(struct mapping *m, u64 index, unsigned alloc, struct frame **out);
/* The first page at or behind *index that the file has; false: none. */
bool shmem_next(struct mapping *m, u64 *index);
/* Pages that the file has, in memory or in swap. */
static inline u64 shmem_nr_pages(const struct mapping *m) { return READ_ONCE(m->nr_pages) + READ_ONCE(m->nr_swapped); }

/* ---- for mm/ ---- */

/* A page that is not in memory comes from swap: inserted, read, up to date, with a reference. -ENOENT: it is not in
 * swap; -EEXIST: somebody was faster; -ENOMEM; -EIO. */
int shmem_swap_in(struct mapping *m, u64 index, unsigned alloc, struct frame **out);
/* Gives the busy page f, which is in its index, the entry of a slot whose cache it is. 0 or -ENOMEM. */
int shmem_swap_out_begin(struct frame *f, u64 entry);
/* The busy page f, whose slot holds its content and whose third reference is the caller's, leaves memory, if nobody
 * uses it. True: it is the caller's alone. */
bool shmem_drop(struct frame *f);
/* The busy page f, which somebody refers to, could not be read from its slot: it is in swap only, again. */
void shmem_read_failed(struct frame *f);
/* The busy page f, with FRAME_SWAPCACHE, has no slot any more; its mapping's tree lock is held. */
void shmem_forget_locked(struct mapping *m, struct frame *f);
/* The file loses pages [first, last) that are in swap only. */
void shmem_remove(struct mapping *m, u64 first, u64 last);
/* The mapping ends: nothing of it is in swap any more. */
void shmem_end(struct mapping *m);
/* Brings everything back that is in the swap area. 0; -ENOMEM, -EIO, -EINTR. May sleep. */
int shmem_bring_back(unsigned area);

#endif
