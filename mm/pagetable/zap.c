/* SPDX-License-Identifier: MIT */
/*
 * Removing: entries, then tables, each freed only after the flush.
 *
 * The order is the same everywhere: clear the entry, note what to flush, flush, then drop references
 * to frames and free tables. A gather collects a batch on the caller's stack, so removing never
 * allocates and cannot fail.
 */
#include <mm/pagetable.h>
#include <mm/stat.h>

void gather_begin(struct gather *g, struct space *s)
{
	g->space = s;
	g->start = ~0ul;
	g->end = 0;
	g->nr_frames = g->nr_tables = 0;
	g->flush_tables = false;
	for (unsigned k = 0; k < RSS_NR; k++)
		g->rss[k] = 0;
}

void gather_flush(struct gather *g)
{
	cpumask_t cpus = READ_ONCE(g->space->cpus);
	if (cpus && (g->start < g->end || g->flush_tables))
		hal_tlb_flush(cpus, g->space->root_pfn, g->start, g->end, g->flush_tables);
	g->start = ~0ul;
	g->end = 0;
	g->flush_tables = false;
	for (unsigned i = 0; i < g->nr_frames; i++)
		frame_put(pfn_frame(g->frames[i]));
	for (unsigned i = 0; i < g->nr_tables; i++)
		table_free(pfn_frame(g->tables[i]));
	g->nr_frames = g->nr_tables = 0;
}

static void gather_frame(struct gather *g, struct frame *f)
{
	if (unlikely(g->nr_frames == GATHER_FRAMES))
		gather_flush(g);
	g->frames[g->nr_frames++] = (u32)frame_pfn(f);
}

/* An empty table that nothing leads to any more. */
static void gather_table(struct gather *g, struct frame *t)
{
	if (unlikely(g->nr_tables == ARRAY_SIZE(g->tables)))
		gather_flush(g);
	g->tables[g->nr_tables++] = (u32)frame_pfn(t);
	g->flush_tables = true;
	__atomic_fetch_sub(&g->space->nr_tables, 1, __ATOMIC_RELAXED);
}

static void gather_range(struct gather *g, uaddr_t start, uaddr_t end)
{
	g->start = min(g->start, start);
	g->end = max(g->end, end);
}

void gather_end(struct gather *g)
{
	gather_flush(g);
	for (unsigned k = 0; k < RSS_NR; k++)
		if (g->rss[k])
			__atomic_fetch_sub(&g->space->rss[k], g->rss[k], __ATOMIC_RELAXED);
}

/* Empties entries [from, to) of a locked leaf table that is not shared; addr is that of entry `from`. */
static void zap_entries(struct gather *g, struct frame *t, unsigned from, unsigned to, uaddr_t addr)
{
	pte_t *entries = table_entries(t);
	for (unsigned i = from; i < to && t->nr_entries; i++, addr += PAGE_SIZE) {
		pte_t e = hal_entry_load(&entries[i]);
		if (pte_is_none(e))
			continue;
		/* An exchange: the walker may set D between a load and a store. */
		e = hal_entry_exchange(&entries[i], pte_none());
		t->nr_entries--;
		gather_range(g, addr, addr + PAGE_SIZE);
		if (pte_is_special(e))
			continue;
		struct frame *f = pte_frame(e);
		enum rss_kind kind = frame_rss_kind(f);
		if (kind == RSS_SHMEM && pte_is_dirty(e)) /* pages of a disk's file were marked when W was given */
			frame_set_flags(f, FRAME_DIRTY);
		t->rss[kind]--;
		g->rss[kind]++;
		slot_unlink(f, t, i);
		gather_frame(g, f);
	}
}

/* Takes the space out of a shared table's sharers; empties and frees the table if it was the last. */
static void drop_shared(struct gather *g, struct frame *upper, pte_t *upper_entry, uaddr_t base)
{
	table_lock_upper(upper);
	pte_t up = hal_entry_load(upper_entry);
	if (pte_is_none(up)) {
		table_unlock_upper(upper);
		return;
	}
	struct frame *t = pte_frame(up);
	table_lock_leaf(t);
	hal_entry_exchange(upper_entry, pte_none()); /* a full barrier before s->cpus is read */
	upper->nr_entries--;
	gather_range(g, base, base + LEAF_SPAN);
	g->flush_tables = true;
	gather_flush(g); /* before the remaining sharer may find itself alone */
	for (unsigned k = 0; k < RSS_NR; k++)
		g->rss[k] += t->rss[k];
	bool was_last = slot_unlink(t, upper, (unsigned)(upper_entry - table_entries(upper))) == 0;
	if (was_last) {
		for (unsigned k = 0; k < RSS_NR; k++)
			g->rss[k] -= t->rss[k]; /* zap_entries counts them */
		zap_entries(g, t, 0, TABLE_ENTRIES, base);
	}
	table_unlock_leaf(t);
	table_unlock_upper(upper);
	if (was_last)
		gather_table(g, t);
	else
		__atomic_fetch_sub(&g->space->nr_tables, 1, __ATOMIC_RELAXED);
}

void zap_range(struct gather *g, uaddr_t start, uaddr_t end)
{
	for (uaddr_t a = start; (a = leaf_next(g->space, a, end)) < end;) {
		uaddr_t base = a & ~(LEAF_SPAN - 1), next = base + LEAF_SPAN;
		uaddr_t from = max(a, start), to = min(end, next);
		struct leaf l;
		if (leaf_lock(g->space, from, &l)) {
			if (!l.is_shared) {
				zap_entries(g, l.table, l.index, l.index + ((to - from) >> PAGE_SHIFT), from);
				leaf_unlock(&l);
			} else if (from == base && to == next) {
				leaf_unlock(&l);
				drop_shared(g, l.upper, l.upper_entry, base);
			} else {
				ASSERT(l.table->nr_entries == 0); /* else the caller unshared it */
				leaf_unlock(&l);
			}
		}
		a = next;
	}
}

/* A sharer may be unsharing right now: it counts the sharers under the leaf table's lock, so no slot of
 * one goes without it. */
static u32 unlink_table(struct frame *t, struct frame *upper, unsigned index)
{
	if (t->table_level != 1)
		return slot_unlink(t, upper, index);
	table_lock_leaf(t);
	u32 left = slot_unlink(t, upper, index);
	table_unlock_leaf(t);
	return left;
}

/* Frees empty tables below entries [start, end) of t, a table whose first entry maps `base`. */
static void prune_below(struct gather *g, struct frame *t, uaddr_t base, uaddr_t start, uaddr_t end)
{
	unsigned level = t->table_level;
	u64 span = TABLE_SPAN(level - 1);
	uaddr_t last = min(end, base + TABLE_SPAN(level)) - 1;
	for (unsigned i = table_index(max(start, base), level); i <= table_index(last, level); i++) {
		pte_t *entry = &table_entries(t)[i];
		pte_t e = hal_entry_load(entry);
		if (pte_is_none(e))
			continue;
		struct frame *child = pte_frame(e);
		if (level > 2)
			prune_below(g, child, base + i * span, start, end);
		if (READ_ONCE(child->nr_entries))
			continue;
		table_lock_upper(t);
		hal_entry_store(entry, pte_none());
		t->nr_entries--;
		table_unlock_upper(t);
		if (child->nr_slots > 1) { /* shared and empty: the flush comes first here too */
			gather_range(g, base + i * span, base + (i + 1) * span);
			g->flush_tables = true;
			gather_flush(g);
		}
		if (unlink_table(child, t, i) == 0)
			gather_table(g, child);
		else
			__atomic_fetch_sub(&g->space->nr_tables, 1, __ATOMIC_RELAXED);
	}
}

void prune_tables(struct gather *g, uaddr_t start, uaddr_t end)
{
	prune_below(g, pfn_frame(g->space->root_pfn), 0, start, end);
}

static void zap_leaf(struct gather *g, struct frame *upper, unsigned i, pte_t up)
{
	struct frame *t = pte_frame(up);
	bool is_shared = pte_table_is_shared(up);
	if (is_shared && unlink_table(t, upper, i) != 0)
		return;
	table_lock_leaf(t);
	zap_entries(g, t, 0, TABLE_ENTRIES, 0);
	table_unlock_leaf(t);
	if (!is_shared)
		slot_unlink(t, upper, i);
	gather_flush(g); /* no CPU has the root: frees at once */
	table_free(t);
}

/* The first entry at or after i that is not empty; there is one. Most are empty: four at a time. */
static inline unsigned next_entry(const pte_t *e, unsigned i)
{
	for (;; i++) {
		if (i % 4 == 0)
			while (!(e[i].bits | e[i + 1].bits | e[i + 2].bits | e[i + 3].bits))
				i += 4;
		if (e[i].bits)
			return i;
	}
}

static void zap_below(struct gather *g, struct frame *t)
{
	pte_t *entries = table_entries(t);
	for (unsigned i = 0; t->nr_entries; i++) {
		i = next_entry(entries, i);
		ASSERT(i < (t->table_level == HAL_LEVELS ? TABLE_ENTRIES / 2 : TABLE_ENTRIES)); /* the upper half is the kernel's */
		pte_t e = hal_entry_load(&entries[i]);
		hal_entry_store(&entries[i], pte_none());
		t->nr_entries--;
		if (t->table_level == 2) {
			zap_leaf(g, t, i, e);
			continue;
		}
		struct frame *child = pte_frame(e);
		zap_below(g, child);
		slot_unlink(child, t, i);
		table_free(child);
	}
}

void zap_all(struct space *s)
{
	struct gather g;
	ASSERT(READ_ONCE(s->cpus) == 0);
	gather_begin(&g, s);
	zap_below(&g, pfn_frame(s->root_pfn));
	gather_flush(&g);
	for (unsigned k = 0; k < RSS_NR; k++)
		s->rss[k] = 0;
	s->nr_tables = 0;
}

void zap_range_all_sharers(struct space *s, uaddr_t start, uaddr_t end, bool only_file)
{
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			unsigned to = l.index + ((min(end, next) - a) >> PAGE_SHIFT);
			for (unsigned i = l.index; i < to && l.table->nr_entries; i++) {
				pte_t e = hal_entry_load(&table_entries(l.table)[i]);
				if (!pte_is_mapped(e) || pte_is_special(e) || (only_file && pte_frame(e)->kind == FRAME_ANON))
					continue;
				table_remove_entry_locked(l.table, i);
			}
			leaf_unlock(&l);
		}
		a = next;
	}
}
