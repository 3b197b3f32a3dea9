/* SPDX-License-Identifier: MIT */
/*
 * One entry of a leaf table: locked, looked at, filled. What every page fault does is inline, so that the path from a
 * trap to a mapped page is one function.
 */
#ifndef MM_LEAF_H
#define MM_LEAF_H

#include <mm/pagetable.h>
#include <mm/space.h>

/* A locked leaf table and the entry in it. */
struct leaf {
	struct frame *upper;  /* the level-2 table */
	pte_t *upper_entry;   /* in it, the one that leads to `table` */
	struct frame *table;
	pte_t *entry;
	unsigned index;
	bool is_shared;       /* upper_entry has W off */
};

/* How many places name the page in swap that the locked leaf l names by e, each sharer of a shared table counted; of
 * very many roughly. Unlocks l. */
u64 swapped_sharers(pte_t e, struct leaf *l);

/* Finds and locks the leaf table for addr as it is. False: there is none. Space lock held (read). */
bool leaf_lock(struct space *s, uaddr_t addr, struct leaf *l);
/* Finds or makes it, unshared, and locks it. 0 or -ENOMEM. Space lock held (read); may sleep. */
int leaf_lock_exclusive(struct space *s, uaddr_t addr, struct leaf *l);
static inline void leaf_unlock(struct leaf *l) { table_unlock_leaf(l->table); }

/* The usual case of leaf_lock_exclusive: every table is there and the last is the space's own. False: it is not. */
static inline __attribute__((always_inline)) bool leaf_lock_fast(struct space *s, uaddr_t addr, struct leaf *l)
{
	pte_t *entry = hal_frame_ptr(s->root_pfn);
	pte_t e;
	for (unsigned level = HAL_LEVELS; level > 2; level--) {
		e = hal_entry_load(&entry[table_index(addr, level)]);
		if (unlikely(pte_is_none(e)))
			return false;
		entry = hal_frame_ptr(pte_pfn(e));
	}
	entry += table_index(addr, 2);
	pte_t up = hal_entry_load(entry);
	if (unlikely(!pte_is_writable(up)))
		return false;
	struct frame *t = pte_frame(up);
	table_lock_leaf(t);
	pte_t again = hal_entry_load(entry);
	if (unlikely((again.bits ^ up.bits) & ~PTE_ACCESSED)) {
		table_unlock_leaf(t);
		return false;
	}
	l->upper = pte_frame(e);
	l->upper_entry = entry;
	l->table = t;
	l->index = table_index(addr, 1);
	l->entry = (pte_t *)hal_frame_ptr(pte_pfn(up)) + l->index;
	l->is_shared = false;
	return true;
}

/* Sets an empty entry to map f (a reference is taken over), links the slot, counts kind in the table
 * and the space. The leaf is exclusive and locked; companion rules as slot_link. */
void leaf_map(struct space *s, struct leaf *l, struct frame *f, u64 bits, enum rss_kind kind);
/* The same for a frame that nobody else can know yet. */
static inline void leaf_map_first(struct space *s, struct leaf *l, struct frame *f, u64 bits, enum rss_kind kind)
{
	DEBUG_ASSERT(!l->is_shared && pte_is_none(hal_entry_load(l->entry)));
	slot_link_first(f, l->table, l->index);
	l->table->nr_entries++;
	l->table->rss[kind]++;
	__atomic_fetch_add(&s->rss[kind], 1, __ATOMIC_RELAXED);
	hal_entry_store(l->entry, pte_make_frame(f, bits));
}

/* May a page of a file be mapped without being asked for? The trigger of read-ahead may not. */
static inline bool frame_is_ready(const struct frame *f)
{
	return (frame_flags(f) & (FRAME_UPTODATE | FRAME_BUSY | FRAME_READAHEAD)) == FRAME_UPTODATE;
}
/* Maps those of nr neighbouring pages of one file that are there and ready, and whose entries, from `index`
 * on, are empty; takes references and counts them (around.c). The leaf is exclusive and locked and has a
 * companion; the pages cannot leave the file meanwhile. */
void leaf_map_around(struct space *s, struct leaf *l, unsigned index, struct frame *const *pages, unsigned nr, u64 bits,
                     enum rss_kind kind);
/* The same for a special entry. */
void leaf_map_special(struct leaf *l, pfn_t pfn, u64 bits);

#endif
