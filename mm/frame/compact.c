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
 * Nothing is allocated and nothing waited for: pages that are in use just now stay.
 * Source: Gorman, "Memory compaction" (LWN 368869, 2010).
 */
#include "internal.h"
#include <mm/compact.h>
#include <mm/host.h>
#include <mm/migrate.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

#define WHOLE (FRAME_MAX_ORDER + 1)
#define BATCH 32u /* free frames to find at once, at least */

u32 compact_extfrag_threshold = 500;

struct scan {
	struct node *node;
	pfn_t migrate, free; /* page blocks where the scanners are; the free one is at or above the other */
	unsigned order;      /* to be made; WHOLE: all there is */
	struct frame *frames; /* free ones found, chained by next_free */
};

static pfn_t block_of(pfn_t pfn) { return pfn & ~(FRAME_BLOCK_PAGES - 1); }

/* ---- free frames ---- */

static void keep_frame(struct scan *s, struct frame *f)
{
	WRITE_ONCE(f->kind, FRAME_PCP);
	f->next_free = s->frames;
	s->frames = f;
}

/* Takes free frames out of the page block that begins at `block`, until there are BATCH of them; returns how many. */
static u64 take_free(struct scan *s, pfn_t block)
{
	struct node *n = s->node;
	pfn_t end = min(block + FRAME_BLOCK_PAGES, n->end);
	u64 nr = 0, scanned = 0;
	spin_lock(&n->lock);
	for (pfn_t pfn = max(block, n->start); pfn < end && nr < BATCH;) {
		struct frame *f = pfn_frame(pfn);
		scanned++;
		pfn++;
		if (READ_ONCE(f->kind) != FRAME_FREE)
			continue;
		unsigned order = f->order;
		if (order >= FRAME_BLOCK_ORDER || f->mobility != FRAME_MOVABLE)
			break;
		buddy_remove(n, f, order);
		WRITE_ONCE(n->free_pages, n->free_pages - (1ul << order));
		for (u64 i = 1ul << order; i-- > 0;)
			keep_frame(s, &f[i]);
		nr += 1ul << order;
		pfn = frame_pfn(f) + (1ul << order);
	}
	spin_unlock(&n->lock);
	stat_add(STAT_COMPACT_FREE_SCANNED, (s64)scanned);
	stat_add(STAT_COMPACT_ISOLATED, (s64)nr);
	return nr;
}

/* A frame from above the migrate scanner, for a page; NULL: the scanners have met. */
static struct frame *next_frame(struct scan *s)
{
	while (!s->frames && s->free > s->migrate)
		if (!take_free(s, s->free))
			s->free -= FRAME_BLOCK_PAGES;
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
	if (!lru_get(f))
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
	while (pfn < end && go_on) {
		struct frame *f = pfn_frame(pfn);
		enum frame_kind kind = READ_ONCE(f->kind);
		unsigned order = READ_ONCE(f->order); /* a hint, when the frame is free */
		scanned++;
		if (kind == FRAME_FREE && order >= FRAME_BLOCK_ORDER)
			break;
		if (kind == FRAME_ANON || kind == FRAME_CACHE)
			go_on = move_frame(s, f);
		pfn += kind == FRAME_FREE ? 1ul << order : 1;
	}
	stat_add(STAT_COMPACT_MIGRATE_SCANNED, (s64)scanned);
	return go_on;
}

static bool has_block(struct node *n, unsigned order)
{
	bool yes = false;
	spin_lock(&n->lock);
	for (unsigned o = order; o <= FRAME_MAX_ORDER && !yes; o++)
		for (unsigned m = 0; m < FRAME_NR_MOBILITIES; m++)
			yes |= n->nr_blocks[m][o] != 0;
	spin_unlock(&n->lock);
	return yes;
}

static void compact_node(struct node *n, unsigned order)
{
	struct scan s = { .node = n, .migrate = block_of(n->start), .free = block_of(n->end - 1), .order = order };
	frame_drain_pcp();
	for (; s.migrate < s.free; s.migrate += FRAME_BLOCK_PAGES) {
		if (!move_block(&s) || host_current()->is_being_killed)
			break;
		if (order <= FRAME_MAX_ORDER && has_block(n, order))
			break;
	}
	give_back(&s);
	frame_drain_pcp();
}

void compact_all(void)
{
	for (unsigned i = 0; i < frame_node_count; i++)
		if (frame_nodes[i].managed)
			compact_node(&frame_nodes[i], WHOLE);
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

bool compact_for(unsigned order)
{
	bool tried = false;
	for (unsigned i = 0; i < frame_node_count; i++) {
		struct node *n = &frame_nodes[i];
		int index = compact_fragmentation_index(i, order);
		if (!n->managed || index <= (int)READ_ONCE(compact_extfrag_threshold) || READ_ONCE(n->free_pages) < n->wmark_min + (2ul << order))
			continue;
		if (!tried)
			stat_add(STAT_COMPACT_STALL, 1);
		tried = true;
		compact_node(n, order);
	}
	return tried;
}
