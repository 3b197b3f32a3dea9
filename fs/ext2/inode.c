/* SPDX-License-Identifier: MIT */
/*
 * Inodes: read from their records, written back to them, evicted.
 *
 * A record is copied into its table's block only by ext2_write_inode, after the file's own metadata blocks
 * are on the disk (meta.c). What changed in memory is noted in e->dirty and on the flusher's list.
 */
#include "ext2.h"

#define NSEC 1000000000ll

static struct slab_cache *inode_cache;

void ext2_inode_init_cache(void)
{
	inode_cache = slab_cache_create("ext2_inode_cache", sizeof(struct ext2_inode), 0, SLAB_RECLAIMABLE);
	ASSERT(inode_cache);
}

/* mapping_ops */

static struct inode *inode_of(struct mapping *m) { return container_of(m, struct inode, mapping); }

static u64 mapping_size(struct mapping *m) { return READ_ONCE(inode_of(m)->size); }

/* A commit brings back what was freed and may be used again only then. */
static int make_writable(struct mapping *m, u64 index, struct frame *f)
{
	struct inode *i = inode_of(m);
	if (READ_ONCE(i->flags) & INODE_SWAP)
		return -ETXTBSY;
	int err = cache_make_writable(m, index, f);
	if (err == -ENOSPC && ext2_reclaim_freed(ext2_sb_of(i)))
		err = cache_make_writable(m, index, f);
	if (!err)
		inode_touch_mtime(i);
	return err;
}

static int write_meta(struct mapping *m, bool wait) { return ext2_write_inode(inode_of(m), wait); }
static bool pin(struct mapping *m) { return icache_pin(inode_of(m)); }
static void unpin(struct mapping *m) { icache_unpin(inode_of(m)); }

const struct mapping_ops ext2_mapping_ops = {
	.size = mapping_size,
	.make_writable = make_writable,
	.map_blocks = ext2_map_blocks,
	.write_meta = write_meta,
	.pin = pin,
	.unpin = unpin,
	VFS_MAPPING_OPS,
};

/* In memory. */

int ext2_inode_alloc(struct inode *i)
{
	struct ext2_inode *e = slab_alloc(inode_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!e)
		return -ENOMEM;
	e->vfs = i;
	i->priv = e;
	rwlock_init(&e->map_lock, RANK_FS_MAP);
	ext2_extent_init(&e->extent);
	rwlock_init(&e->xattr_lock, RANK_FS_MAP);
	list_init(&e->window.link);
	list_init(&e->dirty_link);
	mapping_init(&i->mapping, &ext2_mapping_ops, 0);
	backing_store_init(&e->store, &i->mapping, ext2_sb_of(i)->dev, ext2_sb_of(i)->shift);
	return 0;
}

void ext2_set_ops(struct inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		i->ops = &ext2_file_ops;
		i->fops = &ext2_file_fops;
		break;
	case S_IFDIR:
		i->ops = &ext2_dir_ops;
		i->fops = &ext2_dir_fops;
		break;
	case S_IFLNK:
		i->ops = &ext2_link_ops;
		break;
	default:
		i->ops = &ext2_special_ops;
	}
}

void ext2_apply_flags(struct inode *i)
{
	u32 from = ext2_i(i)->flags, to = 0;
	if (from & EXT2_FL_IMMUTABLE)
		to |= INODE_IMMUTABLE;
	if (from & EXT2_FL_APPEND)
		to |= INODE_APPEND;
	if (from & EXT2_FL_NOATIME)
		to |= INODE_NOATIME;
	if (from & EXT2_FL_SYNC)
		to |= INODE_SYNC;
	i->flags = (i->flags & ~(INODE_IMMUTABLE | INODE_APPEND | INODE_NOATIME | INODE_SYNC)) | to;
}

void ext2_dirty(struct inode *i, u32 what)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	/* The change is visible before the mark is looked at: whoever takes the mark off copies the change. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((READ_ONCE(e->dirty) & what) == what && READ_ONCE(e->store.is_meta_dirty))
		return;
	spin_lock(&sb->dirty_lock);
	WRITE_ONCE(e->dirty, e->dirty | what);
	if (list_is_empty(&e->dirty_link))
		list_add_tail(&e->dirty_link, &sb->dirty_inodes);
	spin_unlock(&sb->dirty_lock);
	mapping_dirty_meta(&i->mapping);
}

static u32 take_dirty(struct inode *i)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	spin_lock(&sb->dirty_lock);
	u32 was = e->dirty;
	WRITE_ONCE(e->dirty, 0);
	list_del(&e->dirty_link);
	spin_unlock(&sb->dirty_lock);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return was;
}

/* On the disk. */

int ext2_record_of(struct ext2_sb *sb, u32 ino, struct buffer *b, struct ext2_disk_inode **out)
{
	u32 group = (ino - 1) / sb->inodes_per_group, index = (ino - 1) % sb->inodes_per_group;
	int err = buffer_read(sb->dev, ext2_desc(sb, group, NULL)->inode_table + index / sb->inodes_per_block, sb->shift, b);
	if (err)
		return ext2_io_error(sb, err, "inode", ino);
	*out = (struct ext2_disk_inode *)((char *)b->data + index % sb->inodes_per_block * sb->inode_size);
	return 0;
}

/* Behind the first 128 bytes of the record, when they hold the fractions of times; else NULL. */
static struct ext2_disk_inode_more *more_of(const struct ext2_sb *sb, struct ext2_disk_inode *d)
{
	struct ext2_disk_inode_more *m = (struct ext2_disk_inode_more *)(d + 1);
	u32 room = sb->inode_size - EXT2_GOOD_OLD_INODE_SIZE;
	return room >= sizeof(*m) && m->extra_isize >= EXT2_EXTRA_WITH_TIMES && m->extra_isize <= room && !(m->extra_isize & 3) ? m : NULL;
}

static s64 time_from(u32 seconds, u32 extra)
{
	u32 ns = min(extra >> 2, 999999999u);
	return ((s64)(s32)seconds + ((s64)(extra & 3) << 32)) * NSEC + ns;
}

static u32 seconds_of(s64 ns) { return (u32)(ns / NSEC - (ns % NSEC < 0)); }

static u32 extra_of(s64 ns)
{
	s64 seconds = ns / NSEC - (ns % NSEC < 0);
	return (u32)(ns - seconds * NSEC) << 2 | (u32)((seconds - (s32)seconds) >> 32 & 3);
}

static u64 device_number(const u32 *block)
{
	if (block[0])
		return dev_make(block[0] >> 8 & 0xff, block[0] & 0xff);
	return dev_make((block[1] & 0xfff00) >> 8, (block[1] & 0xff) | (block[1] >> 12 & 0xfff00));
}

static void from_record(struct inode *i, struct ext2_disk_inode *d)
{
	struct ext2_inode *e = ext2_i(i);
	const struct ext2_disk_inode_more *m = more_of(ext2_sb_of(i), d);
	i->mode = d->mode;
	i->uid = d->uid | (u32)d->uid_high << 16;
	i->gid = d->gid | (u32)d->gid_high << 16;
	i->nlink = d->links_count;
	i->size = d->size | (S_ISREG(i->mode) ? (u64)d->size_high << 32 : 0);
	i->blocks = d->blocks;
	e->record_size = i->size;
	i->atime_ns = time_from(d->atime, m ? m->atime_extra : 0);
	i->mtime_ns = time_from(d->mtime, m ? m->mtime_extra : 0);
	i->ctime_ns = time_from(d->ctime, m ? m->ctime_extra : 0);
	memcpy(e->block, d->block, sizeof(e->block));
	e->flags = d->flags;
	e->generation = d->generation;
	e->file_acl = d->file_acl;
	e->dir_acl = S_ISREG(i->mode) ? 0 : d->size_high;
	memcpy(e->faddr, &d->faddr, sizeof(e->faddr));
	if (!S_ISREG(i->mode) && !S_ISDIR(i->mode) && !S_ISLNK(i->mode))
		i->rdev = device_number(e->block);
}

static bool is_known_type(u32 mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

static const char *what_is_wrong(struct ext2_sb *sb, const struct inode *i)
{
	const struct ext2_inode *e = ext2_i(i);
	if (!is_known_type(i->mode))
		return "no known type";
	if (i->size > sb->super->max_bytes)
		return "an impossible size";
	if (S_ISDIR(i->mode) && (i->size & (sb->block_size - 1)))
		return "a size that no directory has";
	if (e->file_acl && !ext2_is_data_block(sb, e->file_acl, 1))
		return "its attributes at an impossible place";
	return NULL;
}

static int load(struct inode *i)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_disk_inode *d;
	struct buffer b;
	int err = ext2_inode_alloc(i);
	if (!err)
		err = ext2_record_of(sb, (u32)i->ino, &b, &d);
	if (err)
		return err;
	bool is_removed = !d->links_count && (!d->mode || d->dtime);
	if (!is_removed)
		from_record(i, d);
	buffer_put(&b);
	if (is_removed || !i->nlink)
		return -ESTALE;
	const char *wrong = what_is_wrong(sb, i);
	if (wrong)
		return ext2_corrupt(sb, "inode %llu has %s", (unsigned long long)i->ino, wrong);
	ext2_set_ops(i);
	ext2_apply_flags(i);
	if (S_ISLNK(i->mode))
		ext2_link_loaded(i);
	return 0;
}

/* The memory of an inode that did not come to be. */
void ext2_unload(struct inode *i)
{
	if (!i->priv)
		return;
	mapping_destroy(&i->mapping);
	i->mapping.store = NULL;
	slab_free(inode_cache, i->priv);
	i->priv = NULL;
}

int ext2_iget(struct super *s, u32 ino, struct inode **out)
{
	struct ext2_sb *sb = ext2_sb(s);
	bool is_new;
	if ((ino != EXT2_ROOT_INO && ino < sb->first_ino) || ino > sb->inodes_count)
		return ext2_corrupt(sb, "inode %u cannot be", ino);
	int err = icache_get(s, ino, out, &is_new);
	if (err || !is_new)
		return err;
	err = load(*out);
	icache_loaded(*out, err);
	if (err) {
		ext2_unload(*out);
		inode_put(*out);
	}
	return err;
}

/* Times and owner change without a lock the writer of records holds: each is read once, and who changed it marks
 * the inode dirty afterwards, so the record is written again. */
static void to_record(const struct inode *i, u32 nlink, struct ext2_disk_inode *d)
{
	const struct ext2_inode *e = ext2_i(i);
	struct ext2_disk_inode_more *m = more_of(ext2_sb_of(i), d);
	u64 size = READ_ONCE(i->size);
	u32 uid = READ_ONCE(i->uid), gid = READ_ONCE(i->gid);
	s64 atime = READ_ONCE(i->atime_ns), mtime = READ_ONCE(i->mtime_ns), ctime = READ_ONCE(i->ctime_ns);
	d->mode = (u16)READ_ONCE(i->mode);
	d->uid = (u16)uid;
	d->uid_high = (u16)(uid >> 16);
	d->gid = (u16)gid;
	d->gid_high = (u16)(gid >> 16);
	d->links_count = (u16)nlink;
	d->size = (u32)size;
	d->size_high = S_ISREG(i->mode) ? (u32)(size >> 32) : e->dir_acl;
	d->blocks = (u32)i->blocks;
	d->atime = seconds_of(atime);
	d->mtime = seconds_of(mtime);
	d->ctime = seconds_of(ctime);
	d->dtime = 0;
	d->flags = READ_ONCE(e->flags);
	d->generation = e->generation;
	d->file_acl = e->file_acl;
	memcpy(&d->faddr, e->faddr, sizeof(e->faddr));
	memcpy(d->block, e->block, sizeof(e->block));
	if (!m)
		return;
	m->atime_extra = extra_of(atime);
	m->mtime_extra = extra_of(mtime);
	m->ctime_extra = extra_of(ctime);
}

/* A record of an inode that was just made: what it held before means nothing. */
static void clear_record(const struct inode *i, struct ext2_disk_inode *d)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_disk_inode_more *m = (struct ext2_disk_inode_more *)(d + 1);
	memset(d, 0, sb->inode_size);
	if (sb->inode_size < EXT2_GOOD_OLD_INODE_SIZE + sizeof(*m))
		return;
	s64 created = READ_ONCE(i->ctime_ns);
	m->extra_isize = EXT2_EXTRA_ISIZE;
	m->crtime = seconds_of(created);
	m->crtime_extra = extra_of(created);
}

static int copy_to_record(struct inode *i, u32 nlink, struct buffer *b)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_disk_inode *d;
	int err = ext2_record_of(sb, (u32)i->ino, b, &d);
	if (err)
		return err;
	if (e->is_new_record)
		clear_record(i, d);
	e->is_new_record = false;
	e->record_size = READ_ONCE(i->size);
	to_record(i, nlink, d);
	buffer_dirty(b);
	return 0;
}

int ext2_write_inode(struct inode *i, bool wait)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct buffer b;
	if (S_ISREG(i->mode) && READ_ONCE(i->size) > 0x7fffffff)
		ext2_use_feature(sb, 0, EXT2_RO_LARGE_FILE);
	rwlock_write(&e->map_lock);
	u32 was = take_dirty(i), nlink = READ_ONCE(i->nlink); /* once: an unlink may be under way */
	if (!nlink) { /* until its removal is final the disk shows it as it was: rule C3 of commit.c */
		rwlock_write_unlock(&e->map_lock);
		return 0;
	}
	int err = e->has_zeroed ? block_flush(sb->dev) : 0; /* rule C4 */
	if (!err) {
		e->has_zeroed = false;
		err = ext2_meta_write(e);
	}
	if (!err)
		err = copy_to_record(i, nlink, &b);
	rwlock_write_unlock(&e->map_lock);
	if (err) {
		ext2_dirty(i, was | EXT2_DIRTY_META);
		return err;
	}
	WRITE_ONCE(e->is_record_unsure, !wait);
	if (wait)
		err = buffer_write(&b);
	buffer_put(&b);
	return err;
}

void ext2_evict(struct inode *i)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	if (!e)
		return;
	bool is_removed = !i->nlink && !ext2_is_read_only(sb);
	if (is_removed && i->mapping.nr_pages) {
		WRITE_ONCE(i->size, 0);
		mapping_truncate(&i->mapping, 0);
	}
	if (is_removed) {
		bool has_blocks = S_ISREG(i->mode) || S_ISDIR(i->mode) || (S_ISLNK(i->mode) && i->blocks > ext2_acl_blocks(i));
		if (has_blocks)
			ext2_truncate_blocks(i, 0);
		ext2_xattr_free(i);
		ext2_free_inode(i);
	}
	if (!i->nlink)
		__atomic_fetch_sub(&sb->super->nr_unlinked, 1, __ATOMIC_RELAXED);
	ext2_window_discard(i);
	mapping_destroy(&i->mapping);
	i->mapping.store = NULL;
	take_dirty(i);
	ext2_meta_drop(e);
	i->priv = NULL;
	slab_free(inode_cache, e);
}
