/* SPDX-License-Identifier: MIT */
/*
 * Inode numbers. A file's inode lies in its directory's group, so that reading a directory's files moves the
 * disk's arm little; directories at the top are spread over groups with room, further ones stay near
 * their parent. Source: G. Orlov's allocator, as described in M. K. McKusick, "Improving the
 * performance of the BSD fast file system" (2002), simplified.
 */
#include "ext2.h"

static bool may_hold_dir(struct ext2_sb *sb, u32 group, u64 min_inodes, u64 min_blocks)
{
	const struct ext2_disk_group *d = ext2_desc(sb, group, NULL);
	u64 inodes = READ_ONCE(d->free_inodes_count);
	return inodes && inodes >= min_inodes && READ_ONCE(d->free_blocks_count) >= min_blocks;
}

static u64 average(const struct ext2_sb *sb, const s64 *count) { return (u64)max(READ_ONCE(*count), (s64)0) / sb->nr_groups; }

/* A directory under the root: the group with the fewest directories of those with at least average room. */
static u32 group_for_top_dir(struct ext2_sb *sb)
{
	u64 avg_inodes = average(sb, &sb->free_inodes), avg_blocks = average(sb, &sb->free_blocks);
	u32 start = READ_ONCE(sb->last_dir_group), best = ~0u, best_dirs = ~0u;
	for (u32 n = 0; n < sb->nr_groups; n++) {
		u32 group = (start + n) % sb->nr_groups;
		u32 dirs = READ_ONCE(ext2_desc(sb, group, NULL)->used_dirs_count);
		if (dirs < best_dirs && may_hold_dir(sb, group, avg_inodes, avg_blocks)) {
			best = group;
			best_dirs = dirs;
		}
	}
	if (best == ~0u)
		return start;
	WRITE_ONCE(sb->last_dir_group, (best + 1) % sb->nr_groups);
	return best;
}

/* Further down: the parent's group while it has a fair share of room. */
static u32 group_for_dir(struct ext2_sb *sb, u32 parent)
{
	u64 avg_inodes = average(sb, &sb->free_inodes), avg_blocks = average(sb, &sb->free_blocks);
	for (u32 n = 0; n < sb->nr_groups; n++) {
		u32 group = (u32)(((u64)parent + n) % sb->nr_groups);
		if (may_hold_dir(sb, group, avg_inodes - min(avg_inodes, (u64)sb->inodes_per_group / 4), avg_blocks - min(avg_blocks, (u64)sb->blocks_per_group / 4)))
			return group;
	}
	return parent;
}

/* The first inode >= from that is neither in use nor freed by a change that is not on the disk yet; `limit`:
 * none. */
static u32 next_free(const struct ext2_group *g, const u64 *used, u32 limit, u32 from)
{
	const u64 *a = g->freed_inodes[0], *b = g->freed_inodes[1];
	for (; from < limit; from = (from & ~63u) + 64) {
		u32 n = from / 64;
		u64 taken = used[n] | (a ? a[n] : 0) | (b ? b[n] : 0), free = ~taken & ~0ull << (from % 64);
		if (free)
			return min(limit, (from & ~63u) + (u32)__builtin_ctzll(free));
	}
	return limit;
}

/* A free inode of the group, marked used. Index, ~0: none, or -errno in *err. */
static u32 take_in_group(struct ext2_sb *sb, u32 group, bool is_dir, int *err)
{
	struct ext2_group *g = ext2_group(sb, group);
	struct buffer bitmap, *descs;
	struct ext2_disk_group *d = ext2_desc(sb, group, &descs);
	u32 limit = sb->inodes_per_group, found = ~0u;
	if (!READ_ONCE(d->free_inodes_count))
		return ~0u;
	mutex_lock(&g->lock);
	int e = g->is_closed[0] || g->is_closed[1] ? 1 : ext2_inode_bitmap(sb, group, &bitmap);
	if (e < 0)
		*err = e;
	if (!e) {
		u32 at = next_free(g, bitmap.data, limit, group ? 0 : sb->first_ino - 1);
		if (at < limit) {
			found = at;
			bitmap_set(bitmap.data, at);
			if (d->free_inodes_count)
				WRITE_ONCE(d->free_inodes_count, d->free_inodes_count - 1);
			WRITE_ONCE(d->used_dirs_count, (u16)(d->used_dirs_count + is_dir));
			buffer_dirty(&bitmap);
			buffer_dirty(descs);
		}
		buffer_put(&bitmap);
	}
	mutex_unlock(&g->lock);
	return found;
}

static void count_inode(struct ext2_sb *sb, s64 n, bool is_dir)
{
	__atomic_fetch_sub(&sb->free_inodes, n, __ATOMIC_RELAXED);
	if (is_dir)
		__atomic_fetch_add(&sb->nr_dirs, n, __ATOMIC_RELAXED);
}

static int take(struct ext2_sb *sb, u32 first_group, bool is_dir, u32 *ino)
{
	int err = 0;
	for (u32 n = 0; n < sb->nr_groups; n++) {
		u32 group = (u32)(((u64)first_group + n) % sb->nr_groups);
		u32 index = take_in_group(sb, group, is_dir, &err);
		if (index == ~0u)
			continue;
		*ino = group * sb->inodes_per_group + index + 1;
		count_inode(sb, 1, is_dir);
		return 0;
	}
	return err ? err : -ENOSPC;
}

/* Clears the number's bit; freed: to be had again only after a commit. */
static void give_back(struct ext2_sb *sb, u32 ino, bool is_dir, bool freed)
{
	u32 group = (ino - 1) / sb->inodes_per_group, index = (ino - 1) % sb->inodes_per_group;
	struct ext2_group *g = ext2_group(sb, group);
	struct buffer bitmap, *descs;
	struct ext2_disk_group *d = ext2_desc(sb, group, &descs);
	bool was_free = false;
	mutex_lock(&g->lock);
	int err = ext2_inode_bitmap(sb, group, &bitmap);
	if (!err) {
		was_free = !bitmap_test(bitmap.data, index);
		if (!was_free) {
			if (freed)
				ext2_note_freed_inode(sb, group, index);
			bitmap_clear(bitmap.data, index);
			WRITE_ONCE(d->free_inodes_count, d->free_inodes_count + 1);
			if (is_dir && d->used_dirs_count)
				WRITE_ONCE(d->used_dirs_count, d->used_dirs_count - 1);
			buffer_dirty(&bitmap);
			buffer_dirty(descs);
		}
		buffer_put(&bitmap);
	}
	mutex_unlock(&g->lock);
	if (was_free)
		ext2_corrupt(sb, "inode %u was free when freed", ino);
	else if (!err)
		count_inode(sb, -1, is_dir);
}

void ext2_free_inode(struct inode *i)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	if (i->ino < sb->first_ino || i->ino > sb->inodes_count) {
		ext2_corrupt(sb, "freeing inode %llu, which is not a file's", (unsigned long long)i->ino);
		return;
	}
	give_back(sb, (u32)i->ino, S_ISDIR(i->mode), true);
	ext2_commit_soon(sb);
}

u32 ext2_inherit_flags(u32 mode, u32 dir_flags)
{
	u32 flags = dir_flags & EXT2_FL_INHERITED;
	if (S_ISDIR(mode))
		return flags;
	return S_ISREG(mode) ? flags & ~(EXT2_FL_DIRSYNC | EXT2_FL_TOPDIR) : flags & (EXT2_FL_NODUMP | EXT2_FL_NOATIME);
}

static u32 group_for(struct ext2_sb *sb, const struct inode *dir, u32 mode)
{
	u32 parent = (u32)((dir->ino - 1) / sb->inodes_per_group);
	if (!S_ISDIR(mode))
		return parent;
	return dir->ino == EXT2_ROOT_INO || (ext2_i(dir)->flags & EXT2_FL_TOPDIR) ? group_for_top_dir(sb) : group_for_dir(sb, parent);
}

/* Counted, in the cache, dirty, nlink 1; operations by mode. The directory's lock is held. */
int ext2_new_inode(struct inode *dir, u32 mode, struct inode **out)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	bool is_dir = S_ISDIR(mode);
	u32 ino;
	int err = take(sb, group_for(sb, dir, mode), is_dir, &ino);
	if (err)
		return err;
	struct inode *i = inode_new(sb->super, mode);
	err = i ? ext2_inode_alloc(i) : -ENOMEM;
	if (!err) {
		i->ino = ino;
		err = icache_insert(i);
		if (err == -EEXIST)
			err = ext2_corrupt(sb, "inode %u is in use but marked free", ino);
	}
	if (err) {
		if (i) {
			ext2_unload(i);
			inode_put(i);
		}
		give_back(sb, ino, is_dir, false);
		return err;
	}
	struct ext2_inode *e = ext2_i(i);
	if (sb->opt.grpid) {
		inode_init_owner(i, NULL, mode);
		i->gid = dir->gid;
	} else {
		inode_init_owner(i, dir, mode);
	}
	e->flags = ext2_inherit_flags(mode, ext2_i(dir)->flags);
	e->generation = __atomic_fetch_add(&sb->next_generation, 1, __ATOMIC_RELAXED);
	e->is_new_record = true;
	inode_touch_mtime(i);
	i->atime_ns = i->mtime_ns;
	ext2_set_ops(i);
	ext2_apply_flags(i);
	icache_loaded(i, 0);
	ext2_dirty(i, EXT2_DIRTY_META);
	*out = i;
	return 0;
}
