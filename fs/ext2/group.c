/* SPDX-License-Identifier: MIT */
/*
 * Groups: descriptors, which stay in memory while mounted, and bitmaps, which are read when needed.
 *
 * A descriptor that points outside its group makes the mount fail; a bitmap that calls the group's own
 * bitmaps or inode table free is found at its first use, and the group is left alone from then on.
 */
#include "ext2.h"

struct ext2_group *ext2_group(struct ext2_sb *sb, u32 group)
{
	return &sb->chunks[group / sb->descs_per_block]->groups[group % sb->descs_per_block];
}

/* *out (may be NULL): the buffer to call buffer_dirty on, without a reference. */
struct ext2_disk_group *ext2_desc(struct ext2_sb *sb, u32 group, struct buffer **out)
{
	struct ext2_chunk *c = sb->chunks[group / sb->descs_per_block];
	if (out)
		*out = &c->descs;
	return (struct ext2_disk_group *)c->descs.data + group % sb->descs_per_block;
}

u32 ext2_group_blocks(const struct ext2_sb *sb, u32 group)
{
	return min(sb->blocks_per_group, sb->blocks_count - ext2_group_first(sb, group));
}

static bool is_power_of(u32 n, u32 base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

bool ext2_group_has_super(const struct ext2_sb *sb, u32 group)
{
	if (!(sb->disk->ro_compat & EXT2_RO_SPARSE_SUPER) || group <= 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

/* Where the n-th block of descriptors lies. */
static u32 desc_block(const struct ext2_sb *sb, u32 n)
{
	u32 first_meta = sb->disk->incompat & EXT2_INCOMPAT_META_BG ? sb->disk->first_meta_bg : ~0u;
	if (n < first_meta)
		return (EXT2_SUPER_OFFSET >> sb->shift) + 1 + n;
	u32 group = n * sb->descs_per_block;
	return ext2_group_first(sb, group) + ext2_group_has_super(sb, group);
}

static bool lies_in(const struct ext2_sb *sb, u32 group, u32 block, u32 nr)
{
	u32 first = ext2_group_first(sb, group), blocks = ext2_group_blocks(sb, group);
	return block >= first && nr <= blocks && block - first <= blocks - nr;
}

static int check_desc(struct ext2_sb *sb, u32 group)
{
	const struct ext2_disk_group *d = ext2_desc(sb, group, NULL);
	const char *what = !lies_in(sb, group, d->block_bitmap, 1)                  ? "block bitmap"
	                   : !lies_in(sb, group, d->inode_bitmap, 1)                ? "inode bitmap"
	                   : !lies_in(sb, group, d->inode_table, sb->table_blocks) ? "inode table"
	                                                                           : NULL;
	if (!what)
		return 0;
	hal_log(LOG_ERR, "EXT2-fs (%s): group descriptors corrupted: %s of group %u is not in the group", sb->dev->name, what, group);
	return -EINVAL;
}

static int load_chunk(struct ext2_sb *sb, u32 n)
{
	u32 first = n * sb->descs_per_block, nr = min(sb->descs_per_block, sb->nr_groups - first);
	struct ext2_chunk *c = kzalloc(sizeof(*c) + nr * sizeof(c->groups[0]), ALLOC_KERNEL);
	if (!c)
		return -ENOMEM;
	sb->chunks[n] = c;
	for (u32 k = 0; k < nr; k++) {
		mutex_init(&c->groups[k].lock, RANK_FS_GROUP);
		list_init(&c->groups[k].windows);
	}
	u32 block = desc_block(sb, n);
	int err = block < sb->blocks_count ? buffer_read(sb->dev, block, sb->shift, &c->descs) : -EINVAL;
	if (err)
		hal_log(LOG_ERR, "EXT2-fs (%s): unable to read group descriptors", sb->dev->name);
	for (u32 k = 0; k < nr && !err; k++) {
		const struct ext2_disk_group *d = ext2_desc(sb, first + k, NULL);
		err = check_desc(sb, first + k);
		sb->free_blocks += d->free_blocks_count;
		sb->free_inodes += d->free_inodes_count;
		sb->nr_dirs += d->used_dirs_count;
	}
	return err;
}

int ext2_groups_load(struct ext2_sb *sb)
{
	int err = 0;
	sb->chunks = kzalloc(sb->nr_chunks * sizeof(sb->chunks[0]), ALLOC_KERNEL);
	if (!sb->chunks)
		return -ENOMEM;
	for (u32 n = 0; n < sb->nr_chunks && !err; n++)
		err = load_chunk(sb, n);
	return err;
}

void ext2_groups_free(struct ext2_sb *sb)
{
	for (u32 n = 0; sb->chunks && n < sb->nr_chunks && sb->chunks[n]; n++) {
		struct ext2_chunk *c = sb->chunks[n];
		u32 nr = min(sb->descs_per_block, sb->nr_groups - n * sb->descs_per_block);
		for (u32 k = 0; k < nr; k++) {
			struct ext2_group *g = &c->groups[k];
			kfree(g->reserved);
			for (unsigned side = 0; side < 2; side++) {
				kfree(g->freed_blocks[side]);
				kfree(g->freed_inodes[side]);
			}
		}
		buffer_put(&c->descs);
		kfree(c);
	}
	kfree(sb->chunks);
	sb->chunks = NULL;
}

static bool overlaps(u32 a, u32 nr_a, u32 b, u32 nr_b) { return a < b + nr_b && b < a + nr_a; }

/* [block, block+nr) lies in one group. */
static bool is_free_of_metadata(struct ext2_sb *sb, u32 group, u32 block, u32 nr)
{
	const struct ext2_disk_group *d = ext2_desc(sb, group, NULL);
	u32 first = ext2_group_first(sb, group);
	if (overlaps(block, nr, d->block_bitmap, 1) || overlaps(block, nr, d->inode_bitmap, 1) || overlaps(block, nr, d->inode_table, sb->table_blocks))
		return false;
	if (!ext2_group_has_super(sb, group))
		return true;
	u32 head = sb->disk->incompat & EXT2_INCOMPAT_META_BG ? 1 : 1 + sb->nr_chunks;
	return !overlaps(block, nr, first, head);
}

bool ext2_is_data_block(struct ext2_sb *sb, u32 block, u32 nr)
{
	if (block < sb->first_data_block || block >= sb->blocks_count || nr > sb->blocks_count - block)
		return false;
	while (nr) {
		u32 group = ext2_group_of(sb, block);
		u32 here = min(nr, ext2_group_first(sb, group) + ext2_group_blocks(sb, group) - block);
		if (!is_free_of_metadata(sb, group, block, here))
			return false;
		block += here;
		nr -= here;
	}
	return true;
}

static bool all_set(const void *map, u32 first, u32 nr)
{
	return bitmap_next_clear(map, first + nr, first) == first + nr;
}

static int bad_bitmap(struct ext2_sb *sb, u32 group, const char *what)
{
	ext2_group(sb, group)->checked |= EXT2_CHECKED_BAD;
	return ext2_corrupt(sb, "%s bitmap of group %u is broken", what, group);
}

int ext2_block_bitmap(struct ext2_sb *sb, u32 group, struct buffer *out)
{
	const struct ext2_disk_group *d = ext2_desc(sb, group, NULL);
	struct ext2_group *g = ext2_group(sb, group);
	if (g->checked & EXT2_CHECKED_BAD)
		return -EUCLEAN;
	int err = buffer_read(sb->dev, d->block_bitmap, sb->shift, out);
	if (err)
		return ext2_io_error(sb, err, "block bitmap of group", group);
	if (g->checked & EXT2_CHECKED_BLOCKS)
		return 0;
	u32 first = ext2_group_first(sb, group);
	if (!all_set(out->data, d->block_bitmap - first, 1) || !all_set(out->data, d->inode_bitmap - first, 1) ||
	    !all_set(out->data, d->inode_table - first, sb->table_blocks)) {
		buffer_put(out);
		return bad_bitmap(sb, group, "block");
	}
	g->checked |= EXT2_CHECKED_BLOCKS;
	return 0;
}

int ext2_inode_bitmap(struct ext2_sb *sb, u32 group, struct buffer *out)
{
	struct ext2_group *g = ext2_group(sb, group);
	if (g->checked & EXT2_CHECKED_BAD)
		return -EUCLEAN;
	int err = buffer_read(sb->dev, ext2_desc(sb, group, NULL)->inode_bitmap, sb->shift, out);
	if (err)
		return ext2_io_error(sb, err, "inode bitmap of group", group);
	if (g->checked & EXT2_CHECKED_INODES)
		return 0;
	if (group == 0 && !all_set(out->data, 0, sb->first_ino - 1)) {
		buffer_put(out);
		return bad_bitmap(sb, group, "inode");
	}
	g->checked |= EXT2_CHECKED_INODES;
	return 0;
}
