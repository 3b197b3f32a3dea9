/* SPDX-License-Identifier: MIT */
/*
 * Giving blocks back: those of a range, which for a truncation reaches to the end. An indirect block that keeps
 * some of its pointers is changed, one that keeps none is freed. Runs of neighbours are freed at once. This
 * file's map_lock is held meanwhile. No page of what goes is in memory, or all are busy (hole punch).
 */
#include "ext2.h"
#include <linux/falloc.h>

#define NR_SPARES 6u

struct freeing {
	struct inode *i;
	u32 start, nr;           /* a run not yet given back */
	u64 nr_total;            /* blocks given back */
	struct ext2_meta *spares[NR_SPARES]; /* for blocks that are changed and kept: on each level one on each side at most */
	unsigned next_spare;
	int err;                 /* the first */
};

static void flush_run(struct freeing *f)
{
	if (f->nr)
		ext2_free_blocks(ext2_sb_of(f->i), f->start, f->nr);
	f->nr_total += f->nr;
	f->nr = 0;
}

static void free_block(struct freeing *f, u32 block)
{
	if (f->nr && block == f->start + f->nr) {
		f->nr++;
		return;
	}
	flush_run(f);
	f->start = block;
	f->nr = 1;
}

static bool check_pointer(struct freeing *f, u32 p)
{
	if (ext2_is_data_block(ext2_sb_of(f->i), p, 1))
		return true;
	int err = ext2_corrupt(ext2_sb_of(f->i), "inode %llu leads to block %u", (unsigned long long)f->i->ino, p);
	f->err = f->err ? f->err : err;
	return false;
}

static bool is_empty(const struct ext2_sb *sb, const u32 *ptrs)
{
	for (u32 n = 0; n < sb->ptrs; n++)
		if (ptrs[n])
			return false;
	return true;
}

static void keep_changed(struct freeing *f, const struct buffer *b)
{
	while (!f->spares[f->next_spare])
		ASSERT(++f->next_spare < NR_SPARES);
	ext2_meta_changed(ext2_i(f->i), b, &f->spares[f->next_spare]);
}

/* Frees what hangs on *slot: blocks [from, to) of the part of the file that it covers. `levels` indirect blocks
 * lead from *slot to the data. Returns whether *slot became 0. */
static bool cut(struct freeing *f, u32 *slot, unsigned levels, u64 from, u64 to)
{
	struct ext2_sb *sb = ext2_sb_of(f->i);
	struct ext2_inode *e = ext2_i(f->i);
	struct buffer b;
	u32 p = *slot;
	bool goes = from == 0 && to >= 1ull << (sb->ptrs_shift * levels);
	if (!p)
		return false;
	if (!check_pointer(f, p)) {
		if (goes)
			*slot = 0; /* nothing that could be freed */
		return goes;
	}
	if (levels) {
		int err = buffer_read(sb->dev, p, sb->shift, &b);
		if (err) {
			ext2_io_error(sb, err, "indirect block", p);
			f->err = f->err ? f->err : err;
			return false; /* its blocks stay taken: nothing is known of them */
		}
		u64 span = 1ull << (sb->ptrs_shift * (levels - 1));
		u32 *ptrs = b.data;
		bool changed = false;
		for (u64 n = from / span; n < sb->ptrs && n * span < to; n++)
			if (ptrs[n])
				changed |= cut(f, &ptrs[n], levels - 1, n == from / span ? from % span : 0, min(to - n * span, span));
		if (!goes && changed && !(goes = is_empty(sb, ptrs)))
			keep_changed(f, &b);
		buffer_put(&b);
		cond_resched();
	}
	if (!goes)
		return false;
	*slot = 0;
	if (levels) {
		ext2_meta_forget(e, p);
		buffer_forget(sb->dev, p, 1, sb->shift);
	}
	free_block(f, p);
	return true;
}

static int cut_all(struct inode *i, u64 from, u64 to, struct freeing *f)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	u64 before = EXT2_NDIR, span = sb->ptrs;
	for (u64 n = from; n < min(to, (u64)EXT2_NDIR); n++)
		cut(f, &e->block[n], 0, 0, 1);
	for (unsigned levels = 1; levels <= 3; levels++) {
		if (from < before + span && to > before)
			cut(f, &e->block[EXT2_NDIR + levels - 1], levels, from > before ? from - before : 0, to - before);
		before += span;
		span <<= sb->ptrs_shift;
	}
	flush_run(f);
	return f->err;
}

static int reserve_spares(struct ext2_meta *spares[NR_SPARES])
{
	for (unsigned n = 0; n < NR_SPARES; n++)
		if (!(spares[n] = ext2_meta_alloc())) {
			while (n)
				ext2_meta_free(spares[--n]);
			return -ENOMEM;
		}
	return 0;
}

/* Blocks [from, to); map_lock is held for writing. *nr: how many were given back. */
static int free_range(struct inode *i, u64 from, u64 to, u64 *nr)
{
	struct freeing f = { .i = i };
	bool keeps_indirect = to > EXT2_NDIR && (from > EXT2_NDIR || to != ~0ull);
	ext2_extent_forget(&ext2_i(i)->extent);
	ext2_dirty(i, EXT2_DIRTY_META); /* first: a commit that begins from now on writes what follows */
	int err = keeps_indirect ? reserve_spares(f.spares) : 0;
	if (!err) {
		err = cut_all(i, from, to, &f);
		for (unsigned n = 0; n < NR_SPARES; n++)
			ext2_meta_free(f.spares[n]);
	}
	u64 freed = f.nr_total << (ext2_sb_of(i)->shift - 9);
	i->blocks -= min(freed, i->blocks);
	*nr = f.nr_total;
	return err;
}

int ext2_truncate_blocks(struct inode *i, u64 size)
{
	struct ext2_inode *e = ext2_i(i);
	u64 nr;
	rwlock_write(&e->map_lock);
	ext2_window_discard(i);
	e->next_phys = 0;
	int err = free_range(i, ext2_blocks_of(ext2_sb_of(i), size), ~0ull, &nr);
	rwlock_write_unlock(&e->map_lock);
	if (nr)
		ext2_commit_soon(ext2_sb_of(i));
	return err;
}

/* Hole punch. */

static int release(struct mapping *m, u64 block, u64 end)
{
	struct inode *i = container_of(m, struct inode, mapping);
	u64 nr;
	rwlock_write(&ext2_i(i)->map_lock);
	int err = free_range(i, block, end, &nr);
	rwlock_write_unlock(&ext2_i(i)->map_lock);
	if (nr)
		ext2_commit_soon(ext2_sb_of(i));
	return err;
}

/* The last block goes whole when the hole reaches to the end of the file. */
static int punch_hole(struct inode *i, u64 offset, u64 len)
{
	u64 end = offset + len;
	if (offset >= i->size)
		return 0;
	if (end >= i->size)
		end = ext2_blocks_of(ext2_sb_of(i), i->size) << ext2_sb_of(i)->shift;
	if (i->mode & SETID_MASK)
		inode_drop_setid(i);
	int err = cache_punch(&i->mapping, offset, end, release);
	inode_touch_mtime(i);
	return err;
}

int ext2_fallocate(struct file *f, u32 mode, u64 offset, u64 len)
{
	struct inode *i = f->inode;
	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) /* nothing on the disk tells an unwritten block */
		return -EOPNOTSUPP;
	mutex_lock(&i->lock);
	int err = punch_hole(i, offset, len);
	mutex_unlock(&i->lock);
	return err ? err : (i->flags & INODE_SYNC) || (i->super->flags & MS_SYNCHRONOUS) ? ext2_fsync(f, false) : 0;
}

/* What the last block holds behind the new end becomes zeros, on the disk too. */
static int zero_tail(struct inode *i, u64 size)
{
	u64 end = ext2_blocks_of(ext2_sb_of(i), size) << ext2_sb_of(i)->shift;
	return end == size ? 0 : cache_zero_range(&i->mapping, size, end);
}

int ext2_set_size(struct inode *i, u64 size)
{
	u64 old = i->size;
	int err;
	if (size > old) {
		err = cache_zero_tail(&i->mapping, old);
		if (!err) {
			WRITE_ONCE(i->size, size);
			ext2_dirty(i, EXT2_DIRTY_META);
		}
		return err;
	}
	err = size < old ? zero_tail(i, size) : 0;
	if (err)
		return err;
	WRITE_ONCE(i->size, size);
	mapping_truncate(&i->mapping, size);
	return ext2_truncate_blocks(i, size);
}
