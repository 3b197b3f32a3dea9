/* SPDX-License-Identifier: MIT */
/*
 * signalfd: the reader's own pending signals, read from a descriptor. Which task is asked depends on who
 * reads, so all descriptors share one queue of waiters; every signal sent wakes it when it is not empty.
 */
#include "internal.h"
#include <asm/poll.h>
#include <fs/file.h>
#include <fs/poll.h>
#include <hal/uaccess.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <linux/signalfd.h>
#include <mm/slab.h>

struct signalfd {
	sigset_bits mask;
};

static struct host_waitq waiters = { .lock = { .rank = RANK_WAITQ }, .waiters = LIST_HEAD_INIT(waiters.waiters) };

void signalfd_wake(void) { wake_all(&waiters); }

static void fill(struct signalfd_siginfo *out, const siginfo_t *in)
{
	memset(out, 0, sizeof(*out));
	out->ssi_signo = (u32)in->si_signo;
	out->ssi_errno = in->si_errno;
	out->ssi_code = in->si_code;
	switch (in->si_code > 0 && in->si_code != SI_KERNEL ? in->si_signo : 0) {
	case SIGCHLD:
		out->ssi_pid = (u32)in->si_pid;
		out->ssi_uid = in->si_uid;
		out->ssi_status = in->si_status;
		out->ssi_utime = (u64)in->si_utime;
		out->ssi_stime = (u64)in->si_stime;
		break;
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		out->ssi_addr = (u64)in->si_addr;
		break;
	case SIGPOLL:
		out->ssi_band = (u32)in->si_band;
		out->ssi_fd = in->si_fd;
		break;
	default: /* pid and uid lie where a timer has its id and overrun */
		if (in->si_code == SI_TIMER) {
			out->ssi_tid = (u32)in->si_tid;
			out->ssi_overrun = (u32)in->si_overrun;
		} else {
			out->ssi_pid = (u32)in->si_pid;
			out->ssi_uid = in->si_uid;
		}
		if (in->si_code < 0) {
			out->ssi_ptr = (u64)in->si_ptr;
			out->ssi_int = in->si_int;
		}
	}
}

static bool has_any(const struct signalfd *s) { return signal_pending_set(current) & s->mask; }

static long signalfd_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct signalfd *s = f->priv;
	struct signalfd_siginfo out;
	siginfo_t info;
	long done = 0;
	if (iov->left < sizeof(out))
		return -EINVAL;
	while (iov->left >= sizeof(out)) {
		if (!signal_dequeue(s->mask, &info)) {
			if (done)
				break;
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			int err = wait_event_interruptible(&waiters, has_any(s));
			if (err)
				return err;
			continue;
		}
		fill(&out, &info);
		if (iov_copy_to(iov, &out, sizeof(out)) != sizeof(out))
			return done ? done : -EFAULT;
		done += sizeof(out);
	}
	return done;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	poll_add(pt, &waiters);
	return has_any(f->priv) ? POLLIN | POLLRDNORM : 0;
}

static void signalfd_release(struct file *f) { kfree(f->priv); }

static const struct file_ops signalfd_ops = {
	.read = signalfd_read, .poll = signalfd_poll, .release = signalfd_release, .name = "signalfd",
};

static long change(int fd, sigset_bits mask)
{
	struct file *f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (f->ops != &signalfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	((struct signalfd *)f->priv)->mask = mask;
	file_put(f);
	signalfd_wake();
	return fd;
}

static long make(int fd, uaddr_t umask, u64 size, u32 flags)
{
	sigset_bits mask;
	if (flags & ~(u32)(SFD_CLOEXEC | SFD_NONBLOCK) || size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	mask &= ~SIGS_KERNEL_ONLY;
	if (fd != -1)
		return change(fd, mask);
	struct signalfd *s = kzalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return -ENOMEM;
	s->mask = mask;
	struct file *f = file_new_anon(&signalfd_ops, "anon_inode:[signalfd]", s, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR(f)) {
		kfree(s);
		return PTR_ERR(f);
	}
	int new = fd_install(f, 0, flags & SFD_CLOEXEC);
	if (new < 0)
		file_put(f);
	return new;
}

SYSCALL3(signalfd, fd, umask, size) { return make((int)fd, umask, size, 0); }
SYSCALL4(signalfd4, fd, umask, size, flags) { return make((int)fd, umask, size, (u32)flags); }
