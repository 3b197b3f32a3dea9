/* SPDX-License-Identifier: MIT */
/*
 * The core of the replacement lists: who is on which, what the policies (mm/policy.h) decide, and the
 * counts of it all.
 *
 * A page comes in by lru_add and goes by lru_remove. Reclaim asks for victims: the policy names pages, one
 * by one; the core isolates each with a reference, leaves the lock, reads and clears the accessed bits of
 * its mappings (page-table locks rank below this one), and then asks the policy for its verdict. Pages
 * without references are just being freed: they are isolated and left to their owner.
 *
 * L1  A page of a file is on a list exactly while it is in the index of a file with a backing store; it comes
 *     and goes under that file's tree lock. So whoever holds its busy bit and sees ->mapping set may use it.
 * L2  FRAME_LRU is set exactly while a page is on a list; bits LRU_LIST_MASK name the list, unless its epoch
 *     is not that of its lru: then it is on LRU_LEAVING (and not when it is on one of the core's other lists).
 * L3  lru->nr counts each list, and the gauges nr_active_anon and so on count them all.
 *
 * Switching: the lists of the old policy are put together on LRU_LEAVING, coldest first, at once; from there
 * pages go over to the new policy in batches, each sooner when somebody touches it. Isolated pages meet the
 * new policy when they are put back.
 */
#include "internal.h"
#include <mm/group.h>
#include <mm/mapping.h>
#include <mm/pagetable.h>
#include <mm/trace.h>
#include <mm/turn.h>

bool lru_has_swap;

struct lru *lru_of_type(enum lru_type type) { return &mem_root.lru.lru[type]; }

struct lru *lru_of(const struct frame *f)
{
	struct lru_group *g = &mem_group_at(f->group)->lru;
	return &g->lru[f->kind == FRAME_ANON || frame_flags(f) & FRAME_SHMEM ? LRU_ANON : LRU_FILE];
}

/* ---- counts ---- */

static enum mm_counter active_gauge(const struct lru *l) { return l->type == LRU_ANON ? STAT_NR_ACTIVE_ANON : STAT_NR_ACTIVE_FILE; }
static enum mm_counter inactive_gauge(const struct lru *l) { return l->type == LRU_ANON ? STAT_NR_INACTIVE_ANON : STAT_NR_INACTIVE_FILE; }

bool lru_list_is_active(const struct lru *l, unsigned list) { return l->gauge[list] == active_gauge(l); }

static void set_gauges(struct lru *l)
{
	for (unsigned i = 0; i < LRU_NR_LISTS; i++)
		l->gauge[i] = (u8)(l->policy->active_lists >> i & 1 ? active_gauge(l) : inactive_gauge(l));
	l->gauge[LRU_ISOLATED] = l->type == LRU_ANON ? STAT_NR_ISOLATED_ANON : STAT_NR_ISOLATED_FILE;
	l->gauge[LRU_UNEVICTABLE] = STAT_NR_UNEVICTABLE;
}

void lru_set_active(struct lru *l, unsigned list, bool is_active)
{
	stat_add(l->gauge[list], -(s64)l->nr[list]);
	l->gauge[list] = (u8)(is_active ? active_gauge(l) : inactive_gauge(l));
	stat_add(l->gauge[list], (s64)l->nr[list]);
}

u64 lru_nr_evictable(const struct lru *l)
{
	u64 nr = READ_ONCE(l->nr[LRU_LEAVING]);
	for (unsigned i = LRU_FIRST_LIST; i < LRU_NR_LISTS; i++)
		nr += READ_ONCE(l->nr[i]);
	return nr;
}

void lru_count_swapped(struct frame *const *frames, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		__atomic_fetch_add(&lru_of(frames[i])->group->nr_swapped, 1, __ATOMIC_RELAXED);
}

/* Others look at the number without the lock. */
static inline void change_nr(struct lru *l, unsigned list, s64 n) { WRITE_ONCE(l->nr[list], l->nr[list] + (u64)n); }

static inline void count(struct lru *l, unsigned list, s64 n)
{
	change_nr(l, list, n);
	stat_add(l->gauge[list], n);
}

/* ---- on and off lists (lock held) ---- */

static inline unsigned list_in_flags(const struct lru *l, u32 flags)
{
	unsigned list = (flags & LRU_LIST_MASK) >> LRU_LIST_SHIFT;
	return list >= LRU_FIRST_LIST && !(flags & LRU_EPOCH) != !(l->epoch & 1) ? LRU_LEAVING : list;
}

static inline u32 flags_on_list(const struct lru *l, unsigned list)
{
	return FRAME_LRU | list << LRU_LIST_SHIFT | (l->epoch & 1 ? LRU_EPOCH : 0);
}

/* New pages that begin on an active list are only noted when they leave it, or go over to another one. */
static void note_active(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_WAS_ACTIVE))
		frame_set_flags(f, FRAME_WAS_ACTIVE);
}

static void move(struct lru *l, struct frame *f, unsigned from, unsigned to)
{
	list_del(&f->lru);
	list_add(&f->lru, &l->lists[to]);
	if (from == to)
		return;
	__atomic_fetch_xor(&f->flags, (lru_list_of(f) ^ to) << LRU_LIST_SHIFT, __ATOMIC_RELAXED);
	change_nr(l, from, -1);
	change_nr(l, to, 1);
	if (l->gauge[from] != l->gauge[to]) {
		stat_add(l->gauge[from], -1);
		stat_add(l->gauge[to], 1);
		if (lru_list_is_active(l, from) || lru_list_is_active(l, to))
			note_active(f);
	}
}

static void count_change(struct lru *l, unsigned from, unsigned to)
{
	if (lru_list_is_active(l, from) != lru_list_is_active(l, to))
		stat_add(lru_list_is_active(l, to) ? STAT_PGACTIVATE : STAT_PGDEACTIVATE, 1);
}

void lru_move(struct lru *l, struct frame *f, unsigned list)
{
	unsigned from = lru_list_of(f);
	count_change(l, from, list);
	move(l, f, from, list);
}

/* A page that the policy does not know, or not any more, becomes one of its pages, unless it is locked. */
static void join(struct lru *l, struct frame *f, unsigned from)
{
	if (unlikely(frame_flags(f) & FRAME_MLOCKED)) {
		move(l, f, from, LRU_UNEVICTABLE);
		return;
	}
	frame_clear_flags(f, LRU_EPOCH | LRU_POLICY_MASK);
	frame_set_flags(f, l->epoch & 1 ? LRU_EPOCH : 0);
	move(l, f, from, l->policy->add(l, f, NULL));
}

/* Up to nr pages of the policy before. True: there may be more. */
static bool join_leaving(struct lru *l, unsigned nr)
{
	struct frame *f = NULL;
	while (nr-- && (f = lru_coldest(l, LRU_LEAVING)) != NULL)
		join(l, f, LRU_LEAVING);
	return f;
}

static void remove(struct lru *l, struct frame *f)
{
	unsigned list = list_in_flags(l, frame_flags(f));
	if (list >= LRU_FIRST_LIST && l->policy->remove)
		l->policy->remove(l, f);
	list_del(&f->lru);
	count(l, list, -1);
}

/* ---- coming, going, being used ---- */

/* Returns the gauge of the list that it went to: another policy may give the lists other gauges at once. */
static inline enum mm_counter insert(struct lru *l, struct frame *f, const struct refault *r)
{
	spin_lock(&l->lock);
	unsigned list = LRU_UNEVICTABLE;
	if (unlikely(frame_flags(f) & FRAME_MLOCKED))
		stat_add(STAT_UNEVICTABLE_CULLED, 1);
	else
		list = l->policy->add(l, f, r);
	frame_set_flags(f, flags_on_list(l, list));
	list_add(&f->lru, &l->lists[list]);
	count(l, list, 1);
	enum mm_counter gauge = l->gauge[list];
	spin_unlock(&l->lock);
	return gauge;
}

static u64 nr_pages_of(const struct lru_group *g) { return lru_nr_evictable(&g->lru[LRU_ANON]) + lru_nr_evictable(&g->lru[LRU_FILE]); }

/* A page came back that was evicted: does it belong to the working set? It does if its policy makes it active at
 * once and it was active before. A policy that tells no active pages is asked for nothing: then it is the distance, to
 * as many evictions as there are pages, that says so. */
static void count_refault(struct lru *l, struct frame *f, const struct refault *r, bool is_active_now)
{
	bool is_wanted = is_active_now && r->was_active;
	__atomic_fetch_add(&l->group->nr_refaults[l->type], 1, __ATOMIC_RELAXED);
	stat_add(STAT_WORKINGSET_REFAULT_ANON + l->type, 1);
	if (is_active_now) {
		stat_add(STAT_WORKINGSET_ACTIVATE_ANON + l->type, 1);
		note_active(f);
	}
	if (is_wanted)
		stat_add(STAT_WORKINGSET_RESTORE_ANON + l->type, 1);
	if (is_wanted || (!READ_ONCE(l->has_active) && r->distance <= nr_pages_of(l->group)))
		frame_set_flags(f, FRAME_REFAULT);
}

/* It may have been evicted. */
static __attribute__((noinline)) void insert_again(struct lru *l, struct frame *f)
{
	struct refault r;
	bool is_refault = workingset_refault(l, f, &r);
	enum mm_counter gauge = insert(l, f, is_refault ? &r : NULL);
	if (is_refault)
		count_refault(l, f, &r, gauge == active_gauge(l));
}

void lru_insert(struct lru *l, struct frame *f)
{
	if (unlikely(READ_ONCE(workingset_nr_ghosts) > 0) && (f->kind != FRAME_ANON || frame_flags(f) & FRAME_SWAPCACHE))
		insert_again(l, f);
	else
		insert(l, f, NULL);
}

void lru_add(struct frame *f) { lru_insert(lru_of(f), f); }
void lru_add_new(struct frame *f) { insert(&mem_group_at(f->group)->lru.lru[LRU_ANON], f, NULL); }

#define FLAGS_OF_LISTS (FRAME_LRU | FRAME_WAS_ACTIVE | FRAME_REFAULT | FRAME_WANTED | LRU_LIST_MASK | LRU_EPOCH | LRU_POLICY_MASK)

/* The page is not locked any more. False: it was not. */
static bool forget_lock(struct frame *f)
{
	if (likely(!(frame_flags(f) & FRAME_MLOCKED)) ||
	    !(__atomic_fetch_and(&f->flags, ~FRAME_MLOCKED, __ATOMIC_RELAXED) & FRAME_MLOCKED))
		return false;
	stat_add(STAT_NR_MLOCK, -1);
	return true;
}

static inline void count_cleared(struct frame *f)
{
	if (unlikely(forget_lock(f)))
		stat_add(STAT_UNEVICTABLE_CLEARED, 1);
}

void lru_remove(struct frame *f)
{
	count_cleared(f);
	if (!(frame_flags(f) & FRAME_LRU))
		return;
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	remove(l, f);
	frame_clear_flags(f, FLAGS_OF_LISTS);
	spin_unlock(&l->lock);
}

/* The lock of f's lists instead of that of `locked`, which may be NULL. Returns the lists. */
static inline struct lru *relock(struct lru *locked, const struct frame *f)
{
	struct lru *l = lru_of(f);
	if (unlikely(l != locked)) {
		if (locked)
			spin_unlock(&locked->lock);
		spin_lock(&l->lock);
	}
	return l;
}

void lru_remove_many(struct frame *const *frames, unsigned nr)
{
	struct lru *locked = NULL;
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = frames[i];
		count_cleared(f);
		if (!(frame_flags(f) & FRAME_LRU))
			continue;
		locked = relock(locked, f);
		remove(locked, f);
		WRITE_ONCE(f->flags, frame_flags(f) & ~FLAGS_OF_LISTS); /* nobody else has the page */
	}
	if (locked)
		spin_unlock(&locked->lock);
}

/* True: without the lock that was all. */
static inline bool touch_unlocked(struct frame *f)
{
	u32 flags = frame_flags(f);
	bool first = !(flags & FRAME_ACCESSED);
	if (first)
		frame_set_flags(f, FRAME_ACCESSED);
	if (!(flags & FRAME_LRU))
		return true;
	const struct policy *p = READ_ONCE(lru_of(f)->policy);
	return p->touch_fast && p->touch_fast(f, first);
}

static void touch_locked(struct lru *l, struct frame *f)
{
	u32 flags = frame_flags(f);
	if (!(flags & FRAME_LRU))
		return;
	unsigned list = list_in_flags(l, flags);
	if (list == LRU_LEAVING)
		join(l, f, list);
	if (list != LRU_ISOLATED && list != LRU_UNEVICTABLE && l->policy->touch)
		l->policy->touch(l, f);
}

void lru_touch_many(struct frame *const *frames, unsigned nr)
{
	struct lru *locked = NULL;
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = frames[i];
		if (touch_unlocked(f))
			continue;
		locked = relock(locked, f);
		touch_locked(locked, f);
	}
	if (locked)
		spin_unlock(&locked->lock);
}

void lru_touch(struct frame *f) { lru_touch_many(&f, 1); }

/* ---- locked pages ---- */

/* The page's list; LRU_NR_LISTS: none. */
static unsigned list_of_page(struct lru *l, const struct frame *f)
{
	u32 flags = frame_flags(f);
	return flags & FRAME_LRU ? list_in_flags(l, flags) : LRU_NR_LISTS;
}

static bool note_lock(struct frame *f)
{
	if (__atomic_fetch_or(&f->flags, FRAME_MLOCKED, __ATOMIC_RELAXED) & FRAME_MLOCKED)
		return false;
	stat_add(STAT_NR_MLOCK, 1);
	stat_add(STAT_UNEVICTABLE_MLOCKED, 1);
	return true;
}

void lru_lock(struct frame *f)
{
	if (!note_lock(f) || !(frame_flags(f) & FRAME_LRU))
		return;
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	unsigned list = list_of_page(l, f);
	if (list >= LRU_FIRST_LIST && list < LRU_NR_LISTS && l->policy->remove)
		l->policy->remove(l, f);
	if (list != LRU_NR_LISTS)
		stat_add(STAT_UNEVICTABLE_CULLED, 1);
	if (list != LRU_NR_LISTS && list != LRU_ISOLATED) /* an isolated one is put back there */
		move(l, f, list, LRU_UNEVICTABLE);
	spin_unlock(&l->lock);
}

void lru_unlock(struct frame *f)
{
	if (!forget_lock(f))
		return;
	stat_add(STAT_UNEVICTABLE_MUNLOCKED, 1);
	if (!(frame_flags(f) & FRAME_LRU))
		return;
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	if (list_of_page(l, f) == LRU_UNEVICTABLE) {
		join(l, f, LRU_UNEVICTABLE);
		stat_add(STAT_UNEVICTABLE_RESCUED, 1);
	}
	spin_unlock(&l->lock);
}

/* ---- victims ---- */

struct candidate {
	struct frame *frame;
	unsigned from, used;
};

/* A reference to a page that is on a list; none if its last one is gone. */
static bool try_get(struct frame *f)
{
	s32 refs = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);
	while (refs > 0)
		if (__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

static unsigned name_pages(struct lru *l, struct frame *(*next)(struct lru *l), struct candidate *out, unsigned nr)
{
	struct frame *f;
	unsigned n = 0;
	while (n < nr && (f = next(l)) != NULL) {
		unsigned from = lru_list_of(f);
		move(l, f, from, LRU_ISOLATED);
		if (likely(try_get(f)))
			out[n++] = (struct candidate){ f, from, 0 };
	}
	return n;
}

static __attribute__((noinline)) void trace_verdict(const struct lru *l, const struct candidate *c, unsigned to)
{
	u64 is_evicted = to == LRU_EVICT, list = is_evicted ? 0 : to;
	trace_write(TRACE_JUDGE, frame_pfn(c->frame), is_evicted | (u64)c->from << 8 | list << 16 | (u64)c->used << 24 | (u64)(l->type == LRU_ANON) << 32, 0, 0);
}

/* Asks for verdicts; the pages that shall go come first in c afterwards, their number is returned. */
static unsigned judge_pages(struct lru *l, unsigned (*verdict)(struct lru *, struct frame *, unsigned, unsigned), u32 epoch,
                            struct candidate *c, unsigned nr, bool takes_protected)
{
	unsigned nr_victims = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct frame *f = c[i].frame;
		u32 flags = frame_flags(f);
		if (!(flags & FRAME_LRU) || list_in_flags(l, flags) != LRU_ISOLATED)
			continue; /* removed meanwhile */
		if (unlikely(c[i].used & USED_LOCKED) && note_lock(f))
			stat_add(STAT_UNEVICTABLE_CULLED, 1);
		if (unlikely(l->epoch != epoch || frame_flags(f) & FRAME_MLOCKED)) {
			join(l, f, LRU_ISOLATED);
			continue;
		}
		bool is_kept = c[i].used & USED_PROTECTED && !takes_protected;
		unsigned to = verdict(l, f, c[i].from, (c[i].used & ~USED_PROTECTED) | (is_kept ? USED_MAPPED | USED_TWICE : 0));
		if (unlikely(to == LRU_EVICT && is_kept))
			to = c[i].from;
		if (trace_is_on(TRACE_JUDGE))
			trace_verdict(l, &c[i], to);
		if (to == LRU_EVICT) {
			struct candidate victim = c[i];
			c[i] = c[nr_victims];
			c[nr_victims++] = victim;
			continue;
		}
		count_change(l, c[i].from, to);
		move(l, f, LRU_ISOLATED, to);
	}
	return nr_victims;
}

/* One round for each of up to nr pages that `next` names: bits, then `verdict`. As lru_select. */
static unsigned look_at(struct lru *l, bool is_age, struct frame **out, unsigned nr, bool takes_protected, unsigned *nr_looked)
{
	struct candidate c[LRU_BATCH];
	spin_lock(&l->lock);
	const struct policy *p = l->policy;
	u32 epoch = l->epoch;
	if (unlikely(l->nr[LRU_LEAVING]))
		join_leaving(l, LRU_BATCH);
	unsigned n = is_age && !p->age ? 0 : name_pages(l, is_age ? p->age : p->select, c, nr);
	spin_unlock(&l->lock);
	*nr_looked = n;
	if (!n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		c[i].used = l->group->harvest(c[i].frame);
	spin_lock(&l->lock);
	unsigned nr_victims = judge_pages(l, is_age ? p->aged : p->judge, epoch, c, n, takes_protected);
	spin_unlock(&l->lock);
	for (unsigned i = 0; i < nr_victims; i++)
		out[i] = c[i].frame;
	for (unsigned i = nr_victims; i < n; i++)
		frame_put(c[i].frame);
	return nr_victims;
}

unsigned lru_select(struct lru *l, struct frame **out, unsigned nr, struct lru_look *look)
{
	nr = min(nr, LRU_BATCH);
	look->nr_aged = 0;
	for (unsigned i = 0, n = nr; i < 2 && n == nr; i++) {
		look_at(l, true, NULL, nr, look->takes_protected, &n);
		look->nr_aged += n;
	}
	stat_add(STAT_PGREFILL, look->nr_aged);
	return look_at(l, false, out, nr, look->takes_protected, &look->nr_selected);
}

bool lru_isolate(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_LRU))
		return false;
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	u32 flags = frame_flags(f);
	unsigned list = list_in_flags(l, flags);
	bool ok = (flags & FRAME_LRU) && list != LRU_ISOLATED && try_get(f);
	if (ok)
		move(l, f, list, LRU_ISOLATED);
	spin_unlock(&l->lock);
	return ok;
}

/* As lru_of, of a frame that may become anything meanwhile; NULL: it is on no list. */
static struct lru *lru_of_any(const struct frame *f)
{
	struct mem_group *g = mem_group_find(READ_ONCE(f->group));
	return g ? &g->lru.lru[READ_ONCE(f->kind) == FRAME_ANON || frame_flags(f) & FRAME_SHMEM ? LRU_ANON : LRU_FILE] : NULL;
}

bool lru_get(struct frame *f)
{
	struct lru *l = frame_flags(f) & FRAME_LRU ? lru_of_any(f) : NULL;
	if (!l)
		return false;
	spin_lock(&l->lock);
	/* Without a reference it may have become another page meanwhile; one of l's stays that while l is locked. */
	u32 flags = frame_flags(f);
	bool ok = (flags & FRAME_LRU) && lru_of_any(f) == l && list_in_flags(l, flags) != LRU_ISOLATED && try_get(f);
	spin_unlock(&l->lock);
	return ok;
}

unsigned lru_place_of(const struct lru *l, const struct frame *f) { return list_in_flags(l, frame_flags(f)); }

bool lru_is_active(const struct frame *f)
{
	const struct lru *l = lru_of(f);
	u32 flags = frame_flags(f);
	return flags & FRAME_LRU && lru_list_is_active(l, list_in_flags(l, flags));
}

/* The mark of a locked page goes over, and is counted once. */
static bool move_lock(struct frame *f, struct frame *to)
{
	bool is_locked = __atomic_fetch_and(&f->flags, ~FRAME_MLOCKED, __ATOMIC_RELAXED) & FRAME_MLOCKED;
	if (is_locked)
		frame_set_flags(to, FRAME_MLOCKED);
	return is_locked;
}

void lru_replace(struct frame *f, struct frame *to)
{
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	u32 flags = frame_flags(f);
	bool is_locked = move_lock(f, to);
	if (flags & FRAME_LRU) {
		unsigned list = list_in_flags(l, flags);
		list_add(&to->lru, &f->lru);
		list_del(&f->lru);
		frame_clear_flags(f, FLAGS_OF_LISTS);
		frame_set_flags(to, flags & FLAGS_OF_LISTS);
		/* Whoever has just isolated f puts that back, and finds it on no list; or it was unlocked just now. */
		if (list == LRU_ISOLATED || (list == LRU_UNEVICTABLE && !is_locked))
			join(l, to, list);
	}
	spin_unlock(&l->lock);
}

void lru_putback(struct frame *f)
{
	if (!(frame_flags(f) & FRAME_LRU))
		return;
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	u32 flags = frame_flags(f);
	if ((flags & FRAME_LRU) && list_in_flags(l, flags) == LRU_ISOLATED)
		join(l, f, LRU_ISOLATED);
	spin_unlock(&l->lock);
}

void lru_evict(struct frame *f)
{
	struct lru *l = lru_of(f);
	spin_lock(&l->lock);
	const struct policy *p = l->policy;
	unsigned word = p->evict ? p->evict(l, f) : 0;
	l->nr_evicted++;
	l->eviction_hash = (l->eviction_hash + f->index + 1) * 0x9e3779b97f4a7c15ull;
	spin_unlock(&l->lock);
	workingset_remember(l, f, p, word);
	lru_clock_pass(l, 1);
}

unsigned lru_harvest(struct frame *f)
{
	u32 flags = frame_flags(f);
	unsigned used = READ_ONCE(f->nr_slots) ? walk_back_harvest(f) : 0;
	if (flags & FRAME_ACCESSED) {
		frame_clear_flags(f, FRAME_ACCESSED);
		used |= USED_CALL;
	}
	if (unlikely(flags & FRAME_WANTED))
		used |= turn_is_wanted(f) ? USED_PROTECTED : 0;
	return used | (flags & FRAME_DIRTY ? USED_DIRTY : 0);
}

/* ---- for policies ---- */

u64 lru_clock(const struct lru *l) { return READ_ONCE(l->group->clock); }
void lru_clock_pass(struct lru *l, u64 n) { __atomic_fetch_add(&l->group->clock, n, __ATOMIC_RELAXED); }

void lru_bits_set(struct frame *f, unsigned n, unsigned bits, unsigned value)
{
	u32 mask = ((1u << bits) - 1) << (LRU_POLICY_SHIFT + n), old = frame_flags(f);
	while (!__atomic_compare_exchange_n(&f->flags, &old, (old & ~mask) | value << (LRU_POLICY_SHIFT + n), true,
	                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void lru_bits_add(struct frame *f, unsigned n, unsigned bits, unsigned most)
{
	u32 old = frame_flags(f), shift = LRU_POLICY_SHIFT + n, mask = (1u << bits) - 1;
	while ((old >> shift & mask) < most &&
	       !__atomic_compare_exchange_n(&f->flags, &old, old + (1u << shift), true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* ---- groups and their policies ---- */

static void adopt_policy(struct lru *l, const struct policy *p)
{
	WRITE_ONCE(l->policy, p);
	set_gauges(l);
	for (unsigned i = 0; i < ARRAY_SIZE(l->words); i++)
		l->words[i] = 0;
	if (p->init)
		p->init(l);
	bool has_active = false;
	for (unsigned i = LRU_FIRST_LIST; i < LRU_NR_LISTS; i++)
		has_active |= lru_list_is_active(l, i);
	WRITE_ONCE(l->has_active, has_active); /* others look without the lock */
}

void lru_group_init(struct lru_group *g, u32 number, const struct policy *p)
{
	g->clock = g->nr_swapped = 0;
	for (unsigned t = 0; t < LRU_NR_TYPES; t++)
		g->nr_refaults[t] = g->cost[t] = g->seen[t] = 0;
	static u32 last_serial;
	g->number = number;
	g->serial = number ? __atomic_add_fetch(&last_serial, 1, __ATOMIC_RELAXED) : 0;
	g->harvest = lru_harvest;
	for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
		struct lru *l = &g->lru[t];
		if (l->lock.rank != RANK_LRU) /* of one that is gone somebody may have it just now (lru_get) */
			spin_lock_init(&l->lock, RANK_LRU);
		l->type = (u8)t;
		l->epoch = 0;
		l->nr_evicted = l->eviction_hash = 0;
		l->group = g;
		for (unsigned i = 0; i < LRU_NR_LISTS; i++) {
			list_init(&l->lists[i]);
			l->nr[i] = 0;
		}
		adopt_policy(l, p);
	}
}

/* All pages of the policy's lists, to LRU_LEAVING. */
static void leave_all(struct lru *l)
{
	u8 lists[LRU_NR_LISTS];
	unsigned n = 0;
	if (l->policy->order)
		n = l->policy->order(l, lists);
	else
		for (unsigned i = LRU_FIRST_LIST; i < LRU_NR_LISTS; i++)
			lists[n++] = (u8)i;
	while (n--) { /* warm ones first: the tail is the cold end */
		unsigned i = lists[n];
		s64 nr = (s64)l->nr[i];
		list_splice_tail(&l->lists[i], &l->lists[LRU_LEAVING]);
		count(l, i, -nr);
		count(l, LRU_LEAVING, nr);
	}
}

#define SWITCH_BATCH 256u /* pages moved before others may have the lock */

void lru_switch(struct lru *l, const struct policy *p)
{
	bool more = true;
	spin_lock(&l->lock);
	while (join_leaving(l, ~0u)) /* mostly none */
		;
	leave_all(l);
	l->epoch++;
	adopt_policy(l, p);
	spin_unlock(&l->lock);
	while (more) {
		spin_lock(&l->lock);
		more = join_leaving(l, SWITCH_BATCH);
		spin_unlock(&l->lock);
	}
}

void lru_switch_all(const struct policy *p)
{
	for (struct mem_group *g = NULL; (g = mem_group_next(&mem_root, g)) != NULL;)
		for (unsigned t = 0; t < LRU_NR_TYPES; t++)
			lru_switch(&g->lru.lru[t], p);
}

/* ---- validation ---- */

static bool belongs(const struct frame *f, struct lru *l, unsigned list)
{
	if (lru_of(f) != l || !(f->flags & FRAME_LRU) || list_in_flags(l, f->flags) != list || (list == LRU_UNEVICTABLE && !(f->flags & FRAME_MLOCKED)))
		return false;
	return f->kind == FRAME_ANON || (f->kind == FRAME_CACHE && f->mapping);
}

const char *lru_validate_lists(struct lru *l)
{
	const char *broken = NULL;
	spin_lock(&l->lock);
	for (unsigned list = 0; list < LRU_NR_LISTS && !broken; list++) {
		u64 nr = 0;
		struct frame *f;
		list_for_each_entry(f, &l->lists[list], lru) {
			nr++;
			if (!belongs(f, l, list))
				broken = "lru: a page on a list does not belong there";
		}
		if (nr != l->nr[list])
			broken = "lru: a list's count is wrong";
	}
	spin_unlock(&l->lock);
	return broken;
}

static const char *validate_group(struct lru_group *g, s64 sum[STAT_NR])
{
	for (unsigned t = 0; t < LRU_NR_TYPES; t++) {
		struct lru *l = &g->lru[t];
		const char *broken = lru_validate_lists(l);
		if (broken)
			return broken;
		for (unsigned i = 0; i < LRU_NR_LISTS; i++)
			sum[l->gauge[i]] += (s64)l->nr[i];
	}
	return NULL;
}

const char *lru_validate(void)
{
	static const enum mm_counter gauges[] = {
		STAT_NR_INACTIVE_ANON, STAT_NR_ACTIVE_ANON, STAT_NR_INACTIVE_FILE, STAT_NR_ACTIVE_FILE,
		STAT_NR_UNEVICTABLE, STAT_NR_ISOLATED_ANON, STAT_NR_ISOLATED_FILE,
	};
	s64 sum[STAT_NR] = { 0 };
	for (struct mem_group *g = NULL; (g = mem_group_next(&mem_root, g)) != NULL;) {
		const char *broken = validate_group(&g->lru, sum);
		if (broken) {
			mem_group_put(g);
			return broken;
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(gauges); i++)
		if (stat_read(gauges[i]) != (u64)sum[gauges[i]])
			return "lru: a gauge is wrong";
	return NULL;
}
