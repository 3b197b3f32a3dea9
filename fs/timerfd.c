/* SPDX-License-Identifier: MIT */
/*
 * timerfd: a timer whose expirations are counted and read. The kernel's timer fires in an interrupt,
 * counts and wakes; the queue's lock guards all fields. An interval keeps its phase: the next deadline
 * is the last one plus whole intervals.
 */
#include "internal.h"
#include <asm/poll.h>
#include <hal/time.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <linux/ioctl.h>
#include <linux/time.h>

#define TFD_CLOEXEC             O_CLOEXEC
#define TFD_NONBLOCK            O_NONBLOCK
#define TFD_TIMER_ABSTIME       1u
#define TFD_TIMER_CANCEL_ON_SET 2u
#define TFD_IOC_SET_TICKS       _IOW('T', 0, u64)

struct timerfd {
	struct ktimer timer;
	struct host_waitq waitq;
	u64 ticks;       /* expirations not read yet */
	u64 deadline_ns; /* 0: off */
	u64 interval_ns;
	bool is_realtime;
	bool is_cancelable; /* TFD_TIMER_CANCEL_ON_SET, absolute and of the wall clock */
	bool is_cancelled;  /* the clock was set, and nobody has read that yet */
	struct list_head link; /* (all_lock) */
};

/* Those of the wall clock, to be told when it is set. */
static struct spinlock all_lock = SPINLOCK_INIT(RANK_VFS);
static struct list_head all = LIST_HEAD_INIT(all);

struct itimerspec_k { struct timespec_k interval, value; };

static void timerfd_fire(struct ktimer *k)
{
	struct timerfd *t = container_of(k, struct timerfd, timer);
	u64 next = 0;
	spin_lock(&t->waitq.lock);
	if (t->deadline_ns) {
		u64 now = hal_clock_ns(), n = 1;
		if (t->interval_ns && now > t->deadline_ns)
			n += (now - t->deadline_ns) / t->interval_ns;
		t->ticks += n;
		next = t->deadline_ns = t->interval_ns ? t->deadline_ns + n * t->interval_ns : 0;
	}
	spin_unlock(&t->waitq.lock);
	wake_all(&t->waitq);
	if (next)
		ktimer_start(&t->timer, next);
}

void timerfd_clock_was_set(void)
{
	struct timerfd *t;
	spin_lock(&all_lock);
	list_for_each_entry(t, &all, link) {
		unsigned long flags = spin_lock_irq(&t->waitq.lock);
		bool told = t->is_cancelable;
		if (told) {
			t->is_cancelled = true;
			t->ticks++;
		}
		spin_unlock_irq(&t->waitq.lock, flags);
		if (told)
			wake_all(&t->waitq);
	}
	spin_unlock(&all_lock);
}

/* 1 and *n > 0; 0: nothing yet; -ECANCELED, once, after the clock was set. */
static int take_ticks(struct timerfd *t, u64 *n)
{
	unsigned long flags = spin_lock_irq(&t->waitq.lock);
	int ret = t->is_cancelled ? -ECANCELED : t->ticks != 0;
	*n = t->ticks;
	t->ticks = 0;
	t->is_cancelled = false;
	spin_unlock_irq(&t->waitq.lock, flags);
	return ret;
}

static long timerfd_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct timerfd *t = f->priv;
	u64 n;
	if (iov->left < sizeof(n))
		return -EINVAL;
	int got;
	while (!(got = take_ticks(t, &n))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = wait_event_interruptible(&t->waitq, READ_ONCE(t->ticks));
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	return iov_copy_to(iov, &n, sizeof(n)) == sizeof(n) ? (long)sizeof(n) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->priv;
	poll_add(pt, &t->waitq);
	return READ_ONCE(t->ticks) ? POLLIN | POLLRDNORM : 0;
}

/* TFD_IOC_SET_TICKS puts back what was read (checkpoint and restore). */
static long timerfd_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct timerfd *t = f->priv;
	u64 ticks;
	if (cmd != TFD_IOC_SET_TICKS)
		return -ENOTTY;
	if (get_user(ticks, arg))
		return -EFAULT;
	if (!ticks)
		return -EINVAL;
	unsigned long flags = spin_lock_irq(&t->waitq.lock);
	int err = t->is_cancelled ? -ECANCELED : 0;
	t->is_cancelled = false;
	if (!err)
		t->ticks = ticks;
	spin_unlock_irq(&t->waitq.lock, flags);
	if (!err)
		wake_all(&t->waitq);
	return err;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;
	spin_lock(&all_lock);
	list_del(&t->link);
	spin_unlock(&all_lock);
	ktimer_cancel(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.ioctl = timerfd_ioctl,
	.release = timerfd_release,
	.name = "timerfd",
};

SYSCALL2(timerfd_create, clock, flags)
{
	if ((u32)flags & ~(u32)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch ((int)clock) {
	case CLOCK_MONOTONIC: case CLOCK_REALTIME: case CLOCK_BOOTTIME:
		break;
	case CLOCK_REALTIME_ALARM: case CLOCK_BOOTTIME_ALARM:
		if (!fs_capable(CAP_WAKE_ALARM))
			return -EPERM;
		break;
	default:
		return -EINVAL;
	}
	struct timerfd *t = kzalloc(sizeof(*t), ALLOC_KERNEL);
	if (!t)
		return -ENOMEM;
	ktimer_init(&t->timer, timerfd_fire);
	host_waitq_init(&t->waitq);
	list_init(&t->link);
	t->is_realtime = (int)clock == CLOCK_REALTIME || (int)clock == CLOCK_REALTIME_ALARM;
	struct file *f = file_new_anon(&timerfd_ops, "anon_inode:[timerfd]", t, O_RDWR | ((u32)flags & O_NONBLOCK));
	if (IS_ERR(f)) {
		kfree(t);
		return PTR_ERR(f);
	}
	if (t->is_realtime) {
		spin_lock(&all_lock);
		list_add_tail(&t->link, &all);
		spin_unlock(&all_lock);
	}
	return fd_install(f, 0, flags & TFD_CLOEXEC);
}

static void current_setting(struct timerfd *t, struct itimerspec_k *out)
{
	unsigned long flags = spin_lock_irq(&t->waitq.lock);
	u64 now = hal_clock_ns(), left = !t->deadline_ns ? 0 : t->deadline_ns > now ? t->deadline_ns - now : 1;
	out->value = ns_to_timespec((s64)left);
	out->interval = ns_to_timespec((s64)t->interval_ns);
	spin_unlock_irq(&t->waitq.lock, flags);
}

static void arm(struct timerfd *t, const struct itimerspec_k *new, u32 how)
{
	bool absolute = how & TFD_TIMER_ABSTIME;
	u64 value = timespec_to_ns(&new->value), now = hal_clock_ns(), deadline = 0;
	ktimer_cancel(&t->timer);
	if (value && absolute && t->is_realtime) {
		s64 at = (s64)value - clock_realtime_offset_ns();
		deadline = at > 0 ? (u64)at : 1;
	} else if (value) {
		deadline = absolute ? value : now + value;
	}
	unsigned long flags = spin_lock_irq(&t->waitq.lock);
	t->ticks = 0;
	t->is_cancelable = absolute && t->is_realtime && (how & TFD_TIMER_CANCEL_ON_SET);
	t->is_cancelled = false;
	t->deadline_ns = deadline;
	t->interval_ns = timespec_to_ns(&new->interval);
	spin_unlock_irq(&t->waitq.lock, flags);
	if (deadline)
		ktimer_start(&t->timer, deadline);
}

static struct file *timerfd_get(u64 fd, long *err)
{
	struct file *f = fd_get((int)fd);
	*err = !f ? -EBADF : f->ops != &timerfd_ops ? -EINVAL : 0;
	if (*err && f)
		file_put(f);
	return *err ? NULL : f;
}

SYSCALL4(timerfd_settime, fd, flags, unew, uold)
{
	struct itimerspec_k new, old;
	long err;
	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (((u32)flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) || !timespec_is_valid(&new.value) || !timespec_is_valid(&new.interval))
		return -EINVAL;
	struct file *f = timerfd_get(fd, &err);
	if (!f)
		return err;
	current_setting(f->priv, &old);
	arm(f->priv, &new, (u32)flags);
	file_put(f);
	return uold ? put_user(old, uold) : 0;
}

SYSCALL2(timerfd_gettime, fd, uold)
{
	struct itimerspec_k old;
	long err;
	struct file *f = timerfd_get(fd, &err);
	if (!f)
		return err;
	current_setting(f->priv, &old);
	file_put(f);
	return put_user(old, uold);
}
