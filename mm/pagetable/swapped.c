/* SPDX-License-Identifier: MIT */
/*
 * Entries that name a page in swap. They stand in their slot's chain as entries that map a frame stand in
 * the frame's: the chain belongs to the page and goes with it, entry by entry, from the frame to the slot
 * and back. Meanwhile one page may have both.
 *
 * What happens here is true for all sharers of a leaf table and is done in place, without unsharing it.
 *
 * Locking: the leaf table, then the slot, then the frame's chain.
 */
#include "internal.h"
#include <mm/leaf.h>
#include <mm/swap.h>

void swapped_link(pte_t e, struct frame *table, unsigned index)
{
	u64 entry = pte_swap_entry(e);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	swap_slot_unlock(s, entry, chain_with(chain, table, index));
}

void swapped_unlink(pte_t e, struct frame *table, unsigned index)
{
	u64 entry = pte_swap_entry(e);
	struct swap_slot *s = swap_slot(entry);
	u64 chain = chain_without(swap_slot_lock(s), table, index);
	struct frame *cached = !chain && s->pfn ? pfn_frame(s->pfn) : NULL;
	if (cached)
		frame_get(cached);
	swap_slot_unlock(s, entry, chain);
	if (cached) {
		swap_cache_release(cached);
		frame_put(cached);
	}
}

void swapped_move(pte_t e, struct frame *from, unsigned i, struct frame *to, unsigned j)
{
	u64 entry = pte_swap_entry(e);
	struct swap_slot *s = swap_slot(entry);
	swap_slot_unlock(s, entry, chain_moved(swap_slot_lock(s), from, i, to, j));
}

/* ---- walking a slot's chain ---- */

/* As chain_batch. */
static unsigned swapped_batch(u64 entry, u32 skip, struct pinned *out)
{
	struct swap_slot *s = swap_slot(entry);
	u64 chain = swap_slot_lock(s);
	bool is_chained = chain >> 32 > 1;
	unsigned n = 0;
	for (slot_t at = (slot_t)chain; at && n < WALK_BATCH; at = is_chained ? slot_links(at)->next : 0) {
		if (skip) {
			skip--;
			continue;
		}
		out[n] = (struct pinned){ slot_table(at), slot_index(at) };
		table_get(out[n++].table);
	}
	swap_slot_unlock(s, entry, chain);
	return n;
}

static pte_t entry_of(const struct pinned *p) { return hal_entry_load(&table_entries(p->table)[p->index]); }
static bool names(const struct pinned *p, u64 entry) { return entry_of(p).bits == pte_make_swap(entry).bits; }

u64 swapped_sharers(pte_t e, struct leaf *l)
{
	struct pinned slots[WALK_BATCH];
	u64 entry = pte_swap_entry(e), total = 0;
	unsigned n = swapped_batch(entry, 0, slots);
	u64 nr = READ_ONCE(swap_slot(entry)->chain) >> 32;
	leaf_unlock(l);
	for (unsigned i = 0; i < n; i++) {
		table_lock_leaf(slots[i].table);
		if (names(&slots[i], entry))
			total += slots[i].table->nr_slots;
		table_unlock_leaf(slots[i].table);
		table_put(slots[i].table);
	}
	return total + (nr > n ? nr - n : 0);
}

const char *swapped_validate(pte_t e, slot_t mine)
{
	u64 entry = pte_swap_entry(e);
	struct swap_slot *s = swap_slot(entry);
	u32 nr = (u32)(s->chain >> 32), seen = 0;
	bool found = false;
	if (!(s->flags & SWAP_SLOT_USED))
		return "entry: names a swap slot that is free";
	for (slot_t at = (slot_t)s->chain; at && seen < nr; seen++) {
		if (hal_entry_load(&table_entries(slot_table(at))[slot_index(at)]).bits != e.bits)
			return "swap: a chain's slot does not name the page";
		found |= at == mine;
		at = nr > 1 ? slot_links(at)->next : 0;
	}
	return seen != nr ? "swap: a chain is shorter than its length" : found ? NULL : "swap: an entry's slot is missing";
}

/* ---- out ---- */

struct turn {
	uaddr_t offset;
	enum rss_kind from, to;
	struct tlb_batch *batch; /* NULL: nothing is owed */
};

static bool turn_space(struct space *s, uaddr_t base, void *arg)
{
	struct turn *t = arg;
	__atomic_fetch_sub(&s->rss[t->from], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->rss[t->to], 1, __ATOMIC_RELAXED);
	if (t->batch)
		tlb_batch_add(t->batch, s, base + t->offset);
	return true;
}

/* Counts of the locked table and of its sharers. */
static void turn_counts(struct frame *table, unsigned index, enum rss_kind from, enum rss_kind to, struct tlb_batch *b)
{
	struct turn t = { (uaddr_t)index << PAGE_SHIFT, from, to, b };
	table->rss[from]--;
	table->rss[to]++;
	table_for_each_space(table, turn_space, &t);
}

/* The entry (table, index), which maps f, of a locked table. */
static void entry_swap_out(struct frame *table, unsigned index, struct frame *f, struct tlb_batch *b)
{
	u64 entry = frame_swap_entry(f);
	struct swap_slot *s = swap_slot(entry);
	pte_t old = hal_entry_exchange(&table_entries(table)[index], pte_make_swap(entry));
	if (pte_is_dirty(old))
		frame_set_flags(f, FRAME_DIRTY);
	turn_counts(table, index, RSS_ANON, RSS_SWAP, b);
	u64 swapped = swap_slot_lock(s);
	chain_lock(f);
	u64 mapped = chain_without(chain_of(f), table, index);
	if (!mapped)
		count_first_mapping(f, -1);
	swapped = chain_with(swapped, table, index);
	chain_unlock_as(f, mapped);
	chain_rank_leave();
	swap_slot_unlock(s, entry, swapped);
	frame_put(f);
}

bool walk_back_swap_out(struct frame *f, struct tlb_batch *b)
{
	struct pinned slots[WALK_BATCH];
	bool is_kept = false;
	tlb_batch_begin(b);
	/* Each round shortens the chain, so it ends. */
	for (unsigned n; !is_kept && (n = chain_batch(f, 0, slots)) != 0;) {
		for (unsigned i = 0; i < n; i++) /* none should go when one is locked; what a look now misses is seen below */
			is_kept |= pte_maps(entry_of(&slots[i]), f) && entry_of(&slots[i]).bits & PTE_LOCKED;
		for (unsigned i = 0; i < n; i++) {
			table_lock_leaf(slots[i].table);
			pte_t e = entry_of(&slots[i]);
			if (pte_maps(e, f)) {
				is_kept |= (e.bits & PTE_LOCKED) != 0;
				if (!is_kept)
					entry_swap_out(slots[i].table, slots[i].index, f, b);
			}
			table_unlock_leaf(slots[i].table);
			table_put(slots[i].table);
		}
	}
	return !is_kept;
}

/* ---- in ---- */

/* The slot s of f is locked, with this chain; unlocks it. Returns how many entries still name it. */
static u32 swap_in_locked(struct frame *table, unsigned index, struct frame *f, u64 bits, struct swap_slot *s, u64 swapped)
{
	u64 entry = frame_swap_entry(f);
	swapped = chain_without(swapped, table, index);
	chain_lock(f);
	u64 mapped = chain_of(f);
	if (!mapped)
		count_first_mapping(f, 1);
	chain_unlock_as(f, chain_with(mapped, table, index));
	chain_rank_leave();
	swap_slot_unlock(s, entry, swapped);
	turn_counts(table, index, RSS_SWAP, RSS_ANON, NULL);
	hal_entry_store(&table_entries(table)[index], pte_make(frame_pfn(f), bits));
	return (u32)(swapped >> 32);
}

bool entry_swap_in(struct frame *table, unsigned index, struct frame *f, u64 bits, u32 *nr_left)
{
	struct swap_slot *s = swap_slot(frame_swap_entry(f));
	u64 swapped = swap_slot_lock(s);
	bool is_free = !(frame_flags(f) & FRAME_BUSY);
	if (likely(is_free))
		*nr_left = swap_in_locked(table, index, f, bits, s, swapped);
	else
		swap_slot_unlock(s, frame_swap_entry(f), swapped);
	return is_free;
}

void swapped_bring_back(u64 entry, struct frame *f)
{
	struct pinned slots[WALK_BATCH];
	for (unsigned n; (n = swapped_batch(entry, 0, slots)) != 0;) {
		for (unsigned i = 0; i < n; i++) {
			table_lock_leaf(slots[i].table);
			if (names(&slots[i], entry)) {
				frame_get(f);
				struct swap_slot *s = swap_slot(entry);
				swap_in_locked(slots[i].table, slots[i].index, f, PTE_NOACCESS | PTE_USER | PTE_NX, s, swap_slot_lock(s));
			}
			table_unlock_leaf(slots[i].table);
			table_put(slots[i].table);
		}
	}
}
