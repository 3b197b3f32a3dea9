/* SPDX-License-Identifier: MIT */
/*
 * Queues of pending signals. A queue is a set of numbers and a list of infos; a number without an info
 * was sent by the kernel without memory. Numbers below SIGRTMIN are pending once at most, the others
 * any number of times, in order.
 *
 * Each info is charged to the receiver's real user against RLIMIT_SIGPENDING, and holds a reference on it.
 *
 * Memory is never allocated or freed under signal_lock: callers allocate before and free after it.
 */
#include "internal.h"
#include <asm/resource.h>
#include <kernel/user.h>
#include <lib/string.h>
#include <mm/slab.h>

/* With a reference. */
static struct user *user_of_process(struct process *p)
{
	unsigned long flags = spin_lock_irq(&p->signal_lock);
	struct user *u = user_get(p->user);
	spin_unlock_irq(&p->signal_lock, flags);
	return u;
}

u32 signal_queued_count(struct process *p)
{
	struct user *u = user_of_process(p);
	u32 nr = READ_ONCE(u->nr_signals);
	user_put(u);
	return nr;
}

struct queued_signal *queued_signal_alloc(struct process *p, bool beyond_limit)
{
	struct user *u = user_of_process(p);
	u32 nr = __atomic_add_fetch(&u->nr_signals, 1, __ATOMIC_RELAXED);
	struct queued_signal *q = NULL;
	if (beyond_limit || nr <= p->rlimits[RLIMIT_SIGPENDING].cur)
		q = kmalloc(sizeof(*q), 0);
	if (!q) {
		__atomic_fetch_sub(&u->nr_signals, 1, __ATOMIC_RELAXED);
		user_put(u);
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
	__atomic_fetch_sub(&q->user->nr_signals, 1, __ATOMIC_RELAXED);
	user_put(q->user);
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

bool signal_peek_locked(const struct signal_queue *queue, u64 n, siginfo_t *info)
{
	struct queued_signal *q;
	list_for_each_entry(q, &queue->infos, link)
		if (!n--) {
			*info = q->info;
			return true;
		}
	return false;
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
