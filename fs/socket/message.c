/* SPDX-License-Identifier: MIT */
/*
 * Messages between local sockets. The sender copies user memory into a message, then queues it at the
 * receiver under unix_lock if there is room; the reader copies out under the socket's read_lock, so
 * that only it takes from the head of the queue, while senders append.
 *
 * A stream is cut into pieces of at most STREAM_PIECE bytes; a piece that carries descriptors is not
 * read together with what follows. A datagram is one message, and what does not fit the reader's
 * buffer is lost.
 */
#include "socket.h"
#include <hal/time.h>
#include <kernel/signal.h>

#define STREAM_PIECE (8 * PAGE_SIZE - sizeof(struct message))

void message_free(struct message *m)
{
	message_uncount(m);
	for (u32 n = 0; n < m->nr_files; n++)
		file_put(m->files[n]);
	if (m->sender) { /* who need not be the receiver's peer */
		wake_all(&m->sender->waitq);
		sock_put(m->sender);
	}
	kfree(m->files);
	kfree(m->from);
	kfree(m);
}

/* Closing a socket frees messages, which may close sockets, and so on: a chain as long as the user likes.
 * So one drainer at a time takes them off a list to which all others, its own calls included, only add. */
static struct list_head graveyard = LIST_HEAD_INIT(graveyard); /* (unix_lock) */
static bool is_draining;                                       /* (unix_lock) */

void messages_bury(struct list_head *doomed)
{
	spin_lock(&unix_lock);
	list_splice_tail(doomed, &graveyard);
	bool drain = !is_draining;
	is_draining = true;
	while (drain && !list_is_empty(&graveyard)) {
		struct message *m = list_first_entry(&graveyard, struct message, link);
		list_del(&m->link);
		spin_unlock(&unix_lock);
		message_free(m);
		spin_lock(&unix_lock);
	}
	if (drain)
		is_draining = false;
	spin_unlock(&unix_lock);
}

/* A message with the next len bytes of the request. ERR_PTR. */
static struct message *message_new(struct unix_sock *s, struct send_request *r, size_t len)
{
	struct message *m = kmalloc(sizeof(*m) + len, ALLOC_KERNEL);
	if (!m)
		return ERR_PTR(-ENOMEM);
	*m = (struct message){ .len = (u32)len, .cred = r->cred };
	list_init(&m->link);
	if (iov_copy_from(r->iov, m->data, len) != len) {
		kfree(m);
		return ERR_PTR(-EFAULT);
	}
	if (!sock_is_stream(s) && s->addr.len) {
		m->from = kmalloc(sizeof(*m->from), ALLOC_KERNEL);
		if (!m->from) {
			kfree(m);
			return ERR_PTR(-ENOMEM);
		}
		*m->from = s->addr;
	}
	return m;
}

static bool has_room(const struct unix_sock *to)
{
	return sock_is_connected_type(to) ? to->queued_bytes < BUFFER_BYTES : to->nr_queued <= MAX_DATAGRAMS;
}

/* Queues m at `to`. 0, -EAGAIN (full), -EPIPE, -ECONNREFUSED, -ECONNRESET. */
static int try_queue(struct unix_sock *s, struct unix_sock *to, struct message *m)
{
	int err = 0;
	spin_lock(&unix_lock);
	if (s->shutdown & SHUT_WR_BIT)
		err = -EPIPE;
	else if (to->state == SOCK_CLOSED)
		err = sock_is_connected_type(s) ? -EPIPE : -ECONNREFUSED;
	else if (to->shutdown & SHUT_RD_BIT)
		err = -EPIPE;
	else if (!has_room(to))
		err = -EAGAIN;
	if (!err) {
		if (!sock_is_connected_type(s)) {
			sock_get(s);
			m->sender = s;
		}
		list_add_tail(&m->link, &to->queue);
		message_count_locked(m);
		to->queued_bytes += m->len;
		to->nr_queued++;
	}
	spin_unlock(&unix_lock);
	return err;
}

/* Queues m, waiting for room. */
static int queue_message(struct unix_sock *s, struct unix_sock *to, struct message *m, u32 flags)
{
	u64 deadline = s->send_timeout_ns ? hal_clock_ns() + s->send_timeout_ns : 0;
	int err;
	while ((err = try_queue(s, to, m)) == -EAGAIN && !(flags & MSG_DONTWAIT)) {
		err = wait_event_timeout(&to->waitq, has_room(to) || READ_ONCE(to->state) == SOCK_CLOSED || READ_ONCE(s->shutdown) ||
		                                         (READ_ONCE(to->shutdown) & SHUT_RD_BIT), deadline);
		if (err)
			return err == -ETIMEDOUT ? -EAGAIN : err;
	}
	if (!err)
		wake_all(&to->waitq);
	return err;
}

/* The receiver with a reference. */
static int find_receiver(struct unix_sock *s, const struct sock_addr *to, struct unix_sock **out)
{
	if (to && sock_is_stream(s))
		return s->state == SOCK_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (to && !sock_is_connected_type(s))
		return sock_find(to, s->type, out);
	spin_lock(&unix_lock);
	struct unix_sock *peer = s->peer;
	if (peer)
		sock_get(peer);
	spin_unlock(&unix_lock);
	*out = peer;
	return peer ? 0 : s->shutdown & SHUT_WR_BIT ? -EPIPE : -ENOTCONN;
}

long sock_send(struct unix_sock *s, struct send_request *r)
{
	struct unix_sock *to;
	long done = 0;
	if (r->flags & MSG_OOB)
		return -EOPNOTSUPP;
	int err = find_receiver(s, r->to, &to);
	if (err == -EPIPE && !(r->flags & MSG_NOSIGNAL) && sock_is_stream(s))
		signal_send_task(current, SIGPIPE, NULL);
	if (err)
		return err;
	if (!sock_is_stream(s) && r->iov->left > BUFFER_BYTES - 32)
		err = -EMSGSIZE;
	bool first = true;
	while (!err && (r->iov->left || (first && !sock_is_stream(s)))) {
		size_t len = sock_is_stream(s) ? min((size_t)r->iov->left, STREAM_PIECE) : r->iov->left;
		struct message *m = message_new(s, r, len);
		if (IS_ERR(m)) {
			err = (int)PTR_ERR(m);
			break;
		}
		if (first && r->nr_files) {
			m->files = r->files;
			m->nr_files = r->nr_files;
		}
		err = queue_message(s, to, m, r->flags);
		if (err) {
			if (first)
				m->nr_files = 0, m->files = NULL; /* the caller keeps them */
			message_free(m);
			break;
		}
		if (first)
			r->nr_files = 0, r->files = NULL;
		first = false;
		done += (long)len;
	}
	sock_put(to);
	if (done)
		return done;
	if (err == -EPIPE && !(r->flags & MSG_NOSIGNAL) && sock_is_connected_type(s))
		signal_send_task(current, SIGPIPE, NULL);
	return err;
}

/* Reading. */

static struct message *head_of(struct unix_sock *s)
{
	spin_lock(&unix_lock);
	struct message *m = list_is_empty(&s->queue) ? NULL : list_first_entry(&s->queue, struct message, link);
	spin_unlock(&unix_lock);
	return m;
}

size_t sock_readable_bytes(struct unix_sock *s)
{
	size_t n = 0;
	struct message *m;
	spin_lock(&unix_lock);
	list_for_each_entry(m, &s->queue, link) {
		n += m->len - m->done;
		if (!sock_is_stream(s))
			break;
	}
	spin_unlock(&unix_lock);
	return n;
}

/* Counts n bytes of m as read; the message leaves the queue when it is used up. */
static void consume(struct unix_sock *s, struct message *m, u32 n, bool whole)
{
	spin_lock(&unix_lock);
	m->done += n;
	bool gone = whole || m->done == m->len;
	s->queued_bytes -= whole ? m->len - m->done + n : n;
	if (gone) {
		list_del(&m->link);
		s->nr_queued--;
	}
	spin_unlock(&unix_lock);
	if (gone)
		message_free(m);
	wake_all(&s->waitq); /* senders sleep at the receiver's queue */
	spin_lock(&unix_lock);
	struct unix_sock *peer = s->peer;
	if (peer)
		sock_get(peer);
	spin_unlock(&unix_lock);
	if (peer) { /* pollers sleep at their own */
		wake_all(&peer->waitq);
		sock_put(peer);
	}
}

/* Hands descriptors and sender over to the reader. */
static int take_extras(struct message *m, struct recv_result *out, bool peek)
{
	out->cred = m->cred;
	if (m->from)
		out->from = *m->from;
	if (!m->nr_files)
		return 0;
	if (!peek) {
		message_uncount(m);
		out->files = m->files;
		out->nr_files = m->nr_files;
		m->files = NULL;
		m->nr_files = 0;
		return 0;
	}
	out->files = kmalloc(m->nr_files * sizeof(*out->files), ALLOC_KERNEL);
	if (!out->files)
		return -ENOMEM;
	out->nr_files = m->nr_files;
	for (u32 n = 0; n < m->nr_files; n++) {
		out->files[n] = m->files[n];
		file_get(m->files[n]);
	}
	return 0;
}

static long read_datagram(struct unix_sock *s, struct message *m, struct iov *iov, u32 flags, struct recv_result *out)
{
	size_t n = min((size_t)m->len, (size_t)iov->left), moved = iov_copy_to(iov, m->data, n);
	u32 len = m->len;
	if (moved < n)
		return -EFAULT;
	int err = take_extras(m, out, flags & MSG_PEEK);
	if (err)
		return err;
	if (n < len)
		out->flags |= MSG_TRUNC;
	if (!(flags & MSG_PEEK))
		consume(s, m, 0, true);
	return flags & MSG_TRUNC ? (long)len : (long)n;
}

/* What the queue has, at most to the end of the first piece with descriptors. */
static long read_stream(struct unix_sock *s, struct iov *iov, u32 flags, struct recv_result *out)
{
	long done = 0;
	struct message *m;
	while (iov->left && (m = head_of(s)) != NULL) {
		bool carries = m->nr_files != 0;
		if (done && (carries || out->nr_files))
			break;
		size_t n = min((size_t)(m->len - m->done), (size_t)iov->left), moved = iov_copy_to(iov, m->data + m->done, n);
		if (!moved)
			return done ? done : -EFAULT;
		int err = done ? 0 : take_extras(m, out, flags & MSG_PEEK);
		if (err)
			return err;
		done += (long)moved;
		if (flags & MSG_PEEK)
			break;
		consume(s, m, (u32)moved, false);
		if (moved < n || carries)
			break;
	}
	return done;
}

/* 0: nothing to read now, and more may come. */
static int end_of_reading(struct unix_sock *s, long *result)
{
	spin_lock(&unix_lock);
	int err = s->error;
	bool over = s->shutdown & SHUT_RD_BIT, fresh = sock_is_connected_type(s) && s->state != SOCK_CONNECTED;
	if (err)
		s->error = 0;
	spin_unlock(&unix_lock);
	if (err)
		*result = -err;
	else if (over)
		*result = 0;
	else if (fresh)
		*result = s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
	return err || over || fresh;
}

long sock_recv(struct unix_sock *s, struct iov *iov, u32 flags, struct recv_result *out)
{
	u64 deadline = s->recv_timeout_ns ? hal_clock_ns() + s->recv_timeout_ns : 0;
	long done = 0, n;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		mutex_lock(&s->read_lock);
		struct message *m = head_of(s);
		if (m && sock_is_stream(s))
			n = read_stream(s, iov, flags, out);
		else if (m)
			n = read_datagram(s, m, iov, flags, out);
		mutex_unlock(&s->read_lock);
		if (m && n < 0)
			return done ? done : n;
		if (m) {
			done += n;
			if (!sock_is_stream(s) || !(flags & MSG_WAITALL) || (flags & MSG_PEEK) || !iov->left || out->nr_files)
				return done;
			continue;
		}
		if (end_of_reading(s, &n))
			return done ? done : n;
		if (!iov->left && sock_is_stream(s))
			return done;
		if (flags & MSG_DONTWAIT)
			return done ? done : -EAGAIN;
		int err = wait_event_timeout(&s->waitq, !list_is_empty(&s->queue) || READ_ONCE(s->shutdown) || READ_ONCE(s->error), deadline);
		if (err)
			return done ? done : err == -ETIMEDOUT ? -EAGAIN : err;
	}
}
