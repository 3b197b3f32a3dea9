/* SPDX-License-Identifier: MIT */
/*
 * Freeing pages. The policy in use names the victims (lru.c). One that is dirty waits for write-back (never
 * dropped); else it is taken from every mapping by the walk back, then from its file's index, if nobody
 * took hold of it meanwhile.
 *
 * Nothing here waits for a lock that an allocation may be made under: busy pages are passed by.
 */
#include "internal.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <mm/host.h>
#include <mm/mapping.h>
#include <mm/pagetable.h>
#include <mm/writeback.h>

#define BATCH LRU_BATCH

/* Shrinkers. */

static struct spinlock shrinkers_lock = SPINLOCK_INIT(RANK_LRU);
static struct list_head shrinkers = { &shrinkers, &shrinkers };

void shrinker_register(struct shrinker *s)
{
	spin_lock(&shrinkers_lock);
	list_add_tail(&s->link, &shrinkers);
	spin_unlock(&shrinkers_lock);
}

/* They are never taken off, so the list may be read without the lock once an entry is known. */
static struct shrinker *next_shrinker(struct shrinker *s)
{
	spin_lock(&shrinkers_lock);
	struct list_head *next = s ? s->link.next : shrinkers.next;
	struct shrinker *found = next == &shrinkers ? NULL : list_entry(next, struct shrinker, link);
	spin_unlock(&shrinkers_lock);
	return found;
}

static u64 shrink_slab(u64 nr)
{
	u64 freed = 0;
	for (struct shrinker *s = NULL; (s = next_shrinker(s)) != NULL;) {
		u64 want = min(s->count(s), nr);
		stat_add(STAT_SLABS_SCANNED, (s64)want);
		if (want)
			freed += s->scan(s, want);
	}
	return freed;
}

u64 reclaim_slab_all(void)
{
	u64 freed = 0, n;
	while ((n = shrink_slab(1024)) != 0)
		freed += n;
	return freed;
}

/* Pages. */

static bool is_clean(const struct frame *f) { return !(frame_flags(f) & (FRAME_DIRTY | FRAME_WRITEBACK)); }

/* The busy page leaves memory, if it can. */
static bool evict(struct frame *f)
{
	struct mapping *m = f->mapping;
	if (READ_ONCE(f->nr_slots))
		walk_back_unmap(f);
	spin_lock(&m->tree_lock);
	bool evicted = is_clean(f) && !READ_ONCE(f->nr_slots) && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 2;
	if (evicted) {
		lru_evict(f);
		mapping_detach_locked(m, f);
	}
	spin_unlock(&m->tree_lock);
	return evicted;
}

/* One victim, whose reference is used up. True: it was freed; else it stays on its list. */
static bool shrink_page(struct frame *f, bool *is_dirty)
{
	bool evicted = false;
	if (frame_busy_trylock(f)) {
		if (f->mapping && frame_flags(f) & FRAME_UPTODATE) {
			if (!is_clean(f))
				*is_dirty = true;
			else
				evicted = evict(f);
		}
		frame_busy_unlock(f);
	}
	if (evicted)
		frame_put(f); /* the index's */
	else
		lru_putback(f);
	frame_put(f);
	return evicted;
}

/* One batch. Pages freed; *nr_looked = 0: there is nothing on the lists. */
static u64 shrink_batch(bool is_worker, bool *is_dirty, unsigned *nr_looked)
{
	struct frame *victims[BATCH];
	struct lru_look look;
	u64 freed = 0;
	unsigned n = lru_select(lru_of_type(LRU_FILE), victims, BATCH, &look);
	*nr_looked = look.nr_selected + look.nr_aged;
	for (unsigned i = 0; i < n; i++)
		freed += shrink_page(victims[i], is_dirty);
	stat_add(is_worker ? STAT_PGSCAN_KSWAPD : STAT_PGSCAN_DIRECT, look.nr_selected);
	stat_add(is_worker ? STAT_PGSTEAL_KSWAPD : STAT_PGSTEAL_DIRECT, (s64)freed);
	return freed;
}

static bool never(void *arg) { return false; }
static struct host_waitq pause_queue;

#define PAUSE_NS 20000000ull /* for write-back to get on */
#define MAX_PAUSES 100u      /* 2 s: a stuck disk does not hold an allocation for ever */

static u64 reclaim(u64 nr, unsigned alloc, bool is_worker)
{
	u64 freed = shrink_slab(nr), lists = stat_read(STAT_NR_INACTIVE_FILE) + stat_read(STAT_NR_ACTIVE_FILE);
	bool is_dirty = false;
	for (u64 scanned = 0; freed < nr && scanned < 3 * lists + BATCH;) { /* used pages lose that in one pass, go in the next */
		unsigned n;
		freed += shrink_batch(is_worker, &is_dirty, &n);
		if (!n)
			break;
		scanned += n;
	}
	if (is_dirty && freed < nr)
		flusher_kick_all();
	for (unsigned i = 0; is_dirty && !freed && (alloc & ALLOC_IO) && host_has_workers() && i < MAX_PAUSES; i++) {
		unsigned n;
		host_wait(&pause_queue, never, NULL, PAUSE_NS);
		freed += shrink_batch(is_worker, &is_dirty, &n);
	}
	return freed;
}

u64 reclaim_pages(u64 nr, unsigned alloc) { return reclaim(nr, alloc, false); }

/* The worker. */

static struct host_waitq worker_queue;
static bool must_run; /* (worker_queue.lock) */
static bool is_started;

void reclaim_init(void)
{
	host_waitq_init(&worker_queue);
	host_waitq_init(&pause_queue);
	policy_init();
	lru_init();
	workingset_init();
}

void reclaim_wake(void)
{
	if (!READ_ONCE(is_started) || READ_ONCE(must_run))
		return;
	unsigned long flags = spin_lock_irq(&worker_queue.lock);
	must_run = true;
	spin_unlock_irq(&worker_queue.lock, flags);
	host_wake_all(&worker_queue);
}

static bool is_woken(void *arg) { return must_run; }

/* Pages that are missing to the high watermarks. */
static u64 nr_missing(void)
{
	u64 missing = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		missing += n.free < n.wmark_high ? n.wmark_high - n.free : 0;
	}
	return missing;
}

static void kswapd(void *arg)
{
	for (;;) {
		host_wait(&worker_queue, is_woken, NULL, 0);
		for (u64 missing; (missing = nr_missing()) != 0;)
			if (!reclaim(max(missing, (u64)BATCH), ALLOC_WAIT, true))
				break; /* whoever still has too little does it himself, or gets none */
		unsigned long flags = spin_lock_irq(&worker_queue.lock);
		must_run = false;
		spin_unlock_irq(&worker_queue.lock, flags);
	}
}

int reclaim_start(void)
{
	is_started = host_has_workers();
	return is_started ? host_worker_start("kswapd0", kswapd, NULL) : 0;
}
