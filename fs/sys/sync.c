/* SPDX-License-Identifier: MIT */
/* Getting what was written onto the disk: fsync and its kin. */
#include "../internal.h"
#include <fs/blkdev.h>
#include <fs/vfs.h>
#include <linux/fs.h>
#include <mm/writeback.h>

static long flush(u64 fd, bool data_only)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long err = f->ops->fsync ? f->ops->fsync(f, data_only) : -EINVAL;
	file_put(f);
	return err;
}

SYSCALL1(fsync, fd) { return flush(fd, false); }
SYSCALL1(fdatasync, fd) { return flush(fd, true); }

static bool sync_one(const struct mount_info *m, void *arg)
{
	if (m->super->ops && m->super->ops->sync)
		m->super->ops->sync(m->super);
	return true;
}

SYSCALL0(sync)
{
	vfs_for_each_mount(sync_one, NULL);
	blkdev_sync_all();
	return 0;
}

SYSCALL1(syncfs, fd)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	struct super *s = f->inode->super;
	long err = s->ops && s->ops->sync ? s->ops->sync(s) : 0;
	file_put(f);
	return err;
}

/* sync_file_range(2): only pages, neither metadata nor the disk's own cache. */
static int sync_range(struct file *f, u64 start, u64 end, u32 flags)
{
	struct mapping *m = f->mapping;
	int err = 0;
	if (!m->store)
		return 0;
	if (flags & SYNC_FILE_RANGE_WAIT_BEFORE)
		mapping_wait_writeback(m, start, end);
	if (flags & SYNC_FILE_RANGE_WRITE)
		err = mapping_writeback(m, start, end, 0);
	if (flags & SYNC_FILE_RANGE_WAIT_AFTER)
		mapping_wait_writeback(m, start, end);
	if (flags & (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER)) {
		int seen = writeback_error_check(m, &f->error_seen);
		err = err ? err : seen;
	}
	return err;
}

SYSCALL4(sync_file_range, fd, offset, len, flags)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long err;
	if (((u32)flags & ~7u) || (s64)offset < 0 || (s64)(offset + len) < 0 || (s64)len < 0)
		err = -EINVAL;
	else if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode) && !S_ISDIR(f->inode->mode) && !S_ISLNK(f->inode->mode))
		err = -ESPIPE;
	else
		err = sync_range(f, offset, len ? offset + len : ~0ull, (u32)flags);
	file_put(f);
	return err;
}
