/* SPDX-License-Identifier: MIT */
/*
 * Page tables: the walk down, the walk back up, shared last-level tables. Used by mm/ only.
 *
 * Nouns: a table is a page-table page (struct frame of kind FRAME_TABLE); level 1 is a leaf table, the
 * levels above are upper tables, level HAL_LEVELS is the root. A slot is one entry of one table. A
 * companion is a page of chain links, one pair for each entry of its table.
 */
#ifndef MM_PAGETABLE_H
#define MM_PAGETABLE_H

#include <hal/mmu.h>
#include <mm/frame.h>
#include <mm/pte.h>
#include <mm/region.h>
#include <mm/stat.h>

#define TABLE_ENTRIES (1u << HAL_INDEX_BITS)
#define TABLE_SPAN(level) (1ul << (PAGE_SHIFT + HAL_INDEX_BITS * (level))) /* bytes a table of this level maps */
#define LEAF_SPAN TABLE_SPAN(1)

static inline unsigned table_index(uaddr_t addr, unsigned level)
{
	return (addr >> (PAGE_SHIFT + HAL_INDEX_BITS * (level - 1))) & (TABLE_ENTRIES - 1);
}
static inline pte_t *table_entries(struct frame *t) { return frame_ptr(t); }
/* pfn_frame(pte_pfn(e)) with one shift less. */
static inline struct frame *pte_frame(pte_t e)
{
	return (struct frame *)((u8 *)hal_frames() + ((e.bits & PTE_PFN) >> (PAGE_SHIFT - FRAME_SHIFT)));
}

/* Does e map f, with a slot? */
static inline bool pte_maps(pte_t e, const struct frame *f) { return pte_is_mapped(e) && !pte_is_special(e) && pte_frame(e) == f; }

/* pte_make(frame_pfn(f), rights); linear in f. */
static inline pte_t pte_make_frame(const struct frame *f, u64 rights)
{
	return (pte_t){ ((u64)f << (PAGE_SHIFT - FRAME_SHIFT)) + (rights - ((u64)hal_frames() << (PAGE_SHIFT - FRAME_SHIFT))) };
}

/* ---- tables (table.c) ---- */

/* A table of the given level, counted in s (VmPTE; the root is not) and NR_PAGE_TABLE, or NULL. Its
 * entries are empty with ALLOC_ZERO in alloc, else for the caller to write. */
struct frame *table_alloc(struct space *s, unsigned level, unsigned alloc);
/* Frees an empty table that no slot leads to any more; a pinned one goes with its last reference. */
void table_free(struct frame *t);
/* A pin: the frame, the number and the companion stay this table's, whatever becomes of its entries. */
static inline void table_get(struct frame *t) { frame_get(t); }
void table_put_last(struct frame *t);
static inline void table_put(struct frame *t)
{
	if (unlikely(__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0))
		table_put_last(t);
}
/* Makes sure t has a companion: 0, or -1 without memory. May sleep; t's lock is not held. */
int table_need_companion(struct frame *t, unsigned alloc);
struct frame *companion_alloc(unsigned alloc);
void companion_attach_locked(struct frame *t, struct frame *companion); /* t's table_lock held, none yet */

/* Table numbers: a two-level map to pfns (table.c). */
#define TABLE_NUMBER_BITS 22 /* 2^22 tables map 8 TiB */
#define TABLE_CHUNK_SHIFT 10 /* numbers per chunk: one page of u32 */
#define TABLE_NR_CHUNKS   (1u << (TABLE_NUMBER_BITS - TABLE_CHUNK_SHIFT))
extern u32 *table_chunks[TABLE_NR_CHUNKS];
static inline struct frame *table_by_number(u32 nr)
{
	return pfn_frame(table_chunks[nr >> TABLE_CHUNK_SHIFT][nr & ((1u << TABLE_CHUNK_SHIFT) - 1)]);
}
void table_init(void);

static inline void table_lock_leaf(struct frame *t) { byte_lock(&t->table_lock, RANK_LEAF_TABLE); }
static inline void table_lock_leaf_nested(struct frame *t) { byte_lock_nested(&t->table_lock, RANK_LEAF_TABLE); }
static inline void table_unlock_leaf(struct frame *t) { byte_unlock(&t->table_lock, RANK_LEAF_TABLE); }
static inline void table_lock_upper(struct frame *t) { byte_lock(&t->table_lock, RANK_UPPER_TABLE); }
static inline void table_lock_upper_nested(struct frame *t) { byte_lock_nested(&t->table_lock, RANK_UPPER_TABLE); }
static inline void table_unlock_upper(struct frame *t) { byte_unlock(&t->table_lock, RANK_UPPER_TABLE); }

/* ---- chains (chain.c) ---- */

#define SLOT_STEP (1u << TABLE_NUMBER_BITS) /* from one entry's slot to the next one's, within a table */

static inline slot_t slot_make(const struct frame *table, unsigned index)
{
	return index << TABLE_NUMBER_BITS | table->table_nr;
}
static inline unsigned slot_index(slot_t s) { return s >> TABLE_NUMBER_BITS; }
static inline struct frame *slot_table(slot_t s) { return table_by_number(s & (SLOT_STEP - 1)); }

/* A frame got its first slot (n = 1) or lost its last (-1). */
static inline void count_first_mapping(const struct frame *f, s64 n)
{
	if (f->kind == FRAME_ANON)
		stat_add(STAT_NR_ANON_PAGES, n);
	else if (f->kind == FRAME_CACHE)
		stat_add(STAT_NR_MAPPED, n);
}

/* Adds slot (table, index) to f's chain. table's lock is held; table has a companion unless the chain
 * is empty and stays the only one. */
void slot_link(struct frame *f, struct frame *table, unsigned index);
/* Removes it; returns how many slots remain. */
u32 slot_unlink(struct frame *f, struct frame *table, unsigned index);
/* Puts slot (to, j) in the place of (from, i). Both tables' locks are held; companions as for slot_link. */
void slot_move(struct frame *f, struct frame *from, unsigned i, struct frame *to, unsigned j);
/* As slot_link for a frame that nobody else can know yet. */
static inline void slot_link_first(struct frame *f, struct frame *table, unsigned index)
{
	f->chain = 1ull << 32 | slot_make(table, index);
	count_first_mapping(f, 1);
}

/* Calls fn for every space that shows the leaf table `table` (each sharer), whose lock is held, with the
 * address its first entry has there: until fn returns false. fn must not sleep. */
void table_for_each_space(struct frame *table, bool (*fn)(struct space *s, uaddr_t base, void *arg), void *arg);

/* How often f is mapped, each sharer of a shared table counted. */
u64 frame_mapcount(struct frame *f);

/* Calls fn(space, address, entry) for every place where f is mapped, under the leaf table's lock. No
 * space lock is needed. Stops when fn returns false. */
void walk_back(struct frame *f, bool (*fn)(struct space *s, uaddr_t addr, pte_t e, void *arg), void *arg);

/* Empties one mapped entry for all sharers of a leaf table whose lock is held: flushes each, unlinks the
 * slot, drops the frame's reference, adjusts counts. */
void table_remove_entry_locked(struct frame *t, unsigned index);

/* Removes f from every table that maps it, in all sharers; flushes; drops the slots' references. */
void walk_back_unmap(struct frame *f);

/* The same for a busy page of the cache that reclaim wants, with the flushes left to the caller: stops at an entry of
 * a locked region. True: nobody maps it now. */
struct tlb_batch;
bool walk_back_unmap_unlocked(struct frame *f, struct tlb_batch *b);

/* Takes W and D from every entry that maps f, in all sharers, and flushes (clean.c). */
void walk_back_clean(struct frame *f);
/* Clears A in every entry that maps f; was it set in one? No flush: a translation that stays in a TLB only
 * hides later uses. */
bool walk_back_test_accessed(struct frame *f);
/* The same, and what else the entries show: USED_* but USED_CALL (mm/policy.h). */
unsigned walk_back_harvest(struct frame *f);

/* ---- pages in swap (swapped.c): e is what the entry says, its table is locked ---- */

/* One more entry names the page: (table, index), which has a companion. */
void swapped_link(pte_t e, struct frame *table, unsigned index);
/* The entry (table, index), emptied already, does not any more. The slot may be free afterwards. */
void swapped_unlink(pte_t e, struct frame *table, unsigned index);
void swapped_move(pte_t e, struct frame *from, unsigned i, struct frame *to, unsigned j);

/* ---- flushes that are owed, so that several pages need one for each space (tlb_batch.c) ---- */

/* What was mapped may be used, and written to, until the flush: the pages stay busy, none may be freed, nor its content
 * be taken for final. */
#define TLB_BATCH_SPACES 8
struct tlb_batch {
	unsigned nr;
	bool is_counted; /* in tlb_nr_owing */
	struct {
		pfn_t root;
		cpumask_t cpus;
		uaddr_t start, end;
	} of[TLB_BATCH_SPACES];
};
/* Nothing is owed. */
static inline void tlb_batch_init(struct tlb_batch *b)
{
	b->nr = 0;
	b->is_counted = false;
}
/* Entries will be changed whose flushes b owes. */
void tlb_batch_count(struct tlb_batch *b);
static inline void tlb_batch_begin(struct tlb_batch *b)
{
	if (!b->is_counted)
		tlb_batch_count(b);
}
/* The entry for addr in s has just been changed by an atomic exchange; its table is locked. */
void tlb_batch_add(struct tlb_batch *b, struct space *s, uaddr_t addr);
void tlb_batch_flush(struct tlb_batch *b);

extern u32 tlb_nr_owing; /* atomic: batches that may owe something */

/* May a space be owed a flush for an entry that was seen without its table's lock? */
static inline bool tlb_some_flush_is_owed(void) { return unlikely(__atomic_load_n(&tlb_nr_owing, __ATOMIC_ACQUIRE)); }
/* May s be owed one for entries that were seen under it? */
static inline bool tlb_flush_is_owed(const struct space *s) { return unlikely(READ_ONCE(s->has_owed_flush)) && tlb_some_flush_is_owed(); }

/* Turns every entry that maps the busy frame f, which is in the swap cache, into one that names its slot, in
 * all sharers; drops the slots' references; FRAME_DIRTY if one of them was written through. The flushes are
 * left to the caller. False: an entry of a locked region stays. */
bool walk_back_swap_out(struct frame *f, struct tlb_batch *b);
/* Makes the entry (table, index) map f again, which is what its swap slot holds, with these bits and for all
 * sharers; takes over a reference. *nr_left: entries that name the slot still. False, and nothing is done: f is
 * busy, and perhaps on its way to another frame. */
bool entry_swap_in(struct frame *table, unsigned index, struct frame *f, u64 bits, u32 *nr_left);
/* Makes every entry that names the slot map f, without access: the next touch gives it its region's rights.
 * f is in the slot's swap cache, up to date and busy. */
void swapped_bring_back(u64 entry, struct frame *f);

/* ---- migrating (migrate.c): the frame is busy, with a reference of the caller's ---- */

/* Turns every entry that maps f, in all sharers, into a migrating one, and flushes. Whoever may map f anew looks at
 * its busy bit first. */
void walk_back_suspend(struct frame *f);
/* Does nobody hold f but its slots, and `others` beside them? While all entries are migrating no new reference
 * comes from them that is used for the content. */
bool frame_is_quiet(struct frame *f, u32 others);
/* Makes every migrating entry of f map `to` as it mapped f; chain and references go over. to == f: as before. */
void walk_back_resume(struct frame *f, struct frame *to);

/* ---- walking down (walk.c); leaf tables and their entries: mm/leaf.h ---- */

/* The level-2 table for addr, existing or made; not locked. NULL: none / no memory. */
struct frame *upper_find(struct space *s, uaddr_t addr);
struct frame *upper_make(struct space *s, uaddr_t addr);

/* Next address >= addr, < end, whose leaf table exists; end if none. Skips empty upper tables. */
uaddr_t leaf_next(struct space *s, uaddr_t addr, uaddr_t end);

/* What a range holds, at a quick look (look.c). Space lock held for writing. */
enum range_look {
	RANGE_EMPTY,  /* no entries, and no empty tables to free */
	RANGE_OWN,    /* below one leaf table, *table, which is the space's own and stays while the lock is held */
	RANGE_UNKNOWN,
};
enum range_look range_look(struct space *s, uaddr_t start, uaddr_t end, struct frame **table);

/* ---- shared tables (share.c) ---- */

/* fork: shares the leaf tables below entries [first, last) of src that are not empty at the same places of
 * dst, which has none there; both uppers have companions; the parent's space lock is held for writing.
 * Adds the tables' counts to rss; returns how many tables they are. */
unsigned leaf_share_stretch(struct frame *src, struct frame *dst, unsigned first, unsigned last, s64 rss[RSS_NR]);
/* Makes the leaf table for addr this space's own. 0 or -ENOMEM; nothing to do is 0. */
int leaf_unshare(struct space *s, uaddr_t addr);
/* Unshares every shared leaf table that overlaps [start, end) and holds entries. 0 or -ENOMEM. */
int range_unshare(struct space *s, uaddr_t start, uaddr_t end);
/* Only those that it does not cover whole. */
int range_unshare_edges(struct space *s, uaddr_t start, uaddr_t end);

/* ---- removing (zap.c) ---- */

#define GATHER_FRAMES 120
struct gather {
	struct space *space;
	uaddr_t start, end;    /* what has to be flushed so far */
	unsigned nr_frames, nr_tables;
	struct frame *frames[GATHER_FRAMES]; /* lose a reference after the flush */
	u32 tables[16];            /* pfns of tables to free after the flush */
	bool flush_tables;
	s64 rss[RSS_NR];       /* to subtract from the space */
};
void gather_begin(struct gather *g, struct space *s);
void gather_flush(struct gather *g);
void gather_end(struct gather *g);

/* Empties [start, end) of the space. Shared tables it covers whole are dropped by their upper entry;
 * partly covered ones must have been unshared before. Empty tables stay. Space lock held (read). */
void zap_range(struct gather *g, uaddr_t start, uaddr_t end);
/* Empties the whole space, each leaf table dropped by its upper entry, shared or not. For one that is about to
 * end: its faults fill tables again. Space lock held (read). */
void zap_leaves_whole(struct gather *g);
/* Frees the tables that are empty, as far as they map part of [start, end). Space lock held (write). */
void prune_tables(struct gather *g, uaddr_t start, uaddr_t end);
/* Empties and frees everything including the root; no CPU has it loaded. */
void zap_all(struct space *s);
/* Empties [start, end), shared tables in place for all sharers: a file lost these pages. only_file:
 * private copies stay. Space lock held (read). */
void zap_range_all_sharers(struct space *s, uaddr_t start, uaddr_t end, bool only_file);

/* ---- changing rights, moving (protect.c, move.c) ---- */

/* Gives mapped entries of [start, end) the rights of a region with `flags` (REGION_*); W only where
 * no fault has to see the first write. Tables are unshared already. */
void protect_range(struct space *s, uaddr_t start, uaddr_t end, u32 flags);
/* The same for a range that range_look found below one leaf table. */
void protect_leaf(struct space *s, struct frame *table, uaddr_t start, uaddr_t end, u32 flags);

/* Marks the mapped entries of [start, end) as locked in memory, or not. Tables are the space's own; shared ones, which
 * hold no locked entries, are passed by. */
void lock_entries(struct space *s, uaddr_t start, uaddr_t end, bool is_locked);

/* Reserves all tables that move_range will need. 0 or -ENOMEM. */
int move_reserve(struct space *s, uaddr_t from, uaddr_t to, u64 len);
/* Moves all entries of [from, from+len) to the empty range at `to`. Cannot fail. True: tables that held them may be empty. */
bool move_range(struct space *s, uaddr_t from, uaddr_t to, u64 len);

/* PTE bits for a region's flags, W included when writable. */
static inline u64 rights_of(u32 region_flags, bool writable)
{
	u64 locked = region_flags & REGION_LOCKED ? PTE_LOCKED : 0;
	if (!(region_flags & (REGION_READ | REGION_WRITE | REGION_EXEC)))
		return PTE_NOACCESS | PTE_USER | PTE_NX | locked;
	return PTE_PRESENT | PTE_USER | locked | (region_flags & REGION_EXEC ? 0 : PTE_NX) | (writable ? PTE_WRITE : 0);
}

/* NULL or what is broken in s's tables; adds up what the space's counts must be. */
const char *pagetable_validate(struct space *s);

static inline enum rss_kind frame_rss_kind(const struct frame *f)
{
	return f->kind == FRAME_ANON ? RSS_ANON : frame_flags(f) & FRAME_SHMEM ? RSS_SHMEM : RSS_FILE;
}

#endif
