/* SPDX-License-Identifier: MIT */
/*
 * Removing: entries, then tables, each freed only after the flush.
 *
 * The order is the same everywhere: clear the entry, note what to flush, flush, then drop references
 * to frames and free tables. A gather collects a batch on the caller's stack, so removing never
 * allocates and cannot fail.
 */
#include "trail.h"
#include <mm/leaf.h>
#include <mm/reclaim.h>
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
	frame_put_many(g->frames, g->nr_frames);
	for (unsigned i = 0; i < g->nr_tables; i++)
		table_free(pfn_frame(g->tables[i]));
	g->nr_frames = g->nr_tables = 0;
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
	if (tlb_flush_is_owed(g->space)) { /* for entries that were found empty */
		g->start = 0;
		g->end = ~0ul;
	}
	gather_flush(g);
#pragma GCC unroll 4
	for (unsigned k = 0; k < RSS_NR; k++)
		if (g->rss[k])
			__atomic_fetch_sub(&g->space->rss[k], g->rss[k], __ATOMIC_RELAXED);
}

/* What a stretch of entries lost. */
struct loss {
	unsigned nr_special, nr_swap, nr_cache, nr_shmem; /* the rest is anonymous */
	unsigned anon_kept, cache_gone;          /* frames that others map still; that nobody maps any more */
};

/* Counts `nr` pages and the other entries out of the table, the space and the system. */
static void count_loss(struct gather *g, struct frame *t, unsigned nr, const struct loss *l)
{
	unsigned nr_anon = nr - l->nr_cache, nr_file = l->nr_cache - l->nr_shmem;
	t->nr_entries -= nr + l->nr_special + l->nr_swap;
	if (unlikely(l->nr_swap)) {
		t->rss[RSS_SWAP] -= l->nr_swap;
		g->rss[RSS_SWAP] += l->nr_swap;
	}
	t->rss[RSS_ANON] -= nr_anon;
	t->rss[RSS_FILE] -= nr_file;
	t->rss[RSS_SHMEM] -= l->nr_shmem;
	g->rss[RSS_ANON] += nr_anon;
	g->rss[RSS_FILE] += nr_file;
	g->rss[RSS_SHMEM] += l->nr_shmem;
	stat_add(STAT_NR_ANON_PAGES, -(s64)(nr_anon - l->anon_kept));
	stat_add(STAT_NR_MAPPED, -(s64)l->cache_gone);
}

/* The first entry in [i, to) that is not empty, or to. Four at a time, and not as atomic loads: the walker sets A
 * and D meanwhile, but never makes an empty entry one that is not. */
static inline __attribute__((no_sanitize("thread"))) unsigned skip_empty(const pte_t *e, unsigned i, unsigned to)
{
	for (; i + 4 <= to && !(e[i].bits | e[i + 1].bits | e[i + 2].bits | e[i + 3].bits); i += 4)
		;
	while (i < to && !e[i].bits)
		i++;
	return i;
}

/* A locked leaf table whose entries, up to `to`, are being emptied. */
struct zap {
	struct frame *table;
	pte_t *entries;
	struct links *links;
	struct frame **out; /* where in the gather the next frame goes: there is room up to `to` */
	unsigned to;
	u64 bits; /* of all entries that were emptied */
	struct loss loss;
};

/* Empties entries from i on as long as they map anonymous pages; returns the first that does not. Most of
 * these pages have one slot. */
static __attribute__((noinline)) unsigned zap_anon(struct zap *z, unsigned i)
{
	pte_t *entries = z->entries;
	struct trail trail = TRAIL_NONE;
	struct frame **out = z->out;
	u64 bits = 0, only = CHAIN_ONE | slot_make(z->table, i);
	for (unsigned to = z->to; i < to; i++, only += SLOT_STEP, trail_go(&trail)) {
		pte_t e = hal_entry_load(&entries[i]);
		struct frame *f = pte_frame(e);
		if (unlikely(pte_is_none(e) || pte_is_special(e) || f->kind != FRAME_ANON))
			break;
		bits |= e.bits;
		hal_entry_exchange(&entries[i], pte_none());
		*out++ = f;
		if (unlikely(!chain_replace_only(f, only, 0)) && !trail_leave(&trail, f, z->links, i, &z->table))
			z->loss.anon_kept++;
	}
	trail_end(&trail);
	z->bits |= bits;
	z->out = out;
	return i;
}

/* The same for pages of files and shmem, which mostly have several slots. with_shmem and with_files: there
 * are such pages in the table. */
static inline __attribute__((always_inline)) unsigned zap_cache(struct zap *z, unsigned i, bool with_shmem, bool with_files)
{
	pte_t *entries = z->entries;
	struct links *links = z->links;
	struct trail trail = TRAIL_NONE;
	struct frame **out = z->out;
	u64 bits = 0, shmem = 0;
	for (unsigned to = z->to; i < to; i++, trail_go(&trail)) {
		pte_t e = hal_entry_load(&entries[i]);
		struct frame *f = pte_frame(e);
		if (unlikely(pte_is_none(e) || pte_is_special(e) || f->kind != FRAME_CACHE))
			break;
		e = hal_entry_exchange(&entries[i], pte_none()); /* the walker may have set D meanwhile */
		bits |= e.bits;
		u64 is_shmem = !with_shmem ? 0 : with_files ? frame_flags(f) & FRAME_SHMEM : FRAME_SHMEM;
		if (with_files)
			shmem += is_shmem;
		if (unlikely(pte_is_dirty(e) && is_shmem)) /* pages of a disk's file were marked when W was given */
			frame_set_flags(f, FRAME_DIRTY);
		*out++ = f;
		if (unlikely(trail_leave(&trail, f, links, i, &z->table)))
			z->loss.cache_gone++;
	}
	trail_end(&trail);
	z->bits |= bits;
	unsigned nr = (unsigned)(out - z->out);
	z->loss.nr_cache += nr;
	z->loss.nr_shmem += with_shmem && with_files ? (unsigned)(shmem / FRAME_SHMEM) : with_shmem ? nr : 0;
	z->out = out;
	return i;
}

static __attribute__((noinline)) unsigned zap_files(struct zap *z, unsigned i) { return zap_cache(z, i, false, true); }
static __attribute__((noinline)) unsigned zap_shmem(struct zap *z, unsigned i) { return zap_cache(z, i, true, false); }
static __attribute__((noinline)) unsigned zap_both(struct zap *z, unsigned i) { return zap_cache(z, i, true, true); }

/* An entry that maps no frame. */
static __attribute__((noinline)) void zap_special(struct zap *z, unsigned i)
{
	pte_t e = hal_entry_exchange(&z->entries[i], pte_none());
	if (!pte_is_swap(e)) {
		z->loss.nr_special++;
		return;
	}
	z->loss.nr_swap++;
	chain_rank_leave();
	swapped_unlink(e, z->table, i);
	chain_rank_enter();
}

/* As zap_entries, of no more entries than the gather has room for. Returns how far it came. */
static unsigned zap_stretch(struct gather *g, struct frame *t, unsigned i, unsigned to)
{
	struct frame **first = g->frames + g->nr_frames;
	struct zap z = { .table = t, .entries = table_entries(t), .links = table_links(t), .out = first, .to = to };
	unsigned (*zap_pages)(struct zap *, unsigned) = !t->rss[RSS_SHMEM] ? zap_files : t->rss[RSS_FILE] ? zap_both : zap_shmem;
	chain_rank_enter();
	while (i < to) {
		pte_t e = hal_entry_load(&z.entries[i]);
		if (pte_is_none(e)) {
			if ((unsigned)(z.out - first) + z.loss.nr_special + z.loss.nr_swap == t->nr_entries)
				break;
			i = skip_empty(z.entries, i + 1, to);
		} else if (pte_is_special(e)) {
			zap_special(&z, i++);
		} else {
			i = pte_frame(e)->kind == FRAME_ANON ? zap_anon(&z, i) : zap_pages(&z, i);
		}
	}
	chain_rank_leave();
	unsigned nr = (unsigned)(z.out - first);
	for (struct frame **f = first; unlikely(z.bits & PTE_LOCKED) && f < z.out; f++)
		lru_unlock(*f);
	g->nr_frames += nr;
	count_loss(g, t, nr, &z.loss);
	return i;
}

/* Empties entries [from, to) of a locked leaf table that is not shared; addr is that of entry `from`. */
static void zap_entries(struct gather *g, struct frame *t, unsigned from, unsigned to, uaddr_t addr)
{
	while (from < to && t->nr_entries) {
		if (unlikely(g->nr_frames == GATHER_FRAMES))
			gather_flush(g);
		unsigned next = zap_stretch(g, t, from, min(to, from + GATHER_FRAMES - g->nr_frames));
		gather_range(g, addr, addr + (next - from) * PAGE_SIZE);
		addr += (next - from) * PAGE_SIZE;
		from = next;
	}
}

/* Takes the space out of a leaf table's sharers; empties and frees the table if it was the last. */
static void drop_leaf(struct gather *g, struct frame *upper, pte_t *upper_entry, uaddr_t base)
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
	bool was_last = table_unlink(t, upper, (unsigned)(upper_entry - table_entries(upper))) == 0;
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
				drop_leaf(g, l.upper, l.upper_entry, base);
			} else {
				ASSERT(l.table->nr_entries == 0); /* else the caller unshared it */
				leaf_unlock(&l);
			}
		}
		a = next;
	}
}

void zap_leaves_whole(struct gather *g)
{
	struct space *s = g->space;
	for (uaddr_t a = 0; (a = leaf_next(s, a, HAL_USER_END)) < HAL_USER_END; a = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN) {
		struct frame *upper = upper_find(s, a);
		drop_leaf(g, upper, &table_entries(upper)[table_index(a, 2)], a & ~(LEAF_SPAN - 1));
	}
}

/* A sharer may be unsharing right now: it counts the sharers under the leaf table's lock, so no slot of
 * one goes without it. */
static u32 leave_table(struct frame *t, struct frame *upper, unsigned index)
{
	if (t->table_level != 1)
		return table_unlink(t, upper, index);
	table_lock_leaf(t);
	u32 left = table_unlink(t, upper, index);
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
		if (leave_table(child, t, i) == 0)
			gather_table(g, child);
		else
			__atomic_fetch_sub(&g->space->nr_tables, 1, __ATOMIC_RELAXED);
	}
}

void prune_tables(struct gather *g, uaddr_t start, uaddr_t end)
{
	prune_below(g, pfn_frame(g->space->root_pfn), 0, start, end);
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

/* A leaf table of the space's own, below entry i of upper. */
static __attribute__((noinline)) void zap_own(struct gather *g, struct frame *upper, struct frame *t, unsigned i)
{
	table_lock_leaf(t);
	zap_entries(g, t, 0, TABLE_ENTRIES, 0);
	table_unlink(t, upper, i);
	table_unlock_leaf(t);
	table_free(t); /* its frames may follow later: no CPU has the root */
}

/* Leaves the chains of nr tables at most, from the first of these entries on, as long as others share them.
 * Returns how many it left. */
static __attribute__((noinline)) unsigned leave_shared(const pte_t *entries, struct links *links, unsigned nr)
{
	unsigned i = 0;
	leaf_rank_enter();
	for (; i < nr; i++) {
		pte_t up = hal_entry_load(&entries[i]);
		struct frame *t = pte_frame(up);
		if (pte_is_none(up) || !pte_table_is_shared(up))
			break;
		table_lock_raw(t);
		u32 sharers = t->nr_slots;
		if (unlikely(sharers == 1)) {
			table_unlock_raw(t);
			break;
		}
		t->slot = links_remove(sharers, t->slot, &links[i]);
		WRITE_ONCE(t->nr_slots, sharers - 1);
		table_unlock_raw(t);
	}
	leaf_rank_leave();
	return i;
}

/* Leaves or frees all leaf tables below upper, which is about to be freed: its entries stay as they are. */
static void zap_leaves(struct gather *g, struct frame *upper)
{
	const pte_t *entries = table_entries(upper);
	struct links *links = table_links(upper);
	for (unsigned i = 0, left = upper->nr_entries; left;) {
		i = next_entry(entries, i);
		ASSERT(i < TABLE_ENTRIES);
		unsigned nr = leave_shared(entries + i, links + i, left);
		if (!nr) {
			zap_own(g, upper, pte_frame(hal_entry_load(&entries[i])), i);
			nr = 1;
		}
		left -= nr;
		i += nr;
	}
}

static void zap_below(struct gather *g, struct frame *t)
{
	pte_t *entries = table_entries(t);
	unsigned limit = t->table_level == HAL_LEVELS ? TABLE_ENTRIES / 2 : TABLE_ENTRIES; /* the upper half is the kernel's */
	for (unsigned i = 0; t->nr_entries; i++) {
		i = next_entry(entries, i);
		ASSERT(i < limit);
		struct frame *child = pte_frame(hal_entry_load(&entries[i]));
		hal_entry_store(&entries[i], pte_none());
		t->nr_entries--;
		if (t->table_level == 3)
			zap_leaves(g, child);
		else
			zap_below(g, child);
		child->nr_entries = 0;
		table_unlink(child, t, i);
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

static bool is_page(pte_t e) { return pte_is_mapped(e) && !pte_is_special(e); }

void zap_range_all_sharers(struct space *s, uaddr_t start, uaddr_t end, bool only_file)
{
	for (uaddr_t a = start; (a = leaf_next(s, a, end)) < end;) {
		uaddr_t next = (a & ~(LEAF_SPAN - 1)) + LEAF_SPAN;
		struct leaf l;
		if (leaf_lock(s, a, &l)) {
			unsigned to = l.index + ((min(end, next) - a) >> PAGE_SHIFT);
			for (unsigned i = l.index; i < to && l.table->nr_entries; i++) {
				pte_t e = hal_entry_load(&table_entries(l.table)[i]);
				if (pte_is_swap(e) ? !only_file : is_page(e) && !(only_file && pte_frame(e)->kind == FRAME_ANON))
					table_remove_entry_locked(l.table, i);
			}
			leaf_unlock(&l);
		}
		a = next;
	}
}
