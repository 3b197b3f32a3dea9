/* SPDX-License-Identifier: MIT */
/*
 * Files: reading and writing through the page cache, flushing.
 *
 * O_DIRECT goes through the cache too: a read writes back first what the cache alone has, a write is written
 * back and dropped from the cache before it returns. User memory is never pinned.
 */
#include "ext2.h"
#include <asm/resource.h>
#include <kernel/signal.h>

struct copier {
	struct cache_copier base; /* first */
	struct iov *iov;
};

static size_t to_caller(struct cache_copier *c, void *page, size_t n) { return iov_copy_to(((struct copier *)c)->iov, page, n); }
static size_t from_caller(struct cache_copier *c, void *page, size_t n) { return iov_copy_from(((struct copier *)c)->iov, page, n); }

/* O_DIRECT: position, length and memory are in whole sectors, as Linux wants them. */
static int check_direct(const struct ext2_sb *sb, const struct iov *iov, u64 pos)
{
	u64 mask = sb->dev->logical_block - 1, bits = pos | iov->left;
	for (unsigned n = 0; iov->vec && n < iov->nr; n++)
		bits |= iov->vec[n].base | iov->vec[n].len;
	return bits & mask ? -EINVAL : 0;
}

static long file_read_pages(struct file *f, struct iov *iov, u64 *pos)
{
	struct inode *i = f->inode;
	struct copier c = { { to_caller }, iov };
	if (!iov->left)
		return 0;
	if (f->flags & O_DIRECT) {
		int err = check_direct(ext2_sb_of(i), iov, *pos);
		if (!err)
			err = mapping_writeback(&i->mapping, *pos, *pos + iov->left, WRITEBACK_WAIT);
		if (err)
			return err;
	}
	long n = cache_read(&i->mapping, &f->ra, *pos, iov->left, &c.base);
	if (n > 0)
		*pos += (u64)n;
	inode_touch_atime(f);
	return n;
}

/* Checks and limits of a write of len bytes at pos; how many may be written, or -errno. */
static s64 write_limit(const struct inode *i, u64 pos, u64 len)
{
	u64 limit = current->process ? current->process->rlimits[RLIMIT_FSIZE].cur : ~0ull;
	if (pos >= limit) {
		signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	if (pos >= i->super->max_bytes)
		return -EFBIG;
	return (s64)min(len, min(limit, i->super->max_bytes) - pos);
}

static void grow(struct mapping *m, u64 end)
{
	struct inode *i = container_of(m, struct inode, mapping);
	WRITE_ONCE(i->size, end);
	ext2_dirty(i, EXT2_DIRTY_META);
}

/* Writes len bytes at pos. When the disk is full but for what a commit brings back, goes on after one. */
static long write_pages(struct inode *i, struct iov *iov, u64 pos, u64 len)
{
	struct copier c = { { from_caller }, iov };
	const struct iov start = *iov;
	u64 done = 0;
	long n = 0;
	for (unsigned round = 0; round < 3 && done < len; round++) {
		n = cache_write(&i->mapping, pos + done, len - done, &c.base, grow);
		if (n > 0)
			done += (u64)n;
		*iov = start; /* what was taken and found no block is taken again */
		iov_advance(iov, done);
		if (n < 0 && (n != -ENOSPC || !ext2_reclaim_freed(ext2_sb_of(i))))
			break;
	}
	if (done < len && (i->blocks << 9) > i->size)
		ext2_truncate_blocks(i, i->size); /* blocks that were got and not used */
	return done ? (long)done : n;
}

static bool wants_sync(const struct file *f)
{
	return (f->flags & (O_SYNC | O_DSYNC)) || (f->inode->flags & INODE_SYNC) || (f->inode->super->flags & MS_SYNCHRONOUS);
}

/* What O_SYNC, O_DSYNC and O_DIRECT ask for after n bytes were written at pos. */
static long finish_write(struct file *f, u64 pos, long n)
{
	struct mapping *m = &f->inode->mapping;
	if (n <= 0)
		return n;
	if (f->flags & O_DIRECT) {
		int err = mapping_writeback(m, pos, pos + (u64)n, WRITEBACK_WAIT);
		if (!err)
			mapping_invalidate(m, pos, pos + (u64)n); /* a page that is mapped stays */
		if (err)
			return err;
	}
	if (!wants_sync(f))
		return n;
	int err = ext2_fsync(f, !(f->flags & (O_SYNC & ~O_DSYNC)));
	return err ? err : n;
}

static long file_write_pages(struct file *f, struct iov *iov, u64 *ppos)
{
	struct inode *i = f->inode;
	if (!iov->left)
		return READ_ONCE(i->flags) & INODE_SWAP ? -ETXTBSY : 0;
	mutex_lock(&i->lock);
	if (f->flags & O_APPEND)
		*ppos = i->size;
	s64 len = i->flags & INODE_SWAP ? -ETXTBSY : f->flags & O_DIRECT ? check_direct(ext2_sb_of(i), iov, *ppos) : 0;
	if (!len)
		len = write_limit(i, *ppos, iov->left);
	if (len > 0) {
		if (unlikely(i->mode & SETID_MASK))
			inode_drop_setid(i);
		inode_touch_mtime(i);
		len = write_pages(i, iov, *ppos, (u64)len);
	}
	mutex_unlock(&i->lock);
	long n = finish_write(f, *ppos, len);
	if (n > 0)
		*ppos += (u64)n;
	return n;
}

/* Flushing. */

/* Records of what a directory names, so that after a crash its names lead to files; its blocks and all
 * other changed metadata of the device. */
static int sync_dir(struct inode *dir)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	mutex_lock(&dir->lock);
	int err = ext2_sync_children(dir);
	mutex_unlock(&dir->lock);
	int err2 = ext2_write_inode(dir, true);
	int err3 = mapping_writeback(&sb->dev->mapping, 0, ~0ull, WRITEBACK_WAIT);
	return err ? err : err2 ? err2 : err3;
}

static int sync_file(struct inode *i, bool data_only)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	rwlock_write(&e->map_lock);
	e->record_size = READ_ONCE(i->size); /* holes that are filled from now on may miss the next line */
	rwlock_write_unlock(&e->map_lock);
	int err = mapping_writeback(&i->mapping, 0, ~0ull, WRITEBACK_WAIT);
	/* Even when nothing is marked, the flusher may have copied the record without waiting for the disk. */
	if (!data_only || (READ_ONCE(e->dirty) & EXT2_DIRTY_META) || READ_ONCE(e->is_record_unsure)) {
		int err2 = ext2_write_inode(i, true);
		err = err ? err : err2;
	}
	if (e->file_acl) {
		int err2 = buffer_write_block(sb->dev, e->file_acl, sb->shift);
		err = err ? err : err2;
	}
	return err;
}

int ext2_fsync(struct file *f, bool data_only)
{
	struct inode *i = f->inode;
	struct ext2_sb *sb = ext2_sb_of(i);
	if (ext2_is_read_only(sb)) { /* perhaps because of errors: what is not on the disk will never be */
		int err = writeback_error_check(&i->mapping, &f->error_seen);
		return err ? err : READ_ONCE(i->mapping.store->nr_dirty) || READ_ONCE(ext2_i(i)->dirty) ? -EIO : 0;
	}
	int err = S_ISDIR(i->mode) ? sync_dir(i) : sync_file(i, data_only);
	int err2 = block_flush(sb->dev);
	int err3 = writeback_error_check(&i->mapping, &f->error_seen);
	return err3 ? err3 : err ? err : err2;
}

/* The first byte at or behind pos that lies in a block (or in a hole); the size: none. -errno. */
static s64 find_data(struct inode *i, u64 pos, bool data)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	while (pos < i->size) {
		struct block_extent x;
		int err = ext2_map_blocks(&i->mapping, pos >> sb->shift, ~0u, false, &x);
		if (err)
			return err;
		if ((x.device_block != BLOCK_HOLE) == data)
			return (s64)pos;
		pos = ((pos >> sb->shift) + x.nr) << sb->shift;
		cond_resched();
	}
	return (s64)i->size;
}

static s64 file_seek(struct file *f, s64 offset, int whence)
{
	struct inode *i = f->inode;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_generic(f, offset, whence);
	mutex_lock(&i->lock);
	s64 at = offset < 0 || (u64)offset >= i->size ? -ENXIO : find_data(i, (u64)offset, whence == SEEK_DATA);
	if (whence == SEEK_DATA && at == (s64)i->size)
		at = -ENXIO;
	mutex_unlock(&i->lock);
	return at < 0 ? at : file_seek_generic(f, at, SEEK_SET);
}

static int file_open(struct inode *i, struct file *f)
{
	readahead_init(&f->ra, READAHEAD_DEFAULT_PAGES);
	f->error_seen = writeback_error_sample(&i->mapping);
	return 0;
}

/* A writer is gone: what was set aside for growth goes back. So a file that nobody has open has nothing set
 * aside, and evicting it takes no lock. */
static void file_release(struct file *f)
{
	struct inode *i = f->inode;
	struct ext2_inode *e = ext2_i(i);
	if (!(f->state & FILE_WRITER) || !READ_ONCE(e->window.len))
		return;
	rwlock_write(&e->map_lock);
	ext2_window_discard(i);
	rwlock_write_unlock(&e->map_lock);
}

int ext2_setattr(struct inode *i, const struct attr *a)
{
	return a->valid & ATTR_SIZE ? ext2_set_size(i, a->size) : 0;
}

const struct inode_ops ext2_file_ops = { .setattr = ext2_setattr, .open = file_open, EXT2_XATTR_OPS, .evict = ext2_evict };
const struct inode_ops ext2_special_ops = { .setattr = ext2_setattr, EXT2_XATTR_OPS, .evict = ext2_evict };

const struct file_ops ext2_file_fops = {
	.read = file_read_pages,
	.write = file_write_pages,
	.seek = file_seek,
	.fsync = ext2_fsync,
	.fallocate = ext2_fallocate,
	.ioctl = ext2_ioctl,
	.release = file_release,
	.name = "ext2",
};
