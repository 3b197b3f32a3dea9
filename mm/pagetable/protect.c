/* SPDX-License-Identifier: MIT */
/*
 * Changing the rights of what is mapped (mprotect). W is given at once where no fault has to see the
 * first write: to a private frame that nobody else maps or holds, and to shmem in a shared region.
 */
#include <mm/pagetable.h>

static bool may_write_at_once(pte_t e, u32 flags)
{
	if (pte_is_special(e))
		return false;
	struct frame *f = pte_frame(e);
	if (f->kind == FRAME_ANON)
		return READ_ONCE(f->nr_slots) == 1 && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 1;
	return (flags & REGION_SHARED) && (frame_flags(f) & FRAME_SHMEM || pte_is_writable(e));
}

/* Returns whether the entry lost a right. */
static bool protect_entry(pte_t *entry, pte_t e, u64 rights, u32 flags)
{
	if ((flags & REGION_WRITE) && may_write_at_once(e, flags))
		rights |= PTE_WRITE;
	pte_t changed = pte_with_rights(e, rights);
	while (!hal_entry_cmpxchg(entry, &e, changed)) /* the walker set A or D */
		changed = pte_with_rights(e, rights);
	u64 lost = (e.bits & ~changed.bits & (PTE_PRESENT | PTE_WRITE)) | (~e.bits & changed.bits & PTE_NX);
	return lost != 0;
}

void protect_range(struct space *s, uaddr_t start, uaddr_t end, u32 flags)
{
	u64 rights = rights_of(flags, false);
	bool must_flush = false;
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			unsigned nr = (min(end, next) - a) >> PAGE_SHIFT;
			ASSERT(!l.is_shared || l.table->nr_entries == 0);
			for (unsigned i = 0; i < nr && l.table->nr_entries; i++) {
				pte_t e = hal_entry_load(&l.entry[i]);
				if (pte_is_mapped(e))
					must_flush |= protect_entry(&l.entry[i], e, rights, flags);
			}
			leaf_unlock(&l);
		}
		a = next;
	}
	if (must_flush)
		hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, start, end, false);
}
