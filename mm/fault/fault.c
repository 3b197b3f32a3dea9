/* SPDX-License-Identifier: MIT */
/*
 * What a touch leads to. The region decides whether the access is allowed; the entry decides what has
 * to be done: fill it (anon.c, file.c), bring it in from swap (swap.c), break a sharing (copy.c), or nothing, when another
 * CPU was faster or this CPU's translation was stale.
 *
 * Leaf tables that fork shared are unshared before any of this, but for pages in swap, which come back for all. Nothing here sends a signal: the
 * verdict tells the caller what to send.
 */
#include "internal.h"
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <hal/time.h>
#include <mm/stat.h>
#include <mm/trace.h>
#include <mm/turn.h>

/* The frame of a vDSO page and the like. */
static __attribute__((noinline)) struct fault_verdict fault_special(struct space *s, struct region *r, uaddr_t addr)
{
	struct leaf l;
	if (leaf_lock_exclusive(s, addr, &l))
		return VERDICT_OOM;
	if (pte_is_none(hal_entry_load(l.entry)))
		leaf_map_special(&l, r->special_pfns[(addr - r->start) >> PAGE_SHIFT], rights_of(r->flags, false) | PTE_ACCESSED);
	leaf_unlock(&l);
	return VERDICT_MAPPED;
}

/* The entry granted nothing although its region does: it was put there for all sharers without asking. */
static struct fault_verdict grant_rights(struct region *r, struct leaf *l, pte_t e)
{
	while (!pte_is_present(e) && !hal_entry_cmpxchg(l->entry, &e, pte_set(pte_with_rights(e, 0), rights_of(r->flags, false) | PTE_ACCESSED)))
		;
	leaf_unlock(l);
	return VERDICT_MAPPED;
}

/* Locks the entry for addr: the space's own, or one in a shared table that names a page in swap, which is brought
 * in for all sharers. 0 or -ENOMEM. */
static inline __attribute__((always_inline)) int lock_entry(struct space *s, uaddr_t addr, struct leaf *l)
{
	if (unlikely(READ_ONCE(s->rss[RSS_SWAP])) && leaf_lock(s, addr, l)) {
		if (!l->is_shared || pte_is_swap(hal_entry_load(l->entry)))
			return 0;
		leaf_unlock(l);
	}
	return likely(leaf_lock_fast(s, addr, l)) ? 0 : leaf_lock_exclusive(s, addr, l);
}

struct fault_verdict fault_wait(struct leaf *l, struct frame *f)
{
	struct frame_wait w;
	bool must_wait = frame_wait_begin(f, &w);
	leaf_unlock(l);
	if (must_wait)
		frame_wait_end(&w);
	return VERDICT_RETRY;
}

static inline __attribute__((always_inline)) struct fault_verdict fault_in(struct space *s, struct region *r, uaddr_t addr, unsigned access,
                                                                         struct fault_trace *t)
{
	struct leaf l;
	if (unlikely(r->flags & REGION_SPECIAL))
		return access & FAULT_WRITE ? VERDICT_SIGNAL(SIGSEGV, SEGV_ACCERR) : fault_special(s, r, addr);
	if (unlikely(lock_entry(s, addr, &l)))
		return VERDICT_OOM;
	pte_t e = hal_entry_load(l.entry);
	if (t) {
		t->entry = l.entry;
		t->before = e;
	}
	if (likely(pte_is_none(e))) {
		if (unlikely(READ_ONCE(s->is_reaped)) && !(r->flags & REGION_SHARED)) {
			leaf_unlock(&l);
			return VERDICT_SIGNAL(SIGBUS, BUS_ADRERR); /* what was written here may be lost */
		}
		if (likely(!r->mapping)) {
			struct frame *f = access & FAULT_WRITE ? frame_alloc_zeroed_page() : NULL;
			return likely(f) ? fault_map_new(s, r, &l, f) : fault_anon(s, r, addr, access, &l);
		}
		leaf_unlock(&l);
		return fault_file(s, r, addr, access);
	}
	if (unlikely(pte_is_swap(e)))
		return fault_swap(s, r, addr, access, &l);
	if (unlikely(pte_is_migrating(e)))
		return fault_wait(&l, pte_frame(e));
	if ((access & FAULT_WRITE) && !pte_is_writable(e))
		return fault_write_present(s, r, addr, &l, e);
	if (unlikely(!pte_is_present(e)))
		return grant_rights(r, &l, e);
	leaf_unlock(&l);
	hal_tlb_flush_local(addr); /* the translation was stale */
	return VERDICT_MAPPED;
}

/* What a fault in a locked region may have mapped is locked too. */
static __attribute__((noinline)) void lock_mapped(struct space *s, struct region *r, uaddr_t addr)
{
	uaddr_t start = r->mapping ? addr & ~(FAULT_AROUND_BYTES - 1) : addr, end = start + (r->mapping ? FAULT_AROUND_BYTES : PAGE_SIZE);
	lock_entries(s, max(start, r->start), min(end, r->end), true);
}

static inline __attribute__((always_inline)) struct fault_verdict fault_and_lock(struct space *s, struct region *r, uaddr_t addr, unsigned access,
                                                                               struct fault_trace *t)
{
	struct fault_verdict v = fault_in(s, r, addr, access, t);
	if (unlikely(r->flags & REGION_LOCKED))
		lock_mapped(s, r, addr);
	return v;
}

struct fault_verdict fault_region(struct space *s, struct region *r, uaddr_t addr, unsigned access) { return fault_and_lock(s, r, addr, access, NULL); }

static bool access_is_allowed(const struct region *r, unsigned access)
{
	if (access & FAULT_WRITE)
		return r->flags & REGION_WRITE;
	if (access & FAULT_EXEC)
		return r->flags & REGION_EXEC;
	return region_is_accessible(r);
}

static inline __attribute__((always_inline)) struct fault_verdict fault_locked(struct space *s, uaddr_t addr, unsigned access, struct fault_trace *t)
{
	struct region *r = region_lookup(s, addr);
	if (unlikely(!r || r->start > addr)) {
		if (!r || !(r->flags & REGION_GROWSDOWN) || s->is_dead)
			return VERDICT_SIGNAL(SIGSEGV, SEGV_MAPERR);
		rwlock_read_unlock(&s->lock);
		rwlock_write(&s->lock);
		int err = stack_grow_locked(s, addr);
		rwlock_write_unlock(&s->lock);
		rwlock_read(&s->lock);
		r = err ? NULL : region_lookup(s, addr);
		if (!r || r->start > addr)
			return VERDICT_SIGNAL(SIGSEGV, SEGV_MAPERR);
	}
	if (unlikely(!access_is_allowed(r, access)))
		return VERDICT_SIGNAL(SIGSEGV, SEGV_ACCERR);
	if (t)
		t->r = r;
	return fault_and_lock(s, r, addr, access, t);
}

static __attribute__((noinline)) struct fault_verdict fault_traced(struct space *s, uaddr_t addr, unsigned access)
{
	struct fault_trace t = { .began_ns = hal_clock_ns() };
	struct fault_verdict v = fault_locked(s, addr & PAGE_MASK, access, &t);
	fault_record(&t, s, addr, access, v);
	return v;
}

struct fault_verdict fault_handle(struct space *s, uaddr_t addr, unsigned access)
{
	rwlock_read(&s->lock);
	struct fault_verdict v = trace_is_on(TRACE_FAULT) ? fault_traced(s, addr, access) : fault_locked(s, addr & PAGE_MASK, access, NULL);
	rwlock_read_unlock(&s->lock);
	stat_add(STAT_PGFAULT, 1);
	if (unlikely(v.major)) {
		stat_add(STAT_PGMAJFAULT, 1);
		if (access & FAULT_USER)
			turn_pause(s);
	}
	return v;
}
