/* SPDX-License-Identifier: MIT */
/*
 * Supers: mounting, with a check of every field that is used later; errors; statfs; unmounting.
 *
 * An image may hold anything. What is found wrong at mount refuses it (EINVAL, one line in the log); what is
 * found later marks the super, makes it read-only unless errors= says otherwise, and the call that
 * found it ends in EUCLEAN or EIO. The superblock's own errors=panic is not obeyed: an image must not
 * be able to stop the machine; the mount option is.
 */
#include "ext2.h"
#include <asm/statfs.h>
#include <fs/seq.h>
#include <hal/time.h>
#include <linux/magic.h>
#include <stdarg.h>

#define NSEC 1000000000ll
#define ERRORS_LOGGED 16u

/* Errors. */

static u32 now_seconds(void) { return (u32)(inode_now() / NSEC); }

static void note_error(struct ext2_sb *sb, const char *text)
{
	u32 nr = __atomic_fetch_add(&sb->nr_errors, 1, __ATOMIC_RELAXED);
	if (nr < ERRORS_LOGGED)
		hal_log(LOG_ERR, "EXT2-fs (%s): error: %s", sb->dev->name, text);
	if (!(READ_ONCE(sb->super->flags) & MS_RDONLY)) {
		__atomic_fetch_or(&sb->disk->state, EXT2_STATE_ERRORS, __ATOMIC_RELAXED);
		buffer_dirty(&sb->super_buffer);
	}
	sb->clean_state |= EXT2_STATE_ERRORS;
	if (sb->opt.errors == EXT2_ERRORS_PANIC)
		hal_panic("EXT2-fs (%s): panic forced after error", sb->dev->name);
	if (sb->opt.errors == EXT2_ERRORS_CONTINUE || (__atomic_fetch_or(&sb->super->flags, MS_RDONLY, __ATOMIC_RELAXED) & MS_RDONLY))
		return;
	hal_log(LOG_CRIT, "EXT2-fs (%s): error: remounting filesystem read-only", sb->dev->name);
}

int ext2_corrupt(struct ext2_sb *sb, const char *fmt, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note_error(sb, text);
	return -EUCLEAN;
}

int ext2_io_error(struct ext2_sb *sb, int err, const char *what, u64 number)
{
	char text[100];
	if (err != -EIO)
		return err; /* memory, for one */
	snprintf(text, sizeof(text), "cannot read %s %llu", what, (unsigned long long)number);
	note_error(sb, text);
	return err;
}

/* The disk refuses metadata for good: whatever errors= says, nothing more is changed, or what cannot be written would
 * fill the memory. Called from where a write ended. */
static void write_refused(void *holder)
{
	struct ext2_sb *sb = holder;
	if (READ_ONCE(sb->super->flags) & MS_RDONLY)
		return;
	note_error(sb, "the disk refuses metadata");
	if (!(__atomic_fetch_or(&sb->super->flags, MS_RDONLY, __ATOMIC_RELAXED) & MS_RDONLY))
		hal_log(LOG_CRIT, "EXT2-fs (%s): error: remounting filesystem read-only", sb->dev->name);
}

/* The superblock in memory. */

void ext2_update_super(struct ext2_sb *sb)
{
	u32 blocks = (u32)max(READ_ONCE(sb->free_blocks), (s64)0), inodes = (u32)max(READ_ONCE(sb->free_inodes), (s64)0);
	if (ext2_is_read_only(sb) || (sb->disk->free_blocks_count == blocks && sb->disk->free_inodes_count == inodes))
		return;
	sb->disk->free_blocks_count = blocks;
	sb->disk->free_inodes_count = inodes;
	sb->disk->wtime = now_seconds();
	buffer_dirty(&sb->super_buffer);
}

void ext2_use_feature(struct ext2_sb *sb, u32 compat, u32 ro_compat)
{
	struct ext2_disk_super *d = sb->disk;
	if ((d->compat & compat) == compat && (d->ro_compat & ro_compat) == ro_compat)
		return;
	if (!d->rev_level) {
		d->first_ino = EXT2_GOOD_OLD_FIRST_INO;
		d->inode_size = EXT2_GOOD_OLD_INODE_SIZE;
		d->rev_level = 1;
	}
	__atomic_fetch_or(&d->compat, compat, __ATOMIC_RELAXED);
	__atomic_fetch_or(&d->ro_compat, ro_compat, __ATOMIC_RELAXED);
	buffer_dirty(&sb->super_buffer);
}

/* Mounting. */

static int refuse(struct ext2_sb *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct ext2_sb *sb, const char *fmt, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!(sb->super->flags & MS_SILENT))
		hal_log(LOG_ERR, "EXT2-fs (%s): error: %s", sb->dev->name, text);
	return -EINVAL;
}

static int check_features(struct ext2_sb *sb)
{
	const struct ext2_disk_super *d = sb->disk;
	u32 unknown = d->incompat & ~EXT2_INCOMPAT_KNOWN;
	if (!d->rev_level && (d->compat || d->incompat || d->ro_compat))
		hal_log(LOG_WARNING, "EXT2-fs (%s): warning: feature flags set on rev 0 fs, running e2fsck is recommended", sb->dev->name);
	if (unknown & (EXT2_INCOMPAT_EXTENTS | EXT2_INCOMPAT_64BIT | EXT2_INCOMPAT_FLEX_BG))
		return refuse(sb, "this is ext4 (%s%s%s): only ext2 can be mounted", unknown & EXT2_INCOMPAT_EXTENTS ? " extents" : "",
		              unknown & EXT2_INCOMPAT_64BIT ? " 64bit" : "", unknown & EXT2_INCOMPAT_FLEX_BG ? " flex_bg" : "");
	if (unknown & EXT2_INCOMPAT_RECOVER)
		return refuse(sb, "this is ext3 or ext4 whose journal needs recovery: run e2fsck on it first");
	if (unknown & EXT2_INCOMPAT_JOURNAL_DEV)
		return refuse(sb, "this is the journal of another file system");
	if (unknown)
		return refuse(sb, "couldn't mount because of unsupported optional features (%x)", unknown);
	unknown = d->ro_compat & ~EXT2_RO_KNOWN;
	if (unknown && !(sb->super->flags & MS_RDONLY))
		return refuse(sb, "couldn't mount RDWR because of unsupported optional features (%x)", unknown);
	if (d->compat & EXT2_COMPAT_HAS_JOURNAL)
		hal_log(LOG_WARNING, "EXT2-fs (%s): warning: mounting ext3 filesystem as ext2", sb->dev->name);
	return 0;
}

static bool is_power_of_two(u32 n) { return n && !(n & (n - 1)); }

/* Everything that later code divides by, shifts by or indexes with. */
static int check_geometry(struct ext2_sb *sb)
{
	const struct ext2_disk_super *d = sb->disk;
	u64 device_blocks = sb->dev->nr_sectors >> (sb->shift - SECTOR_SHIFT);
	if (d->log_frag_size != d->log_block_size)
		return refuse(sb, "fragment size differs from block size");
	if (sb->inode_size < EXT2_GOOD_OLD_INODE_SIZE || !is_power_of_two(sb->inode_size) || sb->inode_size > sb->block_size)
		return refuse(sb, "unsupported inode size: %u", sb->inode_size);
	if (!sb->blocks_per_group || sb->blocks_per_group > sb->block_size * 8 || sb->blocks_per_group & 7)
		return refuse(sb, "#blocks per group is impossible: %u", sb->blocks_per_group);
	if (!sb->inodes_per_group || sb->inodes_per_group > sb->block_size * 8 || sb->inodes_per_group & 7 ||
	    sb->inodes_per_group % sb->inodes_per_block || sb->table_blocks >= sb->blocks_per_group)
		return refuse(sb, "#inodes per group is impossible: %u", sb->inodes_per_group);
	if (sb->first_data_block != (sb->block_size == 1024) || sb->blocks_count <= sb->first_data_block + 1)
		return refuse(sb, "first data block %u of %u is impossible", sb->first_data_block, sb->blocks_count);
	if (sb->blocks_count > device_blocks)
		return refuse(sb, "bad geometry: block count %u exceeds size of device (%llu blocks)", sb->blocks_count, (unsigned long long)device_blocks);
	if ((u64)sb->nr_groups * sb->inodes_per_group != sb->inodes_count)
		return refuse(sb, "bad geometry: %u inodes in %u groups of %u", sb->inodes_count, sb->nr_groups, sb->inodes_per_group);
	if (sb->first_ino < EXT2_GOOD_OLD_FIRST_INO || sb->first_ino > sb->inodes_per_group)
		return refuse(sb, "first inode %u is impossible", sb->first_ino);
	return 0;
}

/* Fields of the superblock, in the form that is computed with. */
static void derive(struct ext2_sb *sb)
{
	const struct ext2_disk_super *d = sb->disk;
	sb->inode_size = d->rev_level ? d->inode_size : EXT2_GOOD_OLD_INODE_SIZE;
	sb->first_ino = d->rev_level ? d->first_ino : EXT2_GOOD_OLD_FIRST_INO;
	sb->blocks_count = d->blocks_count;
	sb->inodes_count = d->inodes_count;
	sb->first_data_block = d->first_data_block;
	sb->blocks_per_group = d->blocks_per_group;
	sb->inodes_per_group = d->inodes_per_group;
	sb->inodes_per_block = sb->inode_size ? sb->block_size / sb->inode_size : 0;
	sb->inodes_per_block = max(sb->inodes_per_block, 1u);
	sb->table_blocks = (sb->inodes_per_group + sb->inodes_per_block - 1) / sb->inodes_per_block;
	if (sb->blocks_per_group && sb->blocks_count > sb->first_data_block)
		sb->nr_groups = (sb->blocks_count - sb->first_data_block - 1) / sb->blocks_per_group + 1;
	sb->descs_per_block = sb->block_size / sizeof(struct ext2_disk_group);
	sb->nr_chunks = (sb->nr_groups + sb->descs_per_block - 1) / sb->descs_per_block;
	sb->ptrs = sb->block_size / 4;
	sb->ptrs_shift = sb->shift - 2;
	sb->reserved_blocks = min(d->r_blocks_count, d->blocks_count);
	sb->clean_state = d->state;
	if (!sb->opt.has_resuid)
		sb->opt.resuid = d->def_resuid;
	if (!sb->opt.has_resgid)
		sb->opt.resgid = d->def_resgid;
	if (!sb->opt.errors)
		sb->opt.errors = EXT2_ERRORS_RO;
}

/* Reads the superblock, first to learn the size of blocks, then as a block of that size. */
static int load_super(struct ext2_sb *sb)
{
	struct buffer b;
	int err = buffer_read(sb->dev, sb->opt.sb_block, 10, &b);
	if (err)
		return err == -EINVAL ? refuse(sb, "unable to read superblock") : err;
	const struct ext2_disk_super *d = b.data;
	u32 log = d->log_block_size;
	bool is_ext2 = d->magic == EXT2_MAGIC;
	buffer_put(&b);
	if (!is_ext2)
		return refuse(sb, "can't find an ext2 filesystem on dev %s.", sb->dev->name);
	if (log > EXT2_MAX_SHIFT - 10)
		return refuse(sb, "blocks of %llu bytes are larger than a page", 1024ull << min(log, 50u));
	sb->shift = 10 + log;
	sb->block_size = 1u << sb->shift;
	if (sb->dev->logical_block > sb->block_size)
		return refuse(sb, "blocks are smaller than the device's");
	u64 offset = sb->opt.sb_block << 10;
	err = buffer_read(sb->dev, offset >> sb->shift, sb->shift, &sb->super_buffer);
	if (err)
		return err == -EINVAL ? refuse(sb, "unable to read superblock") : err;
	sb->disk = (struct ext2_disk_super *)((char *)sb->super_buffer.data + (offset & (sb->block_size - 1)));
	derive(sb);
	err = check_features(sb);
	return err ? err : check_geometry(sb);
}

static int load_root(struct ext2_sb *sb)
{
	struct super *s = sb->super;
	int err = ext2_iget(s, EXT2_ROOT_INO, &s->root);
	if (err) {
		s->root = NULL;
		return err == -ENOMEM ? err : refuse(sb, "cannot read the root inode");
	}
	if (S_ISDIR(s->root->mode) && s->root->size && s->root->blocks)
		return 0;
	inode_put(s->root);
	s->root = NULL;
	return refuse(sb, "corrupt root inode, run e2fsck");
}

static void warn_of_state(struct ext2_sb *sb)
{
	const struct ext2_disk_super *d = sb->disk;
	const char *why = !(d->state & EXT2_STATE_VALID)   ? "mounting unchecked fs"
	                  : (d->state & EXT2_STATE_ERRORS) ? "mounting fs with errors"
	                  : (s16)d->max_mnt_count > 0 && d->mnt_count >= d->max_mnt_count
	                      ? "maximal mount count reached"
	                  : d->checkinterval && (u64)d->lastcheck + d->checkinterval <= now_seconds() ? "checktime reached"
	                                                                                             : NULL;
	if (why)
		hal_log(LOG_WARNING, "EXT2-fs (%s): warning: %s, running e2fsck is recommended", sb->dev->name, why);
}

/* From now on the disk says that it was not unmounted. */
static int begin_writing(struct ext2_sb *sb)
{
	struct ext2_disk_super *d = sb->disk;
	warn_of_state(sb);
	sb->clean_state = d->state;
	d->state &= (u16)~EXT2_STATE_VALID;
	d->mnt_count++;
	d->mtime = now_seconds();
	if (!(s16)d->max_mnt_count)
		d->max_mnt_count = (u16)-1;
	buffer_dirty(&sb->super_buffer);
	int err = buffer_write(&sb->super_buffer);
	if (!err)
		err = block_flush(sb->dev);
	sb->is_clean = err;
	return err;
}

/* Everything is on the disk, and it says so. */
static int end_writing(struct ext2_sb *sb)
{
	int err = flusher_sync(block_whole(sb->dev));
	for (unsigned n = 0; n < 2 && !err; n++) /* the second: what the first's evictions freed */
		err = ext2_commit(sb);
	if (err)
		return err;
	sb->disk->state = sb->clean_state;
	sb->disk->wtime = now_seconds();
	buffer_dirty(&sb->super_buffer);
	return ext2_write_metadata(sb);
}

static void sb_free(struct ext2_sb *sb)
{
	ext2_groups_free(sb);
	buffer_put(&sb->super_buffer);
	mapping_drop_clean(&sb->dev->mapping, 0, ~0ull); /* others may write the device next */
	kfree(sb);
}

static int sb_load(struct ext2_sb *sb)
{
	struct super *s = sb->super;
	int err = load_super(sb);
	if (err)
		return err;
	ext2_commit_init(sb);
	sb->has_commit = true;
	s->block_size = sb->block_size;
	s->max_bytes = ext2_max_bytes(sb);
	s->has_seconds = sb->inode_size < EXT2_GOOD_OLD_INODE_SIZE + sizeof(struct ext2_disk_inode_more);
	s->keeps_absent = true;
	s->dev = sb->dev->dev;
	sb->next_generation = (u32)hal_random();
	err = ext2_groups_load(sb);
	if (!err && (sb->free_blocks > sb->blocks_count || sb->free_inodes > sb->inodes_count))
		err = refuse(sb, "group descriptors count more free than there is");
	if (!err)
		err = icache_create(s);
	if (!err)
		err = load_root(sb);
	if (!err && !(s->flags & MS_RDONLY))
		err = begin_writing(sb);
	else if (!err && !(sb->disk->state & EXT2_STATE_VALID))
		warn_of_state(sb);
	return err;
}

int ext2_mount_device(struct block_device *dev, u32 flags, const char *data, struct super **out)
{
	struct ext2_sb *sb = kzalloc(sizeof(*sb), ALLOC_KERNEL);
	struct super *s = super_new(&ext2_super_ops, "ext2", EXT2_SUPER_MAGIC);
	int err = sb && s ? 0 : -ENOMEM;
	if (err) {
		kfree(sb);
		if (s) {
			s->ops = NULL;
			super_put(s);
		}
		return err;
	}
	sb->super = s;
	sb->dev = dev;
	sb->opt.sb_block = 1;
	sb->is_clean = true;
	s->priv = sb;
	s->flags = flags & (MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_SILENT);
	err = ext2_parse_options(data, &sb->opt) ? 0 : -EINVAL;
	if (!err)
		err = sb_load(sb);
	if (err) {
		s->flags |= MS_RDONLY; /* nothing is written */
		super_put(s);
		return err;
	}
	block_set_holder(dev, write_refused, sb);
	s->flags &= ~MS_SILENT;
	*out = s;
	return 0;
}

/* The last mount went, or mounting failed half way. */
static void ext2_unmount(struct super *s)
{
	struct ext2_sb *sb = ext2_sb(s);
	block_set_holder(sb->dev, NULL, NULL);
	if (s->root)
		inode_put(s->root);
	s->root = NULL;
	bool was_writable = s->icache && !ext2_is_read_only(sb);
	int err = was_writable ? flusher_sync(block_whole(sb->dev)) : 0;
	if (was_writable && !err)
		err = ext2_commit(sb);
	if (s->icache)
		icache_evict_all(s);
	if (was_writable && !err)
		err = end_writing(sb);
	if (err)
		hal_log(LOG_ERR, "EXT2-fs (%s): error: not all could be written before unmounting", sb->dev->name);
	if (sb->has_commit)
		ext2_commit_end(sb);
	struct block_device *dev = sb->is_opened ? sb->dev : NULL;
	sb_free(sb);
	if (dev)
		ext2_close_device(dev);
}

static int ext2_sync(struct super *s)
{
	struct ext2_sb *sb = ext2_sb(s);
	if (ext2_is_read_only(sb))
		return 0;
	int err = flusher_sync(block_whole(sb->dev)), err2 = ext2_commit(sb);
	return err ? err : err2;
}

static int ext2_remount(struct super *s, u32 flags, const char *data)
{
	struct ext2_sb *sb = ext2_sb(s);
	struct ext2_options opt = sb->opt;
	bool was_ro = sb->is_clean, ro = flags & MS_RDONLY;
	if (!ext2_parse_options(data, &opt))
		return -EINVAL;
	if (!was_ro && ro) {
		sb->is_ending = true; /* the vfs has set MS_RDONLY so that nobody begins to change anything */
		int err = end_writing(sb);
		sb->is_ending = false;
		if (err)
			return err;
		sb->is_clean = true;
	} else if (was_ro && !ro) {
		if (sb->disk->ro_compat & ~EXT2_RO_KNOWN)
			return -EROFS;
		if (sb->dev->is_read_only)
			return -EACCES;
		int err = begin_writing(sb);
		if (err)
			return err;
	}
	sb->opt = opt;
	return 0;
}

void ext2_init_caches(void)
{
	ext2_meta_init_cache();
	ext2_inode_init_cache();
}

static void ext2_dirty_inode(struct inode *i, bool times_only)
{
	if (!ext2_is_read_only(ext2_sb_of(i)))
		ext2_dirty(i, times_only ? EXT2_DIRTY_TIMES : EXT2_DIRTY_META);
}

/* Blocks that can never hold a file: superblocks, descriptors, bitmaps, inode tables. */
static u64 overhead(const struct ext2_sb *sb)
{
	u64 n = sb->first_data_block + (u64)sb->nr_groups * (2 + sb->table_blocks);
	for (u32 group = 0; group < sb->nr_groups; group++)
		if (ext2_group_has_super(sb, group))
			n += 1 + (sb->disk->incompat & EXT2_INCOMPAT_META_BG ? 0 : sb->nr_chunks);
	return n;
}

static void ext2_statfs(struct super *s, void *out)
{
	struct ext2_sb *sb = ext2_sb(s);
	struct statfs *st = out;
	u64 id[2];
	memcpy(id, sb->disk->uuid, sizeof(id));
	id[0] ^= id[1];
	st->f_bsize = st->f_frsize = sb->block_size;
	st->f_blocks = (s64)(sb->blocks_count - (sb->opt.minixdf ? 0 : overhead(sb)));
	st->f_bfree = max(READ_ONCE(sb->free_blocks), (s64)0);
	st->f_bavail = (s64)ext2_blocks_available(sb);
	st->f_files = sb->inodes_count;
	st->f_ffree = max(READ_ONCE(sb->free_inodes), (s64)0);
	st->f_namelen = EXT2_NAME_MAX;
	st->f_fsid.val[0] = (int)id[0];
	st->f_fsid.val[1] = (int)(id[0] >> 32);
}

static void ext2_drop_buffers(struct super *s) { mapping_drop_clean(&ext2_sb(s)->dev->mapping, 0, ~0ull); }

static void ext2_show_options(struct super *s, struct seq *seq)
{
	const struct ext2_options *o = &ext2_sb(s)->opt;
	if (o->minixdf)
		seq_puts(seq, ",minixdf");
	if (o->grpid)
		seq_puts(seq, ",grpid");
	if (o->has_resuid)
		seq_printf(seq, ",resuid=%u", o->resuid);
	if (o->has_resgid)
		seq_printf(seq, ",resgid=%u", o->resgid);
	if (o->errors == EXT2_ERRORS_CONTINUE)
		seq_puts(seq, ",errors=continue");
	else if (o->errors == EXT2_ERRORS_PANIC)
		seq_puts(seq, ",errors=panic");
	if (o->no_user_xattr)
		seq_puts(seq, ",nouser_xattr");
}

const struct super_ops ext2_super_ops = {
	.statfs = ext2_statfs,
	.unmount = ext2_unmount,
	.sync = ext2_sync,
	.remount = ext2_remount,
	.dirty_inode = ext2_dirty_inode,
	.drop_buffers = ext2_drop_buffers,
	.show_options = ext2_show_options,
};
