/* SPDX-License-Identifier: MIT */
/*
 * Changing the rights of what is mapped (mprotect). W is given at once where no fault has to see the
 * first write: to a private frame that nobody else maps or holds, and to shmem in a shared region.
 */
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/region.h>

/* What the changed entries were: together with the new rights, that decides the flush. */
struct before {
	u64 any;       /* bits that were set in one */
	u64 all;       /* bits that were set in each */
	u64 any_given; /* as any, of those that may be written to from now on */
};

/* Gives an entry, seen as e, the rights `now`. False: it had them. */
static inline bool protect_entry(pte_t *entry, pte_t *e, u64 now)
{
	pte_t changed = pte_with_rights(*e, now);
	if (changed.bits == e->bits)
		return false;
	while (unlikely(!hal_entry_cmpxchg(entry, e, changed))) /* the walker set A or D */
		changed = pte_with_rights(*e, now);
	return true;
}

/* The same for any mapped entry: one whose frame is being migrated gets its rights when that is done. */
static __attribute__((noinline)) bool protect_any(pte_t *entry, pte_t *e, u64 now)
{
	if (!pte_is_migrating(*e))
		return protect_entry(entry, e, now);
	pte_t changed = pte_to_migrating(pte_with_rights(pte_from_migrating(*e, pte_pfn(*e)), now));
	if (changed.bits == e->bits)
		return false;
	hal_entry_store(entry, changed); /* the walker does not look at it */
	return true;
}

static void protect_stretch(pte_t *entry, unsigned nr, u64 rights, struct before *b)
{
	u64 any = b->any, all = b->all;
	for (pte_t *end = entry + nr; entry < end; entry++) {
		pte_t e = hal_entry_load(entry);
		if (pte_is_present(e) ? protect_entry(entry, &e, rights) : pte_is_mapped(e) && protect_any(entry, &e, rights)) {
			any |= e.bits;
			all &= e.bits;
		} else if (unlikely(pte_is_swap(e))) { /* a flush may still be owed for what it was */
			any |= PTE_PRESENT | PTE_WRITE;
			all &= ~PTE_NX;
		}
	}
	b->any = any;
	b->all = all;
}

/* A private frame that nobody else maps or holds: a mapped frame has one slot and one reference at least. Who migrates
 * it holds one more. */
static inline bool is_own(const struct frame *f)
{
	return f->kind == FRAME_ANON && (READ_ONCE(f->nr_slots) | (u32)__atomic_load_n(&f->refs, __ATOMIC_ACQUIRE)) == 1;
}

/* A page of a file or shmem in a shared region that need not see the first write, or has seen it. */
static bool was_written(pte_t e, u32 flags)
{
	const struct frame *f = pte_frame(e);
	return (flags & REGION_SHARED) && !pte_is_special(e) && f->kind == FRAME_CACHE &&
	       (frame_flags(f) & FRAME_SHMEM || pte_is_writable(e));
}

/* What may not be written to at once, or is no private frame. */
static __attribute__((noinline)) void protect_other(pte_t *entry, pte_t e, u64 rights, u32 flags, struct before *b)
{
	bool give = was_written(e, flags);
	if (!protect_any(entry, &e, give ? rights | PTE_WRITE : rights))
		return;
	b->all &= e.bits;
	if (give)
		b->any_given |= e.bits;
	else
		b->any |= e.bits;
}

/* Gives private frames of nobody else W, up to the first entry that is something else; returns it. Apart, so
 * that all it needs stays in registers. */
static __attribute__((noinline)) pte_t *protect_own(pte_t *entry, const pte_t *end, u64 writable, struct before *b)
{
	u64 any_given = 0, all = ~0ull;
	for (; entry < end; entry++) {
		pte_t e = hal_entry_load(entry);
		if (!pte_is_mapped(e)) {
			if (unlikely(pte_is_swap(e)))
				all &= ~PTE_NX; /* as in protect_stretch; no right but to execute is lost here */
			continue;
		}
		if (unlikely(pte_is_special(e)) || unlikely(!is_own(pte_frame(e))))
			break;
		if (likely(protect_entry(entry, &e, writable))) {
			any_given |= e.bits;
			all &= e.bits;
		}
	}
	b->any_given |= any_given;
	b->all &= all;
	return entry;
}

/* The region may be written to. */
static void protect_stretch_writable(pte_t *entry, unsigned nr, u64 rights, u32 flags, struct before *b)
{
	pte_t *end = entry + nr;
	while ((entry = protect_own(entry, end, rights | PTE_WRITE, b)) < end) {
		protect_other(entry, hal_entry_load(entry), rights, flags, b);
		entry++;
	}
}

/* Did an entry lose what a TLB may still hold: access, W, or the right to execute? */
static bool is_flush_needed(const struct before *b, u64 rights)
{
	u64 lost = (b->any & ~rights) | (b->any_given & ~(rights | PTE_WRITE));
	return lost & (PTE_PRESENT | PTE_WRITE) || (rights & ~b->all & PTE_NX);
}

/* nr entries of the locked table t. */
static inline void protect_entries(struct frame *t, pte_t *entry, u64 nr, u32 flags, struct before *b)
{
	u64 rights = rights_of(flags, false);
	if (!t->nr_entries)
		return;
	if (flags & REGION_WRITE)
		protect_stretch_writable(entry, (unsigned)nr, rights, flags, b);
	else
		protect_stretch(entry, (unsigned)nr, rights, b);
}

static inline void flush_after(struct space *s, uaddr_t start, uaddr_t end, u32 flags, const struct before *b)
{
	if (is_flush_needed(b, rights_of(flags, false)))
		hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, start, end, false);
}

void protect_range(struct space *s, uaddr_t start, uaddr_t end, u32 flags)
{
	struct before b = { .all = ~0ull };
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			ASSERT(!l.is_shared || l.table->nr_entries == 0);
			protect_entries(l.table, l.entry, (min(end, next) - a) >> PAGE_SHIFT, flags, &b);
			leaf_unlock(&l);
		}
		a = next;
	}
	flush_after(s, start, end, flags, &b);
}

void protect_leaf(struct space *s, struct frame *table, uaddr_t start, uaddr_t end, u32 flags)
{
	struct before b = { .all = ~0ull };
	table_lock_leaf(table);
	protect_entries(table, table_entries(table) + table_index(start, 1), (end - start) >> PAGE_SHIFT, flags, &b);
	table_unlock_leaf(table);
	flush_after(s, start, end, flags, &b);
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
