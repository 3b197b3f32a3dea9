/* SPDX-License-Identifier: MIT */
/*
 * Local sockets: life cycle, names, connections.
 *
 * States: FRESH -> (listen) LISTENING; FRESH -> (connect, accept, socketpair) CONNECTED -> (the other
 * side closed) still CONNECTED, with both directions shut; any -> CLOSED. A datagram socket stays FRESH and
 * may have a peer as its usual receiver.
 *
 * connect makes the server's half at once and puts it on the listener's list; accept gives it a file.
 * Each side of a connection holds a reference to the other, dropped when it closes.
 *
 * unix_lock guards states, peers, queues and abstract names of all sockets; it is held for list work
 * only. A name in the file system is an inode whose ->special points here as long as the socket lives.
 */
#include "socket.h"
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <lib/format.h>

struct spinlock unix_lock = SPINLOCK_INIT(RANK_VFS);
static struct list_head abstract_names = LIST_HEAD_INIT(abstract_names);

struct ucred_k cred_of_current(void)
{
	const struct cred *c = current->cred;
	return (struct ucred_k){ (s32)current->process->pid, c->euid, c->egid };
}

static struct unix_sock *sock_new(u32 type)
{
	struct unix_sock *s = kzalloc(sizeof(*s), ALLOC_KERNEL);
	if (!s)
		return NULL;
	s->refs = 1;
	s->type = type;
	list_init(&s->queue);
	list_init(&s->pending);
	list_init(&s->abstract_link);
	mutex_init(&s->read_lock, RANK_PIPE);
	host_waitq_init(&s->waitq);
	spin_lock(&unix_lock);
	list_add_tail(&s->all_link, &all_sockets);
	spin_unlock(&unix_lock);
	return s;
}

void sock_put(struct unix_sock *s)
{
	if (__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	spin_lock(&unix_lock);
	list_del(&s->all_link);
	spin_unlock(&unix_lock);
	kfree(s);
}

/* Closes s: neither side reads or writes any more. */
static void sock_close(struct unix_sock *s)
{
	struct list_head doomed, orphans;
	list_init(&doomed);
	list_init(&orphans);
	spin_lock(&unix_lock);
	bool unread = !list_is_empty(&s->queue);
	if (s->state == SOCK_LISTENING)
		list_splice_tail(&s->pending, &orphans);
	s->state = SOCK_CLOSED;
	s->shutdown = SHUT_RD_BIT | SHUT_WR_BIT;
	list_splice_tail(&s->queue, &doomed);
	list_del(&s->abstract_link);
	struct unix_sock *peer = s->peer;
	struct inode *bound = s->bound;
	s->peer = NULL;
	s->bound = NULL;
	if (bound && bound->special == s)
		bound->special = NULL;
	if (peer && sock_is_connected_type(s)) {
		peer->shutdown = SHUT_RD_BIT | SHUT_WR_BIT;
		if (unread)
			peer->error = ECONNRESET;
	}
	spin_unlock(&unix_lock);
	wake_all(&s->waitq);
	if (peer) {
		wake_all(&peer->waitq);
		sock_put(peer);
	}
	if (!list_is_empty(&doomed))
		messages_bury(&doomed);
	while (!list_is_empty(&orphans)) {
		struct unix_sock *o = list_first_entry(&orphans, struct unix_sock, pending);
		list_del(&o->pending);
		sock_close(o);
		sock_put(o);
	}
	if (bound)
		inode_put(bound);
}

static void unix_release(struct file *f)
{
	struct unix_sock *s = f->priv;
	spin_lock(&unix_lock);
	s->file = NULL;
	spin_unlock(&unix_lock);
	sock_close(s);
	sock_put(s);
	sock_collect();
}

/* Takes over the reference to s. */
static struct file *file_of(struct unix_sock *s, u32 flags)
{
	struct inode *i = inode_new_anon(S_IFSOCK | 0777, "socket");
	struct file *f = i ? file_new(&unix_ops, i, O_RDWR | (flags & O_NONBLOCK)) : ERR_PTR(-ENOMEM);
	if (IS_ERR(f)) {
		if (i)
			inode_put(i);
		sock_close(s);
		sock_put(s);
		return f;
	}
	f->priv = s;
	spin_lock(&unix_lock);
	s->file = f;
	spin_unlock(&unix_lock);
	return f;
}

struct file *sock_file_new(u32 type, u32 flags)
{
	struct unix_sock *s = sock_new(type);
	return s ? file_of(s, flags) : ERR_PTR(-ENOMEM);
}

int sock_pair(struct unix_sock *a, struct unix_sock *b)
{
	sock_get(a);
	sock_get(b);
	a->peer = b;
	b->peer = a;
	a->peer_cred = b->peer_cred = cred_of_current();
	if (sock_is_connected_type(a))
		a->state = b->state = SOCK_CONNECTED;
	return 0;
}

/* Names. */

static struct unix_sock *find_abstract_locked(const struct sock_addr *a)
{
	struct unix_sock *s;
	list_for_each_entry(s, &abstract_names, abstract_link)
		if (s->addr.len == a->len && !memcmp(s->addr.path, a->path, a->len))
			return s;
	return NULL;
}

static int bind_abstract(struct unix_sock *s, const struct sock_addr *a)
{
	spin_lock(&unix_lock);
	int err = s->addr.len ? -EINVAL : find_abstract_locked(a) ? -EADDRINUSE : 0;
	if (!err) {
		s->addr = *a;
		list_add_tail(&s->abstract_link, &abstract_names);
	}
	spin_unlock(&unix_lock);
	return err;
}

/* A name of the kernel's choice: five hexadecimal digits. */
static int bind_automatic(struct unix_sock *s)
{
	static u32 next;
	for (unsigned tries = 0; tries < 1u << 20; tries++) {
		struct sock_addr a = { .len = 6 };
		snprintf(a.path + 1, sizeof(a.path) - 1, "%05x", __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED) & 0xfffff);
		int err = bind_abstract(s, &a);
		if (err != -EADDRINUSE)
			return err;
	}
	return -ENOSPC;
}

static int bind_path(struct unix_sock *s, const struct sock_addr *a)
{
	struct path p;
	int err = vfs_mknod(AT_FDCWD, a->path, S_IFSOCK | 0777, 0);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	err = vfs_lookup(AT_FDCWD, a->path, 0, &p);
	if (err)
		return err;
	struct inode *i = path_inode(&p);
	spin_lock(&unix_lock);
	if (s->addr.len || i->special) {
		err = -EINVAL;
	} else {
		s->addr = *a;
		s->bound = i;
		inode_get(i);
		i->special = s;
	}
	spin_unlock(&unix_lock);
	path_put(&p);
	if (err)
		vfs_unlink(AT_FDCWD, a->path, false);
	return err;
}

int sock_bind(struct unix_sock *s, const struct sock_addr *a, bool automatic)
{
	if (automatic)
		return s->addr.len ? 0 : bind_automatic(s);
	return a->path[0] ? bind_path(s, a) : bind_abstract(s, a);
}

int sock_find(const struct sock_addr *a, u32 type, struct unix_sock **out)
{
	struct path p = { NULL, NULL };
	int err = 0;
	if (a->path[0]) {
		err = vfs_lookup(AT_FDCWD, a->path, LOOKUP_FOLLOW, &p);
		if (err)
			return err;
		err = inode_permission(path_inode(&p), MAY_WRITE);
		if (!err && !S_ISSOCK(path_inode(&p)->mode))
			err = -ECONNREFUSED;
	}
	if (!err) {
		spin_lock(&unix_lock);
		struct unix_sock *s = p.node ? path_inode(&p)->special : find_abstract_locked(a);
		err = !s ? -ECONNREFUSED : s->type != type ? -EPROTOTYPE : 0;
		if (!err) {
			sock_get(s);
			*out = s;
		}
		spin_unlock(&unix_lock);
	}
	if (p.node)
		path_put(&p);
	return err;
}

/* Connections. */

int sock_listen(struct unix_sock *s, int backlog)
{
	if (!sock_is_connected_type(s))
		return -EOPNOTSUPP;
	spin_lock(&unix_lock);
	int err = !s->addr.len || (s->state != SOCK_FRESH && s->state != SOCK_LISTENING) ? -EINVAL : 0;
	if (!err) {
		s->state = SOCK_LISTENING;
		s->backlog = (u32)(backlog < 0 || backlog > 4096 ? 4096 : backlog);
		s->peer_cred = cred_of_current();
	}
	spin_unlock(&unix_lock);
	return err;
}

/* One attempt: 0, -EAGAIN when the list is full, or an error. `half` is the server's side. */
static int try_connect(struct unix_sock *s, struct unix_sock *listener, struct unix_sock *half)
{
	int err = 0;
	spin_lock(&unix_lock);
	if (listener->state != SOCK_LISTENING || (listener->shutdown & SHUT_RD_BIT))
		err = -ECONNREFUSED;
	else if (s->state != SOCK_FRESH)
		err = s->state == SOCK_CONNECTED ? -EISCONN : -EINVAL;
	else if (listener->nr_pending > listener->backlog)
		err = -EAGAIN;
	if (!err) {
		half->addr = listener->addr;
		half->peer_cred = cred_of_current();
		s->peer_cred = listener->peer_cred;
		sock_get(s);
		sock_get(half);
		half->peer = s;
		s->peer = half;
		s->state = half->state = SOCK_CONNECTED;
		list_add_tail(&half->pending, &listener->pending); /* with half's first reference */
		listener->nr_pending++;
	}
	spin_unlock(&unix_lock);
	return err;
}

static int connect_stream(struct unix_sock *s, struct unix_sock *listener, bool nonblock)
{
	struct unix_sock *half = sock_new(s->type);
	if (!half)
		return -ENOMEM;
	int err;
	while ((err = try_connect(s, listener, half)) == -EAGAIN && !nonblock) {
		err = wait_event_interruptible(&listener->waitq, READ_ONCE(listener->nr_pending) <= listener->backlog ||
		                                                     listener->state != SOCK_LISTENING);
		if (err)
			break;
	}
	if (err)
		sock_put(half);
	else
		wake_all(&listener->waitq);
	return err;
}

/* A datagram socket's usual receiver; to NULL: none any more. */
static void set_receiver(struct unix_sock *s, struct unix_sock *to)
{
	spin_lock(&unix_lock);
	struct unix_sock *old = s->peer;
	s->peer = to;
	spin_unlock(&unix_lock);
	if (old)
		sock_put(old);
	wake_all(&s->waitq);
}

int sock_connect(struct unix_sock *s, const struct sock_addr *a, bool nonblock)
{
	struct unix_sock *to;
	if (!a) {
		if (sock_is_connected_type(s))
			return -EINVAL;
		set_receiver(s, NULL);
		return 0;
	}
	int err = sock_find(a, s->type, &to);
	if (err)
		return err;
	if (!sock_is_connected_type(s)) {
		set_receiver(s, to);
		return 0;
	}
	err = connect_stream(s, to, nonblock);
	sock_put(to);
	return err;
}

static struct unix_sock *take_pending(struct unix_sock *s, int *err)
{
	struct unix_sock *half = NULL;
	spin_lock(&unix_lock);
	if (s->state != SOCK_LISTENING || (s->shutdown & SHUT_RD_BIT)) {
		*err = -EINVAL;
	} else if (!list_is_empty(&s->pending)) {
		half = list_first_entry(&s->pending, struct unix_sock, pending);
		list_del(&half->pending);
		s->nr_pending--;
	}
	spin_unlock(&unix_lock);
	return half;
}

struct file *sock_accept(struct unix_sock *s, bool nonblock, u32 flags)
{
	struct unix_sock *half;
	int err = 0;
	if (!sock_is_connected_type(s))
		return ERR_PTR(-EOPNOTSUPP);
	while (!(half = take_pending(s, &err)) && !err) {
		if (nonblock)
			return ERR_PTR(-EAGAIN);
		u64 deadline = s->recv_timeout_ns ? hal_clock_ns() + s->recv_timeout_ns : 0;
		err = wait_event_timeout(&s->waitq, READ_ONCE(s->nr_pending) || s->state != SOCK_LISTENING, deadline);
		if (err == -ETIMEDOUT)
			err = -EAGAIN;
	}
	if (!half)
		return ERR_PTR(err);
	wake_all(&s->waitq);
	return file_of(half, flags);
}

int sock_shutdown(struct unix_sock *s, int how)
{
	if (how < 0 || how > 2)
		return -EINVAL;
	u32 bits = (u32)how + 1, across = (bits & SHUT_RD_BIT ? SHUT_WR_BIT : 0) | (bits & SHUT_WR_BIT ? SHUT_RD_BIT : 0);
	spin_lock(&unix_lock);
	s->shutdown |= bits;
	struct unix_sock *peer = s->peer;
	if (peer && sock_is_connected_type(s)) {
		peer->shutdown |= across;
		sock_get(peer);
	} else {
		peer = NULL;
	}
	spin_unlock(&unix_lock);
	wake_all(&s->waitq);
	if (peer) {
		wake_all(&peer->waitq);
		sock_put(peer);
	}
	return 0;
}

/* As a file. */

static long unix_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct recv_result r = { 0 };
	long n = sock_recv(f->priv, iov, f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, &r);
	for (u32 k = 0; k < r.nr_files; k++) /* read(2) cannot pass them on */
		file_put(r.files[k]);
	kfree(r.files);
	return n;
}

static long unix_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct send_request r = { .iov = iov, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, .cred = cred_of_current() };
	return sock_send(f->priv, &r);
}

static u32 unix_poll(struct file *f, struct poll_table *pt)
{
	struct unix_sock *s = f->priv;
	u32 mask = 0;
	poll_add(pt, &s->waitq);
	spin_lock(&unix_lock);
	struct unix_sock *peer = s->peer;
	if (s->error)
		mask |= POLLERR;
	if (s->shutdown == (SHUT_RD_BIT | SHUT_WR_BIT) || (sock_is_connected_type(s) && s->state == SOCK_FRESH))
		mask |= POLLHUP;
	if (s->shutdown & SHUT_RD_BIT)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_is_empty(&s->queue) || (s->state == SOCK_LISTENING && s->nr_pending))
		mask |= POLLIN | POLLRDNORM;
	bool full = peer && (sock_is_connected_type(s) ? peer->queued_bytes >= BUFFER_BYTES : peer->nr_queued > MAX_DATAGRAMS);
	if (s->state != SOCK_LISTENING && !full)
		mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
	spin_unlock(&unix_lock);
	return mask;
}

static long unix_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct unix_sock *s = f->priv;
	if (cmd == FIONREAD)
		return s->state == SOCK_LISTENING ? -EINVAL : put_user((int)sock_readable_bytes(s), arg);
	if (cmd == TIOCOUTQ)
		return put_user((int)(s->peer ? sock_readable_bytes(s->peer) : 0), arg);
	return -ENOTTY;
}

const struct file_ops unix_ops = {
	.read = unix_read,
	.write = unix_write,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
	.name = "socket",
};
