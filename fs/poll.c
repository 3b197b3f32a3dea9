/* SPDX-License-Identifier: MIT */
/*
 * poll, ppoll, select, pselect6. The first round asks every file and registers the caller on the
 * queues that may change the answer; then it sleeps until one of them is woken and asks again, without
 * registering, until a file is ready, the time is over or a signal came.
 *
 * Each registration keeps its file open, so a queue cannot vanish while the entry is on it. The wake
 * function runs under the queue's lock, perhaps in an interrupt: it only sets a flag and wakes the task.
 */
#include "internal.h"
#include <asm/poll.h>
#include <hal/time.h>
#include <kernel/signal.h>
#include <kernel/time.h>
#include <kernel/wait.h>

#define CHUNK_ENTRIES 30
#define FOREVER 0ull
#define READY_IN  (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define READY_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define READY_EX  POLLPRI

struct poll_entry {
	struct wait_entry wait;
	struct host_waitq *q;
	struct file *file; /* with a reference */
	struct poll_waiter *waiter;
};

struct poll_chunk {
	struct poll_chunk *next;
	unsigned nr;
	struct poll_entry entries[CHUNK_ENTRIES];
};

static void poll_woken(struct wait_entry *e)
{
	struct poll_waiter *w = container_of(e, struct poll_entry, wait)->waiter;
	__atomic_store_n(&w->triggered, true, __ATOMIC_SEQ_CST);
	task_wake(w->task);
}

static void poll_register(struct poll_table *pt, struct host_waitq *q)
{
	struct poll_waiter *w = container_of(pt, struct poll_waiter, table);
	struct poll_chunk *c = w->chunks;
	if (!c || c->nr == CHUNK_ENTRIES) {
		c = kmalloc(sizeof(*c), ALLOC_KERNEL);
		if (!c) {
			w->error = -ENOMEM;
			return;
		}
		c->nr = 0;
		c->next = w->chunks;
		w->chunks = c;
	}
	struct poll_entry *e = &c->entries[c->nr++];
	wait_entry_init(&e->wait);
	e->wait.wake = poll_woken;
	e->q = q;
	e->waiter = w;
	e->file = w->file;
	file_get(e->file);
	unsigned long flags = spin_lock_irq(&q->lock);
	list_add_tail(&e->wait.link, &q->waiters);
	spin_unlock_irq(&q->lock, flags);
}

void poll_waiter_init(struct poll_waiter *w)
{
	*w = (struct poll_waiter){ .table.add = poll_register, .task = current };
	host_waitq_init(&w->waitq);
}

u32 poll_ask(struct poll_waiter *w, struct file *f)
{
	w->file = f;
	return file_poll(f, &w->table);
}

int poll_sleep(struct poll_waiter *w, u64 deadline_ns)
{
	w->table.add = NULL;
	int err = wait_event_timeout(&w->waitq, __atomic_load_n(&w->triggered, __ATOMIC_SEQ_CST), deadline_ns);
	__atomic_store_n(&w->triggered, false, __ATOMIC_SEQ_CST);
	return err;
}

void poll_waiter_end(struct poll_waiter *w)
{
	while (w->chunks) {
		struct poll_chunk *c = w->chunks;
		w->chunks = c->next;
		for (unsigned n = 0; n < c->nr; n++) {
			struct poll_entry *e = &c->entries[n];
			unsigned long flags = spin_lock_irq(&e->q->lock);
			list_del(&e->wait.link);
			spin_unlock_irq(&e->q->lock, flags);
			file_put(e->file);
		}
		kfree(c);
	}
}

/* Signal masks. */

int sigmask_begin(uaddr_t umask, u64 usize)
{
	sigset_bits mask;
	if (!umask)
		return 0;
	if (usize != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, umask))
		return -EFAULT;
	signal_set_blocked_temporarily(mask);
	return 0;
}

/* An interrupted call leaves the mask: it goes once the signal was delivered. */
void sigmask_end(bool has_mask, bool interrupted)
{
	if (has_mask && !interrupted)
		signal_restore_blocked();
}

/* Times. */

/* A relative time as a deadline; ~0 when it is over at once. */
static u64 deadline_after(u64 ns)
{
	u64 now = hal_clock_ns();
	if (!ns)
		return ~0ull;
	return now + ns < now ? FOREVER : now + ns;
}

static u64 time_left(u64 deadline)
{
	u64 now = hal_clock_ns();
	return deadline == ~0ull || now >= deadline ? 0 : deadline - now;
}

/* NULL: for ever. */
static int deadline_from_timespec(uaddr_t ut, u64 *deadline)
{
	struct timespec_k t;
	*deadline = FOREVER;
	if (!ut)
		return 0;
	if (copy_from_user(&t, ut, sizeof(t)))
		return -EFAULT;
	if (!timespec_is_valid(&t))
		return -EINVAL;
	*deadline = deadline_after(timespec_to_ns(&t));
	return 0;
}

static void give_back_time(uaddr_t ut, u64 deadline, bool as_timeval)
{
	if (!ut || deadline == FOREVER)
		return;
	struct timespec_k t = ns_to_timespec((s64)time_left(deadline));
	if (as_timeval)
		t.tv_nsec /= 1000;
	if (copy_to_user(ut, &t, sizeof(t)))
		return; /* the result counts for more than the time left */
}

/* poll. */

static u32 ask_one(struct poll_waiter *w, struct pollfd *p)
{
	if (p->fd < 0)
		return 0;
	struct file *f = fd_get(p->fd);
	if (!f)
		return POLLNVAL;
	u32 mask = poll_ask(w, f) & ((u32)(u16)p->events | POLLERR | POLLHUP);
	file_put(f);
	return mask;
}

/* Until something is ready: how many; 0 at the deadline (~0: do not sleep); -EINTR. */
static long poll_loop(struct pollfd *fds, unsigned nr, u64 deadline)
{
	struct poll_waiter w;
	long ready = 0;
	int err = 0;
	poll_waiter_init(&w);
	for (;;) {
		for (unsigned n = 0; n < nr; n++) {
			fds[n].revents = (short)ask_one(&w, &fds[n]);
			if (!fds[n].revents)
				continue;
			ready++;
			w.table.add = NULL; /* no more waiting */
		}
		if (ready || err)
			break;
		if ((err = w.error) != 0)
			break;
		if (deadline == ~0ull) {
			err = signal_is_pending() ? -EINTR : 0;
			break;
		}
		err = poll_sleep(&w, deadline);
	}
	poll_waiter_end(&w);
	if (ready)
		return ready;
	return err == -ETIMEDOUT ? 0 : err == -ERESTARTSYS ? -EINTR : err;
}

static long do_poll(uaddr_t ufds, u64 nr, u64 deadline)
{
	struct pollfd few[16], *fds = few;
	if (nr > fd_limit())
		return -EINVAL;
	if (nr > ARRAY_SIZE(few) && !(fds = kmalloc(nr * sizeof(*fds), ALLOC_KERNEL)))
		return -ENOMEM;
	long ret = copy_from_user(fds, ufds, nr * sizeof(*fds)) ? -EFAULT : poll_loop(fds, (unsigned)nr, deadline);
	for (u64 n = 0; n < nr && ret >= 0; n++)
		if (put_user(fds[n].revents, ufds + n * sizeof(*fds) + offsetof(struct pollfd, revents)))
			ret = -EFAULT;
	if (fds != few)
		kfree(fds);
	return ret;
}

static long poll_restart(struct task *t)
{
	long ret = do_poll(t->restart.args[0], t->restart.args[1], t->restart.args[2]);
	return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

SYSCALL3(poll, ufds, nr, timeout_ms)
{
	s32 ms = (s32)timeout_ms;
	u64 deadline = ms < 0 ? FOREVER : deadline_after((u64)ms * 1000000);
	long ret = do_poll(ufds, (u32)nr, deadline);
	if (ret != -EINTR)
		return ret;
	current->restart = (struct restart_block){ .fn = poll_restart, .args = { ufds, (u32)nr, deadline } };
	return -ERESTART_RESTARTBLOCK;
}

SYSCALL5(ppoll, ufds, nr, utime, umask, masksize)
{
	u64 deadline;
	int err = deadline_from_timespec(utime, &deadline);
	if (!err)
		err = sigmask_begin(umask, masksize);
	if (err)
		return err;
	long ret = do_poll(ufds, (u32)nr, deadline);
	sigmask_end(umask != 0, ret == -EINTR);
	give_back_time(utime, deadline, false);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

/* select. */

struct fd_sets { /* six bitmaps of `words` words: in, out, ex and their results */
	u64 *in, *out, *ex, *rin, *rout, *rex;
};

static int ask_select(struct poll_waiter *w, struct fd_sets *s, unsigned fd)
{
	u64 bit = 1ull << (fd % 64);
	unsigned at = fd / 64;
	int ready = 0;
	if (!((s->in[at] | s->out[at] | s->ex[at]) & bit))
		return 0;
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	u32 mask = poll_ask(w, f);
	file_put(f);
	if ((s->in[at] & bit) && (mask & READY_IN)) {
		s->rin[at] |= bit;
		ready++;
	}
	if ((s->out[at] & bit) && (mask & READY_OUT)) {
		s->rout[at] |= bit;
		ready++;
	}
	if ((s->ex[at] & bit) && (mask & READY_EX)) {
		s->rex[at] |= bit;
		ready++;
	}
	if (ready)
		w->table.add = NULL;
	return ready;
}

static long select_loop(struct fd_sets *s, unsigned nr, u64 deadline)
{
	struct poll_waiter w;
	long ready = 0;
	int err = 0;
	poll_waiter_init(&w);
	for (;;) {
		for (unsigned fd = 0; fd < nr; fd++) {
			int n = ask_select(&w, s, fd);
			if (n < 0) {
				poll_waiter_end(&w);
				return n;
			}
			ready += n;
		}
		if (ready || err)
			break;
		if ((err = w.error) != 0)
			break;
		if (deadline == ~0ull) {
			err = signal_is_pending() ? -EINTR : 0;
			break;
		}
		err = poll_sleep(&w, deadline);
	}
	poll_waiter_end(&w);
	if (ready)
		return ready;
	return err == -ETIMEDOUT ? 0 : err == -ERESTARTSYS ? -EINTR : err;
}

static bool set_from_user(u64 *set, uaddr_t u, size_t bytes)
{
	return !u || !copy_from_user(set, u, bytes);
}

static bool set_to_user(uaddr_t u, const u64 *set, size_t bytes)
{
	return !u || !copy_to_user(u, set, bytes);
}

static long do_select(int nfds, uaddr_t in, uaddr_t out, uaddr_t ex, u64 deadline)
{
	if (nfds < 0)
		return -EINVAL;
	unsigned nr = min((unsigned)nfds, files_capacity(current->files)), words = (nr + 63) / 64;
	size_t bytes = (nr + 63) / 64 * 8;
	u64 *all = kzalloc((6 * words + 1) * sizeof(u64), ALLOC_KERNEL);
	if (!all)
		return -ENOMEM;
	struct fd_sets s = { all, all + words, all + 2 * words, all + 3 * words, all + 4 * words, all + 5 * words };
	long ret = -EFAULT;
	if (set_from_user(s.in, in, bytes) && set_from_user(s.out, out, bytes) && set_from_user(s.ex, ex, bytes))
		ret = select_loop(&s, nr, deadline);
	if (ret >= 0 && (!set_to_user(in, s.rin, bytes) || !set_to_user(out, s.rout, bytes) || !set_to_user(ex, s.rex, bytes)))
		ret = -EFAULT;
	kfree(all);
	return ret;
}

SYSCALL5(select, nfds, in, out, ex, utime)
{
	struct timeval_k t;
	u64 deadline = FOREVER;
	if (utime) {
		if (copy_from_user(&t, utime, sizeof(t)))
			return -EFAULT;
		if (t.tv_sec < 0 || t.tv_usec < 0)
			return -EINVAL;
		struct timespec_k ts = { t.tv_sec + t.tv_usec / 1000000, t.tv_usec % 1000000 * 1000 };
		deadline = deadline_after(timespec_to_ns(&ts));
	}
	long ret = do_select((int)nfds, in, out, ex, deadline);
	give_back_time(utime, deadline, true);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

SYSCALL6(pselect6, nfds, in, out, ex, utime, usig)
{
	struct { uaddr_t mask; u64 size; } sig = { 0, 0 };
	u64 deadline;
	if (usig && copy_from_user(&sig, usig, sizeof(sig)))
		return -EFAULT;
	int err = deadline_from_timespec(utime, &deadline);
	if (!err)
		err = sigmask_begin(sig.mask, sig.size);
	if (err)
		return err;
	long ret = do_select((int)nfds, in, out, ex, deadline);
	sigmask_end(sig.mask != 0, ret == -EINTR);
	give_back_time(utime, deadline, false);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}
