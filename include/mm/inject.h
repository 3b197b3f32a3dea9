/* SPDX-License-Identifier: MIT */
/*
 * Failure by countdown: any allocation can be made to fail. A test lets the first, the second, ... fail
 * until its operation meets none, and looks each time at what is left behind.
 */
#ifndef MM_INJECT_H
#define MM_INJECT_H

#include <hal/types.h>

struct host_context;

/* Allocations that count. */
#define INJECT_FRAMES (1u << 0) /* frame_alloc, kernel stacks */
#define INJECT_SLABS  (1u << 1) /* slab_alloc, and so kmalloc up to its largest class */

/* After n more successes of these kinds the next allocation fails, once; n < 0: none does. who: only what
 * is asked for while host_current() is this counts; NULL: all. One countdown at a time. */
void inject_failure(unsigned kinds, long n, const struct host_context *who);
/* Instead: of what is asked for while host_current()->may_fail, one in `one_in` fails, as the seed decides. 0: none. */
void inject_random(unsigned one_in, u64 seed);
void inject_stop(void);   /* no more counting; whether it struck stays known */
bool inject_struck(void); /* has it, since the last inject_failure()? */

/* For allocators: shall this one fail? */
extern long inject_countdown; /* < 0: off; random failures: 0 */
bool inject_counts(unsigned kind);
static inline bool inject_strikes(unsigned kind)
{
	return unlikely(READ_ONCE(inject_countdown) >= 0) && inject_counts(kind);
}

#endif
