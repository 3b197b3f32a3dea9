/* SPDX-License-Identifier: MIT */
/*
 * Freeing pages. The policy in use names the victims (lru.c), a batch at a time. One that is dirty waits for write-back
 * (never dropped); else it is taken from every mapping by the walk back, then, when the batch's flushes are done, from
 * its file's index, if nobody took hold of it meanwhile. An anonymous one goes to swap (mm/swap/out.c).
 *
 * Nothing here waits for a lock that an allocation may be made under: busy pages are passed by.
 */
#include "internal.h"
#include <asm/errno.h>
#include <hal/time.h>
#include <mm/compact.h>
#include <mm/host.h>
#include <mm/mapping.h>
#include <mm/oom.h>
#include <mm/pagetable.h>
#include <mm/swap.h>
#include <mm/trace.h>
#include <mm/turn.h>
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

/* The busy page, unmapped and flushed, leaves memory, if it can. */
static bool evict(struct frame *f)
{
	struct mapping *m = f->mapping;
	spin_lock(&m->tree_lock);
	bool evicted = is_clean(f) && !READ_ONCE(f->nr_slots) && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 2;
	if (evicted) {
		lru_evict(f);
		mapping_detach_locked(m, f);
	}
	spin_unlock(&m->tree_lock);
	return evicted;
}

/* First step for a victim of a file: it is unmapped, as far as no region is locked, with the flushes left to the caller.
 * False: it stays; else it is busy. */
static bool unmap_file(struct frame *f, struct tlb_batch *b, bool *is_dirty)
{
	if (!frame_busy_trylock(f))
		return false;
	u32 state = frame_flags(f) & (FRAME_UPTODATE | FRAME_DIRTY | FRAME_WRITEBACK);
	if (likely(f->mapping && state == FRAME_UPTODATE)) {
		if (READ_ONCE(f->nr_slots))
			walk_back_unmap_unlocked(f, b);
		return true;
	}
	if (f->mapping && state & FRAME_UPTODATE)
		*is_dirty = true;
	frame_busy_unlock(f);
	return false;
}

/* Of a victim that could not be made busy, or was not clean; roughly, since that is over. */
static enum trace_outcome why_kept(const struct frame *f) { return is_clean(f) ? OUTCOME_BUSY : OUTCOME_DIRTY; }

/* Second step, after the flush; the victim's reference is used up. True: it was freed; else it stays on its list. */
static bool drop_file(struct frame *f, bool is_busy)
{
	bool evicted = is_busy && evict(f);
	trace_point(TRACE_EVICT, frame_pfn(f), evicted ? OUTCOME_FREED : is_busy ? OUTCOME_IN_USE : why_kept(f), 0, 0);
	if (is_busy)
		frame_busy_unlock(f);
	if (evicted)
		frame_put(f); /* the index's */
	else
		lru_putback(f);
	frame_put(f);
	return evicted;
}

/* A reclaim under way. */
struct scan {
	struct mem_group *top; /* pages of this one and those below it */
	unsigned alloc;
	bool is_worker;
	bool is_dirty;   /* dirty pages of files were met */
	bool is_urgent;  /* little else was found, or a group is at its limit: turns do not count */
	const struct mem_group *weighed; /* whose balance is that below */
	struct scan_balance balance;
	u64 nr_freed;
	u64 nr_started;  /* pages on their way to swap */
};

static void shrink_files(struct scan *s, struct frame *const *victims, unsigned nr)
{
	struct tlb_batch batch;
	u64 nr_freed = 0;
	u32 busy = 0;
	_Static_assert(BATCH <= 32, "a bit for each");
	tlb_batch_init(&batch);
	for (unsigned i = 0; i < nr; i++)
		busy |= (u32)unmap_file(victims[i], &batch, &s->is_dirty) << i;
	tlb_batch_flush(&batch);
	for (unsigned i = 0; i < nr; i++)
		nr_freed += drop_file(victims[i], busy >> i & 1);
	s->nr_freed += nr_freed;
}

/* Victims without a home but swap. */
static void shrink_anon(struct scan *s, struct frame *const *victims, unsigned nr)
{
	struct frame *out[BATCH];
	unsigned nr_out = 0, nr_started;
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = victims[i];
		if (frame_busy_trylock(f)) {
			if (frame_flags(f) & FRAME_UPTODATE) {
				out[nr_out++] = f;
				continue;
			}
			frame_busy_unlock(f);
		}
		trace_point(TRACE_EVICT, frame_pfn(f), OUTCOME_BUSY, 0, 0);
		lru_putback(f);
		frame_put(f);
	}
	s->nr_freed += swap_out(out, nr_out, &nr_started);
	s->nr_started += nr_started;
}

static bool note_address(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	(void)s;
	(void)e;
	*(uaddr_t *)arg = addr;
	return false;
}

/* Which pages they are, as long as that can be told: one of the addresses where each is mapped. */
static __attribute__((noinline)) void trace_victims(struct frame *const *victims, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = victims[i];
		struct mapping *m = f->kind == FRAME_CACHE ? READ_ONCE(f->mapping) : NULL;
		uaddr_t addr = 0;
		walk_back(f, note_address, &addr);
		trace_write(TRACE_VICTIM, frame_pfn(f), m ? m->id : 0, m ? f->index : 0, addr);
	}
}

/* One batch of a group's pages of one type. Pages looked at; 0: there are none. */
static unsigned shrink_batch(struct scan *s, struct mem_group *g, enum lru_type t)
{
	struct frame *victims[BATCH];
	struct lru_look look = { .takes_protected = s->is_urgent };
	u64 before = s->nr_freed + s->nr_started;
	unsigned n = lru_select(&g->lru.lru[t], victims, BATCH, &look);
	if (trace_is_on(TRACE_VICTIM))
		trace_victims(victims, n);
	if (t == LRU_ANON)
		shrink_anon(s, victims, n);
	else
		shrink_files(s, victims, n);
	u64 nr_stolen = s->nr_freed + s->nr_started - before;
	if (s->top == &mem_root) { /* a group at its limit has its own counts */
		stat_add(s->is_worker ? STAT_PGSCAN_KSWAPD : STAT_PGSCAN_DIRECT, look.nr_selected);
		stat_add(s->is_worker ? STAT_PGSTEAL_KSWAPD : STAT_PGSTEAL_DIRECT, (s64)nr_stolen);
	}
	stat_add(t == LRU_ANON ? STAT_PGSCAN_ANON : STAT_PGSCAN_FILE, look.nr_selected);
	stat_add(t == LRU_ANON ? STAT_PGSTEAL_ANON : STAT_PGSTEAL_FILE, (s64)nr_stolen);
	__atomic_fetch_add(&g->nr_scanned, look.nr_selected, __ATOMIC_RELAXED);
	__atomic_fetch_add(&g->nr_stolen, nr_stolen, __ATOMIC_RELAXED);
	return look.nr_selected + look.nr_aged;
}

static bool is_enough(const struct scan *s, u64 nr) { return s->nr_freed + s->nr_started >= nr; }

static void shrink_group(struct scan *s, struct mem_group *g, unsigned priority, u64 nr)
{
	struct scan_balance *b = &s->balance;
	if (s->weighed != g) /* mostly there is one group, and this is the first round */
		balance_begin(b, g, s->alloc & ALLOC_IO, s->top == &mem_root);
	s->weighed = g;
	s->is_urgent = !priority || s->top != &mem_root;
	u64 left[LRU_NR_TYPES] = { balance_target(b, LRU_ANON, priority), balance_target(b, LRU_FILE, priority) };
	while ((left[LRU_ANON] || left[LRU_FILE]) && !is_enough(s, nr)) {
		for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
			unsigned n = left[t] ? shrink_batch(s, g, t) : 0;
			left[t] -= min(left[t], n ? (u64)n : left[t]);
		}
	}
}

/* Looks at ever larger parts of the lists until enough is freed or on its way: group by group, from where the last one
 * ended. */
static void shrink_lists(struct scan *s, u64 nr)
{
	struct mem_group *first = mem_group_at_cursor(s->top), *g = first, *next;
	unsigned priority = SCAN_PRIORITIES;
	mem_group_get(g);
	for (;;) {
		shrink_group(s, g, priority, nr);
		if (is_enough(s, nr))
			break;
		next = mem_group_next(s->top, g);
		g = next ? next : mem_group_next(s->top, NULL);
		if (g == first && priority-- == 0)
			break;
	}
	WRITE_ONCE(s->top->cursor, g->lru.number);
	mem_group_put(g);
	mem_group_put(first);
}

/* Pages of files may have become clean: looks at a few of each group. */
static void shrink_files_again(struct scan *s)
{
	for (struct mem_group *g = NULL; (g = mem_group_next(s->top, g)) != NULL;)
		shrink_batch(s, g, LRU_FILE);
}

static struct host_waitq pause_queue;
static u64 progress; /* atomic: grows when pages that reclaim waits for become free */

void reclaim_progress(void)
{
	__atomic_fetch_add(&progress, 1, __ATOMIC_RELAXED);
	host_wake_all(&pause_queue);
}

static bool has_progressed(void *arg) { return READ_ONCE(progress) != *(u64 *)arg; }

#define PAUSE_NS 20000000ull /* for write-back to get on */
#define MAX_PAUSES 10u       /* a stuck disk does not hold an allocation for ever: it tries several times */

u64 reclaim_nr_listed(void)
{
	u64 nr = stat_read(STAT_NR_INACTIVE_FILE) + stat_read(STAT_NR_ACTIVE_FILE) + stat_read(STAT_NR_WRITEBACK);
	return nr + (swap_nr_free() || swap_nr_cached() ? stat_read(STAT_NR_INACTIVE_ANON) + stat_read(STAT_NR_ACTIVE_ANON) : 0);
}

/* Until writes have ended that free something. */
static void wait_for_writes(u64 since)
{
	for (unsigned i = 0; i < MAX_PAUSES; i++)
		if (!host_wait(&pause_queue, has_progressed, &since, PAUSE_NS))
			return;
}

/* Pages freed, those on their way included. */
static u64 reclaim(struct scan s, u64 nr)
{
	unsigned alloc = s.alloc;
	u64 since = READ_ONCE(progress), began = trace_is_on(TRACE_RECLAIM) ? hal_clock_ns() : 0;
	bool stalls = host_stall_begin();
	turn_refresh();
	shrink_lists(&s, nr);
	if (s.is_worker)
		host_stall_end(stalls); /* nobody loses what the worker waits */
	if (s.is_dirty && s.nr_freed + s.nr_started < nr)
		flusher_kick_all();
	if (s.nr_started && s.nr_freed < nr)
		wait_for_writes(since);
	bool waits = (s.is_dirty || stat_read(STAT_NR_WRITEBACK)) && (alloc & ALLOC_IO) && host_has_workers();
	for (unsigned i = 0; waits && !s.nr_freed && !s.nr_started && i < MAX_PAUSES; i++) {
		since = READ_ONCE(progress);
		host_wait(&pause_queue, has_progressed, &since, PAUSE_NS);
		shrink_files_again(&s);
	}
	host_stall_end(stalls && !s.is_worker);
	if (began)
		trace_point(TRACE_RECLAIM, nr, s.nr_freed + s.nr_started, s.top->lru.number, (hal_clock_ns() - began) | (u64)s.is_worker << 56);
	return s.nr_freed + s.nr_started;
}

u64 reclaim_pages(u64 nr, unsigned alloc)
{
	stat_add(STAT_ALLOCSTALL, 1);
	return reclaim((struct scan){ .top = &mem_root, .alloc = alloc, .nr_freed = shrink_slab(nr) }, nr);
}

u64 reclaim_group(struct mem_group *g, u64 nr, unsigned alloc)
{
	return reclaim((struct scan){ .top = g, .alloc = alloc }, max(nr, (u64)BATCH));
}

u64 reclaim_group_nr_listed(struct mem_group *top)
{
	u64 nr = 0;
	bool has_swap = mem_group_swap_free(top) || swap_nr_cached();
	for (struct mem_group *g = NULL; (g = mem_group_next(top, g)) != NULL;) {
		nr += lru_nr_evictable(&g->lru.lru[LRU_FILE]);
		nr += has_swap ? lru_nr_evictable(&g->lru.lru[LRU_ANON]) : 0;
	}
	return nr;
}

/* The worker. */

static struct host_waitq worker_queue;
static bool must_run; /* (worker_queue.lock) */
static bool is_started;

void reclaim_init(void)
{
	host_waitq_init(&worker_queue);
	host_waitq_init(&pause_queue);
	policy_init();
	mem_group_init();
	turn_init();
	workingset_init();
	oom_init();
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

/* Pages that are missing to the high watermarks, and to what compaction needs above them. */
static u64 nr_missing(void)
{
	u64 missing = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		u64 want = n.wmark_high + compact_nr_wanted(i);
		missing += n.free < want ? want - n.free : 0;
	}
	return missing;
}

static u64 keep_free(u64 nr)
{
	return reclaim((struct scan){ .top = &mem_root, .alloc = ALLOC_KERNEL, .is_worker = true, .nr_freed = shrink_slab(nr) }, nr);
}

static void kswapd(void *arg)
{
	for (;;) {
		host_wait(&worker_queue, is_woken, NULL, 0);
		stat_add(STAT_PAGEOUTRUN, 1);
		for (u64 missing; (missing = nr_missing()) != 0;)
			if (!keep_free(max(missing, (u64)BATCH)))
				break; /* whoever still has too little does it himself, or gets none */
		compact_after_reclaim();
		unsigned long flags = spin_lock_irq(&worker_queue.lock);
		must_run = false;
		spin_unlock_irq(&worker_queue.lock, flags);
	}
}

int reclaim_start(void)
{
	is_started = host_has_workers();
	int err = oom_start();
	return err || !is_started ? err : host_worker_start("kswapd0", kswapd, NULL);
}
