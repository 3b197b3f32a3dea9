/* SPDX-License-Identifier: MIT */
/*
 * Trace points: compact records of decisions and their causes, in per-CPU rings. Off, a trace point
 * costs one load and one predictable branch. A full ring drops the oldest records and counts them.
 * What the arguments mean stands in one place, the table in mm/stat/trace.c, which every reader is given.
 */
#ifndef MM_TRACE_H
#define MM_TRACE_H

#include <hal/types.h>

enum trace_event {
	TRACE_FAULT,
	TRACE_MAP,
	TRACE_UNMAP,
	TRACE_SHARE,     /* fork */
	TRACE_UNSHARE,
	TRACE_COPY,
	TRACE_NO_MEMORY,
	TRACE_KILL,
	TRACE_CANDIDATE, /* of the OOM killer, with its score */
	TRACE_OPEN,      /* which file a number is */
	TRACE_FILL,
	TRACE_DIRTY,
	TRACE_WRITE,
	TRACE_WRITTEN,
	TRACE_JUDGE,     /* a policy's verdict on one page */
	TRACE_VICTIM,    /* a page that shall go */
	TRACE_EVICT,     /* ... and what became of it */
	TRACE_RECLAIM,   /* a whole round */
	TRACE_SWAP_OUT,
	TRACE_SWAP_IN,
	TRACE_MIGRATE,
	TRACE_COMPACT,
	TRACE_SWITCH,
	TRACE_FORK,
	TRACE_EXEC,
	TRACE_EXIT,
	TRACE_NR
};

struct trace_record {
	u64 ns;  /* hal_clock_ns(): CLOCK_MONOTONIC */
	u16 event, cpu;
	u32 tid; /* who ran; what an interrupt causes is put down to whom it interrupted */
	u64 args[4];
};

#define TRACE_RING_RECORDS 1024u /* of each CPU, unless trace_set_size was called */

extern u32 trace_mask; /* bit per event */

void trace_write(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3);
void trace_write_at(u64 ns, enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3); /* ns: hal_clock_ns() just now */

static inline bool trace_is_on(enum trace_event e) { return unlikely(READ_ONCE(trace_mask) & (1u << e)); }

static inline bool trace_is_on_any(u32 mask) { return unlikely(READ_ONCE(trace_mask) & mask); }

static inline void trace_point(enum trace_event e, u64 a0, u64 a1, u64 a2, u64 a3)
{
	if (trace_is_on(e))
		trace_write(e, a0, a1, a2, a3);
}

/* Turns events on or off (bit per event); rings are allocated at the first use. What `reader` does (a tid; 0: nobody) is
 * not recorded. 0 or -ENOMEM. */
int trace_enable(u32 mask, u32 reader);
/* Rings of so many records (a power of two, TRACE_RING_RECORDS .. TRACE_MAX_RECORDS); what there is is lost. All events are off. 0;
 * -EINVAL; -EBUSY: some are on. */
int trace_set_size(u32 records);
u32 trace_size(void);
#define TRACE_MAX_RECORDS 65536u
/* Turns all off and gives the rings' memory back; what they hold is lost. */
void trace_release(void);
/* Takes up to n records of a CPU's ring, oldest first; *lost = records dropped since the last call. */
unsigned trace_read(unsigned cpu, struct trace_record *out, unsigned n, u64 *lost);
const char *trace_name(enum trace_event e);
/* What its arguments are. They are separated by blanks, the fields within one, from bit 0 on, by +: name:kind followed by
 * the number of bits (none: 64). Kinds: x hexadecimal, u and s numbers without and with sign, n nanoseconds, b yes or no,
 * e(...) one of these, f(...) a bit for each, tN text in N arguments. */
const char *trace_format(enum trace_event e);

/* ---- fields that are put together from parts ---- */

enum trace_cause { /* of a fault */
	CAUSE_ZERO_FILL, CAUSE_ZERO_PAGE, CAUSE_FILE_PAGE, CAUSE_SHARED_MEMORY, CAUSE_COPY, CAUSE_OWN, CAUSE_SWAP_IN, CAUSE_SPECIAL,
	CAUSE_STALE, CAUSE_RETRY, CAUSE_SIGNAL, CAUSE_NO_MEMORY,
};

enum trace_outcome { /* of a victim */
	OUTCOME_FREED, OUTCOME_TO_SWAP, OUTCOME_DIRTY, OUTCOME_BUSY, OUTCOME_IN_USE,
};

#endif
