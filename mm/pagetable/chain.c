/* SPDX-License-Identifier: MIT */
/*
 * The walk back: from a frame to the entries that map it, from a table to the entries above it, up to
 * the roots and so to the spaces.
 *
 * A mapped frame holds its first slot. When there are several they form a doubly linked chain through
 * the companions of their tables: links[index].next and .prev name further slots. A leaf table that
 * fork shares is itself a frame with several slots, in the level-2 tables of its sharers. Upper tables
 * have one slot each; the root has none and names its space.
 *
 * I1  frame->slot is the head of the chain, nr_slots its length. In a chain of several, links[head].prev
 *     == 0 and links[last].next == 0; the links of a frame's only slot mean nothing.
 * I2  Every slot of a chain has a companion, unless it is the only one.
 * I3  A table that has an entry cannot be freed, and its path to the root is stable as long as one of
 *     its slots cannot be unlinked: whoever holds a leaf table's lock may climb without further locks.
 *
 * Locking: the chain lock, a bit of frame->chain, for the chain of a page; a page's only slot may also go or
 * be replaced by one compare-exchange of slot, length and lock bit. A leaf table's chain (its sharers) is
 * under its own table lock; an upper table's only slot never changes. The entry itself belongs to its
 * table's lock. A walk back takes the two one after the other: it copies a batch of slots under the chain
 * lock and pins their tables, then visits each under its table's lock and checks that the entry still maps
 * the frame.
 */
#include "internal.h"
#include <lib/string.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

void chain_wait(u64 *chain)
{
	do {
		while (READ_ONCE(*chain) & CHAIN_LOCKED)
			hal_cpu_pause();
	} while (__atomic_fetch_or(chain, CHAIN_LOCKED, __ATOMIC_ACQUIRE) & CHAIN_LOCKED);
}

u64 chain_with(u64 chain, struct frame *table, unsigned index)
{
	slot_t slot = slot_make(table, index), head = (slot_t)chain;
	u32 nr = (u32)(chain >> 32);
	DEBUG_ASSERT(table->companion_pfn || !head);
	if (nr) {
		struct links *h = slot_links(head);
		table_links(table)[index].both = head;
		if (nr == 1)
			h->next = 0; /* meant nothing until now */
		h->prev = slot;
	}
	return (nr + 1) * CHAIN_ONE | slot;
}

u64 chain_without(u64 chain, struct frame *table, unsigned index)
{
	slot_t head = (slot_t)chain;
	u32 nr = (u32)(chain >> 32);
	if (likely(nr == 1)) {
		DEBUG_ASSERT(head == slot_make(table, index));
		return 0;
	}
	return (nr - 1) * CHAIN_ONE | links_remove(nr, head, &table_links(table)[index]);
}

u64 chain_moved(u64 chain, struct frame *from, unsigned i, struct frame *to, unsigned j)
{
	slot_t slot = slot_make(to, j);
	u64 nr = chain >> 32;
	return nr * CHAIN_ONE | (nr == 1 ? slot : links_move((slot_t)chain, &table_links(from)[i], &table_links(to)[j], slot));
}

void slot_link(struct frame *f, struct frame *table, unsigned index)
{
	chain_lock(f);
	u64 chain = chain_of(f);
	if (!chain)
		count_first_mapping(f, 1);
	chain_unlock_as(f, chain_with(chain, table, index));
	chain_rank_leave();
}

u32 slot_unlink(struct frame *f, struct frame *table, unsigned index)
{
	chain_lock(f);
	u64 chain = chain_without(chain_of(f), table, index);
	if (!chain)
		count_first_mapping(f, -1);
	chain_unlock_as(f, chain);
	chain_rank_leave();
	return (u32)(chain >> 32);
}

void slot_move(struct frame *f, struct frame *from, unsigned i, struct frame *to, unsigned j)
{
	chain_lock(f);
	chain_unlock_as(f, chain_moved(chain_of(f), from, i, to, j));
	chain_rank_leave();
}

/* The table that a slot names, or NULL when no living table has that number. */
static struct frame *living_table(slot_t slot)
{
	u32 nr = slot & (SLOT_STEP - 1), *chunk = table_chunks[nr >> TABLE_CHUNK_SHIFT];
	u32 pfn = chunk ? chunk[nr & ((1u << TABLE_CHUNK_SHIFT) - 1)] : 0;
	struct frame *t = pfn && pfn < frame_max_pfn() ? pfn_frame(pfn) : NULL;
	return t && t->kind == FRAME_TABLE && t->table_nr == nr ? t : NULL;
}

const char *chain_validate(struct frame *f, slot_t mine)
{
	u32 nr = f->nr_slots, seen = 0;
	slot_t prev = 0;
	bool found = false;
	if (f->slot & CHAIN_LOCKED)
		return "chain: locked";
	for (slot_t s = f->slot; s; seen++) {
		struct frame *t = living_table(s);
		if (!t)
			return "chain: a slot names a table that is gone";
		pte_t e = hal_entry_load(&table_entries(t)[slot_index(s)]);
		if (seen == nr)
			return "chain: longer than its length";
		if (t->table_level != 1 || !pte_is_mapped(e) || pte_is_special(e) || pte_frame(e) != f)
			return "chain: a slot does not map the frame";
		found |= s == mine;
		if (nr == 1)
			return found ? NULL : "chain: an entry's slot is missing";
		if (!t->companion_pfn)
			return "chain: slot without companion";
		if (slot_links(s)->prev != prev)
			return "chain: a slot does not name the one before it";
		prev = s;
		s = slot_links(s)->next;
	}
	if (seen != nr)
		return "chain: shorter than its length";
	return found ? NULL : "chain: an entry's slot is missing";
}

/* Climbs from an upper table's entry to the root: the address that slot (upper, index) stands for. */
static struct space *climb(slot_t slot, uaddr_t *base)
{
	uaddr_t addr = 0;
	for (;;) {
		struct frame *t = slot_table(slot);
		addr += (uaddr_t)slot_index(slot) * TABLE_SPAN(t->table_level - 1);
		if (t->table_level == HAL_LEVELS) {
			*base = addr;
			return t->space;
		}
		slot = t->slot;
	}
}

void table_for_each_space(struct frame *table, bool (*fn)(struct space *, uaddr_t, void *), void *arg)
{
	DEBUG_ASSERT(READ_ONCE(table->table_lock));
	bool is_chained = table->nr_slots > 1;
	for (slot_t s = table->slot; s; s = is_chained ? slot_links(s)->next : 0) {
		uaddr_t base;
		struct space *space = climb(s, &base);
		if (!fn(space, base, arg))
			break;
	}
}

unsigned chain_batch(struct frame *f, u32 skip, struct pinned *out)
{
	unsigned n = 0;
	chain_lock(f);
	bool is_chained = READ_ONCE(f->nr_slots) > 1;
	for (slot_t s = chain_head(f); s && n < WALK_BATCH; s = is_chained ? slot_links(s)->next : 0) {
		if (skip) {
			skip--;
			continue;
		}
		out[n] = (struct pinned){ slot_table(s), slot_index(s) };
		table_get(out[n++].table);
	}
	chain_unlock(f);
	return n;
}

struct visit {
	bool (*fn)(struct space *s, uaddr_t addr, pte_t e, void *arg);
	void *arg;
	uaddr_t offset;
	pte_t entry;
	bool go_on;
};

static bool visit_space(struct space *s, uaddr_t base, void *arg)
{
	struct visit *v = arg;
	return v->go_on = v->fn(s, base + v->offset, v->entry, v->arg);
}

void walk_back(struct frame *f, bool (*fn)(struct space *, uaddr_t, pte_t, void *), void *arg)
{
	struct pinned slots[WALK_BATCH];
	struct visit v = { .fn = fn, .arg = arg, .go_on = true };
	u32 seen = 0;
	for (unsigned n; v.go_on && (n = chain_batch(f, seen, slots)) != 0; seen += n) {
		for (unsigned i = 0; i < n; i++) {
			struct frame *t = slots[i].table;
			unsigned index = slots[i].index;
			table_lock_leaf(t);
			v.entry = hal_entry_load(&table_entries(t)[index]);
			v.offset = (uaddr_t)index << PAGE_SHIFT;
			if (v.go_on && pte_maps(v.entry, f))
				table_for_each_space(t, visit_space, &v);
			table_unlock_leaf(t);
			table_put(t);
		}
	}
}

static bool add_one(struct space *s, uaddr_t base, void *arg)
{
	(void)s;
	(void)base;
	++*(u64 *)arg;
	return true;
}

static bool count_place(struct space *s, uaddr_t addr, pte_t e, void *arg)
{
	(void)e;
	return add_one(s, addr, arg);
}

u64 frame_mapcount(struct frame *f)
{
	u64 n = 0;
	walk_back(f, count_place, &n);
	return n;
}

/* What becomes of an entry, for each space that has its table. */
struct unmap {
	uaddr_t offset;
	int kind; /* enum rss_kind; -1: not counted */
	struct tlb_batch *batch; /* (unmap_owe) owes the flushes */
};

static bool unmap_flush(struct space *s, uaddr_t base, void *arg)
{
	struct unmap *u = arg;
	if (u->kind >= 0)
		__atomic_fetch_sub(&s->rss[u->kind], 1, __ATOMIC_RELAXED);
	hal_tlb_flush(READ_ONCE(s->cpus), s->root_pfn, base + u->offset, base + u->offset + PAGE_SIZE, false);
	return true;
}

static bool unmap_owe(struct space *s, uaddr_t base, void *arg)
{
	struct unmap *u = arg;
	__atomic_fetch_sub(&s->rss[u->kind], 1, __ATOMIC_RELAXED);
	tlb_batch_add(u->batch, s, base + u->offset);
	return true;
}

void table_flush_entry(struct frame *t, unsigned index)
{
	struct unmap u = { .offset = (uaddr_t)index << PAGE_SHIFT, .kind = -1 };
	table_for_each_space(t, unmap_flush, &u);
}

/* As table_remove_entry_locked. With a batch, whose caller holds a reference, the frame is one of the cache. */
static void remove_entry_locked(struct frame *t, unsigned index, struct tlb_batch *b)
{
	pte_t e = hal_entry_exchange(&table_entries(t)[index], pte_none());
	WRITE_ONCE(t->nr_entries, t->nr_entries - 1); /* munmap looks without the lock */
	if (pte_is_special(e)) {
		struct unmap u = { .offset = (uaddr_t)index << PAGE_SHIFT, .kind = pte_is_swap(e) ? RSS_SWAP : -1 };
		table_for_each_space(t, unmap_flush, &u);
		if (pte_is_swap(e)) {
			t->rss[RSS_SWAP]--;
			swapped_unlink(e, t, index);
		}
		return;
	}
	struct frame *f = pte_frame(e);
	struct unmap u = { .offset = (uaddr_t)index << PAGE_SHIFT, .kind = frame_rss_kind(f), .batch = b };
	if (pte_is_dirty(e) && u.kind == RSS_SHMEM)
		frame_set_flags(f, FRAME_DIRTY);
	t->rss[u.kind]--;
	table_for_each_space(t, b ? unmap_owe : unmap_flush, &u);
	slot_unlink(f, t, index);
	if (unlikely(e.bits & PTE_LOCKED))
		lru_unlock(f);
	frame_put_user(f);
}

void table_remove_entry_locked(struct frame *t, unsigned index) { remove_entry_locked(t, index, NULL); }

/* Takes f out of one entry, if it is still there. False: it stays, since its region is locked (with a batch only). */
static bool unmap_slot(struct frame *f, struct frame *t, unsigned index, struct tlb_batch *b)
{
	table_lock_leaf(t);
	pte_t e = hal_entry_load(&table_entries(t)[index]);
	bool is_there = pte_maps(e, f);
	bool is_kept = is_there && b && e.bits & PTE_LOCKED;
	if (is_there && !is_kept)
		remove_entry_locked(t, index, b);
	table_unlock_leaf(t);
	return !is_kept;
}

static bool unmap(struct frame *f, struct tlb_batch *b)
{
	struct pinned slots[WALK_BATCH];
	bool ok = true;
	/* Each round shortens the chain, so it ends. */
	for (unsigned n; ok && (n = chain_batch(f, 0, slots)) != 0;) {
		for (unsigned i = 0; i < n; i++) {
			ok = ok && unmap_slot(f, slots[i].table, slots[i].index, b);
			table_put(slots[i].table);
		}
	}
	return ok;
}

void walk_back_unmap(struct frame *f) { unmap(f, NULL); }

bool walk_back_unmap_unlocked(struct frame *f, struct tlb_batch *b)
{
	tlb_batch_begin(b);
	return unmap(f, b);
}
