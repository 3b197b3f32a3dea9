/* SPDX-License-Identifier: MIT */
/*
 * Changing the rights of what is mapped (mprotect). W is given at once where no fault has to see the
 * first write: to a private frame that nobody else maps or holds, and to shmem in a shared region.
 */
#include <mm/pagetable.h>
#include <mm/region.h>

static bool may_write_at_once(pte_t e, u32 flags)
{
	if (pte_is_special(e))
		return false;
	struct frame *f = pte_frame(e);
	if (f->kind == FRAME_ANON)
		return READ_ONCE(f->nr_slots) == 1 && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 1;
	return (flags & REGION_SHARED) && (frame_flags(f) & FRAME_SHMEM || pte_is_writable(e));
}

/* What a stretch of entries lost and gained, as bits; decides the flush. */
struct changes {
	u64 lost, gained;
};

static inline void protect_entry(pte_t *entry, pte_t e, u64 rights, struct changes *c)
{
	pte_t changed = pte_with_rights(e, rights);
	if (changed.bits == e.bits)
		return;
	while (unlikely(!hal_entry_cmpxchg(entry, &e, changed))) /* the walker set A or D */
		changed = pte_with_rights(e, rights);
	c->lost |= e.bits & ~changed.bits;
	c->gained |= changed.bits & ~e.bits;
}

static void protect_stretch(pte_t *entry, unsigned nr, u64 rights, u32 flags, struct changes *c)
{
	for (pte_t *end = entry + nr; entry < end; entry++) {
		pte_t e = hal_entry_load(entry);
		if (!pte_is_mapped(e))
			continue;
		bool writable = (flags & REGION_WRITE) && may_write_at_once(e, flags);
		protect_entry(entry, e, writable ? rights | PTE_WRITE : rights, c);
	}
}

void protect_range(struct space *s, uaddr_t start, uaddr_t end, u32 flags)
{
	u64 rights = rights_of(flags, false);
	struct changes c = { 0, 0 };
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			ASSERT(!l.is_shared || l.table->nr_entries == 0);
			if (l.table->nr_entries)
				protect_stretch(l.entry, (min(end, next) - a) >> PAGE_SHIFT, rights, flags, &c);
			leaf_unlock(&l);
		}
		a = next;
	}
	if (c.lost & (PTE_PRESENT | PTE_WRITE) || c.gained & PTE_NX)
		hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, start, end, false);
}
