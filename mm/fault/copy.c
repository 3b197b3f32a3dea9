/* SPDX-License-Identifier: MIT */
/*
 * A write to a page that is present without W: copy on write, or the first write to a shared page.
 *
 * A private frame is reused in place exactly when its only slot is this one, no entry has it in swap, and
 * nobody else holds a reference: then no other space, and no flush that is still to come, can see the write.
 */
#include "internal.h"
#include <mm/mapping.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/trace.h>

static u64 written_rights(const struct region *r)
{
	return rights_of(r->flags, r->flags & REGION_WRITE) | PTE_ACCESSED | PTE_DIRTY;
}

static struct fault_verdict write_in_place(struct leaf *l, pte_t e, uaddr_t addr, const struct region *r)
{
	hal_entry_store(l->entry, pte_set(pte_with_rights(e, 0), written_rights(r)));
	leaf_unlock(l);
	hal_tlb_flush_local(addr);
	return VERDICT_MAPPED;
}

/* The shared page of a file or shmem object is written to for the first time through this entry. */
static struct fault_verdict write_shared(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e)
{
	struct frame *f = pte_frame(e);
	struct mapping *m = r->mapping;
	if (!m->ops->make_writable) {
		mark_written(m, f);
		return write_in_place(l, e, addr, r);
	}
	frame_get(f);
	leaf_unlock(l);
	int err = m->ops->make_writable(m, f->index, f);
	if (!err && leaf_lock_exclusive(s, addr, l) == 0) {
		e = hal_entry_load(l->entry);
		if (pte_is_present(e) && pte_maps(e, f)) { /* and is not being migrated */
			mark_written(m, f);
			write_in_place(l, e, addr, r);
		} else {
			leaf_unlock(l);
		}
	}
	frame_put(f);
	if (err)
		return verdict_of_error(err);
	if (m->store)
		writeback_throttle(m, 1);
	return VERDICT_MAPPED;
}

/* Puts `copy` where e is. The old translation is gone everywhere before the new one appears. */
static void replace_entry(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e, struct frame *copy)
{
	struct frame *old = pte_frame(e);
	if (unlikely(e.bits & PTE_LOCKED && !pte_is_special(e)))
		lru_unlock(old);
	hal_entry_exchange(l->entry, pte_none()); /* a full barrier before s->cpus is read */
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, addr, addr + PAGE_SIZE, false);
	copy->flags = FRAME_UPTODATE;
	if (!pte_is_special(e) && old->kind == FRAME_ANON) { /* one anonymous page for another: no count changes */
		slot_unlink(old, l->table, l->index);
		slot_link_first(copy, l->table, l->index);
		hal_entry_store(l->entry, pte_make_frame(copy, written_rights(r)));
		frame_put_user(old);
		return;
	}
	if (!pte_is_special(e)) {
		enum rss_kind kind = frame_rss_kind(old);
		slot_unlink(old, l->table, l->index);
		l->table->rss[kind]--;
		__atomic_fetch_sub(&s->rss[kind], 1, __ATOMIC_RELAXED);
	}
	l->table->nr_entries--;
	leaf_map_first(s, l, copy, written_rights(r), RSS_ANON);
	if (!pte_is_special(e))
		frame_put_user(old);
}

static struct fault_verdict copy_with(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e,
                                      struct frame *copy)
{
	if (pte_is_special(e)) {
		hal_page_zero(frame_pfn(copy));
		stat_add(STAT_PGZERO, 1);
	} else {
		hal_page_copy(frame_pfn(copy), pte_pfn(e));
		stat_add(STAT_PGCOPY, 1);
		trace_point(TRACE_COPY, addr, pte_pfn(e), frame_pfn(copy), 0);
	}
	replace_entry(s, r, addr, l, e, copy);
	lru_add_new(copy);
	leaf_unlock(l);
	return VERDICT_MAPPED;
}

struct fault_verdict fault_write_present(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e)
{
	if (!pte_is_special(e)) {
		struct frame *f = pte_frame(e);
		if (r->flags & REGION_SHARED)
			return write_shared(s, r, addr, l, e);
		if (f->kind == FRAME_ANON && READ_ONCE(f->nr_slots) == 1 &&
		    (__atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 1 || swap_cache_reuse(f))) {
			stat_add(STAT_PGREUSE, 1);
			return write_in_place(l, e, addr, r);
		}
	}
	struct frame *copy = frame_alloc_page();
	if (likely(copy))
		return copy_with(s, r, addr, l, e, copy);
	leaf_unlock(l);
	copy = fault_alloc(0);
	if (!copy || leaf_lock_exclusive(s, addr, l)) {
		if (copy)
			frame_put(copy);
		return VERDICT_OOM;
	}
	if (hal_entry_load(l->entry).bits == e.bits)
		return copy_with(s, r, addr, l, e, copy);
	leaf_unlock(l);
	frame_put(copy);
	return VERDICT_MAPPED; /* changed meanwhile: the access is repeated */
}
