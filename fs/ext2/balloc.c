/* SPDX-License-Identifier: MIT */
/*
 * Blocks: handed out near a goal in runs, taken back.
 *
 * A block can be had when the disk's bitmap calls it free, no other file's window holds it, and it was not
 * freed since the last commit (commit.c says why). A file that grows gets a window: blocks in a row
 * that others leave alone, so that files written side by side stay whole. When nothing else is left,
 * windows are broken up, oldest first.
 *
 * The count of free blocks is claimed before a block is searched, so that the share reserved for root
 * cannot be overdrawn by several at once.
 * Source of the idea of windows: M. Cao et al., "State of the art: where we are with the ext3
 * filesystem" (Linux Symposium 2005).
 */
#include "ext2.h"

#define WINDOW_FIRST 8u
#define WINDOW_MAX   1024u

/* What is taken in a group: the union of up to four bitmaps. */
struct view {
	const u64 *maps[4];
	unsigned nr;
	u32 limit; /* blocks in the group */
};

static struct view view_of(struct ext2_group *g, const struct buffer *bitmap, u32 limit, bool with_reserved)
{
	struct view v = { .maps = { bitmap->data }, .nr = 1, .limit = limit };
	for (unsigned side = 0; side < 2; side++)
		if (g->freed_blocks[side])
			v.maps[v.nr++] = g->freed_blocks[side];
	if (with_reserved && g->reserved)
		v.maps[v.nr++] = g->reserved;
	return v;
}

/* The first block in [from, end) that is taken (or, `invert`ed, free); end: none. end <= v->limit. */
static u32 view_find(const struct view *v, u32 from, u32 end, bool invert)
{
	u64 part = ~0ull << (from % 64);
	for (; from < end; from = (from & ~63u) + 64, part = ~0ull) {
		u32 at = from / 64;
		u64 word = v->maps[0][at];
		for (unsigned n = 1; n < v->nr; n++)
			word |= v->maps[n][at];
		word = (invert ? ~word : word) & part;
		if (word)
			return min((from & ~63u) + (u32)__builtin_ctzll(word), end);
	}
	return end;
}

/* Free blocks in a row: at `from` if that is free, else the first `want` behind it (then before it), else
 * the longest run. Length, 0 = nothing free. */
static u32 find_run(const struct view *v, u32 from, u32 want, u32 *start)
{
	u32 best = 0;
	for (unsigned round = 0; round < 2; round++) {
		u32 at = round ? 0 : from, stop = round ? from : v->limit;
		while ((at = view_find(v, at, v->limit, true)) < stop) {
			u32 end = view_find(v, at, min(v->limit, at + want), false), len = end - at; /* no further than it is wanted */
			if (len > best) {
				best = len;
				*start = at;
			}
			if (len >= want || (at == from && !round))
				return len;
			at = end;
		}
	}
	return best;
}

/* Windows; the group's lock is held. */

static void window_drop_locked(struct ext2_group *g, struct ext2_window *w)
{
	bitmap_fill(g->reserved, w->start, w->len, false);
	w->len = 0;
	list_del(&w->link);
}

static void windows_drop_all_locked(struct ext2_group *g)
{
	while (!list_is_empty(&g->windows))
		window_drop_locked(g, list_first_entry(&g->windows, struct ext2_window, link));
}

void ext2_window_discard(struct inode *i)
{
	struct ext2_window *w = &ext2_i(i)->window;
	if (!READ_ONCE(w->len))
		return;
	struct ext2_group *g = ext2_group(ext2_sb_of(i), w->group);
	mutex_lock(&g->lock);
	if (w->len)
		window_drop_locked(g, w);
	mutex_unlock(&g->lock);
}

/* Sets [start, start+len) aside; without memory for the bitmap there is no window. */
static void window_set_locked(struct ext2_sb *sb, struct ext2_group *g, struct ext2_window *w, u32 group, u32 start, u32 len)
{
	if (!g->reserved)
		g->reserved = kzalloc(BITMAP_WORDS(sb->blocks_per_group) * sizeof(u64), ALLOC_WAIT);
	if (!g->reserved || !len)
		return;
	bitmap_fill(g->reserved, start, len, true);
	w->group = group;
	w->start = start;
	w->len = len;
	list_add_tail(&w->link, &g->windows);
}

/* Counts. */

static bool may_use_reserved(const struct ext2_sb *sb)
{
	return cred_fsuid() == sb->opt.resuid || (sb->opt.resgid && cred_in_group(sb->opt.resgid)) || fs_capable(CAP_SYS_RESOURCE);
}

u64 ext2_blocks_available(struct ext2_sb *sb)
{
	s64 free = READ_ONCE(sb->free_blocks);
	return free > (s64)sb->reserved_blocks ? (u64)free - sb->reserved_blocks : 0;
}

/* Claims up to max blocks of the count; how many. */
static u32 claim(struct ext2_sb *sb, u32 max)
{
	s64 free = READ_ONCE(sb->free_blocks), take;
	s64 keep = may_use_reserved(sb) ? 0 : sb->reserved_blocks;
	do {
		if (free <= keep)
			return 0;
		take = min((s64)max, free - keep);
	} while (!__atomic_compare_exchange_n(&sb->free_blocks, &free, free - take, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return (u32)take;
}

static void unclaim(struct ext2_sb *sb, u64 nr) { __atomic_fetch_add(&sb->free_blocks, (s64)nr, __ATOMIC_RELAXED); }

/* Marks [start, start+nr) used (or free) on the disk; group lock held. */
static void mark_locked(struct ext2_sb *sb, u32 group, struct buffer *bitmap, u32 start, u32 nr, bool used)
{
	struct buffer *descs;
	struct ext2_disk_group *d = ext2_desc(sb, group, &descs);
	bitmap_fill(bitmap->data, start, nr, used);
	WRITE_ONCE(d->free_blocks_count, (u16)(used ? d->free_blocks_count - min(nr, (u32)d->free_blocks_count) : d->free_blocks_count + nr));
	buffer_dirty(bitmap);
	buffer_dirty(descs);
}

/* From the file's own window: where goal points into it. Length, 0: no window there, -errno. */
static int take_from_window(struct inode *i, u32 goal, u32 max, u32 *out)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_window *w = &ext2_i(i)->window;
	struct buffer bitmap;
	if (!READ_ONCE(w->len))
		return 0;
	u32 group = w->group, nr = 0;
	struct ext2_group *g = ext2_group(sb, group);
	mutex_lock(&g->lock);
	int err = ext2_block_bitmap(sb, group, &bitmap);
	if (!err) {
		u32 at = goal - ext2_group_first(sb, group);
		bool hits = w->len && ext2_group_of(sb, goal) == group && at >= w->start && at < w->start + w->len;
		u32 end = w->start + w->len;
		if (w->len)
			window_drop_locked(g, w);
		struct view v = view_of(g, &bitmap, ext2_group_blocks(sb, group), true);
		u32 stop = hits ? min(min(end, at + max), v.limit) : 0;
		nr = hits ? view_find(&v, at, stop, false) - at : 0;
		if (nr) {
			mark_locked(sb, group, &bitmap, at, nr, true);
			*out = ext2_group_first(sb, group) + at;
			window_set_locked(sb, g, w, group, at + nr, end - at - nr);
		}
		buffer_put(&bitmap);
	}
	mutex_unlock(&g->lock);
	return err ? err : (int)nr;
}

/* In one group, at goal_at or behind it. Length, 0: nothing free, -errno. */
static int take_in_group(struct inode *i, u32 group, u32 goal_at, u32 max, bool break_windows, u32 *out)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_group *g = ext2_group(sb, group);
	struct buffer bitmap;
	u32 nr = 0, start = 0;
	if (!READ_ONCE(ext2_desc(sb, group, NULL)->free_blocks_count))
		return 0;
	mutex_lock(&g->lock);
	int err = g->is_closed[0] || g->is_closed[1] ? 1 : ext2_block_bitmap(sb, group, &bitmap);
	if (!err) {
		if (break_windows)
			windows_drop_all_locked(g);
		u32 limit = ext2_group_blocks(sb, group);
		struct view v = view_of(g, &bitmap, limit, true);
		u32 want = max(max, S_ISREG(i->mode) ? e->window.next_len : max);
		u32 run = find_run(&v, min(goal_at, limit - 1), want, &start);
		nr = min(run, max);
		if (nr) {
			mark_locked(sb, group, &bitmap, start, nr, true);
			*out = ext2_group_first(sb, group) + start;
			if (run > nr && !break_windows)
				window_set_locked(sb, g, &e->window, group, start + nr, run - nr);
		}
		buffer_put(&bitmap);
	}
	mutex_unlock(&g->lock);
	return err > 0 ? 0 : err ? err : (int)nr;
}

/* Everywhere, beginning in goal's group. */
static int take_anywhere(struct inode *i, u32 goal, u32 max, u32 *out)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	u32 first = ext2_group_of(sb, goal);
	int err = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (u32 n = 0; n < sb->nr_groups; n++) {
			u32 group = (u32)(((u64)first + n) % sb->nr_groups);
			int got = take_in_group(i, group, n ? 0 : goal - ext2_group_first(sb, group), max, pass, out);
			if (got > 0)
				return got;
			if (got < 0)
				err = got; /* a broken group: the others may do */
		}
	}
	return err ? err : -ENOSPC;
}

int ext2_new_blocks(struct inode *i, u32 goal, u32 max, u32 *start, u32 *nr)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_window *w = &ext2_i(i)->window;
	if (goal < sb->first_data_block || goal >= sb->blocks_count)
		goal = ext2_group_first(sb, (u32)((i->ino - 1) / sb->inodes_per_group));
	max = claim(sb, max);
	if (!max)
		return -ENOSPC;
	w->next_len = w->next_len ? min(w->next_len, WINDOW_MAX) : WINDOW_FIRST;
	int got = take_from_window(i, goal, max, start);
	if (!got) {
		got = take_anywhere(i, goal, max, start);
		w->next_len *= 2;
	}
	unclaim(sb, max - (u32)max(got, 0));
	if (got < 0)
		return got;
	*nr = (u32)got;
	return 0;
}

/* Freeing. */

/* In one group; -EUCLEAN when a block is free already. */
static int free_in_group(struct ext2_sb *sb, u32 group, u32 first, u32 nr, bool at_once)
{
	struct ext2_group *g = ext2_group(sb, group);
	struct buffer bitmap;
	u32 freed = 0, doubled = 0;
	mutex_lock(&g->lock);
	int err = ext2_block_bitmap(sb, group, &bitmap);
	for (u32 n = first; n < first + nr && !err;) {
		u32 end = (u32)bitmap_next_clear(bitmap.data, first + nr, n);
		if (end == n) {
			doubled++;
			n++;
			continue;
		}
		if (!at_once)
			ext2_note_freed_blocks(sb, group, n, end - n);
		mark_locked(sb, group, &bitmap, n, end - n, false);
		freed += end - n;
		n = end;
	}
	if (!err)
		buffer_put(&bitmap);
	mutex_unlock(&g->lock);
	unclaim(sb, freed);
	if (doubled)
		ext2_corrupt(sb, "%u blocks of group %u were free when freed", doubled, group);
	return err;
}

static void free_blocks(struct ext2_sb *sb, u32 block, u32 nr, bool at_once)
{
	if (!ext2_is_data_block(sb, block, nr)) {
		ext2_corrupt(sb, "freeing blocks %u..%u, which are not a file's", block, block + nr - 1);
		return;
	}
	while (nr) {
		u32 group = ext2_group_of(sb, block), at = block - ext2_group_first(sb, group);
		u32 here = min(nr, ext2_group_blocks(sb, group) - at);
		free_in_group(sb, group, at, here, at_once);
		block += here;
		nr -= here;
	}
}

void ext2_free_blocks(struct ext2_sb *sb, u32 block, u32 nr) { free_blocks(sb, block, nr, false); }
void ext2_unallocate(struct ext2_sb *sb, u32 block, u32 nr) { free_blocks(sb, block, nr, true); }

bool ext2_reclaim_freed(struct ext2_sb *sb)
{
	return READ_ONCE(sb->nr_freed) > 0 && ext2_commit(sb) == 0;
}
