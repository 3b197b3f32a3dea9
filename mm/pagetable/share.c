/* SPDX-License-Identifier: MIT */
/*
 * Shared leaf tables: fork shares them, the first change under one unshares it.
 *
 * A shared table's sharers are the slots of its frame. Every sharer's upper entry has W off, so that no
 * write goes through it whatever the leaf entries say; A and D bits are common to all. What one space
 * does to its pages (filling an absent entry included) unshares first: it copies the 512 entries into a
 * table of its own. The last sharer does not copy, it takes the table over by setting W above it.
 *
 * I1  A leaf table with several slots has W off in each of its upper entries.
 * I2  Nothing is filled in under a shared table.
 *
 * Locking: the upper table, then the leaf tables (old before new), all held over the flush, so that no
 * walker sees the new table before the old one is out of use. Everything that can fail is done before.
 * Source of the idea: Zhao et al., "On-demand-fork" (EuroSys 2021), for one anonymous region; here any
 * table is shared and the walk back takes the part of reference counting.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/pagetable.h>
#include <mm/stat.h>
#include <mm/trace.h>

#define SHARE_AT_ONCE 64 /* tables whose counts are added up in 16 bits */
_Static_assert(SHARE_AT_ONCE * TABLE_ENTRIES <= 0xffff, "their sum fits");

/* Shares the tables below `nr` entries, at most SHARE_AT_ONCE. The arrays and slots (child's << 32 | parent's)
 * are those of the first entry. */
static __attribute__((noinline)) unsigned share_few(unsigned nr, pte_t *from, pte_t *to, struct links *beside, struct links *links,
                                                    u64 known_slot, u64 *rss_all)
{
	slot_t known = (slot_t)known_slot, slot = (slot_t)(known_slot >> 32);
	unsigned nr_shared = 0;
	u64 sum = 0;
	for (unsigned i = 0; i < nr; i++, known += SLOT_STEP, slot += SLOT_STEP) {
		pte_t up = hal_entry_load(&from[i]);
		struct frame *t = pte_frame(up);
		if (pte_is_none(up) || !READ_ONCE(t->nr_entries))
			continue;
		table_lock_raw(t);
		u32 before = t->nr_slots;
		links_add(before, &beside[i], known, &links[i], slot);
		WRITE_ONCE(t->nr_slots, before + 1);
		up = pte_clear(up, PTE_WRITE);
		hal_entry_store(&from[i], up);
		hal_entry_store(&to[i], up);
		sum += t->rss_all;
		table_unlock_raw(t);
		nr_shared++;
	}
	*rss_all = sum;
	return nr_shared;
}

unsigned leaf_share_stretch(struct frame *src, struct frame *dst, unsigned first, unsigned last, s64 rss[RSS_NR])
{
	unsigned nr = 0;
	leaf_rank_enter();
	for (unsigned i = first, next; i < last; i = next) {
		u64 rss_all, slots = (u64)slot_make(dst, i) << 32 | slot_make(src, i);
		next = min(i + SHARE_AT_ONCE, last);
		nr += share_few(next - i, table_entries(src) + i, table_entries(dst) + i, table_links(src) + i,
		                table_links(dst) + i, slots, &rss_all);
		for (unsigned k = 0; k < RSS_NR; k++)
			rss[k] += (u16)(rss_all >> (16 * k));
	}
	leaf_rank_leave();
	dst->nr_entries += nr;
	return nr;
}

/* Copies old's entries into fresh, both locked and with companions. Anonymous frames become
 * copy-on-write in both. */
static void table_copy_entries(struct frame *fresh, struct frame *old)
{
	pte_t *from = table_entries(old), *to = table_entries(fresh);
	struct links *beside = table_links(old), *links = table_links(fresh);
	slot_t known = slot_make(old, 0), slot = slot_make(fresh, 0);
	chain_rank_enter();
	for (unsigned i = 0; i < TABLE_ENTRIES; i++, known += SLOT_STEP, slot += SLOT_STEP) {
		pte_t e = hal_entry_load(&from[i]);
		if (pte_is_mapped(e) && !pte_is_special(e)) {
			struct frame *f = pte_frame(e);
			if (f->kind == FRAME_ANON && pte_is_writable(e)) {
				e = hal_entry_test_and_clear(&from[i], PTE_WRITE);
				e = pte_clear(e, PTE_WRITE);
			}
			frame_get(f);
			chain_lock_raw(f);
			u64 chain = chain_of(f);
			links_add((u32)(chain >> 32), &beside[i], known, &links[i], slot);
			chain_unlock_as(f, chain + CHAIN_ONE);
		} else if (unlikely(pte_is_swap(e))) {
			chain_rank_leave();
			swapped_link(e, fresh, i);
			chain_rank_enter();
		}
		hal_entry_store(&to[i], e);
	}
	chain_rank_leave();
	fresh->nr_entries = old->nr_entries;
	fresh->rss_all = old->rss_all;
}

/* Replaces the shared table `old` under `entry` of `upper` by `fresh`, for s alone. Upper and old are
 * locked. */
static void table_replace(struct space *s, struct frame *upper, pte_t *entry, struct frame *old, struct frame *fresh,
                          uaddr_t addr)
{
	unsigned index = (unsigned)(entry - table_entries(upper));
	table_lock_leaf_nested(fresh); /* nobody else knows it yet */
	table_copy_entries(fresh, old);
	hal_entry_exchange(entry, pte_make_table(frame_pfn(fresh))); /* a full barrier before s->cpus is read */
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, addr, addr + PAGE_SIZE, true);
	table_unlink(old, upper, index);
	table_link_first(fresh, upper, index);
	table_unlock_leaf(fresh);
}

int leaf_unshare(struct space *s, uaddr_t addr)
{
	struct frame *upper = upper_find(s, addr);
	pte_t *entry = &table_entries(upper)[table_index(addr, 2)];
	pte_t up = hal_entry_load(entry);
	if (pte_is_none(up) || !pte_table_is_shared(up))
		return 0;

	/* Reserve: a table, its companion, one for the old table. A sole sharer needs none of them. */
	struct frame *fresh = NULL, *old_companion = NULL;
	if (READ_ONCE(pte_frame(up)->nr_slots) > 1) {
		fresh = table_alloc(s, 1, ALLOC_KERNEL);
		if (!fresh)
			return -1;
		fresh->nr_entries = 0;
		old_companion = companion_alloc(ALLOC_KERNEL);
		if (!old_companion || table_need_companion(fresh, ALLOC_KERNEL))
			goto no_memory;
	}

	table_lock_upper(upper);
	up = hal_entry_load(entry);
	if (pte_is_none(up) || !pte_table_is_shared(up))
		goto done;
	struct frame *old = pte_frame(up);
	table_lock_leaf(old);
	if (old->nr_slots == 1) {
		hal_entry_store(entry, pte_set(up, PTE_WRITE));
		stat_add(STAT_PGUNSHARE_LAST, 1);
	} else if (fresh) {
		if (!old->companion_pfn) {
			companion_attach_locked(old, old_companion);
			old_companion = NULL;
		}
		table_replace(s, upper, entry, old, fresh, addr & ~(LEAF_SPAN - 1));
		__atomic_fetch_sub(&s->nr_tables, 1, __ATOMIC_RELAXED); /* the old one, no longer ours */
		fresh = NULL;
		stat_add(STAT_PGUNSHARE, 1);
		trace_point(TRACE_UNSHARE, addr, frame_pfn(old), old->nr_slots, 0);
	} /* else it was being unshared around us: the caller looks again */
	table_unlock_leaf(old);
done:
	table_unlock_upper(upper);
	if (old_companion)
		frame_free(old_companion, 0);
	if (fresh) {
		__atomic_fetch_sub(&s->nr_tables, 1, __ATOMIC_RELAXED);
		table_free(fresh);
	}
	return 0;

no_memory:
	if (old_companion)
		frame_free(old_companion, 0);
	__atomic_fetch_sub(&s->nr_tables, 1, __ATOMIC_RELAXED);
	table_free(fresh);
	return -1;
}

/* A look without the table's lock: while it is shared nobody fills it, and what is seen of one that a sharer
 * takes over right now does not matter, since the entry above is read again. */
static __attribute__((no_sanitize("thread"), noinline)) bool has_entries(const struct frame *table)
{
	return READ_ONCE(table->nr_entries) != 0;
}

/* leaf_unshare returns 0 without doing it only when a sharer left meanwhile: then once more. Only fork shares, under the
 * space's lock held for writing: a table that is seen with W, or gone, is not shared, and no lock is needed to see it. */
static int unshare_at(struct space *s, uaddr_t addr)
{
	struct frame *upper = upper_find(s, addr);
	const pte_t *up = upper ? &table_entries(upper)[table_index(addr, 2)] : NULL;
	for (pte_t e; up && !pte_is_none(e = hal_entry_load(up)) && pte_table_is_shared(e) && has_entries(pte_frame(e));)
		if (leaf_unshare(s, addr))
			return -1;
	return 0;
}

int range_unshare_edges(struct space *s, uaddr_t start, uaddr_t end)
{
	if (start >= end)
		return 0;
	if (start & (LEAF_SPAN - 1) && unshare_at(s, start))
		return -1;
	return end & (LEAF_SPAN - 1) ? unshare_at(s, end - 1) : 0;
}

int range_unshare(struct space *s, uaddr_t start, uaddr_t end)
{
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end; a = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN)
		if (unshare_at(s, a))
			return -1;
	return 0;
}
