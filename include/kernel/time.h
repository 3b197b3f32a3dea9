/* SPDX-License-Identifier: MIT */
/*
 * Clocks and timers. Times are in nanoseconds; deadlines are absolute hal_clock_ns() values, which is
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME (the machine is never suspended).
 */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include <hal/types.h>
#include <lib/rbtree.h>

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_USEC 1000ull
#define TICK_NS       10000000ull /* USER_HZ = 100 */

/* A timer of the kernel. fn runs in the timer interrupt: interrupts off, must not sleep or allocate;
 * it may start its own timer again. The structure must not be freed from fn. */
struct ktimer {
	struct rb_node node;
	u64 deadline_ns;
	void (*fn)(struct ktimer *t);
	u32 cpu; /* on whose queue, or where it ran last */
	bool is_queued;
	bool is_running;
};

void ktimer_init(struct ktimer *t, void (*fn)(struct ktimer *t));
/* Starts, or moves, the timer on the calling CPU. A past deadline fires at once. Any context. */
void ktimer_start(struct ktimer *t, u64 deadline_ns);
/* Stops it and waits until fn does not run (not from fn itself). Was it queued? */
bool ktimer_cancel(struct ktimer *t);

/* Wall-clock time in ns since 1970. */
s64 clock_realtime_ns(void);
void clock_set_realtime(s64 ns);
/* Offset: realtime = hal_clock_ns() + this (the vDSO's data page wants it). */
s64 clock_realtime_offset_ns(void);
/* Set by whoever keeps copies of the offset (vDSO); called after each change. */
extern void (*clock_offset_changed)(s64 offset_ns);

/* Layouts of the system call interface. */
struct timespec_k { s64 tv_sec, tv_nsec; };
struct timeval_k { s64 tv_sec, tv_usec; };
static inline struct timespec_k ns_to_timespec(s64 ns)
{
	struct timespec_k t = { ns / 1000000000, ns % 1000000000 };
	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}
static inline struct timeval_k ns_to_timeval(s64 ns) { return (struct timeval_k){ ns / 1000000000, ns % 1000000000 / 1000 }; }
static inline bool timespec_is_valid(const struct timespec_k *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}
/* Saturates far in the future. */
static inline u64 timespec_to_ns(const struct timespec_k *t)
{
	return t->tv_sec >= 9000000000ll ? 9000000000ull * NSEC_PER_SEC : (u64)t->tv_sec * NSEC_PER_SEC + (u64)t->tv_nsec;
}

/* Sleeps until the deadline; 0 or -ERESTARTSYS (a signal is pending). */
int sleep_until(u64 deadline_ns);

/* Ids that stand for a device's clock, opened as a file; there are no such devices. */
static inline bool clock_is_of_descriptor(s32 id) { return id < 0 && (id & 7) == 3; }

/* Reads a clock by its CLOCK_* id (CPU-time clocks of processes and threads included). 0 or -EINVAL. */
int clock_read(s32 clock_id, s64 *ns);

#endif
