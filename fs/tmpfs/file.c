/* SPDX-License-Identifier: MIT */
/*
 * tmpfs files. The content is the mapping: reading copies from the pages there are and takes absent
 * ones for zeros without making them; writing makes them. Readers take no lock: the size is one word,
 * pages hold references, and a truncated page reads as what it was or as zeros. Writers, truncate and
 * fallocate run under the inode's lock.
 *
 * Memory is charged page by page as it is made (see tmpfs.c), so a write near the limit is short, not
 * refused.
 */
#include "tmpfs.h"
#include <asm/resource.h>
#include <kernel/signal.h>
#include <linux/falloc.h>
#include <linux/mman.h>
#include <mm/mman.h>
#include <mm/shmem.h>

static long file_read_pages(struct file *f, struct iov *iov, u64 *ppos)
{
	struct inode *i = f->inode;
	u64 pos = *ppos;
	long done = 0;
	while (iov->left) {
		u64 size = READ_ONCE(i->size), off = pos & ~PAGE_MASK;
		if (pos >= size)
			break;
		size_t n = min(min(PAGE_SIZE - off, size - pos), iov->left), moved;
		struct frame *p = mapping_find(&i->mapping, pos >> PAGE_SHIFT);
		if (unlikely(!p || !(frame_flags(p) & FRAME_UPTODATE))) {
			if (p)
				frame_put(p);
			int err = shmem_find(&i->mapping, pos >> PAGE_SHIFT, ALLOC_USER, &p);
			if (err) {
				if (!done)
					return err;
				break;
			}
		}
		if (likely(p != NULL)) {
			moved = iov_copy_to(iov, (char *)frame_ptr(p) + off, n);
			frame_put(p);
		} else {
			moved = iov_zero(iov, n);
		}
		pos += moved;
		done += (long)moved;
		if (moved < n) {
			if (!done)
				return -EFAULT;
			break;
		}
		cond_resched();
	}
	*ppos = pos;
	inode_touch_atime(f);
	return done;
}

/* Checks and limits of a write of iov->left bytes at pos; how many may be written, or -errno. */
static s64 write_limit(struct inode *i, u64 pos, u64 len)
{
	u64 limit = current->process ? current->process->rlimits[RLIMIT_FSIZE].cur : ~0ull;
	if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (pos >= limit) {
		signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	if (pos >= FS_MAX_BYTES)
		return -EFBIG;
	return (s64)min(len, min(limit, FS_MAX_BYTES) - pos);
}

/* A page that the file has not got yet, made from n bytes for offset off: it is filled before anybody can
 * see it, so nothing is zeroed that is written anyway. Bytes moved; -EEXIST when a fault was faster
 * (nothing was used up), -ENOMEM, -ENOSPC. */
static long write_new_page(struct inode *i, u64 index, struct iov *iov, u64 off, size_t n)
{
	struct frame *p = frame_alloc(0, ALLOC_USER, FRAME_CACHE);
	struct iov saved = *iov;
	if (!p)
		return -ENOMEM;
	char *at = frame_ptr(p);
	size_t moved = iov_copy_from(iov, at + off, n);
	if (off)
		memset(at, 0, off);
	if (off + moved < PAGE_SIZE)
		memset(at + off + moved, 0, PAGE_SIZE - off - moved);
	int err = moved ? mapping_add(&i->mapping, index, ALLOC_USER, p) : 0;
	if (err)
		*iov = saved;
	frame_put(p);
	return err ? err : (long)moved;
}

/* n bytes into page `index`. Bytes moved or -errno. */
static long write_page(struct inode *i, u64 index, struct iov *iov, u64 off, size_t n)
{
	struct frame *p;
	if (index >= (i->size + PAGE_SIZE - 1) >> PAGE_SHIFT) {
		long moved = write_new_page(i, index, iov, off, n);
		if (moved != -EEXIST)
			return moved;
	}
	int err = mapping_get(&i->mapping, index, ALLOC_USER, &p);
	if (err)
		return err;
	size_t moved = iov_copy_from(iov, (char *)frame_ptr(p) + off, n);
	if (!(p->flags & FRAME_DIRTY))
		frame_set_flags(p, FRAME_DIRTY);
	frame_put(p);
	return (long)moved;
}

/* Writes len bytes at pos; bytes written, or -errno when none was. */
static long write_pages(struct inode *i, struct iov *iov, u64 pos, u64 len)
{
	long done = 0;
	int err = 0;
	while (len) {
		u64 off = pos & ~PAGE_MASK;
		size_t n = min(PAGE_SIZE - off, len);
		long moved = (i->seals & F_SEAL_GROW) && pos + n > i->size ? -EPERM : write_page(i, pos >> PAGE_SHIFT, iov, off, n);
		if (moved < 0) {
			err = (int)moved;
			break;
		}
		pos += (u64)moved;
		len -= (u64)moved;
		done += moved;
		if (pos > i->size)
			WRITE_ONCE(i->size, pos);
		if ((size_t)moved < n) {
			err = -EFAULT;
			break;
		}
		cond_resched();
	}
	return done ? done : err;
}

static long file_write_pages(struct file *f, struct iov *iov, u64 *ppos)
{
	struct inode *i = f->inode;
	if (!iov->left)
		return 0;
	mutex_lock(&i->lock);
	if (f->flags & O_APPEND)
		*ppos = i->size;
	s64 len = write_limit(i, *ppos, iov->left);
	if (len > 0) {
		if (unlikely(i->mode & SETID_MASK))
			inode_drop_setid(i);
		inode_touch_mtime(i);
		len = write_pages(i, iov, *ppos, (u64)len);
		if (len > 0)
			*ppos += (u64)len;
	}
	mutex_unlock(&i->lock);
	return len;
}

/* Positions of data and holes. */

static u64 next_data(struct inode *i, u64 pos)
{
	u64 index = pos >> PAGE_SHIFT;
	return shmem_next(&i->mapping, &index) ? max(pos, index << PAGE_SHIFT) : ~0ull;
}

static u64 next_hole(struct inode *i, u64 pos)
{
	u64 index = pos >> PAGE_SHIFT;
	for (u64 next = index; (index << PAGE_SHIFT) < i->size && shmem_next(&i->mapping, &next) && next == index; next = ++index)
		;
	return min(max(pos, index << PAGE_SHIFT), READ_ONCE(i->size));
}

static s64 tmpfs_seek(struct file *f, s64 offset, int whence)
{
	struct inode *i = f->inode;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return file_seek_generic(f, offset, whence);
	if (offset < 0)
		return -ENXIO;
	mutex_lock(&i->lock);
	u64 at = ~0ull;
	if ((u64)offset < i->size)
		at = whence == SEEK_DATA ? next_data(i, (u64)offset) : next_hole(i, (u64)offset);
	if (whence == SEEK_DATA && at >= i->size)
		at = ~0ull;
	mutex_unlock(&i->lock);
	if (at == ~0ull)
		return -ENXIO;
	return file_seek_generic(f, (s64)at, SEEK_SET);
}

/* Size and space. */

static int file_setattr(struct inode *i, const struct attr *a)
{
	if (!(a->valid & ATTR_SIZE))
		return 0;
	u64 old = i->size;
	WRITE_ONCE(i->size, a->size);
	if (a->size < old)
		mapping_truncate(&i->mapping, a->size);
	return 0;
}

static int punch(struct inode *i, u64 offset, u64 len)
{
	if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	mapping_punch(&i->mapping, offset, offset + len);
	return 0;
}

/* Makes pages [first, end); takes back those beyond the end of the file when it fails. */
static int preallocate(struct inode *i, u64 first, u64 end)
{
	struct tmpfs_super *t = tmpfs_of(i);
	int err = t->max_pages && end - first > t->max_pages ? -ENOSPC : 0;
	for (u64 index = first; index < end && !err; index++) {
		struct frame *p;
		err = signal_is_pending() ? -EINTR : mapping_get(&i->mapping, index, ALLOC_USER, &p);
		if (!err)
			frame_put(p);
		cond_resched();
	}
	if (err) {
		u64 kept = max(PAGE_ALIGN_UP(i->size), first << PAGE_SHIFT);
		if (kept < end << PAGE_SHIFT)
			mapping_punch(&i->mapping, kept, end << PAGE_SHIFT);
	}
	return err;
}

static int tmpfs_fallocate(struct file *f, u32 mode, u64 offset, u64 len)
{
	struct inode *i = f->inode;
	int err;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	mutex_lock(&i->lock);
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		err = punch(i, offset, len);
	} else if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + len > i->size && offset + len > current->process->rlimits[RLIMIT_FSIZE].cur) {
		signal_send_task(current, SIGXFSZ, NULL);
		err = -EFBIG;
	} else if ((i->seals & F_SEAL_GROW) && offset + len > i->size) {
		err = -EPERM;
	} else {
		err = preallocate(i, offset >> PAGE_SHIFT, (offset + len + PAGE_SIZE - 1) >> PAGE_SHIFT);
		if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && offset + len > i->size)
			WRITE_ONCE(i->size, offset + len);
	}
	if (!err)
		inode_touch_mtime(i);
	mutex_unlock(&i->lock);
	return err;
}

static int tmpfs_mmap(struct file *f, struct mmap_request *req)
{
	struct inode *i = f->inode;
	u32 type = req->flags & MAP_TYPE;
	if (type != MAP_PRIVATE && req->file_writable) {
		if (i->seals & F_SEAL_WRITE)
			return -EPERM;
		if (i->seals & F_SEAL_FUTURE_WRITE) {
			if (req->prot & PROT_WRITE)
				return -EPERM;
			req->file_writable = false;
		}
	}
	req->mapping = &i->mapping;
	inode_touch_atime(f);
	return 0;
}

void tmpfs_file_evict(struct inode *i)
{
	mapping_destroy(&i->mapping);
	if (i->charged_pages)
		tmpfs_charge(i, -(s64)i->charged_pages);
	tmpfs_inode_uncount(i);
	if (i->anon_name)
		kfree((void *)i->anon_name);
}

static int tmpfs_fsync(struct file *f, bool data_only) { return 0; }

const struct inode_ops tmpfs_file_ops = { .setattr = file_setattr, .evict = tmpfs_file_evict };

const struct file_ops tmpfs_file_fops = {
	.read = file_read_pages,
	.write = file_write_pages,
	.seek = tmpfs_seek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
	.name = "tmpfs",
};
