/* SPDX-License-Identifier: MIT */
/* Compaction: making large free blocks out of scattered free pages by moving what lies between. */
#ifndef MM_COMPACT_H
#define MM_COMPACT_H

#include <hal/types.h>

/* Compacts all memory (/proc/sys/vm/compact_memory). What other CPUs keep in their stacks of free frames should be
 * drained before. May take long; ends early when the caller is being killed. */
void compact_all(void);

/* Tries to make a free block of `order` for an allocation that may wait. False: nothing was tried, since free memory is
 * missing rather than scattered, or such a block is there. */
bool compact_for(unsigned order);

/* Why would an allocation of `order` fail? -1000: it would not; towards 0: too little is free; towards 1000: what is free
 * is scattered. Source: Linux, Documentation/admin-guide/sysctl/vm.rst (extfrag_threshold). */
int compact_fragmentation_index(unsigned node, unsigned order);
/* Thousandths of the node's free memory that an allocation of `order` cannot use. */
int compact_unusable_index(unsigned node, unsigned order);

/* /proc/sys/vm/extfrag_threshold: up to this index an allocation reclaims instead of compacting. 500 */
extern u32 compact_extfrag_threshold;

#endif
