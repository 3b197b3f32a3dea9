/* SPDX-License-Identifier: MIT */
/*
 * epoll: a set of watched files and a list of those that may be ready.
 *
 * An item watches one (file, descriptor). It has an entry on each of the file's queues; a wake-up puts
 * the item on the ready list and wakes whoever waits for the set. epoll_wait takes items off the list
 * and asks each file what holds now: level-triggered items that are ready go back to the end of the
 * list, edge-triggered ones do not, one-shot ones are muted until modified.
 *
 * An item holds no reference to its file: the last file_put removes it (epoll_forget_file). Watched
 * files are asked only under ep->lock, which that removal takes, so they cannot vanish meanwhile.
 *
 * Locks: nest_lock (adding a set to a set) > ep->lock (items; sleeping) > vfs_lock (file->watches) >
 * the watched queue > ep->ready_lock, ep->waitq (RANK_EPOLL; sets in sets: inner before outer).
 */
#include "internal.h"
#include <asm/poll.h>
#include <hal/time.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <lib/rbtree.h>
#include <linux/eventpoll.h>

#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define MAX_NESTING  5u

struct epoll {
	s32 refs; /* atomic: the file, and forgetters at work */
	struct mutex lock;
	struct rb_root items;      /* (lock) by file and descriptor */
	struct spinlock ready_lock;
	struct list_head ready;    /* (ready_lock) */
	struct host_waitq waitq;
};

struct item {
	struct rb_node node;
	struct epoll *ep;
	struct file *file;
	int fd;
	u32 events;                  /* (ep->lock) EPOLL* */
	u64 data;
	struct list_head ready_link; /* (ep->ready_lock) */
	struct list_head file_link;  /* (vfs_lock) file->watches */
	struct watch *watches;       /* entries on the file's queues */
};

struct watch {
	struct wait_entry wait;
	struct host_waitq *q;
	struct item *item;
	struct watch *next;
};

struct item_table { /* registration in progress */
	struct poll_table table; /* first */
	struct item *item;
	int err;
};

static const struct file_ops epoll_ops;
static struct slab_cache *item_cache, *watch_cache;
static struct mutex nest_lock;

void epoll_init_cache(void)
{
	item_cache = slab_cache_create("eventpoll_epi", sizeof(struct item), 0, 0);
	watch_cache = slab_cache_create("eventpoll_pwq", sizeof(struct watch), 0, 0);
	ASSERT(item_cache && watch_cache);
	mutex_init(&nest_lock, RANK_FS_NAMESPACE);
}

static void ep_put(struct epoll *ep)
{
	if (__atomic_sub_fetch(&ep->refs, 1, __ATOMIC_ACQ_REL) == 0)
		kfree(ep);
}

/* Wakes the set's own sleepers, perhaps under the queue lock of a watched file or of an inner set. */
static void ep_wake(struct epoll *ep)
{
	struct wait_entry *e, *next;
	unsigned long flags = hal_irq_save();
	spin_lock_nested(&ep->waitq.lock);
	list_for_each_entry_safe(e, next, &ep->waitq.waiters, link) {
		if (e->wake) {
			e->wake(e);
			continue;
		}
		struct task *t = e->task;
		list_del(&e->link);
		task_wake(t);
	}
	spin_unlock(&ep->waitq.lock);
	hal_irq_restore(flags);
}

static void mark_ready(struct item *it)
{
	struct epoll *ep = it->ep;
	unsigned long flags = hal_irq_save();
	spin_lock_nested(&ep->ready_lock);
	if (list_is_empty(&it->ready_link))
		list_add_tail(&it->ready_link, &ep->ready);
	spin_unlock(&ep->ready_lock);
	hal_irq_restore(flags);
	ep_wake(ep);
}

static void watch_woken(struct wait_entry *e)
{
	struct item *it = container_of(e, struct watch, wait)->item;
	if (READ_ONCE(it->events) & ~(u32)PRIVATE_BITS)
		mark_ready(it);
}

static void watch_add(struct poll_table *pt, struct host_waitq *q)
{
	struct item_table *t = (struct item_table *)pt;
	struct watch *w = slab_alloc(watch_cache, ALLOC_KERNEL);
	if (!w) {
		t->err = -ENOMEM;
		return;
	}
	wait_entry_init(&w->wait);
	w->wait.wake = watch_woken;
	w->wait.exclusive = t->item->events & EPOLLEXCLUSIVE;
	w->q = q;
	w->item = t->item;
	w->next = t->item->watches;
	t->item->watches = w;
	unsigned long flags = spin_lock_irq(&q->lock);
	list_add_tail(&w->wait.link, &q->waiters);
	spin_unlock_irq(&q->lock, flags);
}

/* Items. */

static int compare(const struct file *file, int fd, const struct item *it)
{
	if (file != it->file)
		return file < it->file ? -1 : 1;
	return fd == it->fd ? 0 : fd < it->fd ? -1 : 1;
}

static struct item *find(struct epoll *ep, const struct file *file, int fd)
{
	struct rb_node *n = ep->items.node;
	while (n) {
		struct item *it = container_of(n, struct item, node);
		int c = compare(file, fd, it);
		if (!c)
			return it;
		n = c < 0 ? n->left : n->right;
	}
	return NULL;
}

static void insert(struct epoll *ep, struct item *it)
{
	struct rb_node *parent = NULL, **link = &ep->items.node;
	while (*link) {
		parent = *link;
		link = compare(it->file, it->fd, container_of(parent, struct item, node)) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&ep->items, &it->node, parent, link, NULL);
}

/* ep->lock is held. */
static void remove(struct epoll *ep, struct item *it)
{
	while (it->watches) {
		struct watch *w = it->watches;
		it->watches = w->next;
		unsigned long flags = spin_lock_irq(&w->q->lock);
		list_del(&w->wait.link);
		spin_unlock_irq(&w->q->lock, flags);
		slab_free(watch_cache, w);
	}
	spin_lock(&vfs_lock);
	list_del(&it->file_link);
	spin_unlock(&vfs_lock);
	unsigned long flags = spin_lock_irq(&ep->ready_lock);
	list_del(&it->ready_link);
	spin_unlock_irq(&ep->ready_lock, flags);
	rb_erase(&ep->items, &it->node, NULL);
	slab_free(item_cache, it);
}

void epoll_forget_file(struct file *f)
{
	for (;;) {
		spin_lock(&vfs_lock);
		struct item *it = list_is_empty(&f->watches) ? NULL : list_first_entry(&f->watches, struct item, file_link);
		struct epoll *ep = it ? it->ep : NULL;
		if (ep)
			__atomic_fetch_add(&ep->refs, 1, __ATOMIC_RELAXED);
		spin_unlock(&vfs_lock);
		if (!ep)
			return;
		mutex_lock(&ep->lock);
		spin_lock(&vfs_lock);
		bool still = !list_is_empty(&f->watches) && f->watches.next == &it->file_link;
		spin_unlock(&vfs_lock);
		if (still)
			remove(ep, it);
		mutex_unlock(&ep->lock);
		ep_put(ep);
	}
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->priv;
	mutex_lock(&ep->lock);
	while (ep->items.node)
		remove(ep, container_of(ep->items.node, struct item, node));
	mutex_unlock(&ep->lock);
	ep_put(ep);
}

/* Does `from` watch `to`, directly or through other sets, or are there too many levels? nest_lock. */
static bool reaches(struct epoll *from, struct epoll *to, unsigned depth)
{
	bool found = from == to || depth >= MAX_NESTING;
	mutex_lock(&from->lock);
	for (struct rb_node *n = rb_first(&from->items); n && !found; n = rb_next(n)) {
		struct item *it = container_of(n, struct item, node);
		if (it->file->ops == &epoll_ops)
			found = reaches(it->file->priv, to, depth + 1);
	}
	mutex_unlock(&from->lock);
	return found;
}

static void note_if_ready(struct item *it, u32 mask)
{
	if (mask & it->events & ~(u32)PRIVATE_BITS)
		mark_ready(it);
}

static int add(struct epoll *ep, struct file *file, int fd, const struct epoll_event *ev)
{
	if (find(ep, file, fd))
		return -EEXIST;
	struct item *it = slab_alloc(item_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!it)
		return -ENOMEM;
	*it = (struct item){ .ep = ep, .file = file, .fd = fd, .events = ev->events | EPOLLERR | EPOLLHUP, .data = ev->data };
	list_init(&it->ready_link);
	insert(ep, it);
	spin_lock(&vfs_lock);
	list_add_tail(&it->file_link, &file->watches);
	spin_unlock(&vfs_lock);
	struct item_table t = { .table.add = watch_add, .item = it };
	u32 mask = file_poll(file, &t.table);
	if (t.err) {
		remove(ep, it);
		return t.err;
	}
	note_if_ready(it, mask);
	return 0;
}

static int modify(struct epoll *ep, struct file *file, int fd, const struct epoll_event *ev)
{
	struct item *it = find(ep, file, fd);
	if (!it)
		return -ENOENT;
	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->data = ev->data;
	__atomic_store_n(&it->events, ev->events | EPOLLERR | EPOLLHUP, __ATOMIC_SEQ_CST);
	note_if_ready(it, file_poll(file, NULL));
	return 0;
}

static int control(struct epoll *ep, int op, struct file *file, int fd, const struct epoll_event *ev)
{
	struct item *it;
	switch (op) {
	case EPOLL_CTL_ADD:
		return add(ep, file, fd, ev);
	case EPOLL_CTL_MOD:
		return modify(ep, file, fd, ev);
	case EPOLL_CTL_DEL:
		it = find(ep, file, fd);
		if (it)
			remove(ep, it);
		return it ? 0 : -ENOENT;
	default:
		return -EINVAL;
	}
}

static int check_control(struct file *epf, int op, struct file *file, const struct epoll_event *ev)
{
	if (!file->ops->poll)
		return -EPERM;
	if (epf == file || epf->ops != &epoll_ops)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & EPOLLEXCLUSIVE)) {
		if (op == EPOLL_CTL_MOD || file->ops == &epoll_ops || (ev->events & ~(u32)EXCLUSIVE_OK))
			return -EINVAL;
	}
	return 0;
}

static int do_control(struct file *epf, int op, struct file *file, int fd, const struct epoll_event *ev)
{
	struct epoll *ep = epf->priv;
	int err = check_control(epf, op, file, ev);
	if (err)
		return err;
	bool nests = op == EPOLL_CTL_ADD && file->ops == &epoll_ops;
	if (nests) {
		mutex_lock(&nest_lock);
		if (reaches(file->priv, ep, 0)) {
			mutex_unlock(&nest_lock);
			return -ELOOP;
		}
	}
	mutex_lock(&ep->lock);
	err = control(ep, op, file, fd, ev);
	mutex_unlock(&ep->lock);
	if (nests)
		mutex_unlock(&nest_lock);
	return err;
}

SYSCALL4(epoll_ctl, epfd, op, fd, uevent)
{
	struct epoll_event ev = { 0 };
	if ((int)op != EPOLL_CTL_DEL && copy_from_user(&ev, uevent, sizeof(ev)))
		return -EFAULT;
	struct file *epf = fd_get((int)epfd), *file = fd_get((int)fd);
	long err = epf && file ? do_control(epf, (int)op, file, (int)fd, &ev) : -EBADF;
	if (epf)
		file_put(epf);
	if (file)
		file_put(file);
	return err;
}

/* Waiting. */

static struct item *next_ready(struct epoll *ep, struct list_head *from)
{
	struct item *it = NULL;
	unsigned long flags = spin_lock_irq(&ep->ready_lock);
	if (!list_is_empty(from)) {
		it = list_first_entry(from, struct item, ready_link);
		list_del(&it->ready_link);
	}
	spin_unlock_irq(&ep->ready_lock, flags);
	return it;
}

static void put_back(struct epoll *ep, struct item *it)
{
	unsigned long flags = spin_lock_irq(&ep->ready_lock);
	if (list_is_empty(&it->ready_link))
		list_add_tail(&it->ready_link, &ep->ready);
	spin_unlock_irq(&ep->ready_lock, flags);
}

/* Reports up to `max` ready items; how many, or -EFAULT when the first could not be stored. */
static int collect(struct epoll *ep, uaddr_t uevents, int max)
{
	struct list_head now;
	struct item *it;
	int n = 0;
	list_init(&now);
	mutex_lock(&ep->lock);
	unsigned long flags = spin_lock_irq(&ep->ready_lock);
	list_splice_tail(&ep->ready, &now);
	spin_unlock_irq(&ep->ready_lock, flags);
	while (n < max && (it = next_ready(ep, &now)) != NULL) {
		u32 mask = file_poll(it->file, NULL) & it->events & ~(u32)PRIVATE_BITS;
		if (!mask)
			continue;
		struct epoll_event ev = { .events = mask, .data = it->data };
		if (copy_to_user(uevents + (u64)n * sizeof(ev), &ev, sizeof(ev))) {
			put_back(ep, it);
			n = n ? n : -EFAULT;
			break;
		}
		n++;
		if (it->events & EPOLLONESHOT)
			it->events &= PRIVATE_BITS;
		else if (!(it->events & EPOLLET))
			put_back(ep, it);
	}
	/* What was not looked at comes first the next time. */
	flags = spin_lock_irq(&ep->ready_lock);
	list_splice_tail(&ep->ready, &now);
	list_splice_tail(&now, &ep->ready);
	spin_unlock_irq(&ep->ready_lock, flags);
	mutex_unlock(&ep->lock);
	return n;
}

static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *ep = f->priv;
	u32 mask = 0;
	poll_add(pt, &ep->waitq);
	if (list_is_empty(&ep->ready))
		return 0;
	mutex_lock(&ep->lock);
	struct list_head now;
	struct item *it;
	list_init(&now);
	unsigned long flags = spin_lock_irq(&ep->ready_lock);
	list_splice_tail(&ep->ready, &now);
	spin_unlock_irq(&ep->ready_lock, flags);
	while (!mask && (it = next_ready(ep, &now)) != NULL) {
		if (file_poll(it->file, NULL) & it->events & ~(u32)PRIVATE_BITS) {
			mask = POLLIN | POLLRDNORM;
			put_back(ep, it);
		}
	}
	flags = spin_lock_irq(&ep->ready_lock);
	list_splice_tail(&now, &ep->ready);
	spin_unlock_irq(&ep->ready_lock, flags);
	mutex_unlock(&ep->lock);
	return mask;
}

static const struct file_ops epoll_ops = { .poll = epoll_poll, .release = epoll_release, .name = "eventpoll" };

/* deadline 0: none, ~0: do not wait. */
static long wait_events(struct epoll *ep, uaddr_t uevents, int max, u64 deadline)
{
	int err = 0;
	for (;;) {
		int n = collect(ep, uevents, max);
		if (n || err == -ETIMEDOUT || deadline == ~0ull)
			return n;
		if (err)
			return -EINTR;
		err = wait_event_timeout(&ep->waitq, !list_is_empty(&ep->ready), deadline);
	}
}

static long do_wait(u64 epfd, uaddr_t uevents, int max, u64 deadline)
{
	if (max <= 0 || max > (int)(0x7fffffff / sizeof(struct epoll_event)))
		return -EINVAL;
	if (!user_range_ok(uevents, (u64)max * sizeof(struct epoll_event)))
		return -EFAULT;
	struct file *f = fd_get((int)epfd);
	if (!f)
		return -EBADF;
	long n = f->ops == &epoll_ops ? wait_events(f->priv, uevents, max, deadline) : -EINVAL;
	file_put(f);
	return n;
}

static u64 deadline_after(u64 ns) { return ns ? hal_clock_ns() + ns : ~0ull; }
static u64 deadline_ms(u64 ms) { return (int)ms < 0 ? 0 : deadline_after((u64)(u32)ms * 1000000); }

SYSCALL4(epoll_wait, epfd, uevents, max, ms) { return do_wait(epfd, uevents, (int)max, deadline_ms(ms)); }

static long wait_masked(u64 epfd, uaddr_t uevents, u64 max, u64 deadline, uaddr_t umask, u64 size)
{
	int err = sigmask_begin(umask, size);
	if (err)
		return err;
	long n = do_wait(epfd, uevents, (int)max, deadline);
	sigmask_end(umask != 0, n == -EINTR);
	return n;
}

SYSCALL6(epoll_pwait, epfd, uevents, max, ms, umask, size)
{
	return wait_masked(epfd, uevents, max, deadline_ms(ms), umask, size);
}

SYSCALL6(epoll_pwait2, epfd, uevents, max, utime, umask, size)
{
	struct timespec_k t;
	u64 deadline = 0;
	if (utime) {
		if (copy_from_user(&t, utime, sizeof(t)))
			return -EFAULT;
		if (!timespec_is_valid(&t))
			return -EINVAL;
		deadline = deadline_after(timespec_to_ns(&t));
	}
	return wait_masked(epfd, uevents, max, deadline, umask, size);
}

static long epoll_make(u32 flags)
{
	struct epoll *ep = kzalloc(sizeof(*ep), ALLOC_KERNEL);
	if (!ep)
		return -ENOMEM;
	ep->refs = 1;
	mutex_init(&ep->lock, RANK_INODE);
	spin_lock_init(&ep->ready_lock, RANK_EPOLL);
	list_init(&ep->ready);
	host_waitq_init(&ep->waitq);
	ep->waitq.lock.rank = RANK_EPOLL;
	struct file *f = file_new_anon(&epoll_ops, "anon_inode:[eventpoll]", ep, O_RDWR);
	if (IS_ERR(f)) {
		kfree(ep);
		return PTR_ERR(f);
	}
	return fd_install(f, 0, flags & EPOLL_CLOEXEC);
}

SYSCALL1(epoll_create, size) { return (int)size <= 0 ? -EINVAL : epoll_make(0); }
SYSCALL1(epoll_create1, flags) { return (u32)flags & ~(u32)EPOLL_CLOEXEC ? -EINVAL : epoll_make((u32)flags); }
