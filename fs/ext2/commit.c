/* SPDX-License-Identifier: MIT */
/*
 * Commits: after which whatever was freed may be used again.
 *
 * ext2 has no journal; e2fsck puts a file system in order after a crash. So that it never has to take a byte or
 * a name that fsync promised, what the disk shows at any moment must keep to four rules:
 *
 * C1  What a tree on the disk leads to is that file's: a block or inode that was freed is handed out again
 *     only when nothing on the disk refers to it any more. (Else e2fsck finds a block in two files, or
 *     reads new data as an old indirect block and mends it.)
 * C2  A new indirect or directory block is on the disk before anything there leads to it (meta.c).
 * C3  A removed file's record stays on the disk until the removal of its name is there: rename over a name
 *     leaves one of the two files behind the name.
 * C4  A new block inside what the record on the disk calls the file reads as zeros there before anything leads
 *     to it (map.c). (Else a hole whose zeros fsync promised shows an old file's bytes, when the block is
 *     written to in part and the record reaches the disk before the data.)
 *
 * A commit writes all metadata and flushes the device, then writes the records of removed inodes and
 * flushes again. Frees go to one side of each group's notes, a commit works on the other; the sides
 * are swapped under the group's lock when it begins. Commits happen in sync(2), by the flusher some
 * time after something was freed, and when space is short but for what was freed.
 *
 * Without memory for a note the group is closed until the next commit: that keeps C1 and costs only
 * room; a removed inode's record is then written at once.
 */
#include "ext2.h"

#define NSEC 1000000000ll

static u64 *note_map(u64 **map, u32 nr_bits)
{
	if (!*map)
		*map = kzalloc(BITMAP_WORDS(nr_bits) * sizeof(u64), ALLOC_WAIT);
	return *map;
}

static void count_freed(struct ext2_sb *sb, struct ext2_group *g, u32 nr)
{
	WRITE_ONCE(g->nr_freed[g->side], g->nr_freed[g->side] + nr);
	__atomic_fetch_add(&sb->nr_freed, nr, __ATOMIC_RELAXED);
}

void ext2_note_freed_blocks(struct ext2_sb *sb, u32 group, u32 first, u32 nr)
{
	struct ext2_group *g = ext2_group(sb, group);
	u64 *map = note_map(&g->freed_blocks[g->side], sb->blocks_per_group);
	if (!map)
		g->is_closed[g->side] = true;
	for (u32 n = 0; map && n < nr; n++)
		bitmap_set(map, first + n);
	count_freed(sb, g, nr);
}

/* The record says that its inode is removed. */
static int bury(struct ext2_sb *sb, u32 group, u32 index)
{
	u32 per_block = sb->inodes_per_block;
	struct buffer b;
	int err = buffer_read(sb->dev, ext2_desc(sb, group, NULL)->inode_table + index / per_block, sb->shift, &b);
	if (err)
		return ext2_io_error(sb, err, "inode", (u64)group * sb->inodes_per_group + index + 1);
	struct ext2_disk_inode *d = (struct ext2_disk_inode *)((char *)b.data + index % per_block * sb->inode_size);
	d->links_count = 0;
	d->dtime = (u32)(inode_now() / NSEC);
	d->size = d->blocks = d->file_acl = d->size_high = 0;
	memset(d->block, 0, sizeof(d->block));
	buffer_dirty(&b);
	buffer_put(&b);
	return 0;
}

void ext2_note_freed_inode(struct ext2_sb *sb, u32 group, u32 index)
{
	struct ext2_group *g = ext2_group(sb, group);
	u64 *map = note_map(&g->freed_inodes[g->side], sb->inodes_per_group);
	if (map) {
		bitmap_set(map, index);
	} else {
		g->is_closed[g->side] = true;
		bury(sb, group, index);
	}
	count_freed(sb, g, 1);
}

/* The side that commits now; false: nothing was freed. A side that an earlier commit failed to finish is
 * finished first. */
static bool begin_group(struct ext2_group *g)
{
	if (!READ_ONCE(g->nr_freed[0]) && !READ_ONCE(g->nr_freed[1]))
		return false;
	mutex_lock(&g->lock);
	if (!g->nr_freed[!g->side])
		g->side = !g->side;
	mutex_unlock(&g->lock);
	return true;
}

static u32 begin(struct ext2_sb *sb)
{
	u32 nr = 0;
	for (u32 group = 0; group < sb->nr_groups; group++)
		nr += begin_group(ext2_group(sb, group));
	return nr;
}

/* Records of inodes that were removed before the commit began; whether there were any. */
static bool bury_freed(struct ext2_sb *sb, int *err)
{
	bool any = false;
	for (u32 group = 0; group < sb->nr_groups; group++) {
		struct ext2_group *g = ext2_group(sb, group);
		const u64 *map = g->freed_inodes[!g->side];
		u32 limit = sb->inodes_per_group;
		if (!map || !g->nr_freed[!g->side])
			continue;
		for (u64 n = bitmap_next_set(map, limit, 0); n < limit; n = bitmap_next_set(map, limit, n + 1)) {
			int e = bury(sb, group, (u32)n);
			*err = *err ? *err : e;
			any = true;
		}
	}
	return any;
}

static void finish(struct ext2_sb *sb)
{
	for (u32 group = 0; group < sb->nr_groups; group++) {
		struct ext2_group *g = ext2_group(sb, group);
		unsigned side = !g->side;
		if (!READ_ONCE(g->nr_freed[side]))
			continue;
		mutex_lock(&g->lock);
		__atomic_fetch_sub(&sb->nr_freed, g->nr_freed[side], __ATOMIC_RELAXED);
		WRITE_ONCE(g->nr_freed[side], 0);
		g->is_closed[side] = false;
		kfree(g->freed_blocks[side]);
		kfree(g->freed_inodes[side]);
		g->freed_blocks[side] = g->freed_inodes[side] = NULL;
		mutex_unlock(&g->lock);
	}
}

/* The next inode whose record is to be written, pinned; it may be dirtied again at once. */
static struct inode *next_dirty(struct ext2_sb *sb, struct list_head *work)
{
	struct inode *i = NULL;
	spin_lock(&sb->dirty_lock);
	while (!i && !list_is_empty(work)) {
		struct ext2_inode *e = list_first_entry(work, struct ext2_inode, dirty_link);
		list_del(&e->dirty_link);
		if (icache_pin(e->vfs))
			i = e->vfs;
		/* else it is being evicted: removed, and its record is none of this commit's */
	}
	spin_unlock(&sb->dirty_lock);
	return i;
}

static int write_records(struct ext2_sb *sb)
{
	struct list_head work = LIST_HEAD_INIT(work);
	struct inode *i;
	int err = 0;
	spin_lock(&sb->dirty_lock);
	list_splice_tail(&sb->dirty_inodes, &work);
	spin_unlock(&sb->dirty_lock);
	while ((i = next_dirty(sb, &work)) != NULL) {
		int e = ext2_write_inode(i, false);
		err = err ? err : e;
		icache_unpin(i);
		cond_resched();
	}
	return err;
}

int ext2_write_metadata(struct ext2_sb *sb)
{
	int err = mapping_writeback(&sb->dev->mapping, 0, ~0ull, WRITEBACK_WAIT);
	return err ? err : block_flush(sb->dev);
}

int ext2_commit(struct ext2_sb *sb)
{
	mutex_lock(&sb->commit_lock);
	u32 nr = begin(sb);
	int err = write_records(sb);
	ext2_update_super(sb);
	int err2 = ext2_write_metadata(sb);
	err = err ? err : err2;
	if (!err && nr && bury_freed(sb, &err) && !err)
		err = ext2_write_metadata(sb);
	if (!err && nr)
		finish(sb);
	mutex_unlock(&sb->commit_lock);
	return err;
}

/* The flusher calls for a commit through a mapping without pages: dirty since something was freed. */

static struct ext2_sb *sb_of_commit(struct mapping *m) { return container_of(m, struct ext2_sb, commit_mapping); }

void ext2_commit_soon(struct ext2_sb *sb) { mapping_dirty_meta(&sb->commit_mapping); }

static int commit_write_meta(struct mapping *m, bool wait)
{
	struct ext2_sb *sb = sb_of_commit(m);
	return READ_ONCE(sb->nr_freed) > 0 ? ext2_commit(sb) : 0;
}

static u64 commit_size(struct mapping *m) { return 0; }
static bool commit_pin(struct mapping *m)
{
	struct ext2_sb *sb = sb_of_commit(m);
	s32 pins = READ_ONCE(sb->commit_pins);
	while (pins >= 0)
		if (__atomic_compare_exchange_n(&sb->commit_pins, &pins, pins + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}
static void commit_unpin(struct mapping *m)
{
	struct ext2_sb *sb = sb_of_commit(m);
	if (__atomic_sub_fetch(&sb->commit_pins, 1, __ATOMIC_ACQ_REL) == 0)
		host_wake_all(&sb->commit_wait);
}

static bool no_pins(void *arg)
{
	s32 none = 0;
	return __atomic_compare_exchange_n(&((struct ext2_sb *)arg)->commit_pins, &none, -1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void ext2_commit_init(struct ext2_sb *sb)
{
	mutex_init(&sb->commit_lock, RANK_FS_COMMIT);
	spin_lock_init(&sb->dirty_lock, RANK_FLUSHER);
	list_init(&sb->dirty_inodes);
	host_waitq_init(&sb->commit_wait);
	mapping_init(&sb->commit_mapping, &ext2_commit_ops, 0);
	backing_store_init(&sb->commit_store, &sb->commit_mapping, sb->dev, sb->shift);
}

void ext2_commit_end(struct ext2_sb *sb)
{
	host_wait(&sb->commit_wait, no_pins, sb, 0);
	mapping_destroy(&sb->commit_mapping);
}

const struct mapping_ops ext2_commit_ops = {
	.size = commit_size,
	.write_meta = commit_write_meta,
	.pin = commit_pin,
	.unpin = commit_unpin,
};
