/* SPDX-License-Identifier: MIT */
/*
 * Giving blocks back. Trees are emptied from the front of what goes: an indirect block that keeps some
 * of its pointers is changed, one that keeps none is freed with all below it. Runs of neighbours are
 * freed at once. Only this file's map_lock is held meanwhile, and no page is busy.
 */
#include "ext2.h"

struct freeing {
	struct inode *i;
	u32 start, nr;           /* a run not yet given back */
	u64 nr_total;            /* blocks given back */
	struct ext2_meta *spares[3]; /* for blocks that are changed and kept: one on each level at most */
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

/* Frees what hangs on *slot at or behind block `from` of the part of the file that it covers. `levels`
 * indirect blocks lead from *slot to the data. Returns whether *slot became 0. */
static bool shrink(struct freeing *f, u32 *slot, unsigned levels, u64 from)
{
	struct ext2_sb *sb = ext2_sb_of(f->i);
	struct ext2_inode *e = ext2_i(f->i);
	struct buffer b;
	u32 p = *slot;
	if (!p)
		return false;
	if (!check_pointer(f, p)) {
		if (from == 0)
			*slot = 0; /* nothing that could be freed */
		return from == 0;
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
		for (u64 n = from / span; n < sb->ptrs; n++)
			if (ptrs[n])
				changed |= shrink(f, &ptrs[n], levels - 1, n == from / span ? from % span : 0);
		if (from && changed)
			ext2_meta_changed(e, &b, &f->spares[levels - 1]);
		buffer_put(&b);
		cond_resched();
	}
	if (from)
		return false;
	*slot = 0;
	if (levels) {
		ext2_meta_forget(e, p);
		buffer_forget(sb->dev, p, 1, sb->shift);
	}
	free_block(f, p);
	return true;
}

static int shrink_all(struct inode *i, u64 from, struct freeing *f)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	u64 before = EXT2_NDIR, span = sb->ptrs;
	for (u64 n = from; n < EXT2_NDIR; n++)
		shrink(f, &e->block[n], 0, 0);
	for (unsigned levels = 1; levels <= 3; levels++) {
		if (from < before + span)
			shrink(f, &e->block[EXT2_NDIR + levels - 1], levels, from > before ? from - before : 0);
		before += span;
		span <<= sb->ptrs_shift;
	}
	flush_run(f);
	return f->err;
}

static int reserve_spares(struct ext2_meta *spares[3])
{
	for (unsigned n = 0; n < 3; n++)
		if (!(spares[n] = ext2_meta_alloc())) {
			while (n)
				ext2_meta_free(spares[--n]);
			return -ENOMEM;
		}
	return 0;
}

int ext2_truncate_blocks(struct inode *i, u64 size)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct freeing f = { .i = i };
	rwlock_write(&e->map_lock);
	ext2_window_discard(i);
	ext2_extent_forget(&e->extent);
	e->next_phys = 0;
	ext2_dirty(i, EXT2_DIRTY_META); /* first: a commit that begins from now on writes what follows */
	u64 from = ext2_blocks_of(sb, size);
	int err = from > EXT2_NDIR ? reserve_spares(f.spares) : 0;
	if (!err) {
		err = shrink_all(i, from, &f);
		for (unsigned n = 0; n < 3; n++)
			ext2_meta_free(f.spares[n]);
	}
	u64 freed = f.nr_total << (sb->shift - 9);
	i->blocks -= min(freed, i->blocks);
	rwlock_write_unlock(&e->map_lock);
	if (f.nr_total)
		ext2_commit_soon(sb);
	return err;
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
