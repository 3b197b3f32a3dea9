/* SPDX-License-Identifier: MIT */
/*
 * Where the blocks of a file lie: twelve pointers in the inode, then trees of one, two and three levels of
 * indirect blocks.
 *
 * A walk leads from the inode to the pointer of one block, through at most three indirect blocks. Making
 * a block reserves everything first (blocks on the disk, memory for the notes of changed blocks), then
 * sets pointers, the topmost last.
 *
 * Pointers come from the disk: each is checked to lie inside the file system before it is used. A
 * pointer to a bitmap or an inode table is only refused when it is freed; following it does no harm.
 */
#include "ext2.h"
#include <mm/space.h>

struct walk_state {
	unsigned depth;        /* pointers on the way: 1 (in the inode) to 4 */
	u32 offset[4];         /* in the array of each level */
	u32 *slot[4];
	struct buffer ind[4];  /* ind[k]: the indirect block that slot[k] lies in, k >= 1 */
	unsigned missing;      /* first level whose pointer is 0; depth: none */
};

/* The way to `block`; 0: beyond what an inode can address. */
static unsigned path_to(const struct ext2_sb *sb, u64 block, u32 offset[4])
{
	u64 ptrs = sb->ptrs, mask = ptrs - 1;
	unsigned s = sb->ptrs_shift;
	if (block < EXT2_NDIR) {
		offset[0] = (u32)block;
		return 1;
	}
	block -= EXT2_NDIR;
	if (block < ptrs) {
		offset[0] = EXT2_IND;
		offset[1] = (u32)block;
		return 2;
	}
	block -= ptrs;
	if (block < ptrs << s) {
		offset[0] = EXT2_DIND;
		offset[1] = (u32)(block >> s);
		offset[2] = (u32)(block & mask);
		return 3;
	}
	block -= ptrs << s;
	if (block >> s >> s >= ptrs)
		return 0;
	offset[0] = EXT2_TIND;
	offset[1] = (u32)(block >> s >> s);
	offset[2] = (u32)(block >> s & mask);
	offset[3] = (u32)(block & mask);
	return 4;
}

bool ext2_is_in_map(struct ext2_sb *sb, u64 block) { return block >= sb->first_data_block && block < sb->blocks_count; }

static void walk_put(struct walk_state *w)
{
	for (unsigned k = 1; k < 4; k++)
		buffer_put(&w->ind[k]);
}

/* The file's tree down to `block`, as far as it goes. map_lock is held. walk_put must follow success. */
static int walk(struct inode *i, u64 block, struct walk_state *w)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	for (unsigned k = 1; k < 4; k++)
		w->ind[k].frame = NULL;
	w->depth = path_to(sb, block, w->offset);
	if (!w->depth)
		return -EFBIG;
	w->slot[0] = &ext2_i(i)->block[w->offset[0]];
	for (w->missing = 0; w->missing < w->depth; w->missing++) {
		unsigned k = w->missing;
		u32 p = *w->slot[k];
		if (!p)
			return 0;
		if (!ext2_is_in_map(sb, p)) {
			walk_put(w);
			return ext2_corrupt(sb, "inode %llu: block %llu lies at %u", (unsigned long long)i->ino, (unsigned long long)block, p);
		}
		if (k + 1 == w->depth)
			continue;
		int err = buffer_read(sb->dev, p, sb->shift, &w->ind[k + 1]);
		if (err) {
			walk_put(w);
			return ext2_io_error(sb, err, "indirect block", p);
		}
		w->slot[k + 1] = (u32 *)w->ind[k + 1].data + w->offset[k + 1];
	}
	return 0;
}

/* Slots from the last one on to the end of its array. */
static u32 slots_left(const struct ext2_sb *sb, const struct walk_state *w)
{
	return (w->depth == 1 ? EXT2_NDIR : sb->ptrs) - w->offset[w->depth - 1];
}

/* How many blocks follow each other on the disk. */
static u32 count_extent(const struct ext2_sb *sb, const struct walk_state *w, u32 max)
{
	const u32 *slot = w->slot[w->depth - 1];
	u32 nr = 1;
	max = min(min(max, slots_left(sb, w)), sb->blocks_count - slot[0]);
	while (nr < max && slot[nr] == slot[0] + nr)
		nr++;
	return nr;
}

/* How many blocks from here on are missing, as far as this part of the tree shows. */
static u32 count_hole(const struct ext2_sb *sb, const struct walk_state *w, u32 max)
{
	unsigned leaf = w->depth - 1;
	u64 nr = 1, span = 1, inside = 0;
	if (w->missing == leaf) {
		max = min(max, slots_left(sb, w));
		while (nr < max && !w->slot[leaf][nr])
			nr++;
		return (u32)nr;
	}
	for (unsigned k = leaf; k > w->missing; k--) {
		inside += (u64)w->offset[k] * span;
		span <<= sb->ptrs_shift;
	}
	return (u32)min((u64)max, span - inside);
}

static void extent_from(const struct ext2_sb *sb, const struct walk_state *w, u32 max, struct block_extent *out)
{
	out->is_new = false;
	if (w->missing == w->depth) {
		out->device_block = *w->slot[w->depth - 1];
		out->nr = count_extent(sb, w, max);
	} else {
		out->device_block = BLOCK_HOLE;
		out->nr = count_hole(sb, w, max);
	}
}

/* Where the block should lie: behind the last one written, else as far from a left neighbour as in the file,
 * else behind its indirect block; 0: no wish. */
static u32 find_goal(const struct inode *i, const struct walk_state *w, u64 block)
{
	const struct ext2_inode *e = ext2_i(i);
	unsigned leaf = w->depth - 1;
	if (e->next_phys && block == e->next_block)
		return e->next_phys;
	unsigned level = min(w->missing, leaf);
	for (u32 n = 1; n <= w->offset[level]; n++)
		if (w->slot[level][-(s64)n])
			return w->slot[level][-(s64)n] + (level == leaf ? n : 1);
	return level ? (u32)w->ind[level].block + 1 : 0;
}

/* What making blocks needs, set aside. */
struct reservation {
	u32 start, nr;              /* data blocks */
	unsigned nr_ind;
	u32 ind[3];
	struct buffer buffer[3];    /* of the new indirect blocks, zeroed */
	struct ext2_meta *meta[4];  /* one for each, one for the changed block above */
};

static void unreserve(struct ext2_sb *sb, struct reservation *r)
{
	for (unsigned n = 0; n < 3; n++)
		if (r->buffer[n].frame) {
			buffer_put(&r->buffer[n]);
			buffer_forget(sb->dev, r->ind[n], 1, sb->shift);
		}
	for (unsigned n = 0; n < r->nr_ind; n++)
		ext2_unallocate(sb, r->ind[n], 1);
	if (r->nr)
		ext2_unallocate(sb, r->start, r->nr);
	for (unsigned n = 0; n < 4; n++)
		ext2_meta_free(r->meta[n]);
}

/* nr_ind indirect blocks and up to max data blocks behind them. */
static int reserve_blocks(struct inode *i, u32 goal, unsigned nr_ind, u32 max, struct reservation *r)
{
	while (!r->nr) {
		u32 start, nr;
		int err = ext2_new_blocks(i, goal, nr_ind - r->nr_ind + max, &start, &nr);
		if (err)
			return err;
		goal = start + nr;
		while (nr && r->nr_ind < nr_ind) {
			r->ind[r->nr_ind++] = start++;
			nr--;
		}
		r->start = start;
		r->nr = min(nr, max);
		if (nr > max)
			ext2_unallocate(ext2_sb_of(i), start + max, nr - max);
	}
	return 0;
}

static int reserve(struct inode *i, u32 goal, unsigned nr_ind, u32 max, struct reservation *r)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	*r = (struct reservation){ 0 };
	int err = 0;
	for (unsigned n = 0; n <= nr_ind && !err; n++)
		if (!(r->meta[n] = ext2_meta_alloc()))
			err = -ENOMEM;
	if (!err)
		err = reserve_blocks(i, goal, nr_ind, max, r);
	for (unsigned n = 0; n < nr_ind && !err; n++)
		err = buffer_new(sb->dev, r->ind[n], sb->shift, &r->buffer[n]);
	if (err)
		unreserve(sb, r);
	return err;
}

/* Will a block at `block` fill a hole that fsync may have promised to read as zeros? Not behind the end, nor in what
 * the file grew by since its record was written last. */
static bool is_old_hole(const struct inode *i, u64 block)
{
	return S_ISREG(i->mode) && block < ext2_blocks_of(ext2_sb_of(i), min(READ_ONCE(i->size), ext2_i(i)->record_size));
}

/* Rule C4 of commit.c; ext2_write_inode flushes. */
static int zero_on_disk(struct inode *i, u32 start, u32 nr)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	u64 sector = (u64)start << (sb->shift - SECTOR_SHIFT), bytes = (u64)nr << sb->shift;
	int err = 0;
	ext2_i(i)->has_zeroed = true;
	while (bytes && !err) {
		u32 len = (u32)min(bytes, PAGE_SIZE);
		err = block_rw(sb->dev, BLOCK_WRITE, sector, space_zero_frame(), 0, len);
		sector += len >> SECTOR_SHIFT;
		bytes -= len;
	}
	return err;
}

/* Sets the pointers: from the lowest to the one that hangs it all into the tree. */
static void commit_blocks(struct inode *i, struct walk_state *w, struct reservation *r)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	unsigned leaf = w->depth - 1, top = w->missing;
	u32 *leaves = w->slot[leaf];
	if (r->nr_ind) {
		leaves = (u32 *)r->buffer[r->nr_ind - 1].data + w->offset[leaf];
		for (unsigned n = 0; n + 1 < r->nr_ind; n++)
			((u32 *)r->buffer[n].data)[w->offset[top + 1 + n]] = r->ind[n + 1];
	}
	for (u32 n = 0; n < r->nr; n++)
		leaves[n] = r->start + n;
	for (unsigned n = 0; n < r->nr_ind; n++)
		ext2_meta_add(e, r->meta[n + 1], &r->buffer[n], true);
	if (r->nr_ind)
		*w->slot[top] = r->ind[0];
	if (top)
		ext2_meta_changed(e, &w->ind[top], &r->meta[0]);
	ext2_meta_free(r->meta[0]);
	i->blocks += (u64)(r->nr + r->nr_ind) << (sb->shift - 9);
	ext2_dirty(i, EXT2_DIRTY_META);
}

/* w leads to a missing block: makes up to max. map_lock is held for writing. */
static int make_blocks(struct inode *i, u64 block, u32 max, struct walk_state *w, struct block_extent *out)
{
	struct ext2_inode *e = ext2_i(i);
	struct reservation r;
	unsigned leaf = w->depth - 1, nr_ind = leaf - w->missing;
	u32 want = min(max, slots_left(ext2_sb_of(i), w));
	if (!nr_ind)
		want = count_hole(ext2_sb_of(i), w, want);
	int err = reserve(i, find_goal(i, w, block), nr_ind, want, &r);
	if (err)
		return err;
	if (is_old_hole(i, block) && (err = zero_on_disk(i, r.start, r.nr)) != 0) {
		unreserve(ext2_sb_of(i), &r);
		return err;
	}
	commit_blocks(i, w, &r);
	e->next_block = (u32)block + r.nr;
	e->next_phys = r.start + r.nr;
	*out = (struct block_extent){ .device_block = r.start, .nr = r.nr, .is_new = true };
	return 0;
}

/* The extent found last. It stays right until blocks are taken from the file, so it may be asked without map_lock. A
 * reader that goes on behind it, or close, gets to look further ahead next time. */

#define SCAN_MIN 8u
#define SCAN_MAX 256u

void ext2_extent_init(struct ext2_extent *x)
{
	*x = (struct ext2_extent){ .scan = SCAN_MIN };
	spin_lock_init(&x->lock, RANK_FLUSHER);
}

static inline bool extent_ask(struct ext2_extent *x, u64 block, u32 max, struct block_extent *out)
{
	spin_lock(&x->lock);
	u64 at = block - x->first;
	bool hit = at < x->nr;
	if (hit)
		*out = (struct block_extent){ .device_block = x->phys + at, .nr = min(max, x->nr - (u32)at) };
	spin_unlock(&x->lock);
	return hit;
}

/* How far to look ahead from `block`, which extent_ask did not know. */
static u32 extent_scan(struct ext2_extent *x, u64 block)
{
	spin_lock(&x->lock);
	bool goes_on = block - (x->first + x->nr) < 2 * x->scan;
	x->scan = goes_on ? min(x->scan * 2, SCAN_MAX) : max(x->scan / 2, SCAN_MIN);
	u32 scan = x->scan;
	spin_unlock(&x->lock);
	return scan;
}

static void extent_note(struct ext2_extent *x, u64 block, const struct block_extent *e)
{
	spin_lock(&x->lock);
	x->first = block;
	x->nr = e->nr;
	x->phys = (u32)e->device_block;
	spin_unlock(&x->lock);
}

void ext2_extent_forget(struct ext2_extent *x)
{
	spin_lock(&x->lock);
	x->nr = 0;
	spin_unlock(&x->lock);
}

static int map_locked(struct inode *i, u64 block, u32 max, bool create, struct block_extent *out)
{
	struct ext2_inode *e = ext2_i(i);
	struct walk_state w;
	int err = walk(i, block, &w);
	if (err)
		return err;
	if (create && w.missing < w.depth) {
		err = make_blocks(i, block, max, &w, out);
	} else if (w.missing < w.depth) {
		extent_from(ext2_sb_of(i), &w, max, out);
	} else {
		extent_from(ext2_sb_of(i), &w, max(max, extent_scan(&e->extent, block)), out);
		extent_note(&e->extent, block, out);
		out->nr = min(out->nr, max);
	}
	walk_put(&w);
	return err;
}

int ext2_map_blocks(struct mapping *m, u64 block, u32 max, bool create, struct block_extent *out)
{
	struct inode *i = container_of(m, struct inode, mapping);
	struct ext2_inode *e = ext2_i(i);
	if (likely(extent_ask(&e->extent, block, max, out)))
		return 0;
	rwlock_read(&e->map_lock);
	int err = map_locked(i, block, max, false, out);
	rwlock_read_unlock(&e->map_lock);
	if (err || !create || out->device_block != BLOCK_HOLE)
		return err;
	if (ext2_is_read_only(ext2_sb_of(i)))
		return -EROFS;
	rwlock_write(&e->map_lock);
	err = map_locked(i, block, max, true, out);
	rwlock_write_unlock(&e->map_lock);
	return err;
}

int ext2_map_one(struct inode *i, u64 block, u32 *out)
{
	struct block_extent x;
	int err = ext2_map_blocks(&i->mapping, block, 1, false, &x);
	*out = !err && x.device_block != BLOCK_HOLE ? (u32)x.device_block : 0;
	return err;
}

int ext2_append_block(struct inode *i, u64 block, struct buffer *out)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct block_extent x;
	struct ext2_meta *n = ext2_meta_alloc();
	if (!n)
		return -ENOMEM;
	rwlock_write(&e->map_lock);
	int err = map_locked(i, block, 1, true, &x);
	if (!err)
		err = x.is_new ? buffer_new(sb->dev, x.device_block, sb->shift, out) : buffer_read(sb->dev, x.device_block, sb->shift, out);
	if (!err && x.is_new) {
		frame_get(out->frame);
		ext2_meta_add(e, n, out, true);
		n = NULL;
	}
	rwlock_write_unlock(&e->map_lock);
	ext2_meta_free(n);
	return err;
}

/* The largest size: what three levels address, and what the count of 512-byte units holds. */
u64 ext2_max_bytes(const struct ext2_sb *sb)
{
	u64 p = sb->ptrs, left = 0xffffffffull >> (sb->shift - 9), tree = EXT2_NDIR + p + p * p + p * p * p, meta = 1;
	if (tree >= left) {
		tree = left;
		left -= EXT2_NDIR + p;
		if (left < p * p) {
			meta += 1 + (left + p - 1) / p;
		} else {
			left -= p * p;
			meta += 1 + p + 1 + (left + p - 1) / p + (left + p * p - 1) / (p * p);
		}
		tree -= meta;
	}
	return min(tree << sb->shift, FS_MAX_BYTES);
}
