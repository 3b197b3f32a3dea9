/* SPDX-License-Identifier: MIT */
/*
 * Clocks: what time it is. Everything is hal_clock_ns() plus an offset: 0 for the monotonic clocks, the
 * wall-clock offset for CLOCK_REALTIME and CLOCK_TAI (no leap seconds are known, so both are equal),
 * or a CPU-time sum of the scheduler. The coarse clocks show the time of the last tick of 250 Hz, the
 * resolution that programs know from Linux.
 */
#include <fs/vfs.h>
#include <hal/irq.h>
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/time.h>
#include <linux/timex.h>

#define COARSE_NS 4000000ll

static s64 realtime_offset;
static bool offset_is_known;
void (*clock_offset_changed)(s64 offset_ns);

s64 clock_realtime_offset_ns(void)
{
	if (unlikely(!__atomic_load_n(&offset_is_known, __ATOMIC_ACQUIRE))) {
		WRITE_ONCE(realtime_offset, hal_boot_time_s() * (s64)NSEC_PER_SEC);
		__atomic_store_n(&offset_is_known, true, __ATOMIC_RELEASE);
	}
	return READ_ONCE(realtime_offset);
}

s64 clock_realtime_ns(void) { return (s64)hal_clock_ns() + clock_realtime_offset_ns(); }

void clock_set_realtime(s64 ns)
{
	clock_realtime_offset_ns();
	WRITE_ONCE(realtime_offset, ns - (s64)hal_clock_ns());
	if (clock_offset_changed)
		clock_offset_changed(realtime_offset);
	timerfd_clock_was_set();
}

/* ---- CPU-time clocks: id = ~pid << 3 | per thread << 2 | kind ---- */

#define CPU_KIND_PROF  0
#define CPU_KIND_VIRT  1
#define CPU_KIND_SCHED 2

static int cpu_clock_pick(s32 id, u64 utime, u64 stime, s64 *ns)
{
	*ns = (s64)((id & 3) == CPU_KIND_VIRT ? utime : utime + stime);
	return 0;
}

static int cpu_clock_read(s32 id, s64 *ns)
{
	u32 pid = (u32)~(id >> 3);
	bool per_thread = id & 4;
	u64 u, s;
	if ((id & 3) > CPU_KIND_SCHED)
		return -EINVAL;
	if (per_thread) {
		struct task *t = pid ? task_find(pid) : current;
		if (!t || t->process != current->process) {
			if (t)
				task_put(t);
			return -EINVAL;
		}
		task_cpu_times(t, &u, &s);
		if (pid)
			task_put(t);
	} else {
		struct process *p = pid ? process_find(pid) : current->process;
		if (!p)
			return -EINVAL;
		process_cpu_times(p, &u, &s);
		if (pid)
			process_put(p);
	}
	return cpu_clock_pick(id, u, s, ns);
}

int clock_read(s32 id, s64 *ns)
{
	s64 now = (s64)hal_clock_ns();
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = now + clock_realtime_offset_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = now;
		return 0;
	case CLOCK_MONOTONIC_COARSE:
		*ns = now - now % COARSE_NS;
		return 0;
	case CLOCK_REALTIME_COARSE:
		*ns = now - now % COARSE_NS + clock_realtime_offset_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		return cpu_clock_read((s32)(~0u << 3) | CPU_KIND_SCHED, ns);
	case CLOCK_THREAD_CPUTIME_ID:
		return cpu_clock_read((s32)(~0u << 3) | 4 | CPU_KIND_SCHED, ns);
	default:
		return id < 0 ? cpu_clock_read(id, ns) : -EINVAL;
	}
}

/* ---- system calls ---- */

SYSCALL2(clock_gettime, id, uts)
{
	s64 ns;
	int err = clock_read((s32)id, &ns);
	if (err)
		return err;
	struct timespec_k ts = ns_to_timespec(ns);
	return put_user(ts, uts);
}

SYSCALL2(clock_getres, uid, uts)
{
	s32 id = (s32)uid;
	s64 ns;
	int err = clock_read(id, &ns);
	if (err)
		return err;
	struct timespec_k ts = { .tv_nsec = id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE ? COARSE_NS : 1 };
	return uts ? put_user(ts, uts) : 0;
}

static long set_realtime(s64 sec, s64 nsec)
{
	if (sec < 0 || nsec < 0 || nsec >= (s64)NSEC_PER_SEC || sec >= (s64)(INT64_MAX / NSEC_PER_SEC))
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (sec * (s64)NSEC_PER_SEC + nsec < (s64)hal_clock_ns()) /* the machine would have started before 1970 */
		return -EINVAL;
	clock_set_realtime(sec * (s64)NSEC_PER_SEC + nsec);
	return 0;
}

SYSCALL2(clock_settime, uid, uts)
{
	s32 id = (s32)uid;
	struct timespec_k ts;
	s64 ns;
	if (id >= 0 && id != CLOCK_REALTIME)
		return -EINVAL;
	if (get_user(ts, uts))
		return -EFAULT;
	if (id < 0) { /* somebody's CPU time: nobody sets that */
		int err = clock_read(id, &ns);
		return err ? err : -EPERM;
	}
	return set_realtime(ts.tv_sec, ts.tv_nsec);
}

static struct { s32 minutes_west, dst; } timezone;

SYSCALL2(gettimeofday, utv, utz)
{
	struct timeval_k tv = ns_to_timeval(clock_realtime_ns());
	if (utv && put_user(tv, utv))
		return -EFAULT;
	return utz && copy_to_user(utz, &timezone, sizeof(timezone)) ? -EFAULT : 0;
}

SYSCALL2(settimeofday, utv, utz)
{
	struct timeval_k tv;
	__typeof__(timezone) tz;
	if (utv) {
		if (get_user(tv, utv))
			return -EFAULT;
		if (tv.tv_usec < 0 || tv.tv_usec > 1000000)
			return -EINVAL;
	}
	if (utz && copy_from_user(&tz, utz, sizeof(tz)))
		return -EFAULT;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (utz) {
		if (tz.minutes_west > 15 * 60 || tz.minutes_west < -15 * 60)
			return -EINVAL;
		timezone = tz;
	}
	return utv ? set_realtime(tv.tv_sec, tv.tv_usec * 1000) : 0;
}

SYSCALL1(time, ut)
{
	s64 now = clock_realtime_ns() / (s64)NSEC_PER_SEC;
	return ut && put_user(now, ut) ? -EFAULT : now;
}

/* The clock is not disciplined: nothing but its state can be read, and it is not synchronized. */
static long read_timex(s32 id, uaddr_t utx)
{
	struct __kernel_timex tx;
	s64 ns;
	if (copy_from_user(&tx, utx, sizeof(tx)))
		return -EFAULT;
	if (id != CLOCK_REALTIME)
		return (id >= 0 && clock_read(id, &ns)) || clock_is_of_descriptor(id) ? -EINVAL : -EOPNOTSUPP;
	if (tx.modes)
		return capable(CAP_SYS_TIME) ? -EOPNOTSUPP : -EPERM;
	struct timeval_k now = ns_to_timeval(clock_realtime_ns());
	memset(&tx, 0, sizeof(tx));
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.tv_sec = now.tv_sec;
	tx.time.tv_usec = now.tv_usec;
	return copy_to_user(utx, &tx, sizeof(tx)) ? -EFAULT : TIME_ERROR;
}

SYSCALL1(adjtimex, utx) { return read_timex(CLOCK_REALTIME, utx); }
SYSCALL2(clock_adjtime, id, utx) { return read_timex((s32)id, utx); }
