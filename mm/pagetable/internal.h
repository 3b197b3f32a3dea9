/* SPDX-License-Identifier: MIT */
/* Chains and their links as the files of mm/pagetable/ see them; the theory is in chain.c. */
#ifndef MM_PAGETABLE_INTERNAL_H
#define MM_PAGETABLE_INTERNAL_H

#include <mm/pagetable.h>

struct links {
	union {
		struct {
			slot_t next, prev;
		};
		u64 both; /* next | prev << 32 */
	};
};

static inline struct links *table_links(struct frame *t)
{
	return hal_frame_ptr(t->companion_pfn);
}

static inline struct links *slot_links(slot_t s)
{
	return &table_links(slot_table(s))[slot_index(s)];
}

/* No CPU uses an old translation of the entry any more, whichever space it is loaded for. t is locked (chain.c). */
void table_flush_entry(struct frame *t, unsigned index);

/* ---- the lock of a frame's chain: a bit of its first slot ---- */

#define CHAIN_LOCKED (1ull << 31) /* in frame->chain, of the first slot */
#define CHAIN_ONE    (1ull << 32) /* in frame->chain: one slot */

void chain_wait(u64 *chain);

/* The check of ranks, once for a stretch of pages whose chains are locked one after the other. */
static inline void chain_rank_enter(void)
{
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(RANK_FRAME_CHAIN, false);
}
static inline void chain_rank_leave(void)
{
	if (unlikely(hal_debug_checks))
		lock_rank_release(RANK_FRAME_CHAIN);
}

/* Between chain_rank_enter and chain_rank_leave. */
static inline void chain_lock_raw(struct frame *f)
{
	hal_switch_point();
	if (unlikely(__atomic_fetch_or(&f->chain, CHAIN_LOCKED, __ATOMIC_ACQUIRE) & CHAIN_LOCKED))
		chain_wait(&f->chain);
}
/* Gives the locked chain a new head and length and unlocks it. */
static inline void chain_unlock_as(struct frame *f, u64 chain)
{
	__atomic_store_n(&f->chain, chain, __ATOMIC_RELEASE);
	hal_switch_point();
}

static inline void chain_lock(struct frame *f)
{
	chain_rank_enter();
	chain_lock_raw(f);
}
/* Head and length of a locked chain. */
static inline u64 chain_of(struct frame *f) { return READ_ONCE(f->chain) & ~CHAIN_LOCKED; }
static inline slot_t chain_head(struct frame *f) { return (slot_t)chain_of(f); }
static inline void chain_unlock(struct frame *f)
{
	chain_unlock_as(f, chain_of(f));
	chain_rank_leave();
}

/* A chain of one: CHAIN_ONE | slot. Puts it in place of another, or takes it away (now = 0), without the
 * lock. False: the chain is longer, or locked. The tables' locks are held. */
static inline bool chain_replace_only(struct frame *f, u64 was, u64 now)
{
	hal_switch_point();
	return __atomic_compare_exchange_n(&f->chain, &was, now, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* What a chain (head and length, unlocked form) becomes when slot (table, index) joins or leaves it; links as
 * for slot_link. The chain is locked. */
u64 chain_with(u64 chain, struct frame *table, unsigned index);
u64 chain_without(u64 chain, struct frame *table, unsigned index);
/* The same when slot (to, j) takes the place of (from, i). */
u64 chain_moved(u64 chain, struct frame *from, unsigned i, struct frame *to, unsigned j);

/* NULL or what is broken in the chain of the page in swap that e names and slot `mine` holds. */
const char *swapped_validate(pte_t e, slot_t mine);

/* NULL or what is broken in the chain of a page that slot `mine` maps; nobody changes it meanwhile. */
const char *chain_validate(struct frame *f, slot_t mine);

/* ---- links ---- */

/* Links l, of `slot`, behind k, of `known`, in a chain of several. */
static inline void links_insert_behind(struct links *k, slot_t known, struct links *l, slot_t slot)
{
	*l = (struct links){ .next = k->next, .prev = known };
	if (k->next)
		slot_links(k->next)->prev = slot;
	k->next = slot;
}

/* Links l behind k, which makes a chain of `nr` + 1. */
static inline void links_add(u32 nr, struct links *k, slot_t known, struct links *l, slot_t slot)
{
	if (likely(nr == 1)) {
		k->both = slot;
		l->both = (u64)known << 32;
	} else {
		links_insert_behind(k, known, l, slot);
	}
}

/* Takes l out of a chain of `nr` >= 2 slots beginning with head. Returns the head from then on. */
static inline slot_t links_remove(u32 nr, slot_t head, struct links *l)
{
	if (likely(nr == 2)) /* whoever stays is alone: its links mean nothing any more */
		return l->next | l->prev;
	if (l->next)
		slot_links(l->next)->prev = l->prev;
	if (!l->prev)
		return l->next;
	slot_links(l->prev)->next = l->next;
	return head;
}

/* Puts `slot`, of links `to`, in the place of the one of links `from` in a chain of several. Returns the head. */
static inline slot_t links_move(slot_t head, const struct links *from, struct links *to, slot_t slot)
{
	*to = *from;
	if (to->next)
		slot_links(to->next)->prev = slot;
	if (!to->prev)
		return slot;
	slot_links(to->prev)->next = slot;
	return head;
}

/* ---- the chain of a leaf table, its sharers: under its table_lock ---- */

static inline void leaf_rank_enter(void)
{
	if (unlikely(hal_debug_checks))
		lock_rank_acquire(RANK_LEAF_TABLE, false);
}
static inline void leaf_rank_leave(void)
{
	if (unlikely(hal_debug_checks))
		lock_rank_release(RANK_LEAF_TABLE);
}
/* Between leaf_rank_enter and leaf_rank_leave. */
static inline void table_lock_raw(struct frame *t)
{
	hal_switch_point();
	if (unlikely(__atomic_exchange_n(&t->table_lock, 1, __ATOMIC_ACQUIRE)))
		spin_wait(&t->table_lock);
}
static inline void table_unlock_raw(struct frame *t)
{
	__atomic_store_n(&t->table_lock, 0, __ATOMIC_RELEASE);
	hal_switch_point();
}

/* The first slot of a table that nobody else knows yet. */
static inline void table_link_first(struct frame *t, struct frame *upper, unsigned index)
{
	t->slot = slot_make(upper, index);
	WRITE_ONCE(t->nr_slots, 1);
}

/* Takes slot (upper, index) out of t's chain, t locked if it is a leaf table. Returns how many remain. */
static inline u32 table_unlink(struct frame *t, struct frame *upper, unsigned index)
{
	u32 nr = t->nr_slots;
	t->slot = nr == 1 ? 0 : links_remove(nr, t->slot, &table_links(upper)[index]);
	WRITE_ONCE(t->nr_slots, nr - 1);
	return nr - 1;
}

#define WALK_BATCH 32

/* A slot whose table is pinned. */
struct pinned {
	struct frame *table;
	unsigned index;
};

/* What to do with an entry of the locked table t, which maps the frame that is visited; returns bits, of which
 * these say that it was changed, and (slots_visit) that a slot had gone elsewhere. The others are USED_*. */
typedef unsigned (*entry_fn)(struct frame *t, unsigned index, pte_t e);
#define VISIT_CHANGED (1u << 30)
#define VISIT_LOST    (1u << 31)

/* Visits every slot of f that is not linked meanwhile; returns all bits together (clean.c). */
unsigned slots_visit(struct frame *f, entry_fn fn);
/* The same until each is changed, those included that are copies of others. */
void slots_change(struct frame *f, entry_fn fn);

/* Copies up to WALK_BATCH slots of f's chain, after skipping `skip`, and pins their tables. */
unsigned chain_batch(struct frame *f, u32 skip, struct pinned *out);

#endif
