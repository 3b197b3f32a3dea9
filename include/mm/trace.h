/* SPDX-License-Identifier: MIT */
/*
 * Trace points: compact records of decisions and their causes, in per-CPU rings. Off, a trace point
 * costs one load and one predictable branch. A full ring drops the oldest records and counts them.
 */
#ifndef MM_TRACE_H
#define MM_TRACE_H

#include <hal/types.h>

enum trace_event {
	TRACE_FAULT,   /* address, access (FAULT_*), verdict (enum fault_kind), signal << 8 | code */
	TRACE_MAP,     /* start, length, MAP_*, PROT_* */
	TRACE_UNMAP,   /* start, length, 0, 0 */
	TRACE_SHARE,   /* parent's root, child's root, child's tables, 0 */
	TRACE_UNSHARE, /* address, table pfn, sharers left, 0 */
	TRACE_COPY,    /* address, old pfn, new pfn, 0 */
	TRACE_NO_MEMORY, /* order, alloc flags, enum frame_kind, 0 */
	TRACE_KILL,    /* pid, its pages in memory and swap, page tables, oom_score_adj */
	TRACE_NR
};

struct trace_record {
	u64 ns;
	u16 event, cpu;
	u32 pad;
	u64 args[4];
};

#define TRACE_RING_RECORDS 1024

extern u32 trace_mask; /* bit per event */

void trace_write(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3);

static inline void trace_point(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3)
{
	if (unlikely(READ_ONCE(trace_mask) & (1u << e)))
		trace_write(e, a0, a1, a2, a3);
}

/* Turns events on or off (bit per event); rings are allocated at the first use. 0 or -ENOMEM. */
int trace_enable(u32 mask);
/* Turns all off and gives the rings' memory back; what they hold is lost. */
void trace_release(void);
/* Takes up to n records of a CPU's ring, oldest first; *lost = records dropped since the last call. */
unsigned trace_read(unsigned cpu, struct trace_record *out, unsigned n, u64 *lost);
const char *trace_name(enum trace_event e);

#endif
