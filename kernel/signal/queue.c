/* SPDX-License-Identifier: MIT */
/*
 * Queues of pending signals. A queue is a set of numbers and a list of infos; a number without an info
 * was sent by the kernel without memory. Numbers below SIGRTMIN are pending once at most, the others
 * any number of times, in order.
 *
 * Each info is charged to the receiver's real user id against RLIMIT_SIGPENDING. The counts are in
 * objects that are made at a user's first signal and stay.
 *
 * Memory is never allocated or freed under signal_lock: callers allocate before and free after it.
 */
#include "internal.h"
#include <asm/resource.h>
#include <lib/string.h>
#include <mm/slab.h>

struct signal_user {
	struct signal_user *next;
	u32 uid;
	u32 nr; /* atomic */
};

static struct signal_user *users[64]; /* heads replaced atomically, entries never removed */

static struct signal_user *user_find(u32 uid)
{
	struct signal_user *u = __atomic_load_n(&users[uid % ARRAY_SIZE(users)], __ATOMIC_ACQUIRE);
	while (u && u->uid != uid)
		u = u->next;
	return u;
}

static struct signal_user *user_find_or_make(u32 uid)
{
	struct signal_user *u = user_find(uid);
	if (u)
		return u;
	u = kzalloc(sizeof(*u), 0);
	if (!u)
		return NULL;
	u->uid = uid;
	/* Two makers at once leave two counts for one user: then the limit is milder, nothing else. */
	struct signal_user **head = &users[uid % ARRAY_SIZE(users)];
	u->next = __atomic_load_n(head, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(head, &u->next, u, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return u;
}

u32 signal_queued_count(u32 uid)
{
	struct signal_user *u = user_find(uid);
	return u ? READ_ONCE(u->nr) : 0;
}

struct queued_signal *queued_signal_alloc(const struct process *p, bool beyond_limit)
{
	struct signal_user *u = user_find_or_make(READ_ONCE(p->real_uid));
	if (!u)
		return NULL;
	u32 nr = __atomic_add_fetch(&u->nr, 1, __ATOMIC_RELAXED);
	struct queued_signal *q = NULL;
	if (beyond_limit || nr <= p->rlimits[RLIMIT_SIGPENDING].cur)
		q = kmalloc(sizeof(*q), 0);
	if (!q) {
		__atomic_fetch_sub(&u->nr, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	list_init(&q->link);
	q->user = u;
	q->timer = NULL;
	return q;
}

void queued_signal_free(struct queued_signal *q)
{
	if (!q)
		return;
	if (q->user)
		__atomic_fetch_sub(&q->user->nr, 1, __ATOMIC_RELAXED);
	kfree(q);
}

void queued_signals_free(struct list_head *list)
{
	struct queued_signal *q, *next;
	list_for_each_entry_safe(q, next, list, link) {
		list_del(&q->link);
		queued_signal_free(q);
	}
}

static void unlink_info(struct queued_signal *q, struct list_head *doomed)
{
	list_del(&q->link);
	if (!q->timer)
		list_add_tail(&q->link, doomed);
}

void queue_remove_locked(struct signal_queue *queue, sigset_bits set, struct list_head *doomed)
{
	struct queued_signal *q, *next;
	if (!(queue->set & set))
		return;
	queue->set &= ~set;
	list_for_each_entry_safe(q, next, &queue->infos, link)
		if (SIG_BIT(q->info.si_signo) & set)
			unlink_info(q, doomed);
}

void queue_remove_all_locked(struct process *p, sigset_bits set, struct list_head *doomed)
{
	struct task *t;
	queue_remove_locked(&p->pending, set, doomed);
	list_for_each_entry(t, &p->threads, thread_link)
		queue_remove_locked(&t->pending, set, doomed);
}

/* Takes the oldest info of sig; the number stays pending while there are more. */
static void take_info(struct signal_queue *queue, int sig, siginfo_t *info, struct list_head *doomed)
{
	struct queued_signal *q, *found = NULL;
	bool more = false;
	list_for_each_entry(q, &queue->infos, link) {
		if (q->info.si_signo != sig)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = q;
	}
	if (!more)
		queue->set &= ~SIG_BIT(sig);
	if (!found) {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		info->si_code = sig < SIGRTMIN ? SI_KERNEL : SI_USER;
		return;
	}
	*info = found->info;
	struct posix_timer *timer = found->timer;
	unlink_info(found, doomed);
	if (timer)
		posix_timer_taken_locked(timer, info);
}

static int first_signal(sigset_bits set)
{
	if (set & SIGS_SYNCHRONOUS)
		set &= SIGS_SYNCHRONOUS;
	return set ? __builtin_ctzll(set) + 1 : 0;
}

int queue_take_locked(struct task *t, sigset_bits blocked, siginfo_t *info, struct list_head *doomed)
{
	struct process *p = t->process;
	int sig = first_signal(t->pending.set & ~blocked);
	if (sig) {
		take_info(&t->pending, sig, info, doomed);
	} else {
		sig = first_signal(p->pending.set & ~blocked);
		if (!sig)
			return 0;
		take_info(&p->pending, sig, info, doomed);
		if (sig == SIGALRM)
			itimer_taken_locked(p);
	}
	if (SIG_BIT(sig) & SIGS_STOP)
		t->stop_dequeued = true;
	return sig;
}
