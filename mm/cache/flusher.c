/* SPDX-License-Identifier: MIT */
/*
 * The flusher: one thread per device writes what was dirty for too long, and everything while too much
 * is. Writers who outrun it wait here.
 *
 * Thresholds are parts of the memory that could hold dirty pages: free pages and the page cache without
 * shmem. Source: Linux, Documentation/admin-guide/sysctl/vm.rst (dirty_*).
 */
#include "internal.h"
#include <hal/time.h>
#include <lib/format.h>
#include <lib/string.h>
#include <mm/frame.h>

#define CENTISEC_NS 10000000ull

struct writeback_tunables writeback_tunables = {
	.dirty_ratio = 20,
	.dirty_background_ratio = 10,
	.dirty_expire_centisecs = 3000,
	.dirty_writeback_centisecs = 500,
};

/* All flushers that run, for flusher_kick_all. */
static struct spinlock flushers_lock = SPINLOCK_INIT(RANK_FLUSHER);
static struct list_head flushers = { &flushers, &flushers };

void flusher_init(struct flusher *fl)
{
	*fl = (struct flusher){ 0 };
	spin_lock_init(&fl->lock, RANK_FLUSHER);
	list_init(&fl->dirty);
	list_init(&fl->link);
	host_waitq_init(&fl->waitq);
	rwlock_init(&fl->round_lock, RANK_FLUSH_ROUND);
}

static struct flusher *flusher_of(struct backing_store *b) { return &block_whole(b->dev)->flusher; }

void flusher_add(struct backing_store *b)
{
	struct flusher *fl = flusher_of(b);
	spin_lock(&fl->lock);
	bool was_idle = list_is_empty(&fl->dirty);
	if (list_is_empty(&b->dirty_link)) {
		b->dirtied_ns = hal_clock_ns();
		list_add_tail(&b->dirty_link, &fl->dirty);
	}
	spin_unlock(&fl->lock);
	if (was_idle)
		host_wake_all(&fl->waitq);
}

void flusher_remove(struct backing_store *b)
{
	struct flusher *fl = flusher_of(b);
	spin_lock(&fl->lock);
	list_del(&b->dirty_link);
	list_init(&b->dirty_link);
	spin_unlock(&fl->lock);
}

static void wake(struct flusher *fl)
{
	unsigned long flags = spin_lock_irq(&fl->waitq.lock);
	fl->must_run = true;
	spin_unlock_irq(&fl->waitq.lock, flags);
	host_wake_all(&fl->waitq);
}

void flusher_progress(struct flusher *fl, u64 n)
{
	__atomic_fetch_add(&fl->nr_written, n, __ATOMIC_RELEASE);
	host_wake_all(&fl->waitq);
}

void flusher_kick_all(void)
{
	spin_lock(&flushers_lock);
	struct flusher *fl;
	list_for_each_entry(fl, &flushers, link)
		wake(fl);
	spin_unlock(&flushers_lock);
}

/* Thresholds. */

void writeback_thresholds(u64 *background, u64 *hard)
{
	const struct writeback_tunables *t = &writeback_tunables;
	u64 memory = frame_nr_free() + stat_read(STAT_NR_FILE_PAGES) - min(stat_read(STAT_NR_SHMEM), stat_read(STAT_NR_FILE_PAGES));
	*hard = t->dirty_bytes ? t->dirty_bytes >> PAGE_SHIFT : memory * t->dirty_ratio / 100;
	*background = t->dirty_background_bytes ? t->dirty_background_bytes >> PAGE_SHIFT : memory * t->dirty_background_ratio / 100;
	if (*background >= *hard)
		*background = *hard / 2;
}

static u64 nr_dirty_now(u64 background)
{
	u64 nr = stat_read(STAT_NR_FILE_DIRTY) + stat_read(STAT_NR_WRITEBACK);
	return nr - min(nr, refused_exempt(background));
}

static bool is_over_background(void)
{
	u64 background, hard;
	writeback_thresholds(&background, &hard);
	return stat_read(STAT_NR_FILE_DIRTY) > background + refused_exempt(background);
}

/* The round. */

/* The oldest mapping of the list that got there up to `cutoff` and is not of this round, pinned; its place
 * is the end now. */
static struct backing_store *take_oldest(struct flusher *fl, u64 cutoff, u64 now)
{
	struct backing_store *b, *next, *found = NULL;
	spin_lock(&fl->lock);
	list_for_each_entry_safe(b, next, &fl->dirty, dirty_link) {
		if (b->dirtied_ns > cutoff || b->round == fl->round)
			break;
		if (!b->mapping->ops->pin(b->mapping))
			continue; /* being destroyed: takes itself off */
		list_del(&b->dirty_link);
		list_add_tail(&b->dirty_link, &fl->dirty);
		b->dirtied_ns = now;
		b->round = fl->round;
		found = b;
		break;
	}
	spin_unlock(&fl->lock);
	return found;
}

/* Off the list when nothing is left to write or on its way, which a sync would have to wait for; whoever marks it
 * first again puts it back. */
static void settle(struct flusher *fl, struct backing_store *b)
{
	spin_lock(&fl->lock);
	if (!READ_ONCE(b->nr_dirty) && !READ_ONCE(b->nr_writeback) && !READ_ONCE(b->is_meta_dirty) && !list_is_empty(&b->dirty_link)) {
		list_del(&b->dirty_link);
		list_init(&b->dirty_link);
	}
	spin_unlock(&fl->lock);
}

/* Writes every mapping dirtied up to cutoff, each once. */
static u64 write_older(struct flusher *fl, u64 cutoff, u64 now, unsigned flags, int *err)
{
	u64 before = __atomic_load_n(&fl->nr_written, __ATOMIC_RELAXED);
	rwlock_write(&fl->round_lock);
	fl->round++;
	for (struct backing_store *b; (b = take_oldest(fl, cutoff, now)) != NULL;) {
		int e = mapping_writeback(b->mapping, 0, ~0ull, flags | WRITEBACK_META);
		if (e && !*err)
			*err = e;
		settle(fl, b);
		b->mapping->ops->unpin(b->mapping);
	}
	rwlock_write_unlock(&fl->round_lock);
	return __atomic_load_n(&fl->nr_written, __ATOMIC_RELAXED) - before;
}

u64 flusher_round(struct flusher *fl, u64 now)
{
	u64 expire = writeback_tunables.dirty_expire_centisecs * CENTISEC_NS;
	bool must_run = __atomic_exchange_n(&fl->must_run, false, __ATOMIC_ACQ_REL);
	u64 cutoff = must_run || is_over_background() ? ~0ull : now > expire ? now - expire : 0;
	int err = 0;
	return cutoff ? write_older(fl, cutoff, now, 0, &err) : 0;
}

int flusher_sync(struct block_device *whole)
{
	int err = 0;
	/* Files first: their records and block maps dirty the device's own pages. */
	write_older(&whole->flusher, ~0ull, hal_clock_ns(), WRITEBACK_WAIT, &err);
	write_older(&whole->flusher, ~0ull, hal_clock_ns(), WRITEBACK_WAIT, &err);
	return err;
}

/* The worker. */

static bool has_work(void *arg)
{
	struct flusher *fl = arg;
	return fl->must_run || fl->must_stop;
}

static bool is_dirty_or_told(void *arg)
{
	struct flusher *fl = arg;
	return has_work(fl) || !list_is_empty(&fl->dirty); /* a look without its lock: flusher_add wakes after it */
}

static void worker(void *arg)
{
	struct flusher *fl = arg;
	while (!READ_ONCE(fl->must_stop)) {
		u64 interval = writeback_tunables.dirty_writeback_centisecs * CENTISEC_NS;
		host_wait(&fl->waitq, is_dirty_or_told, fl, 0); /* an idle device costs nothing */
		if (interval)
			host_wait(&fl->waitq, has_work, fl, interval);
		else
			host_wait(&fl->waitq, has_work, fl, 0);
		flusher_round(fl, hal_clock_ns());
	}
	unsigned long flags = spin_lock_irq(&fl->waitq.lock);
	fl->is_started = false;
	spin_unlock_irq(&fl->waitq.lock, flags);
	host_wake_all(&fl->waitq);
}

int flusher_start(struct block_device *whole)
{
	struct flusher *fl = &whole->flusher;
	char name[24];
	if (!host_has_workers())
		return 0;
	snprintf(name, sizeof(name), "flush-%s", whole->name);
	fl->is_started = true;
	int err = host_worker_start(name, worker, fl);
	if (err) {
		fl->is_started = false;
		return err;
	}
	spin_lock(&flushers_lock);
	list_add_tail(&fl->link, &flushers);
	spin_unlock(&flushers_lock);
	return 0;
}

static bool has_stopped(void *arg) { return !((struct flusher *)arg)->is_started; }

void flusher_stop(struct block_device *whole)
{
	struct flusher *fl = &whole->flusher;
	if (!READ_ONCE(fl->is_started))
		return;
	spin_lock(&flushers_lock);
	list_del(&fl->link);
	spin_unlock(&flushers_lock);
	unsigned long flags = spin_lock_irq(&fl->waitq.lock);
	fl->must_stop = true;
	spin_unlock_irq(&fl->waitq.lock, flags);
	host_wake_all(&fl->waitq);
	host_wait(&fl->waitq, has_stopped, fl, 0);
}

/* Writers who are too fast. */

struct throttled {
	struct flusher *fl;
	u64 until; /* nr_written at which this one goes on */
};

static bool may_go_on(void *arg)
{
	struct throttled *t = arg;
	return __atomic_load_n(&t->fl->nr_written, __ATOMIC_ACQUIRE) >= t->until;
}

#define PAUSE_PAGES 32             /* a writer waits until so many pages reached the disk */
#define PAUSE_NS    200000000ull   /* or so long: another device may be the slow one */

static bool is_throttled(void)
{
	u64 background, hard;
	writeback_thresholds(&background, &hard);
	return nr_dirty_now(background) > (background + hard) / 2;
}

/* Not at every page. Counted by CPU and roughly, not by file: many small files fill the memory too. */
static bool must_ask(unsigned nr)
{
	u32 *count = &mm_stat_cpus[hal_cpu_id()].nr_unasked, dirtied = READ_ONCE(*count) + nr;
	bool yes = dirtied >= PAUSE_PAGES;
	WRITE_ONCE(*count, yes ? 0 : dirtied);
	return yes;
}

void writeback_throttle(struct mapping *m, unsigned nr)
{
	struct flusher *fl = flusher_of(m->store);
	if (likely(!must_ask(nr)))
		return;
	while (is_throttled() && !host_current()->is_being_killed) {
		struct throttled t = { .fl = fl, .until = __atomic_load_n(&fl->nr_written, __ATOMIC_RELAXED) + PAUSE_PAGES };
		u64 background, hard;
		if (!READ_ONCE(fl->is_started)) { /* no worker here: its work falls to the writer */
			mapping_writeback(m, 0, ~0ull, WRITEBACK_WAIT);
			return;
		}
		wake(fl);
		host_wait_io(&fl->waitq, may_go_on, &t, PAUSE_NS);
		writeback_thresholds(&background, &hard);
		if (nr_dirty_now(background) <= hard)
			return; /* slowed down is enough below the hard limit */
	}
}
