/* SPDX-License-Identifier: MIT */
/* Compaction: making large free blocks out of scattered free pages by moving what lies between. */
#ifndef MM_COMPACT_H
#define MM_COMPACT_H

#include <hal/types.h>

/* Compacts all memory (/proc/sys/vm/compact_memory). May sleep and take long; ends early when the caller is being
 * killed. */
void compact_all(void);

/* Tries to make a free block of `order` for an allocation that may wait. False: nothing was tried, since free memory is
 * missing rather than scattered, or such a block is there. */
bool compact_for(unsigned order);

/* ---- in the background (kcompactd.c) ---- */

void compact_init(void);
/* A worker for each node, once threads exist; 0 or -ENOMEM. */
int compact_start(void);
/* An allocation of `order` (> 0) found no block and could not wait for one, or waited in vain: the workers make one, as soon
 * as enough is free. Any context that may allocate; waits for nothing. */
void compact_wake(unsigned order);
/* Pages that should be free above the high watermark before a worker can do what was asked for; 0: nothing was. */
u64 compact_nr_wanted(unsigned node);
/* Reclaim has done what it could. */
void compact_after_reclaim(void);
/* A node's worker where there are no threads: what was asked for, once. False: nothing was. */
bool compact_round(unsigned node);

/* Why would an allocation of `order` fail? -1000: it would not; towards 0: too little is free; towards 1000: what is free
 * is scattered. Source: Linux, Documentation/admin-guide/sysctl/vm.rst (extfrag_threshold). */
int compact_fragmentation_index(unsigned node, unsigned order);
/* Thousandths of the node's free memory that an allocation of `order` cannot use. */
int compact_unusable_index(unsigned node, unsigned order);

/* /proc/sys/vm/extfrag_threshold: up to this index an allocation reclaims instead of compacting. 500 */
extern u32 compact_extfrag_threshold;
/* /proc/sys/vm/compact_unevictable_allowed: are pages moved that are locked in memory? 1 */
extern u32 compact_unevictable_allowed;

#endif
