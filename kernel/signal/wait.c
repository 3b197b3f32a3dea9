/* SPDX-License-Identifier: MIT */
/* Waiting for signals: pause, rt_sigsuspend, rt_sigtimedwait. */
#include "internal.h"
#include <hal/time.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/time.h>
#include <kernel/wait.h>

static void sleep_until_signal(void)
{
	struct task *t = current;
	t->wait_name = "do_sigsuspend";
	while (!signal_is_pending()) {
		__atomic_store_n(&t->state, TASK_INTERRUPTIBLE, __ATOMIC_SEQ_CST);
		schedule();
	}
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_RELAXED);
}

SYSCALL0(pause)
{
	sleep_until_signal();
	return -ERESTARTNOHAND;
}

SYSCALL2(rt_sigsuspend, umask, size)
{
	sigset_bits mask;
	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	signal_set_blocked_temporarily(mask);
	sleep_until_signal();
	return -ERESTARTNOHAND;
}

/* `wanted` stops being blocked for the sleep, so that senders wake this task for it; real_blocked keeps
 * them from counting as ignored or fatal meanwhile. */
static int wait_for(sigset_bits wanted, u64 deadline_ns, siginfo_t *info)
{
	struct task *t = current;
	struct process *p = t->process;
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	t->real_blocked = t->blocked;
	t->blocked &= ~wanted;
	signal_recalc_locked(t);
	spin_unlock_irq(&p->signal_lock, flags);

	t->wait_name = "do_sigtimedwait";
	__atomic_store_n(&t->state, TASK_INTERRUPTIBLE, __ATOMIC_SEQ_CST);
	int err = wait_sleep(true, deadline_ns);
	__atomic_store_n(&t->state, TASK_RUNNING, __ATOMIC_RELAXED);

	flags = spin_lock_irq(&p->signal_lock);
	t->blocked = t->real_blocked;
	t->real_blocked = 0;
	signal_recalc_locked(t);
	spin_unlock_irq(&p->signal_lock, flags);
	int sig = signal_dequeue(wanted, info);
	if (sig)
		return sig;
	return err == -ETIMEDOUT ? -EAGAIN : err ? -EINTR : 0;
}

SYSCALL4(rt_sigtimedwait, uset, uinfo, utimeout, size)
{
	sigset_bits wanted;
	struct timespec_k timeout;
	siginfo_t info;
	u64 deadline = 0;
	if (size != sizeof(wanted))
		return -EINVAL;
	if (get_user(wanted, uset))
		return -EFAULT;
	wanted &= ~SIGS_KERNEL_ONLY;
	if (utimeout) {
		if (get_user(timeout, utimeout))
			return -EFAULT;
		if (!timespec_is_valid(&timeout))
			return -EINVAL;
		deadline = hal_clock_ns() + timespec_to_ns(&timeout);
	}
	int sig = signal_dequeue(wanted, &info);
	if (!sig && utimeout && !timespec_to_ns(&timeout))
		return -EAGAIN;
	while (!sig)
		sig = wait_for(wanted, deadline, &info);
	if (sig > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return sig;
}
