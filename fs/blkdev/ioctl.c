/* SPDX-License-Identifier: MIT */
/* ioctl on block special files. Source: Linux's headers linux/fs.h, linux/hdreg.h, linux/blkpg.h. */
#include "internal.h"
#include <linux/blkzoned.h>
#include <linux/hdreg.h>
#include <mm/cache.h>
#include <mm/writeback.h>

static bool may_write(const struct file *f) { return FMODE_CAN_WRITE(f); }

static long set_read_only(struct blkdev *b, uaddr_t arg)
{
	int on;
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (get_user(on, arg))
		return -EFAULT;
	WRITE_ONCE(b->dev->is_read_only, on != 0);
	return 0;
}

static long set_block_size(struct blkdev *b, uaddr_t arg)
{
	int size;
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (!arg)
		return -EINVAL;
	if (get_user(size, arg))
		return -EFAULT;
	if (size < (int)b->dev->logical_block || size > (int)PAGE_SIZE || (size & (size - 1)))
		return -EINVAL;
	WRITE_ONCE(b->block_size, (u32)size);
	return 0;
}

static long set_readahead(struct blkdev *b, u64 sectors)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	WRITE_ONCE(b->whole->dev->readahead_pages, (u32)(sectors * SECTOR_SIZE / PAGE_SIZE));
	return 0;
}

static long get_readahead(struct blkdev *b, uaddr_t arg)
{
	if (!arg)
		return -EINVAL;
	return put_user((long)READ_ONCE(b->whole->dev->readahead_pages) * (long)(PAGE_SIZE / SECTOR_SIZE), arg);
}

static long drop_cache(struct blkdev *b)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	blkdev_sync(b);
	mapping_drop_clean(&b->dev->mapping, 0, ~0ull);
	return 0;
}

static long get_geometry(struct blkdev *b, uaddr_t arg)
{
	const struct blkdev_geometry *g = &b->whole->info.geometry;
	struct hd_geometry out;
	if (!arg)
		return -EINVAL;
	if (!g->heads)
		return -ENOTTY;
	memset(&out, 0, sizeof(out));
	out.heads = g->heads;
	out.sectors = g->sectors;
	out.cylinders = g->cylinders;
	out.start = b->dev->start_sector;
	return put_user(out, arg);
}


static size_t copy_zeros(struct cache_copier *c, void *page, size_t n)
{
	memset(page, 0, n);
	return n;
}

int blkdev_zero(struct blkdev *b, u64 start, u64 len)
{
	struct cache_copier zeros = { .move = copy_zeros };
	u64 size = blkdev_size(b);
	if (((start | len) & (b->dev->logical_block - 1)) || !len || start >= size || len > size - start)
		return -EINVAL;
	mutex_lock(&b->write_lock);
	long n = b->is_swap ? -ETXTBSY : cache_write(&b->dev->mapping, start, len, &zeros, NULL);
	mutex_unlock(&b->write_lock);
	if (n < 0)
		return (int)n;
	int err = mapping_writeback(&b->dev->mapping, start, start + len, WRITEBACK_WAIT);
	return err ? err : (u64)n < len ? -EIO : 0;
}

static long zero_out(struct file *f, uaddr_t arg)
{
	u64 range[2];
	if (!may_write(f))
		return -EBADF;
	if (copy_from_user(range, arg, sizeof(range)))
		return -EFAULT;
	return blkdev_zero(file_blkdev(f), range[0], range[1]);
}

static long reread_partitions(struct blkdev *b)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (b->partition)
		return -EINVAL;
	int err = blkdev_sync(b); /* the table may be in the cache only */
	return err ? err : blkdev_rescan(b);
}

static long no_discard(struct file *f) { return may_write(f) ? -EOPNOTSUPP : -EBADF; }

static long set(struct file *f, u32 cmd, u64 arg)
{
	struct blkdev *b = file_blkdev(f);
	switch (cmd) {
	case BLKROSET:
		return set_read_only(b, arg);
	case BLKBSZSET:
		return set_block_size(b, arg);
	case BLKRASET:
	case BLKFRASET:
		return set_readahead(b, arg);
	case BLKFLSBUF:
		return drop_cache(b);
	case BLKRRPART:
		return reread_partitions(b);
	case BLKZEROOUT:
		return zero_out(f, arg);
	case BLKDISCARD:
	case BLKSECDISCARD:
		return no_discard(f);
	}
	return -ENOTTY;
}

long blkdev_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct blkdev *b = file_blkdev(f);
	struct block_device *d = b->dev;
	switch (cmd) {
	case BLKGETSIZE:
		return put_user((unsigned long)READ_ONCE(d->nr_sectors), arg);
	case BLKGETSIZE64:
		return put_user(blkdev_size(b), arg);
	case BLKROGET:
		return put_user((int)blkdev_is_read_only(b), arg);
	case BLKBSZGET:
		return put_user((int)READ_ONCE(b->block_size), arg);
	case BLKSSZGET:
		return put_user((int)d->logical_block, arg);
	case BLKPBSZGET:
		return put_user(d->physical_block, arg);
	case BLKIOMIN:
		return put_user(d->physical_block, arg);
	case BLKIOOPT:
		return put_user((u32)0, arg);
	case BLKALIGNOFF:
		return put_user((int)0, arg);
	case BLKDISCARDZEROES:
		return put_user((u32)0, arg);
	case BLKSECTGET:
		return put_user((u16)min(d->max_sectors, 0xffffu), arg);
	case BLKROTATIONAL:
		return put_user((u16)b->whole->info.is_rotational, arg);
	case BLKRAGET:
	case BLKFRAGET:
		return get_readahead(b, arg);
	case BLKGETDISKSEQ:
		return put_user(b->whole->sequence, arg);
	case BLKGETZONESZ:
	case BLKGETNRZONES:
		return put_user((u32)0, arg);
	case HDIO_GETGEO:
		return get_geometry(b, arg);
	default:
		return set(f, cmd, arg);
	}
}
