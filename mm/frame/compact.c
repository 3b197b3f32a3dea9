/* SPDX-License-Identifier: MIT */
/*
 * Compaction. Two scanners walk through a node page block by page block: one upwards, which finds pages that can be
 * moved, one downwards, which finds free frames for them. Where they meet everything movable lies above and
 * what is free below, as far as nothing that cannot move stands in between.
 *
 *   |MM.M.MM.|..M.U.M.|MMM..M..|M..MMM.M|      M movable, U unmovable, . free
 *    migrate scanner ->        <- free scanner
 *   |........|....U...|..MMMMMM|MMMMMMMM|
 *
 * The migrate scanner looks at every page block that is not wholly free; pages are found by the replacement lists
 * (lru_get), so that only one that somebody owns is touched. The free scanner takes from movable page blocks only, and
 * none that is wholly free. Frames that were emptied go to the buddy lists at once, not to this CPU's stack.
 * Nothing is allocated and nothing waited for: pages that are in use just now stay. Three occasions: an allocation
 * that may wait (compact_for), the background (kcompactd.c), and whoever writes compact_memory.
 * Source: Gorman, "Memory compaction" (LWN 368869, 2010).
 */
#include "internal.h"
#include <hal/time.h>
#include <mm/compact.h>
#include <mm/host.h>
#include <mm/migrate.h>
#include <mm/oom.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/trace.h>

#define WHOLE (FRAME_MAX_ORDER + 1)
#define BATCH 32u /* free frames to find at once, at least */

u32 compact_extfrag_threshold = 500;
u32 compact_unevictable_allowed = 1;

struct scan {
	struct node *node;
	pfn_t migrate, free; /* page blocks where the scanners are; the free one is at or above the other */
	pfn_t free_at;       /* in its page block: all below has been looked at */
	bool is_worker;
	struct frame *frames; /* free ones found, chained by next_free */
};

static pfn_t block_of(pfn_t pfn) { return pfn & ~(FRAME_BLOCK_PAGES - 1); }

/* Is the page block part of one free block? Without the node's lock a guess. */
static bool is_wholly_free(const struct node *n, pfn_t block)
{
	for (unsigned o = FRAME_BLOCK_ORDER; o <= FRAME_MAX_ORDER; o++) {
		pfn_t head = block & ~((1ul << o) - 1);
		if (head >= n->start && READ_ONCE(pfn_frame(head)->kind) == FRAME_FREE && READ_ONCE(pfn_frame(head)->order) >= o)
			return true;
	}
	return false;
}

/* ---- free frames ---- */

static void keep_frame(struct scan *s, struct frame *f)
{
	WRITE_ONCE(f->kind, FRAME_PCP);
	f->next_free = s->frames;
	s->frames = f;
}

/* Takes the free block f out. */
static u64 take_block(struct scan *s, struct frame *f)
{
	unsigned order = f->order;
	buddy_remove(s->node, f, order);
	WRITE_ONCE(s->node->free_pages, s->node->free_pages - (1ul << order));
	for (u64 i = 1ul << order; i-- > 0;)
		keep_frame(s, &f[i]);
	return 1ul << order;
}

/* Takes free frames out of the rest of the scanner's page block, until there are BATCH of them; returns how many. */
static u64 take_free(struct scan *s)
{
	struct node *n = s->node;
	pfn_t pfn = max(s->free_at, n->start), end = min(s->free + FRAME_BLOCK_PAGES, n->end);
	u64 nr = 0, scanned = 0;
	spin_lock(&n->lock);
	if (is_wholly_free(n, s->free))
		pfn = end;
	while (pfn < end && nr < BATCH) {
		struct frame *f = pfn_frame(pfn);
		scanned++;
		if (READ_ONCE(f->kind) != FRAME_FREE) {
			pfn++;
			continue;
		}
		if (f->mobility != FRAME_MOVABLE) {
			pfn = end;
			break;
		}
		u64 taken = take_block(s, f);
		nr += taken;
		pfn += taken;
	}
	spin_unlock(&n->lock);
	s->free_at = pfn;
	stat_add(STAT_COMPACT_FREE_SCANNED, (s64)scanned);
	stat_add(STAT_COMPACT_DAEMON_FREE_SCANNED, s->is_worker ? (s64)scanned : 0);
	stat_add(STAT_COMPACT_ISOLATED, (s64)nr);
	return nr;
}

/* A frame from above the migrate scanner, for a page; NULL: the scanners have met. */
static struct frame *next_frame(struct scan *s)
{
	while (!s->frames && s->free > s->migrate)
		if (!take_free(s)) {
			s->free -= FRAME_BLOCK_PAGES;
			s->free_at = s->free;
		}
	struct frame *f = s->frames;
	if (f) {
		s->frames = f->next_free;
		frame_prepare(f, 0, FRAME_ANON);
	}
	return f;
}

static void give_back(struct scan *s)
{
	spin_lock(&s->node->lock);
	while (s->frames) {
		struct frame *f = s->frames;
		s->frames = f->next_free;
		buddy_give(s->node, f, 0);
	}
	spin_unlock(&s->node->lock);
}

/* ---- pages ---- */

/* Moves the page in f, if there is one. False: no frame is left to move it to. */
static bool move_frame(struct scan *s, struct frame *f)
{
	if ((unlikely(!READ_ONCE(compact_unevictable_allowed)) && frame_flags(f) & FRAME_MLOCKED) || !lru_get(f))
		return true;
	stat_add(STAT_COMPACT_ISOLATED, 1);
	struct frame *to = next_frame(s);
	if (to && frame_migrate(f, to) != 0)
		keep_frame(s, to);
	frame_put_to_buddy(f);
	return to;
}

/* The page block of the migrate scanner. False: the free scanner was met. */
static bool move_block(struct scan *s)
{
	pfn_t end = min(s->migrate + FRAME_BLOCK_PAGES, s->node->end), pfn = max(s->migrate, s->node->start);
	u64 scanned = 0;
	bool go_on = true;
	if (is_wholly_free(s->node, s->migrate))
		return true;
	while (pfn < end && go_on) {
		struct frame *f = pfn_frame(pfn);
		enum frame_kind kind = READ_ONCE(f->kind);
		unsigned order = READ_ONCE(f->order); /* a hint, when the frame is free */
		scanned++;
		if (kind == FRAME_ANON || kind == FRAME_CACHE)
			go_on = move_frame(s, f);
		pfn += kind == FRAME_FREE && order <= FRAME_MAX_ORDER ? 1ul << order : 1;
	}
	stat_add(STAT_COMPACT_MIGRATE_SCANNED, (s64)scanned);
	stat_add(STAT_COMPACT_DAEMON_MIGRATE_SCANNED, s->is_worker ? (s64)scanned : 0);
	return go_on;
}

bool compact_has_block(struct node *n, unsigned order)
{
	bool yes = false;
	spin_lock(&n->lock);
	for (unsigned o = order; o <= FRAME_MAX_ORDER && !yes; o++)
		for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
			yes |= n->nr_blocks[m][o] != 0;
	yes = yes && watermark_ok(n, order, 0);
	spin_unlock(&n->lock);
	return yes;
}

bool compact_node(struct node *n, unsigned order, bool is_worker)
{
	struct scan s = { .node = n, .migrate = block_of(n->start), .free = block_of(n->end - 1), .is_worker = is_worker };
	u64 began = trace_is_on(TRACE_COMPACT) ? hal_clock_ns() : 0;
	s.free_at = s.free;
	frame_drain_pcp();
	for (; s.migrate < s.free; s.migrate += FRAME_BLOCK_PAGES) {
		if (!move_block(&s) || host_current()->is_being_killed)
			break;
		if (order <= FRAME_MAX_ORDER && compact_has_block(n, order))
			break;
		host_give_way();
	}
	give_back(&s);
	frame_drain_pcp();
	bool found = order <= FRAME_MAX_ORDER && compact_has_block(n, order);
	if (began)
		trace_point(TRACE_COMPACT, order, found | (u64)is_worker << 8, hal_clock_ns() - began, 0);
	return found;
}

void compact_all(void)
{
	host_visit_cpus(frame_drain_pcp);
	for (unsigned i = 0; i < frame_node_count; i++)
		if (frame_nodes[i].managed)
			compact_node(&frame_nodes[i], WHOLE, false);
}

/* ---- figures, and whether it is worth while ---- */

struct free_figures {
	u64 pages, blocks, suitable; /* suitable: how many blocks of the order asked for */
};

static void count_free(unsigned node, unsigned order, struct free_figures *out)
{
	struct frame_node_stat st;
	frame_node_stat(node, &st);
	*out = (struct free_figures){ .pages = st.free };
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++) {
		out->blocks += st.nr_free_blocks[o];
		if (o >= order)
			out->suitable += st.nr_free_blocks[o] << (o - order);
	}
}

int compact_fragmentation_index(unsigned node, unsigned order)
{
	struct free_figures f;
	count_free(node, order, &f);
	if (!f.blocks)
		return 0;
	if (f.suitable)
		return -1000;
	return 1000 - (int)((1000 + f.pages * 1000 / (1ul << order)) / f.blocks);
}

int compact_unusable_index(unsigned node, unsigned order)
{
	struct free_figures f;
	count_free(node, order, &f);
	return f.pages ? (int)((f.pages - (f.suitable << order)) * 1000 / f.pages) : 1000;
}

bool compact_lacks(unsigned node, unsigned order)
{
	return READ_ONCE(frame_nodes[node].free_pages) < frame_nodes[node].wmark_min + (2ul << order);
}

/* As on Linux, small blocks are worth more of an effort. */
bool compact_suits(unsigned node, unsigned order)
{
	int index = compact_fragmentation_index(node, order), least = order > OOM_MAX_ORDER ? (int)READ_ONCE(compact_extfrag_threshold) + 1 : 0;
	return frame_nodes[node].managed && index >= least && !compact_lacks(node, order);
}

bool compact_for(unsigned order)
{
	bool tried = false, made = false, stalls = false;
	for (unsigned i = 0; i < frame_node_count && !made; i++) {
		if (!compact_suits(i, order))
			continue;
		if (!tried) {
			stat_add(STAT_COMPACT_STALL, 1);
			stalls = host_stall_begin();
		}
		tried = true;
		made = compact_node(&frame_nodes[i], order, false);
	}
	host_stall_end(stalls);
	return tried;
}
