/* SPDX-License-Identifier: MIT */
/*
 * Directories: blocks of entries, each entry with the way to the next. An unused entry has inode 0; room behind a
 * name belongs to its entry and is split off when a name needs it.
 *
 * A hash index (dir_index) is laid out so that a linear reader sees unused entries in its place: it is read
 * like any directory, and the first change clears the flag that says it is one.
 *
 * The inode's lock is held by all callers. Every entry is checked before it is used: the block may hold
 * anything. Positions of readdir are byte offsets; reading starts at the first entry at or behind the
 * position, found from the block's start, so removals before it do no harm.
 */
#include "ext2.h"

/* What is wrong with the entry at `at`, or NULL. */
static const char *check_entry(const struct ext2_sb *sb, const void *block, u32 at)
{
	const struct ext2_dirent *de = (const void *)((const char *)block + at);
	if (at + EXT2_DIRENT_HEAD > sb->block_size || de->rec_len < ext2_dirent_size(1))
		return "too short";
	if (de->rec_len & 3)
		return "unaligned";
	if (de->rec_len > sb->block_size - at)
		return "across the block's end";
	if (de->rec_len < ext2_dirent_size(de->name_len))
		return "shorter than its name";
	if (de->inode > sb->inodes_count)
		return "of an impossible inode";
	return NULL;
}

static inline struct ext2_dirent *entry_at(const struct buffer *b, u32 at) { return (struct ext2_dirent *)((char *)b->data + at); }

/* Block n of the directory with all its entries checked. */
static int read_block(struct inode *dir, u32 n, struct buffer *b)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	u32 p;
	int err = ext2_map_one(dir, n, &p);
	if (err)
		return err;
	if (!p)
		return ext2_corrupt(sb, "directory %llu has a hole at block %u", (unsigned long long)dir->ino, n);
	err = buffer_read(sb->dev, p, sb->shift, b);
	if (err)
		return ext2_io_error(sb, err, "block of directory", dir->ino);
	for (u32 at = 0; at < sb->block_size; at += entry_at(b, at)->rec_len) {
		const char *wrong = check_entry(sb, b->data, at);
		if (!wrong)
			continue;
		buffer_put(b);
		return ext2_corrupt(sb, "directory %llu, block %u, offset %u: an entry %s", (unsigned long long)dir->ino, n, at, wrong);
	}
	return 0;
}

static u32 nr_blocks(const struct inode *dir) { return (u32)(dir->size >> ext2_sb_of(dir)->shift); }

static bool is_name(const struct ext2_dirent *de, const char *name, size_t len)
{
	return de->inode && de->name_len == len && !memcmp(de->name, name, len);
}

static struct ext2_dirent *find_in_block(const struct ext2_sb *sb, const struct buffer *b, const char *name, size_t len)
{
	for (u32 at = 0; at < sb->block_size; at += entry_at(b, at)->rec_len)
		if (is_name(entry_at(b, at), name, len))
			return entry_at(b, at);
	return NULL;
}

/* 0: *b is held; -ENOENT; what was wrong when a block could not be looked at. */
int ext2_find_entry(struct inode *dir, const char *name, size_t len, struct buffer *b, struct ext2_dirent **out)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	struct ext2_inode *e = ext2_i(dir);
	u32 nr = nr_blocks(dir), start = e->find_hint < nr ? e->find_hint : 0;
	int err = -ENOENT;
	for (u32 k = 0; k < nr; k++) {
		u32 n = start + k < nr ? start + k : start + k - nr;
		int bad = read_block(dir, n, b);
		if (bad) {
			err = bad;
			continue;
		}
		*out = find_in_block(sb, b, name, len);
		if (*out) {
			e->find_hint = n;
			return 0;
		}
		buffer_put(b);
	}
	return err;
}

/* Changing. */

static u8 type_of(const struct ext2_sb *sb, u32 mode)
{
	static const u8 types[16] = { [S_IFIFO >> 12] = 5, [S_IFCHR >> 12] = 3, [S_IFDIR >> 12] = 2, [S_IFBLK >> 12] = 4,
		                          [S_IFREG >> 12] = 1, [S_IFLNK >> 12] = 7, [S_IFSOCK >> 12] = 6 };
	return sb->disk->incompat & EXT2_INCOMPAT_FILETYPE ? types[(mode & S_IFMT) >> 12] : 0;
}

static void dir_changed(struct inode *dir, struct buffer *b)
{
	buffer_dirty(b);
	WRITE_ONCE(ext2_i(dir)->flags, ext2_i(dir)->flags & ~EXT2_FL_INDEX);
	inode_touch_mtime(dir);
	ext2_dirty(dir, EXT2_DIRTY_META);
}

static void write_entry(const struct ext2_sb *sb, struct ext2_dirent *de, const char *name, size_t len, const struct inode *target)
{
	de->name_len = (u8)len;
	de->type = type_of(sb, target->mode);
	memcpy(de->name, name, len);
	de->inode = (u32)target->ino;
}

/* Puts the name into the block if it has room. */
static bool add_in_block(const struct ext2_sb *sb, struct buffer *b, const char *name, size_t len, const struct inode *target)
{
	u32 need = ext2_dirent_size(len);
	for (u32 at = 0; at < sb->block_size; at += entry_at(b, at)->rec_len) {
		struct ext2_dirent *de = entry_at(b, at);
		u32 used = de->inode ? ext2_dirent_size(de->name_len) : 0;
		if (de->rec_len < used + need)
			continue;
		if (used) {
			struct ext2_dirent *next = entry_at(b, at + used);
			next->inode = 0;
			next->rec_len = (u16)(de->rec_len - used);
			de->rec_len = (u16)used;
			de = next;
		}
		write_entry(sb, de, name, len, target);
		return true;
	}
	return false;
}

/* A new last block with one unused entry. */
static int append_block(struct inode *dir, struct buffer *b)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	if (dir->size + sb->block_size > 0x7fffffff)
		return -EFBIG;
	int err = ext2_append_block(dir, nr_blocks(dir), b);
	if (err)
		return err;
	struct ext2_dirent *de = b->data;
	de->inode = 0;
	de->name_len = 0;
	de->rec_len = (u16)sb->block_size;
	WRITE_ONCE(dir->size, dir->size + sb->block_size);
	ext2_dirty(dir, EXT2_DIRTY_META);
	return 0;
}

/* The name is not there yet. */
int ext2_add_entry(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	struct ext2_inode *e = ext2_i(dir);
	struct buffer b;
	u32 nr = nr_blocks(dir);
	for (u32 n = e->room_hint < nr ? e->room_hint : 0; n <= nr; n++) {
		int err = n < nr ? read_block(dir, n, &b) : append_block(dir, &b);
		if (err)
			return err;
		if (add_in_block(sb, &b, name, len, target)) {
			e->room_hint = n;
			dir_changed(dir, &b);
			buffer_put(&b);
			return 0;
		}
		buffer_put(&b);
	}
	return -ENOSPC; /* a new block holds any name */
}

/* de lies in b; both as ext2_find_entry gave them. */
int ext2_remove_entry(struct inode *dir, struct buffer *b, struct ext2_dirent *de)
{
	struct ext2_inode *e = ext2_i(dir);
	struct ext2_dirent *before = NULL;
	for (struct ext2_dirent *at = b->data; at != de; at = (struct ext2_dirent *)((char *)at + at->rec_len))
		before = at;
	if (before)
		before->rec_len = (u16)(before->rec_len + de->rec_len);
	de->inode = 0;
	e->room_hint = min(e->room_hint, e->find_hint); /* find_hint: b's block */
	dir_changed(dir, b);
	return 0;
}

int ext2_set_entry(struct inode *dir, struct buffer *b, struct ext2_dirent *de, struct inode *target)
{
	de->inode = (u32)target->ino;
	de->type = type_of(ext2_sb_of(dir), target->mode);
	dir_changed(dir, b);
	return 0;
}

int ext2_make_empty(struct inode *dir, struct inode *parent)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	struct buffer b;
	int err = append_block(dir, &b);
	if (err)
		return err;
	struct ext2_dirent *dot = b.data, *dotdot = entry_at(&b, ext2_dirent_size(1));
	dot->rec_len = (u16)ext2_dirent_size(1);
	write_entry(sb, dot, ".", 1, dir);
	dotdot->rec_len = (u16)(sb->block_size - ext2_dirent_size(1));
	write_entry(sb, dotdot, "..", 2, parent);
	buffer_put(&b); /* kept until it is written */
	return 0;
}

int ext2_find_dotdot(struct inode *dir, struct buffer *b, struct ext2_dirent **out)
{
	int err = nr_blocks(dir) ? read_block(dir, 0, b) : -EUCLEAN;
	if (err)
		return err;
	*out = find_in_block(ext2_sb_of(dir), b, "..", 2);
	if (*out)
		return 0;
	buffer_put(b);
	return ext2_corrupt(ext2_sb_of(dir), "directory %llu has no parent", (unsigned long long)dir->ino);
}

/* 1, 0, or -errno when that cannot be told. */
int ext2_is_empty(struct inode *dir)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	struct buffer b;
	for (u32 n = 0; n < nr_blocks(dir); n++) {
		bool empty = true;
		int err = read_block(dir, n, &b);
		if (err)
			return err;
		for (u32 at = 0; at < sb->block_size && empty; at += entry_at(&b, at)->rec_len) {
			struct ext2_dirent *de = entry_at(&b, at);
			empty = !de->inode || is_name(de, ".", 1) || is_name(de, "..", 2);
		}
		buffer_put(&b);
		if (!empty)
			return 0;
	}
	return 1;
}

int ext2_sync_children(struct inode *dir)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	struct buffer b;
	int err = 0;
	for (u32 n = 0; n < nr_blocks(dir); n++) {
		int bad = read_block(dir, n, &b);
		for (u32 at = 0; !bad && at < sb->block_size; at += entry_at(&b, at)->rec_len) {
			struct inode *i = entry_at(&b, at)->inode ? icache_find(dir->super, entry_at(&b, at)->inode) : NULL;
			int e = i && i != dir && READ_ONCE(ext2_i(i)->dirty) ? ext2_write_inode(i, false) : 0;
			err = err ? err : e;
			if (i)
				inode_put(i);
		}
		if (!bad)
			buffer_put(&b);
		err = err ? err : bad;
	}
	return err;
}

/* Reading. */

static unsigned dt_type(const struct ext2_sb *sb, u8 type)
{
	static const u8 types[] = { 0, 8, 4, 2, 6, 1, 12, 10 };
	return (sb->disk->incompat & EXT2_INCOMPAT_FILETYPE) && type < ARRAY_SIZE(types) ? types[type] : 0;
}

/* Emits entries of block n from f->pos on; false: the reader has enough. */
static bool emit_block(struct file *f, struct dir_emit *e, const struct buffer *b, u32 n)
{
	const struct ext2_sb *sb = ext2_sb_of(f->inode);
	u64 start = (u64)n << sb->shift;
	for (u32 at = 0; at < sb->block_size;) {
		struct ext2_dirent *de = entry_at(b, at);
		u32 next = at + de->rec_len;
		if (start + at >= f->pos) {
			if (de->inode && !e->emit(e, de->name, de->name_len, de->inode, dt_type(sb, de->type), start + next))
				return false;
			f->pos = start + next;
		}
		at = next;
	}
	return true;
}

static int dir_readdir(struct file *f, struct dir_emit *e)
{
	struct inode *dir = f->inode;
	const struct ext2_sb *sb = ext2_sb_of(dir);
	while (f->pos < dir->size) {
		u32 n = (u32)(f->pos >> sb->shift);
		struct buffer b;
		int err = read_block(dir, n, &b);
		if (err) {
			f->pos = (u64)(n + 1) << sb->shift; /* a reader that goes on sees the rest */
			return err;
		}
		if (n + 1 < nr_blocks(dir)) {
			u32 p;
			if (!ext2_map_one(dir, n + 1, &p) && p)
				buffer_readahead(sb->dev, p, sb->shift);
		}
		bool more = emit_block(f, e, &b, n);
		buffer_put(&b);
		if (!more)
			return 0;
		f->pos = max(f->pos, (u64)(n + 1) << sb->shift);
	}
	return 0;
}

const struct file_ops ext2_dir_fops = {
	.readdir = dir_readdir,
	.seek = file_seek_generic,
	.fsync = ext2_fsync,
	.ioctl = ext2_ioctl,
	.name = "ext2 directory",
};
