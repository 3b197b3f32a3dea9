/* SPDX-License-Identifier: MIT */
/* eventfd: a counter to read, write and poll. The queue's lock guards the counter. */
#include "internal.h"
#include <asm/poll.h>
#include <kernel/wait.h>
#include <lib/format.h>

#define EFD_SEMAPHORE 1u
#define EFD_FLAGS     (EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)
#define COUNT_MAX     0xfffffffffffffffeull

struct eventfd {
	struct host_waitq waitq;
	u64 count; /* (waitq.lock) */
	bool is_semaphore;
};

/* Takes what a read takes; 0: nothing there. */
static u64 try_take(struct eventfd *e)
{
	unsigned long flags = spin_lock_irq(&e->waitq.lock);
	u64 n = e->is_semaphore && e->count ? 1 : e->count;
	e->count -= n;
	spin_unlock_irq(&e->waitq.lock, flags);
	return n;
}

static bool try_add(struct eventfd *e, u64 n)
{
	unsigned long flags = spin_lock_irq(&e->waitq.lock);
	bool fits = COUNT_MAX - e->count >= n;
	if (fits)
		e->count += n;
	spin_unlock_irq(&e->waitq.lock, flags);
	return fits;
}

static long eventfd_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 n;
	if (iov->left < sizeof(n))
		return -EINVAL;
	while (!(n = try_take(e))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = wait_event_interruptible(&e->waitq, READ_ONCE(e->count));
		if (err)
			return err;
	}
	wake_all(&e->waitq);
	return iov_copy_to(iov, &n, sizeof(n)) == sizeof(n) ? (long)sizeof(n) : -EFAULT;
}

static long eventfd_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct eventfd *e = f->priv;
	u64 n;
	if (iov->left < sizeof(n))
		return -EINVAL;
	if (iov_copy_from(iov, &n, sizeof(n)) != sizeof(n))
		return -EFAULT;
	if (n == ~0ull)
		return -EINVAL;
	while (!try_add(e, n)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		int err = wait_event_interruptible(&e->waitq, COUNT_MAX - READ_ONCE(e->count) >= n);
		if (err)
			return err;
	}
	wake_all(&e->waitq);
	return sizeof(n);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	poll_add(pt, &e->waitq);
	u64 n = READ_ONCE(e->count);
	return (n ? POLLIN | POLLRDNORM : 0) | (n < COUNT_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f) { kfree(f->priv); }

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.name = "eventfd",
};

static long eventfd_make(u64 count, u32 flags)
{
	if (flags & ~(u32)EFD_FLAGS)
		return -EINVAL;
	struct eventfd *e = kzalloc(sizeof(*e), ALLOC_KERNEL);
	if (!e)
		return -ENOMEM;
	host_waitq_init(&e->waitq);
	e->count = (u32)count;
	e->is_semaphore = flags & EFD_SEMAPHORE;
	struct file *f = file_new_anon(&eventfd_ops, "anon_inode:[eventfd]", e, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR(f)) {
		kfree(e);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL1(eventfd, count) { return eventfd_make(count, 0); }
SYSCALL2(eventfd2, count, flags) { return eventfd_make(count, (u32)flags); }
