/* SPDX-License-Identifier: MIT */
/* What a program says of how it will read a file. */
#include "../internal.h"
#include <linux/fadvise.h>
#include <mm/block.h>
#include <mm/cache.h>

static u32 usual_limit(struct mapping *m) { return READ_ONCE(block_whole(m->store->dev)->readahead_pages); }

/* Pages that the bytes touch; len 0: to the end. */
static void will_need(struct mapping *m, u64 offset, u64 len)
{
	u64 first = offset >> PAGE_SHIFT, last = len ? (offset + len - 1) >> PAGE_SHIFT : ~0ull >> PAGE_SHIFT;
	readahead_force(m, first, last - first + 1);
}

/* Whole pages inside the bytes; dirty ones are only started on their way. */
static void dont_need(struct mapping *m, u64 offset, u64 len)
{
	u64 end = len ? offset + len : ~0ull;
	u64 first = (offset + PAGE_SIZE - 1) >> PAGE_SHIFT, behind = end >= m->ops->size(m) ? ~0ull >> PAGE_SHIFT : end >> PAGE_SHIFT;
	mapping_writeback(m, offset, end, 0);
	if (first < behind)
		mapping_drop_clean(m, first, behind - 1);
}

static void advise(struct file *f, u64 offset, u64 len, int advice)
{
	struct mapping *m = f->mapping;
	if (!m->store)
		return;
	switch (advice) {
	case POSIX_FADV_NORMAL:
		f->ra.limit = usual_limit(m);
		break;
	case POSIX_FADV_SEQUENTIAL:
		f->ra.limit = usual_limit(m) * 2;
		break;
	case POSIX_FADV_RANDOM:
		f->ra.limit = 0;
		break;
	case POSIX_FADV_WILLNEED:
		will_need(m, offset, len);
		break;
	case POSIX_FADV_DONTNEED:
		dont_need(m, offset, len);
		break;
	}
}

SYSCALL4(fadvise64, fd, offset, len, advice)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long err = S_ISFIFO(f->inode->mode) ? -ESPIPE : (s64)len < 0 || (int)advice < 0 || (int)advice > POSIX_FADV_NOREUSE ? -EINVAL : 0;
	if (!err)
		advise(f, offset, offset + len < offset ? 0 : len, (int)advice);
	file_put(f);
	return err;
}

SYSCALL3(readahead, fd, offset, count)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	bool has_pages = S_ISREG(f->inode->mode) || S_ISBLK(f->inode->mode);
	long err = !FMODE_CAN_READ(f) ? -EBADF : !has_pages ? -EINVAL : 0;
	if (!err && f->mapping->store && count)
		will_need(f->mapping, offset, count);
	file_put(f);
	return err;
}
