/* SPDX-License-Identifier: MIT */
/*
 * Sockets that nobody can reach any more although each is still referenced: by messages that carry
 * them and wait in the queues of such sockets themselves. Without this a program could send a socket into
 * its own queue, close it, and its memory would never come back.
 *
 * A socket whose file is held by messages only (file references == nr_in_flight) is a candidate. A
 * candidate carried by a message outside the candidates' queues is reached; what a reached socket's queue
 * carries is reached too. The others are garbage: their queues are emptied, which closes them. No
 * candidate's queue can change meanwhile: reading or sending needs a reference to the file.
 * Source: mark and sweep over counts, as in Deutsch and Bobrow (CACM 1976).
 *
 * It runs when a descriptor of a socket is closed while any socket is in flight.
 */
#include "socket.h"

struct list_head all_sockets = LIST_HEAD_INIT(all_sockets);
static u32 total_in_flight; /* (unix_lock) */

static struct unix_sock *socket_of(const struct file *f)
{
	return f->ops == &unix_ops ? f->priv : NULL;
}

static void count_locked(struct message *m, int step)
{
	for (u32 n = 0; n < m->nr_files; n++) {
		struct unix_sock *s = socket_of(m->files[n]);
		if (!s)
			continue;
		s->nr_in_flight += (u32)step;
		total_in_flight += (u32)step;
	}
	m->is_counted = step > 0;
}

void message_count_locked(struct message *m)
{
	if (m->nr_files)
		count_locked(m, 1);
}

void message_uncount(struct message *m)
{
	if (!m->is_counted)
		return;
	spin_lock(&unix_lock);
	count_locked(m, -1);
	spin_unlock(&unix_lock);
}

static bool is_candidate(const struct unix_sock *s)
{
	return s->file && s->nr_in_flight && READ_ONCE(s->file->refs) == (s32)s->nr_in_flight;
}

/* How often candidates are carried by messages in candidates' queues. */
static void count_inside_locked(void)
{
	struct unix_sock *s, *carried;
	struct message *m;
	list_for_each_entry(s, &all_sockets, all_link)
		s->nr_inside = 0;
	list_for_each_entry(s, &all_sockets, all_link) {
		if (!is_candidate(s))
			continue;
		list_for_each_entry(m, &s->queue, link)
			for (u32 n = 0; n < m->nr_files; n++)
				if ((carried = socket_of(m->files[n])) != NULL)
					carried->nr_inside++;
	}
}

/* Marks what the queue of s carries. True: something new. */
static bool reach_from_locked(struct unix_sock *s)
{
	struct unix_sock *carried;
	struct message *m;
	bool is_new = false;
	list_for_each_entry(m, &s->queue, link) {
		for (u32 n = 0; n < m->nr_files; n++) {
			carried = socket_of(m->files[n]);
			if (!carried || carried->is_reached)
				continue;
			carried->is_reached = true;
			is_new = true;
		}
	}
	return is_new;
}

static void mark_locked(void)
{
	struct unix_sock *s;
	bool again = true;
	list_for_each_entry(s, &all_sockets, all_link)
		s->is_reached = !is_candidate(s) || s->nr_in_flight > s->nr_inside;
	while (again) {
		again = false;
		list_for_each_entry(s, &all_sockets, all_link)
			if (s->is_reached && is_candidate(s))
				again |= reach_from_locked(s);
	}
}

void sock_collect(void)
{
	struct list_head doomed = LIST_HEAD_INIT(doomed);
	struct unix_sock *s;
	if (!READ_ONCE(total_in_flight))
		return;
	spin_lock(&unix_lock);
	if (total_in_flight) {
		count_inside_locked();
		mark_locked();
		list_for_each_entry(s, &all_sockets, all_link) {
			if (s->is_reached)
				continue;
			list_splice_tail(&s->queue, &doomed);
			s->queued_bytes = s->nr_queued = 0;
		}
	}
	spin_unlock(&unix_lock);
	if (!list_is_empty(&doomed))
		messages_bury(&doomed);
}
