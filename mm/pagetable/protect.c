/* SPDX-License-Identifier: MIT */
/*
 * Changing the rights of what is mapped (mprotect). W is given at once where no fault has to see the
 * first write: to a private frame that nobody else maps or holds, and to shmem in a shared region.
 */
#include <mm/leaf.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/region.h>

/* What the changed entries were: together with the new rights, that decides the flush. */
struct before {
	u64 any; /* bits that were set in one, but W of those that may be written to from now on */
	u64 all; /* bits that were set in each */
};

static inline struct before both(struct before a, struct before b) { return (struct before){ a.any | b.any, a.all & b.all }; }

#define BEFORE_SAME ((struct before){ 0, ~0ull })

/* The walker set A or D meanwhile. */
static __attribute__((noinline)) u64 protect_again(pte_t *entry, pte_t e, u64 now)
{
	while (!hal_entry_cmpxchg(entry, &e, pte_with_rights(e, now)))
		;
	return e.bits;
}

/* Gives a mapped entry, seen as e, the rights `now`; returns what it was. One that has them already changes no flush. */
static inline u64 protect_entry(pte_t *entry, pte_t e, u64 now)
{
	return likely(hal_entry_cmpxchg(entry, &e, pte_with_rights(e, now))) ? e.bits : protect_again(entry, e, now);
}

/* The same for one that may not be present: one whose frame is being migrated gets its rights when that is done. */
static __attribute__((noinline)) struct before protect_any(pte_t *entry, pte_t e, u64 now)
{
	if (!pte_is_mapped(e))
		return BEFORE_SAME;
	u64 was = e.bits;
	if (pte_is_migrating(e)) /* the walker does not look at it */
		hal_entry_store(entry, pte_to_migrating(pte_with_rights(pte_from_migrating(e, pte_pfn(e)), now)));
	else
		was = protect_entry(entry, e, now);
	return (struct before){ was, was };
}

static struct before protect_stretch(pte_t *entry, const pte_t *end, u64 rights)
{
	u64 any = 0, all = ~0ull;
	for (; entry < end; entry++) {
		pte_t e = hal_entry_load(entry);
		if (likely(pte_is_present(e))) {
			u64 was = protect_entry(entry, e, rights);
			any |= was;
			all &= was;
		} else if (!pte_is_none(e)) {
			struct before b = protect_any(entry, e, rights);
			any |= b.any;
			all &= b.all;
		}
	}
	return (struct before){ any, all };
}

/* A private frame that is mapped here and that nobody else maps or holds: each slot has had its reference before it was
 * linked, and has it until it is unlinked and flushed. Who migrates the frame holds one more. */
static inline bool is_own(const struct frame *f)
{
	return f->kind == FRAME_ANON && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 1;
}

/* A page of a file or shmem in a shared region that need not see the first write, or has seen it. */
static bool was_written(pte_t e, u32 flags)
{
	const struct frame *f = pte_frame(e);
	return (flags & REGION_SHARED) && !pte_is_special(e) && f->kind == FRAME_CACHE &&
	       (frame_flags(f) & FRAME_SHMEM || pte_is_writable(e));
}

/* What may not be written to at once, or is no private frame. */
static __attribute__((noinline)) struct before protect_other(pte_t *entry, pte_t e, u64 rights, u32 flags)
{
	bool give = pte_is_mapped(e) && was_written(e, flags);
	struct before b = protect_any(entry, e, give ? rights | PTE_WRITE : rights);
	if (give) /* no right but to execute is lost */
		b.any &= ~PTE_WRITE;
	return b;
}

/* Gives private frames of nobody else W, up to the first entry that is something else, where *from points then. Apart,
 * so that all it needs stays in registers. */
static __attribute__((noinline)) struct before protect_own(pte_t **from, const pte_t *end, u64 writable)
{
	u64 any = 0, all = ~0ull;
	pte_t *entry = *from;
	for (; entry < end; entry++) {
		pte_t e = hal_entry_load(entry);
		if (pte_is_none(e))
			continue;
		if (unlikely(pte_is_special(e)) || unlikely(!is_own(pte_frame(e)))) /* pages in swap are special here */
			break;
		u64 was = protect_entry(entry, e, writable);
		any |= was;
		all &= was;
	}
	*from = entry;
	return (struct before){ any & ~PTE_WRITE, all };
}

/* The region may be written to. */
static inline struct before protect_stretch_writable(pte_t *entry, const pte_t *end, u64 rights, u32 flags)
{
	struct before b = protect_own(&entry, end, rights | PTE_WRITE);
	while (unlikely(entry < end)) {
		b = both(b, protect_other(entry, hal_entry_load(entry), rights, flags));
		entry++;
		b = both(b, protect_own(&entry, end, rights | PTE_WRITE));
	}
	return b;
}

/* Did an entry lose what a TLB may still hold: access, W, or the right to execute? */
static inline bool is_flush_needed(struct before b, u64 rights)
{
	return (b.any & ~rights & (PTE_PRESENT | PTE_WRITE)) || (rights & ~b.all & PTE_NX);
}

/* nr entries of the locked table t. */
static inline struct before protect_entries(struct frame *t, pte_t *entry, u64 nr, u64 rights, u32 flags)
{
	if (!t->nr_entries)
		return BEFORE_SAME;
	return flags & REGION_WRITE ? protect_stretch_writable(entry, entry + nr, rights, flags) : protect_stretch(entry, entry + nr, rights);
}

static inline void flush_after(struct space *s, uaddr_t start, uaddr_t end, u64 rights, struct before b)
{
	if (is_flush_needed(b, rights) || tlb_flush_is_owed(s))
		hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, start, end, false);
}

void protect_range(struct space *s, uaddr_t start, uaddr_t end, u32 flags)
{
	struct before b = BEFORE_SAME;
	u64 rights = rights_of(flags, false);
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			ASSERT(!l.is_shared || l.table->nr_entries == 0);
			b = both(b, protect_entries(l.table, l.entry, (min(end, next) - a) >> PAGE_SHIFT, rights, flags));
			leaf_unlock(&l);
		}
		a = next;
	}
	flush_after(s, start, end, rights, b);
}

void protect_leaf(struct space *s, struct frame *table, uaddr_t start, uaddr_t end, u32 flags)
{
	u64 rights = rights_of(flags, false);
	table_lock_leaf(table);
	struct before b = protect_entries(table, table_entries(table) + table_index(start, 1), (end - start) >> PAGE_SHIFT, rights, flags);
	table_unlock_leaf(table);
	flush_after(s, start, end, rights, b);
}

static void lock_entry(pte_t *e, bool is_locked)
{
	pte_t now = hal_entry_load(e);
	if (!pte_is_mapped(now) || pte_is_special(now))
		return;
	while (!hal_entry_cmpxchg(e, &now, is_locked ? pte_set(now, PTE_LOCKED) : pte_clear(now, PTE_LOCKED)))
		; /* the walker set A or D */
	if (is_locked)
		lru_lock(pte_frame(now));
	else
		lru_unlock(pte_frame(now));
}

void lock_entries(struct space *s, uaddr_t start, uaddr_t end, bool is_locked)
{
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = min(end, (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN);
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			for (pte_t *e = l.entry, *last = e + ((next - a) >> PAGE_SHIFT); !l.is_shared && e < last; e++)
				lock_entry(e, is_locked);
			leaf_unlock(&l);
		}
		a = next;
	}
}
