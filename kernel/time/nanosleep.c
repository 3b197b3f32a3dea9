/* SPDX-License-Identifier: MIT */
/*
 * nanosleep and clock_nanosleep. A relative sleep that a signal interrupts goes on through
 * restart_syscall until its deadline, an absolute one is simply repeated.
 */
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <linux/time.h>

static int sleep_once(u64 deadline_ns)
{
	struct task *t = current;
	t->wait_name = "hrtimer_nanosleep";
	__atomic_store_n(&t->state, TASK_INTERRUPTIBLE, __ATOMIC_SEQ_CST);
	int err = wait_sleep(true, deadline_ns);
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_RELAXED);
	return err;
}

int sleep_until(u64 deadline_ns)
{
	int err = 0;
	while (!err)
		err = sleep_once(deadline_ns ? deadline_ns : 1);
	return err == -ETIMEDOUT ? 0 : err;
}

static bool is_realtime(s32 id) { return id == CLOCK_REALTIME || id == CLOCK_TAI || id == CLOCK_REALTIME_ALARM; }
static bool is_monotonic(s32 id) { return id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME || id == CLOCK_BOOTTIME_ALARM; }

/* Sleeps until clock `id` shows `until`; 0 or -ERESTARTSYS. A changed wall clock or CPU time that passes
 * faster or slower than expected only means another round. */
static int sleep_on_clock(s32 id, s64 until)
{
	for (;;) {
		s64 now;
		int err = clock_read(id, &now);
		if (err || now >= until)
			return err;
		u64 left = (u64)(until - now);
		if (!is_realtime(id) && !is_monotonic(id)) /* several threads use up CPU time at once */
			left = max(left / max(READ_ONCE(current->process->nr_threads), 1u), 1000000ull);
		else if (is_realtime(id))
			left = min(left, 3600 * NSEC_PER_SEC);
		err = sleep_until(hal_clock_ns() + min(left, 1ull << 62));
		if (err)
			return err;
	}
}

static long write_remaining(s32 id, s64 until, uaddr_t urem)
{
	s64 now;
	if (!urem || clock_read(id, &now))
		return 0;
	struct timespec_k left = ns_to_timespec(until > now ? until - now : 0);
	return put_user(left, urem);
}

static long restart(struct task *t);

static long sleep_relative(s32 id, s64 until, uaddr_t urem)
{
	struct restart_block *r = &current->restart;
	int err = sleep_on_clock(id, until);
	if (!err)
		return 0;
	if (err != -ERESTARTSYS)
		return err;
	if (write_remaining(id, until, urem))
		return -EFAULT;
	r->fn = restart;
	r->args[0] = (u64)(s64)id;
	r->args[1] = (u64)until;
	r->args[2] = urem;
	return -ERESTART_RESTARTBLOCK;
}

static long restart(struct task *t)
{
	return sleep_relative((s32)t->restart.args[0], (s64)t->restart.args[1], t->restart.args[2]);
}

static s64 add_saturated(s64 now, u64 ns) { return ns > (u64)(INT64_MAX - now) ? INT64_MAX : now + (s64)ns; }

SYSCALL2(nanosleep, ureq, urem)
{
	struct timespec_k req;
	if (get_user(req, ureq))
		return -EFAULT;
	if (!timespec_is_valid(&req))
		return -EINVAL;
	return sleep_relative(CLOCK_MONOTONIC, add_saturated((s64)hal_clock_ns(), timespec_to_ns(&req)), urem);
}

SYSCALL4(clock_nanosleep, uid, flags, ureq, urem)
{
	s32 id = (s32)uid;
	struct timespec_k req;
	s64 now;
	int err = id < 0 ? 0 : clock_read(id, &now);
	if (err)
		return err;
	if (id < 0 ? clock_is_of_descriptor(id) : !is_realtime(id) && !is_monotonic(id) && id != CLOCK_PROCESS_CPUTIME_ID)
		return -EOPNOTSUPP;
	if (get_user(req, ureq))
		return -EFAULT;
	if (!timespec_is_valid(&req))
		return -EINVAL;
	if (id < 0 && (id & 4) && (~(id >> 3) == 0 || (u32)~(id >> 3) == current->tid))
		return -EINVAL; /* one's own CPU time stands still while one sleeps */
	if (!(flags & TIMER_ABSTIME) && is_realtime(id))
		id = CLOCK_MONOTONIC; /* how long it lasts does not depend on what the wall clock is set to meanwhile */
	err = clock_read(id, &now);
	if (err)
		return err;
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(id, add_saturated(now, timespec_to_ns(&req)), urem);
	err = sleep_on_clock(id, (s64)timespec_to_ns(&req));
	return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}
