/* SPDX-License-Identifier: MIT */
/*
 * timer_create and its companions.
 *
 * A timer owns one queued_signal, so that sending from the timer interrupt needs no memory and a timer
 * has one signal pending at most. A periodic timer starts again when its signal is taken; the periods
 * that passed meanwhile are its overrun. Timers on CPU-time clocks are looked at by the tick.
 *
 * Locking: signal_lock of the process guards all of it. A timer has one reference for being in the list
 * and one for each system call at work on it; the kernel timer is cancelled outside the lock.
 */
#include "timers.h"
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/time.h>
#include <mm/slab.h>

struct posix_timer {
	struct list_head link; /* in posix_timers.list; empty: deleted */
	struct process *process;
	u32 refs;
	s32 id;
	s32 clock;
	s32 notify, signo;
	sigval_t value;
	struct task *target;   /* SIGEV_THREAD_ID, with a reference; NULL: the process, or gone */
	struct task *clocked;  /* whose CPU time, for CLOCK_THREAD_CPUTIME_ID, with a reference */
	struct queued_signal *q;
	struct ktimer kt;
	bool is_armed;         /* will fire at deadline_ns */
	bool needs_restart;    /* has fired, starts again when its signal is taken */
	u64 deadline_ns;       /* hal_clock_ns() time, or CPU time */
	u64 interval_ns;
	s64 overrun, overrun_last;
};

#define SIGEV_SIGNAL_THREAD_ID (SIGEV_SIGNAL | SIGEV_THREAD_ID)

static bool is_cpu_clock(s32 clock) { return clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID; }
static bool is_realtime(s32 clock) { return clock == CLOCK_REALTIME || clock == CLOCK_TAI; }

static u64 now_locked(struct posix_timer *pt)
{
	u64 u, s;
	if (pt->clock == CLOCK_PROCESS_CPUTIME_ID)
		process_cpu_times_locked(pt->process, &u, &s);
	else if (pt->clock == CLOCK_THREAD_CPUTIME_ID)
		task_cpu_times(pt->clocked, &u, &s);
	else
		return hal_clock_ns();
	return u + s;
}

static void start_locked(struct posix_timer *pt)
{
	pt->is_armed = true;
	if (!is_cpu_clock(pt->clock))
		ktimer_start(&pt->kt, pt->deadline_ns);
}

/* Moves the deadline past `now`, counting periods. */
static void forward(struct posix_timer *pt, u64 now)
{
	if (now < pt->deadline_ns)
		return;
	u64 n = (now - pt->deadline_ns) / pt->interval_ns + 1;
	pt->deadline_ns += n * pt->interval_ns;
	pt->overrun += (s64)n;
}

static int overrun_to_int(s64 overrun, s64 more)
{
	s64 sum = overrun + more;
	return sum > INT32_MAX ? INT32_MAX : sum < 0 ? 0 : (int)sum;
}

/* The timer has run out. signal_lock held, any context. */
static void expire_locked(struct posix_timer *pt)
{
	struct process *p = pt->process;
	pt->is_armed = false;
	if (pt->notify == SIGEV_NONE)
		return;
	pt->needs_restart = pt->interval_ns != 0;
	if (pt->notify == SIGEV_SIGNAL_THREAD_ID && !pt->target)
		return;
	if (!list_is_empty(&pt->q->link)) { /* set anew while the last signal is pending */
		pt->q->info.si_overrun++;
		return;
	}
	memset(&pt->q->info, 0, sizeof(pt->q->info));
	pt->q->info.si_signo = pt->signo;
	pt->q->info.si_code = SI_TIMER;
	pt->q->info.si_tid = pt->id;
	pt->q->info.si_value = pt->value;
	if (signal_send_prepared_locked(p, pt->target, pt->signo, pt->q) && pt->interval_ns) {
		/* Ignored: it goes on by itself, in case that changes; not faster than ticks. */
		pt->needs_restart = false;
		forward(pt, now_locked(pt) + TICK_NS);
		start_locked(pt);
	}
}

static void fired(struct ktimer *k)
{
	struct posix_timer *pt = container_of(k, struct posix_timer, kt);
	unsigned long flags = spin_lock_irq(&pt->process->signal_lock);
	if (pt->is_armed && !k->is_queued)
		expire_locked(pt);
	spin_unlock_irq(&pt->process->signal_lock, flags);
}

void posix_timers_tick_locked(struct process *p)
{
	struct posix_timer *pt, *next;
	list_for_each_entry_safe(pt, next, &p->timers->list, link)
		if (pt->is_armed && is_cpu_clock(pt->clock) && now_locked(pt) >= pt->deadline_ns)
			expire_locked(pt);
}

void posix_timer_taken_locked(struct posix_timer *pt, siginfo_t *info)
{
	if (!pt->needs_restart)
		return;
	pt->needs_restart = false;
	forward(pt, now_locked(pt));
	pt->overrun_last = pt->overrun;
	pt->overrun = -1;
	info->si_overrun = overrun_to_int(pt->overrun_last, info->si_overrun);
	start_locked(pt);
}

/* ---- life ---- */

static struct posix_timer *find_locked(struct process *p, s32 id)
{
	struct posix_timer *pt;
	if (p->timers)
		list_for_each_entry(pt, &p->timers->list, link)
			if (pt->id == id)
				return pt;
	return NULL;
}

/* With a reference. */
static struct posix_timer *find(s32 id)
{
	struct process *p = current->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timer *pt = find_locked(p, id);
	if (pt)
		pt->refs++;
	spin_unlock_irq(&p->signal_lock, flags);
	return pt;
}

static void put(struct posix_timer *pt)
{
	struct process *p = pt->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	bool last = --pt->refs == 0;
	spin_unlock_irq(&p->signal_lock, flags);
	if (!last)
		return;
	if (pt->target)
		task_put(pt->target);
	if (pt->clocked)
		task_put(pt->clocked);
	queued_signal_free(pt->q);
	kfree(pt);
}

/* Takes pt out of the list; a pending signal stays, without its timer. */
static void unlink_locked(struct posix_timer *pt)
{
	list_del(&pt->link);
	pt->is_armed = pt->needs_restart = false;
	if (is_cpu_clock(pt->clock))
		pt->process->timers->nr_cpu_timers--;
	if (pt->q) {
		pt->q->timer = NULL;
		if (!list_is_empty(&pt->q->link))
			pt->q = NULL; /* freed by who takes the signal */
	}
}

static void delete(struct posix_timer *pt)
{
	ktimer_cancel(&pt->kt);
	put(pt);
}

void posix_timers_delete_all(struct process *p)
{
	for (;;) {
		unsigned long flags = spin_lock_irq(&p->signal_lock);
		struct posix_timer *pt = NULL;
		if (p->timers && !list_is_empty(&p->timers->list)) {
			pt = list_first_entry(&p->timers->list, struct posix_timer, link);
			unlink_locked(pt);
		}
		spin_unlock_irq(&p->signal_lock, flags);
		if (!pt)
			return;
		delete(pt);
	}
}

void posix_timers_forget_task(struct task *t)
{
	struct process *p = t->process;
	struct posix_timer *pt;
	u32 dropped = 0;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	list_for_each_entry(pt, &p->timers->list, link)
		if (pt->target == t) {
			pt->target = NULL;
			dropped++;
		}
	spin_unlock_irq(&p->signal_lock, flags);
	while (dropped--)
		task_put(t);
}

/* ---- system calls ---- */

/* Where the signal goes: checked and, for a thread, found with a reference. */
static int use_sigevent(struct posix_timer *pt, const struct sigevent *ev)
{
	pt->notify = ev->sigev_notify;
	pt->signo = ev->sigev_signo;
	pt->value = ev->sigev_value;
	switch (ev->sigev_notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL_THREAD_ID:
		pt->target = task_find((u32)ev->_sigev_un._tid);
		if (!pt->target || pt->target->process != current->process)
			return -EINVAL;
		/* fall through */
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		return signal_is_valid((u64)(s64)ev->sigev_signo) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* CPU-time clocks by pid (~pid << 3 | per thread << 2 | kind), as libc names its own ones. *thread: whose
 * time, with a reference, or NULL. */
static int resolve_clock(s32 *clock, struct task **thread)
{
	u32 pid = (u32)~(*clock >> 3);
	if (*clock == CLOCK_THREAD_CPUTIME_ID || (*clock < 0 && (*clock & 4))) {
		struct task *t = *clock > 0 || !pid ? current : NULL;
		if (t)
			task_get(t);
		else
			t = task_find(pid);
		*thread = t;
		*clock = CLOCK_THREAD_CPUTIME_ID;
		return t && t->process == current->process ? 0 : -EINVAL;
	}
	if (*clock < 0) {
		if (pid && pid != current->process->pid)
			return -EOPNOTSUPP; /* another process's time */
		*clock = CLOCK_PROCESS_CPUTIME_ID;
	}
	return 0;
}

static int check_clock(s32 clock)
{
	s64 ns;
	int err = clock_read(clock, &ns);
	if (err || clock < 0)
		return err;
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && !is_realtime(clock) && !is_cpu_clock(clock))
		return -EOPNOTSUPP;
	return 0;
}

static int prepare(struct posix_timer *pt, s32 clock, const struct sigevent *ev)
{
	struct process *p = current->process;
	pt->refs = 2; /* the list's and the caller's */
	pt->process = p;
	pt->clock = clock;
	pt->overrun = -1;
	ktimer_init(&pt->kt, fired);
	list_init(&pt->link);
	if (!timers_get(p))
		return -EAGAIN;
	pt->q = queued_signal_alloc(p, false);
	if (!pt->q)
		return -EAGAIN;
	pt->q->timer = pt;
	int err = resolve_clock(&pt->clock, &pt->clocked);
	return err ? err : use_sigevent(pt, ev);
}

SYSCALL3(timer_create, clock, uevent, uid)
{
	struct process *p = current->process;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	if (uevent && copy_from_user(&ev, uevent, sizeof(ev)))
		return -EFAULT;
	int err = check_clock((s32)clock);
	if (err)
		return err;
	struct posix_timer *pt = kzalloc(sizeof(*pt), ALLOC_KERNEL);
	if (!pt)
		return -EAGAIN;
	err = prepare(pt, (s32)clock, &ev);
	if (err) {
		pt->refs = 1; /* it never was in the list */
		put(pt);
		return err;
	}
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timers *all = p->timers;
	do {
		pt->id = all->next_id;
		all->next_id = all->next_id == INT32_MAX ? 0 : all->next_id + 1;
	} while (find_locked(p, pt->id));
	if (!uevent)
		pt->value.sival_int = pt->id;
	list_add_tail(&pt->link, &all->list);
	if (is_cpu_clock(pt->clock))
		all->nr_cpu_timers++;
	spin_unlock_irq(&p->signal_lock, flags);
	s32 id = pt->id;
	err = put_user(id, uid);
	if (err) {
		flags = spin_lock_irq(&p->signal_lock);
		if (!list_is_empty(&pt->link)) {
			unlink_locked(pt);
			pt->refs--;
		}
		spin_unlock_irq(&p->signal_lock, flags);
	}
	put(pt);
	return err;
}

struct itimerspec_k {
	struct timespec_k interval, value;
};

static struct itimerspec_k read_locked(struct posix_timer *pt)
{
	struct itimerspec_k v = { .interval = ns_to_timespec((s64)pt->interval_ns) };
	bool is_silent = pt->notify == SIGEV_NONE;
	if (!pt->deadline_ns || (!pt->is_armed && !pt->interval_ns && !is_silent))
		return v;
	u64 now = now_locked(pt);
	if (pt->interval_ns && (pt->needs_restart || is_silent))
		forward(pt, now);
	if (pt->deadline_ns > now)
		v.value = ns_to_timespec((s64)(pt->deadline_ns - now));
	else if (!is_silent) /* due, but not fired yet */
		v.value.tv_nsec = 1;
	return v;
}

SYSCALL2(timer_gettime, id, uvalue)
{
	struct process *p = current->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timer *pt = find_locked(p, (s32)id);
	struct itimerspec_k v = { 0 };
	if (pt)
		v = read_locked(pt);
	spin_unlock_irq(&p->signal_lock, flags);
	return pt ? put_user(v, uvalue) : -EINVAL;
}

SYSCALL1(timer_getoverrun, id)
{
	struct process *p = current->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timer *pt = find_locked(p, (s32)id);
	int n = pt ? overrun_to_int(pt->overrun_last, 0) : -EINVAL;
	spin_unlock_irq(&p->signal_lock, flags);
	return n;
}

static u64 deadline_locked(struct posix_timer *pt, const struct timespec_k *value, bool is_absolute)
{
	u64 ns = timespec_to_ns(value);
	if (!is_absolute)
		return now_locked(pt) + ns;
	if (!is_realtime(pt->clock))
		return ns;
	s64 offset = clock_realtime_offset_ns();
	return (s64)ns > offset ? ns - (u64)offset : 1;
}

SYSCALL4(timer_settime, id, flags, unew, uold)
{
	struct process *p = current->process;
	struct itimerspec_k new, old;
	if (!unew)
		return -EINVAL;
	if (get_user(new, unew))
		return -EFAULT;
	if (!timespec_is_valid(&new.value) || !timespec_is_valid(&new.interval))
		return -EINVAL;
	struct posix_timer *pt = find((s32)id);
	if (!pt)
		return -EINVAL;
	unsigned long irq = spin_lock_irq(&p->signal_lock);
	old = read_locked(pt);
	pt->is_armed = pt->needs_restart = false;
	pt->interval_ns = 0;
	spin_unlock_irq(&p->signal_lock, irq);
	ktimer_cancel(&pt->kt);
	irq = spin_lock_irq(&p->signal_lock);
	pt->overrun = -1;
	pt->overrun_last = 0;
	pt->deadline_ns = 0;
	if (!list_is_empty(&pt->link) && (new.value.tv_sec || new.value.tv_nsec)) {
		pt->interval_ns = timespec_to_ns(&new.interval);
		pt->deadline_ns = max(deadline_locked(pt, &new.value, flags & TIMER_ABSTIME), 1ull);
		if (pt->notify != SIGEV_NONE)
			start_locked(pt);
	}
	spin_unlock_irq(&p->signal_lock, irq);
	put(pt);
	return uold && put_user(old, uold) ? -EFAULT : 0;
}

SYSCALL1(timer_delete, id)
{
	struct process *p = current->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct posix_timer *pt = find_locked(p, (s32)id);
	if (pt)
		unlink_locked(pt);
	spin_unlock_irq(&p->signal_lock, flags);
	if (!pt)
		return -EINVAL;
	delete(pt);
	return 0;
}
