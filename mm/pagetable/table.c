/* SPDX-License-Identifier: MIT */
/*
 * Page-table pages: their life, their numbers, their companions.
 *
 * A table has a number, so that a slot (table, index) fits 32 bits. Numbers are dense: a two-level map
 * leads from the number to the frame; free numbers are chained through the map itself. Number 0 is
 * never given out (slot 0 is "none").
 *
 * A companion holds, for each of a table's 512 entries, the next and the previous slot in the chain of
 * the frame that the entry maps. A table gets one with its first file or shmem page, or when it or
 * what it maps is shared for the first time; until then each of its frames has exactly one slot, whose
 * links mean nothing: so a companion need not be cleared, whenever it joins its table.
 *
 * A reference to a table pins it: its number and its companion go with the frame, when the last one is
 * dropped, which may be later than the table is emptied and unlinked.
 *
 * I1  kind == FRAME_TABLE  <=>  table_by_number(table_nr) == the frame
 * I2  nr_entries counts the entries that are not empty
 */
#include <lib/string.h>
#include <mm/host.h>
#include <mm/pagetable.h>
#include <mm/stat.h>

#define CHUNK_SHIFT   TABLE_CHUNK_SHIFT
#define CHUNK_ENTRIES (1u << CHUNK_SHIFT)
#define NR_CHUNKS     TABLE_NR_CHUNKS
#define NUMBER_FREE   (1u << 31) /* entry is a link of the free list, else a pfn */

static struct {
	struct spinlock lock; /* RANK_BUDDY - 1: taken under table locks, allocates nothing */
	u32 nr_chunks;
	u32 first_free; /* 0 = none */
} numbers;

u32 *table_chunks[NR_CHUNKS];

void table_init(void)
{
	memset(table_chunks, 0, sizeof(table_chunks));
	memset(&numbers, 0, sizeof(numbers)); /* a host process boots several machines */
	spin_lock_init(&numbers.lock, RANK_SLAB);
}

/* Adds a chunk of free numbers. The page is allocated without the lock: a race only adds two. */
static int numbers_grow(unsigned alloc)
{
	struct frame *f = frame_alloc(0, alloc, FRAME_KERNEL);
	if (!f)
		return -1;
	u32 *chunk = frame_ptr(f);
	spin_lock(&numbers.lock);
	if (unlikely(numbers.nr_chunks == NR_CHUNKS)) {
		spin_unlock(&numbers.lock);
		frame_free(f, 0);
		return -1;
	}
	u32 base = numbers.nr_chunks << CHUNK_SHIFT;
	table_chunks[numbers.nr_chunks++] = chunk;
	for (u32 i = 0; i < CHUNK_ENTRIES; i++) {
		chunk[i] = numbers.first_free | NUMBER_FREE;
		if (base + i != 0)
			numbers.first_free = base + i;
	}
	spin_unlock(&numbers.lock);
	return 0;
}

static u32 number_alloc(pfn_t pfn, unsigned alloc)
{
	for (;;) {
		spin_lock(&numbers.lock);
		u32 nr = numbers.first_free;
		if (likely(nr)) {
			u32 *entry = &table_chunks[nr >> CHUNK_SHIFT][nr & (CHUNK_ENTRIES - 1)];
			numbers.first_free = *entry & ~NUMBER_FREE;
			*entry = (u32)pfn;
			spin_unlock(&numbers.lock);
			return nr;
		}
		spin_unlock(&numbers.lock);
		if (numbers_grow(alloc))
			return 0;
	}
}

static void number_free(u32 nr)
{
	spin_lock(&numbers.lock);
	table_chunks[nr >> CHUNK_SHIFT][nr & (CHUNK_ENTRIES - 1)] = numbers.first_free | NUMBER_FREE;
	numbers.first_free = nr;
	spin_unlock(&numbers.lock);
}

struct frame *table_alloc(struct space *s, unsigned level, unsigned alloc)
{
	struct frame *t = frame_alloc(0, alloc | ALLOC_ACCOUNT, FRAME_TABLE);
	if (!t)
		return NULL;
	u32 nr = number_alloc(frame_pfn(t), alloc & ~ALLOC_ZERO);
	if (!nr) {
		frame_free(t, 0);
		return NULL;
	}
	t->table_nr = nr;
	t->companion_pfn = 0;
	t->table_level = level;
	t->owner = t->group; /* in the same place as: */
	t->nr_entries = 0;
	t->rss_all = 0;
	t->space = NULL;
	stat_add(STAT_NR_PAGE_TABLE, 1);
	if (level < HAL_LEVELS)
		__atomic_fetch_add(&s->nr_tables, 1, __ATOMIC_RELAXED);
	return t;
}

void table_free(struct frame *t)
{
	DEBUG_ASSERT(READ_ONCE(t->kind) == FRAME_TABLE && t->nr_entries == 0 && t->slot == 0);
	table_put(t);
}

void table_put_last(struct frame *t)
{
	if (t->companion_pfn)
		frame_free(pfn_frame(t->companion_pfn), 0);
	t->companion_pfn = 0;
	number_free(t->table_nr);
	stat_add(STAT_NR_PAGE_TABLE, -1);
	t->group = (u16)t->owner;
	frame_free(t, 0);
}

struct frame *companion_alloc(unsigned alloc)
{
	return frame_alloc(0, (alloc & ~ALLOC_ZERO) | ALLOC_ACCOUNT, FRAME_COMPANION);
}

void companion_attach_locked(struct frame *t, struct frame *companion)
{
	__atomic_store_n(&t->companion_pfn, (u32)frame_pfn(companion), __ATOMIC_RELEASE);
}

int table_need_companion(struct frame *t, unsigned alloc)
{
	if (READ_ONCE(t->companion_pfn))
		return 0;
	struct frame *c = companion_alloc(alloc);
	if (!c)
		return -1;
	u32 none = 0;
	if (!__atomic_compare_exchange_n(&t->companion_pfn, &none, (u32)frame_pfn(c), false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_RELAXED))
		frame_free(c, 0); /* somebody else was first */
	return 0;
}
