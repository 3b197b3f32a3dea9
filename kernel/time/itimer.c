/* SPDX-License-Identifier: MIT */
/*
 * setitimer, getitimer, alarm; RLIMIT_CPU. ITIMER_REAL is a kernel timer that starts again when its
 * SIGALRM is taken from the queue, so that a program that does not look is not flooded. The CPU-time
 * timers are counted down by the tick, to its resolution.
 */
#include "timers.h"
#include <asm/resource.h>
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <linux/time.h>
#include <mm/slab.h>

static void real_fired(struct ktimer *k)
{
	struct posix_timers *pt = container_of(k, struct posix_timers, real);
	signal_send_process(pt->process, SIGALRM, NULL);
}

struct posix_timers *timers_get(struct process *p)
{
	if (p->timers)
		return p->timers;
	struct posix_timers *fresh = kzalloc(sizeof(*fresh), ALLOC_KERNEL);
	if (!fresh)
		return NULL;
	fresh->process = p;
	ktimer_init(&fresh->real, real_fired);
	list_init(&fresh->list);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	if (!p->timers) {
		p->timers = fresh;
		fresh = NULL;
	}
	spin_unlock_irq(&p->signal_lock, flags);
	kfree(fresh);
	return p->timers;
}

void itimer_taken_locked(struct process *p)
{
	struct posix_timers *pt = p->timers;
	if (!pt || !pt->real_interval_ns || pt->real.is_queued)
		return;
	u64 now = hal_clock_ns(), next = pt->real.deadline_ns + pt->real_interval_ns;
	if (next <= now)
		next += ((now - next) / pt->real_interval_ns + 1) * pt->real_interval_ns;
	ktimer_start(&pt->real, next);
}

/* ---- the tick ---- */

/* Has it run out? Then it starts again, or is off. */
static bool count_down(struct cpu_itimer *it, u64 ns)
{
	if (!it->left_ns)
		return false;
	if (it->left_ns > ns) {
		it->left_ns -= ns;
		return false;
	}
	u64 late = ns - it->left_ns;
	it->left_ns = it->interval_ns ? it->interval_ns - min(late % it->interval_ns, it->interval_ns - 1) : 0;
	return true;
}

/* The signal for a process over its CPU limit, 0: it is within. Past the soft limit once a second. */
static int check_cpu_limit_locked(struct process *p)
{
	struct rlimit_pair *limit = &p->rlimits[RLIMIT_CPU];
	u64 u, s;
	process_cpu_times_locked(p, &u, &s);
	u64 seconds = (u + s) / NSEC_PER_SEC;
	if (seconds >= limit->max)
		return SIGKILL;
	if (seconds < limit->cur)
		return 0;
	limit->cur = seconds + 1;
	return SIGXCPU;
}

void process_timers_tick(struct task *t, u64 ns, bool user)
{
	struct process *p = t->process;
	if (!p || (!p->timers && p->rlimits[RLIMIT_CPU].cur == RLIM_INFINITY))
		return;
	bool virtual = false, prof = false;
	int limit = 0;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timers *pt = p->timers;
	if (pt) {
		virtual = user && count_down(&pt->virtual, ns);
		prof = count_down(&pt->prof, ns);
		if (pt->nr_cpu_timers)
			posix_timers_tick_locked(p);
	}
	if (p->rlimits[RLIMIT_CPU].cur != RLIM_INFINITY)
		limit = check_cpu_limit_locked(p);
	spin_unlock_irq(&p->signal_lock, flags);
	if (virtual)
		signal_send_process(p, SIGVTALRM, NULL);
	if (prof)
		signal_send_process(p, SIGPROF, NULL);
	if (limit)
		signal_send_process(p, limit, NULL);
}

/* ---- system calls ---- */

struct itimerval_k {
	struct timeval_k interval, value;
};

static struct itimerval_k make_value(u64 interval_ns, u64 left_ns)
{
	return (struct itimerval_k){ ns_to_timeval((s64)interval_ns), ns_to_timeval((s64)left_ns) };
}

static struct itimerval_k read_locked(struct posix_timers *pt, u64 which)
{
	if (!pt)
		return make_value(0, 0);
	if (which != ITIMER_REAL) {
		struct cpu_itimer *it = which == ITIMER_VIRTUAL ? &pt->virtual : &pt->prof;
		return make_value(it->interval_ns, it->left_ns);
	}
	u64 now = hal_clock_ns(), left = 0;
	if (pt->real.is_queued) /* due, but not fired yet: as little as can be shown */
		left = pt->real.deadline_ns > now + NSEC_PER_USEC ? pt->real.deadline_ns - now : NSEC_PER_USEC;
	return make_value(pt->real_interval_ns, left);
}

SYSCALL2(getitimer, which, uvalue)
{
	struct process *p = current->process;
	if (which > ITIMER_PROF)
		return -EINVAL;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct itimerval_k v = read_locked(p->timers, which);
	spin_unlock_irq(&p->signal_lock, flags);
	return put_user(v, uvalue);
}

static int set(u64 which, u64 value_ns, u64 interval_ns, struct itimerval_k *old)
{
	struct process *p = current->process;
	struct posix_timers *pt = timers_get(p);
	if (!pt)
		return -ENOMEM;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	*old = read_locked(pt, which);
	if (which != ITIMER_REAL) {
		struct cpu_itimer *it = which == ITIMER_VIRTUAL ? &pt->virtual : &pt->prof;
		*it = (struct cpu_itimer){ value_ns, interval_ns };
		spin_unlock_irq(&p->signal_lock, flags);
		return 0;
	}
	pt->real_interval_ns = 0; /* while it is being stopped nobody starts it again */
	spin_unlock_irq(&p->signal_lock, flags);
	ktimer_cancel(&pt->real);
	flags = spin_lock_irq(&p->signal_lock);
	if (value_ns) {
		pt->real_interval_ns = interval_ns;
		ktimer_start(&pt->real, hal_clock_ns() + min(value_ns, 1ull << 62));
	}
	spin_unlock_irq(&p->signal_lock, flags);
	return 0;
}

static bool timeval_is_valid(const struct timeval_k *v) { return v->tv_sec >= 0 && v->tv_usec >= 0 && v->tv_usec < 1000000; }

static u64 timeval_to_ns(const struct timeval_k *v)
{
	struct timespec_k ts = { v->tv_sec, v->tv_usec * 1000 };
	return timespec_to_ns(&ts);
}

SYSCALL3(setitimer, which, unew, uold)
{
	struct itimerval_k new = make_value(0, 0), old;
	if (unew) {
		if (get_user(new, unew))
			return -EFAULT;
		if (!timeval_is_valid(&new.value) || !timeval_is_valid(&new.interval))
			return -EINVAL;
	}
	if (which > ITIMER_PROF)
		return -EINVAL;
	int err = set(which, timeval_to_ns(&new.value), timeval_to_ns(&new.interval), &old);
	if (err)
		return err;
	return uold && put_user(old, uold) ? -EFAULT : 0;
}

SYSCALL1(alarm, seconds)
{
	struct itimerval_k old;
	if (set(ITIMER_REAL, (u64)min((u32)seconds, (u32)INT32_MAX) * NSEC_PER_SEC, 0, &old))
		return 0;
	/* Rounded, but never to 0 while something was left. */
	s64 sec = old.value.tv_sec;
	if ((!sec && old.value.tv_usec) || old.value.tv_usec >= 500000)
		sec++;
	return sec;
}

/* ---- life ---- */

void timers_exec(struct process *p) { posix_timers_delete_all(p); }

void timers_exit_task(struct task *t)
{
	if (t->process && t->process->timers)
		posix_timers_forget_task(t);
}

void timers_exit_process(struct process *p)
{
	struct posix_timers *pt = p->timers;
	if (!pt)
		return;
	posix_timers_delete_all(p);
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	p->timers = NULL;
	spin_unlock_irq(&p->signal_lock, flags);
	ktimer_cancel(&pt->real);
	kfree(pt);
}
