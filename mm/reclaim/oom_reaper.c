/* SPDX-License-Identifier: MIT */
/*
 * The reaper: takes a victim's memory, whatever the victim waits for. The theory is in oom.c.
 *
 * A victim that can run ends by itself, and that is the better way: so it gets a moment first. Then its leaf
 * tables are dropped whole, by their upper entries, which needs neither memory nor a copy of a shared table. The
 * space's lock is taken for reading, past writers that wait, and only if it can be had at once: a victim that
 * holds it for writing is running or has the reserves, and lets go of it soon; after some attempts the reaper
 * gives up, and the next victim is chosen.
 *
 * From then on the space is_reaped: a fault of its private pages ends in SIGBUS, since what the page held is
 * lost. Only system calls that the victim has yet to leave can notice.
 */
#include "oom.h"
#include <hal/log.h>
#include <lib/string.h>
#include <mm/pagetable.h>
#include <mm/stat.h>

#define GRACE_NS    50000000ull
#define WAIT_NS    100000000ull
#define MAX_ATTEMPTS 10

static struct spinlock lock = SPINLOCK_INIT(RANK_LRU);
static struct list_head victims = LIST_HEAD_INIT(victims); /* (lock) marked and handed over */
static u32 nr_under_way;  /* atomic: spaces with OOM_VICTIM and without OOM_DONE */
static u32 nr_done;       /* atomic: how often memory of a victim has come */
static struct host_waitq queue;

#define kb(pages) ((unsigned long long)(pages) << (PAGE_SHIFT - 10))

/* ---- marks ---- */

bool oom_mark(const struct host_process *p)
{
	struct space *s = p->space;
	u32 none = 0;
	/* Only tasks of the space's own, which keep it meanwhile, lead here; the state never goes back. */
	if (!__atomic_compare_exchange_n(&s->oom.state, &none, OOM_VICTIM, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	struct oom_figures f;
	oom_look(p, &f);
	s->oom.pid = p->pid;
	strlcpy(s->oom.name, p->name, sizeof(s->oom.name));
	s->oom.charged_pages = (u64)(oom_rss(&f) + f.nr_tables);
	list_init(&s->oom.link);
	space_pin(s);
	__atomic_fetch_add(&nr_under_way, 1, __ATOMIC_RELAXED);
	return true;
}

/* No more is to be had. */
static void end_victim(struct space *s)
{
	u32 was = __atomic_fetch_or(&s->oom.state, OOM_DONE, __ATOMIC_ACQ_REL);
	if ((was & (OOM_VICTIM | OOM_DONE)) != OOM_VICTIM)
		return;
	__atomic_fetch_sub(&nr_under_way, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&nr_done, 1, __ATOMIC_RELEASE);
	host_wake_all(&queue);
}

void oom_note_end(struct space *s, u64 nr_freed)
{
	struct oom_note *n = &s->oom;
	hal_log(LOG_INFO, "oom killer: process %u (%s) has ended: %llukB of its %llukB are free (reaper %llukB, exit %llukB)", n->pid,
	        n->name, kb(n->freed_by_reaper + nr_freed), kb(n->charged_pages), kb(n->freed_by_reaper), kb(nr_freed));
	end_victim(s);
}

bool oom_is_under_way(void) { return READ_ONCE(nr_under_way) != 0; }

static bool has_come(void *arg) { return __atomic_load_n(&nr_done, __ATOMIC_ACQUIRE) != *(u32 *)arg; }

void oom_wait(void)
{
	u32 seen = __atomic_load_n(&nr_done, __ATOMIC_ACQUIRE);
	host_wait(&queue, has_come, &seen, WAIT_NS);
}

/* ---- reaping ---- */

static s64 rss_of(const struct space *s, enum rss_kind k) { return max(READ_ONCE(s->rss[k]), (s64)0); }

/* False: the lock could not be had. */
static bool reap(struct space *s)
{
	struct gather g;
	if (!rwlock_read_trylock(&s->lock))
		return false;
	if (!s->is_dead) {
		__atomic_store_n(&s->is_reaped, true, __ATOMIC_SEQ_CST); /* before the first table is locked */
		u64 before = stat_read_here(STAT_PGFREE);
		gather_begin(&g, s);
		zap_leaves_whole(&g);
		gather_end(&g);
		s->oom.freed_by_reaper = stat_read_here(STAT_PGFREE) - before;
	}
	rwlock_read_unlock(&s->lock);
	return true;
}

static bool is_over(void *arg) { return __atomic_load_n(&((struct space *)arg)->oom.state, __ATOMIC_ACQUIRE) & OOM_DONE; }

static void take(struct space *s)
{
	struct oom_note *n = &s->oom;
	bool reaped = false;
	host_wait(&queue, is_over, s, GRACE_NS);
	for (unsigned i = 0; i < MAX_ATTEMPTS && !is_over(s) && !(reaped = reap(s)); i++)
		host_wait(&queue, is_over, s, WAIT_NS);
	if (reaped)
		hal_log(LOG_INFO, "oom_reaper: reaped process %u (%s), now anon-rss:%llukB, file-rss:%llukB, shmem-rss:%llukB", n->pid, n->name,
		        kb(rss_of(s, RSS_ANON)), kb(rss_of(s, RSS_FILE)), kb(rss_of(s, RSS_SHMEM)));
	else if (!is_over(s))
		hal_log(LOG_INFO, "oom_reaper: unable to reap pid:%u (%s)", n->pid, n->name);
	end_victim(s);
	space_unpin(s);
}

static struct space *next_victim(void)
{
	spin_lock(&lock);
	struct space *s = list_is_empty(&victims) ? NULL : list_first_entry(&victims, struct space, oom.link);
	if (s)
		list_del(&s->oom.link);
	spin_unlock(&lock);
	return s;
}

static void take_all(void)
{
	for (struct space *s; (s = next_victim()) != NULL;)
		take(s);
}

void oom_reap_later(struct space *s, bool may_reap)
{
	if (!may_reap) { /* who shares it goes on in it */
		end_victim(s);
		space_unpin(s);
		return;
	}
	spin_lock(&lock);
	list_add_tail(&s->oom.link, &victims);
	spin_unlock(&lock);
}

static bool has_victims(void *arg) { return READ_ONCE(victims.next) != &victims; }

void oom_wake_reaper(void)
{
	if (host_has_workers())
		host_wake_all(&queue);
	else
		take_all();
}

static void reaper(void *arg)
{
	for (;;) {
		host_wait(&queue, has_victims, NULL, 0);
		take_all();
	}
}

void oom_reaper_init(void)
{
	spin_lock_init(&lock, RANK_LRU);
	list_init(&victims);
	nr_under_way = nr_done = 0;
	host_waitq_init(&queue);
}

int oom_start(void) { return host_has_workers() ? host_worker_start("oom_reaper", reaper, NULL) : 0; }
