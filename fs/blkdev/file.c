/* SPDX-License-Identifier: MIT */
/*
 * Block special files: open, read, write, seek, map, fsync. The bytes are those of the device's own pages,
 * which file systems on it use for their metadata, so both see the same.
 */
#include "internal.h"
#include <linux/falloc.h>
#include <linux/mman.h>
#include <mm/cache.h>
#include <mm/mman.h>
#include <mm/writeback.h>

bool blkdev_is_read_only(const struct blkdev *b)
{
	return READ_ONCE(b->dev->is_read_only) || READ_ONCE(b->whole->dev->is_read_only);
}

/* ---- moving bytes ---- */

struct iov_copier {
	struct cache_copier copier;
	struct iov *iov;
};

static size_t copy_to_caller(struct cache_copier *c, void *page, size_t n)
{
	return iov_copy_to(container_of(c, struct iov_copier, copier)->iov, page, n);
}

static size_t copy_from_caller(struct cache_copier *c, void *page, size_t n)
{
	return iov_copy_from(container_of(c, struct iov_copier, copier)->iov, page, n);
}

/* Whole logical blocks, from and to memory aligned as Linux wants it for these drivers. */
static bool is_aligned(const struct blkdev *b, u64 pos, const struct iov *iov)
{
	u64 mask = b->dev->logical_block - 1;
	if ((pos | iov->left) & mask)
		return false;
	for (unsigned i = 0; iov->vec && i < iov->nr; i++)
		if (((iov->vec[i].base + (i ? 0 : iov->offset)) & (SECTOR_SIZE - 1)) || (iov->vec[i].len & mask))
			return false;
	return true;
}

static long read_direct(struct blkdev *b, struct iov *iov, u64 pos, u64 len)
{
	if (!is_aligned(b, pos, iov))
		return -EINVAL;
	int err = mapping_writeback(&b->dev->mapping, pos, pos + len, WRITEBACK_WAIT);
	return err ? err : blkdev_direct(b, BLOCK_READ, pos, len, iov);
}

static void end_direct_write(struct blkdev *b)
{
	if (!__atomic_sub_fetch(&b->nr_direct_writes, 1, __ATOMIC_SEQ_CST) && READ_ONCE(b->is_swap))
		host_wake_all(&b->direct_wait);
}

static long move_direct(struct blkdev *b, struct iov *iov, u64 pos, u64 len)
{
	struct mapping *m = &b->dev->mapping;
	u64 start = pos & PAGE_MASK, end = (pos + len + PAGE_SIZE - 1) & PAGE_MASK;
	int err = mapping_invalidate(m, start, end);
	if (err)
		return err;
	long n = blkdev_direct(b, BLOCK_WRITE, pos, len, iov);
	mapping_invalidate(m, start, end); /* who read meanwhile may have what was there before */
	return n;
}

/* Counts a write that takes no lock, unless swap has the device: it waits for those counted before. */
static int begin_direct_write(struct blkdev *b)
{
	__atomic_fetch_add(&b->nr_direct_writes, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&b->is_swap, __ATOMIC_SEQ_CST))
		return 0;
	end_direct_write(b);
	return -ETXTBSY;
}

static long write_direct(struct blkdev *b, struct iov *iov, u64 pos, u64 len)
{
	if (!is_aligned(b, pos, iov))
		return -EINVAL;
	int busy = begin_direct_write(b);
	if (busy)
		return busy;
	long n = move_direct(b, iov, pos, len);
	end_direct_write(b);
	return n;
}

static long blkdev_read(struct file *f, struct iov *iov, u64 *ppos)
{
	struct blkdev *b = file_blkdev(f);
	u64 pos = *ppos, size = blkdev_size(b);
	if (pos >= size || !iov->left)
		return 0;
	u64 len = min((u64)iov->left, size - pos);
	struct iov_copier c = { .copier = { .move = copy_to_caller }, .iov = iov };
	long n = f->flags & O_DIRECT ? read_direct(b, iov, pos, len) : cache_read(&b->dev->mapping, &f->ra, pos, len, &c.copier);
	if (n > 0)
		*ppos = pos + (u64)n;
	inode_touch_atime(f);
	return n;
}

static long write_cached(struct blkdev *b, struct iov *iov, u64 pos, u64 len)
{
	struct iov_copier c = { .copier = { .move = copy_from_caller }, .iov = iov };
	mutex_lock(&b->write_lock);
	long n = b->is_swap ? -ETXTBSY : cache_write(&b->dev->mapping, pos, len, &c.copier, NULL);
	mutex_unlock(&b->write_lock);
	if (n > 0)
		writeback_throttle(&b->dev->mapping, 1);
	return n;
}

static int blkdev_fsync(struct file *f, bool data_only)
{
	struct blkdev *b = file_blkdev(f);
	struct mapping *m = &b->dev->mapping;
	int err = blkdev_sync(b);
	int seen = writeback_error_check(m, &f->error_seen);
	return err ? err : seen;
}

static long blkdev_write(struct file *f, struct iov *iov, u64 *ppos)
{
	struct blkdev *b = file_blkdev(f);
	u64 pos = *ppos, size = blkdev_size(b);
	if (blkdev_is_read_only(b))
		return -EPERM;
	if (READ_ONCE(b->is_swap))
		return -ETXTBSY;
	if (!iov->left)
		return 0;
	if (pos >= size)
		return -ENOSPC;
	u64 len = min((u64)iov->left, size - pos);
	long n = f->flags & O_DIRECT ? write_direct(b, iov, pos, len) : write_cached(b, iov, pos, len);
	if (n <= 0)
		return n;
	*ppos = pos + (u64)n;
	inode_touch_mtime(f->inode);
	if (f->flags & O_DSYNC) { /* O_SYNC contains it */
		int err = blkdev_fsync(f, true);
		if (err)
			return err;
	}
	return n;
}

/* ---- the rest ---- */

static s64 blkdev_seek(struct file *f, s64 offset, int whence)
{
	s64 size = (s64)blkdev_size(file_blkdev(f));
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		offset += (s64)f->pos;
		break;
	case SEEK_END:
		offset += size;
		break;
	default:
		return -EINVAL;
	}
	if (offset < 0 || offset > size)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

static int blkdev_mmap(struct file *f, struct mmap_request *req)
{
	struct blkdev *b = file_blkdev(f);
	u32 type = req->flags & MAP_TYPE;
	if (READ_ONCE(b->is_swap) && (req->prot & PROT_WRITE) && (type == MAP_SHARED || type == MAP_SHARED_VALIDATE))
		return -ETXTBSY;
	req->mapping = &b->dev->mapping;
	return 0;
}

int blkdev_sync(struct blkdev *b)
{
	int err = mapping_writeback(&b->dev->mapping, 0, ~0ull, WRITEBACK_WAIT);
	int flushed = block_flush(b->dev);
	return err ? err : flushed == -EOPNOTSUPP ? 0 : flushed;
}

/* A shared mapping is written through for the first time. */
static int make_writable(struct mapping *m, u64 index, struct frame *f)
{
	return READ_ONCE(blkdev_of(container_of(m, struct block_device, mapping))->is_swap) ? -ETXTBSY : 0;
}

/* Zeros a range: its blocks are always there. */
static int blkdev_fallocate(struct file *f, u32 mode, u64 offset, u64 len)
{
	struct blkdev *b = file_blkdev(f);
	u64 size = blkdev_size(b);
	if (mode != FALLOC_FL_ZERO_RANGE && mode != (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE) &&
	    mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (offset >= size)
		return -EINVAL;
	if (len > size - offset && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EINVAL;
	return blkdev_is_read_only(b) ? -EPERM : blkdev_zero(b, offset, min(len, size - offset));
}

/* What was written is on its way when the last one closes it; nobody waits (the caller may not sleep). */
static void blkdev_release(struct file *f)
{
	struct blkdev *b = file_blkdev(f);
	if (FMODE_CAN_WRITE(f))
		flusher_kick_all();
	blkdev_close(b->dev, f->state & FILE_EXCLUSIVE ? f : NULL);
}

static const struct file_ops blkdev_fops = {
	.read = blkdev_read,
	.write = blkdev_write,
	.seek = blkdev_seek,
	.ioctl = blkdev_ioctl,
	.mmap = blkdev_mmap,
	.fsync = blkdev_fsync,
	.fallocate = blkdev_fallocate,
	.release = blkdev_release,
	.name = "block device",
};

/* Regions that show a device hold the open file behind them. */
void blkdev_file_init(void)
{
	block_mapping_ops.file_get = vfs_mapping_get;
	block_mapping_ops.file_put = vfs_mapping_put;
	block_mapping_ops.readahead = vfs_mapping_readahead;
	block_mapping_ops.fsync = vfs_mapping_fsync;
	block_mapping_ops.make_writable = make_writable;
}

int blkdev_open_file(struct inode *i, struct file *f)
{
	struct block_device *d;
	const void *holder = f->flags & O_EXCL ? f : NULL;
	int err = blkdev_open(i->rdev, holder, &d);
	if (err)
		return err;
	f->ops = &blkdev_fops;
	f->priv = blkdev_of(d);
	f->mapping = &d->mapping;
	f->state |= holder ? FILE_EXCLUSIVE : 0;
	readahead_init(&f->ra, READ_ONCE(block_whole(d)->readahead_pages));
	f->error_seen = writeback_error_sample(&d->mapping);
	return 0;
}
