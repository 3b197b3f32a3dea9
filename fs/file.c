/* SPDX-License-Identifier: MIT */
/*
 * Open descriptions: life cycle, reading and writing below the descriptor, names.
 *
 * A file holds a reference to its inode and, when it was opened by name, to its name and mount. The
 * last file_put may come from munmap under a space's lock, so nothing on that path sleeps on a lock that
 * ranks above it: release operations take spin locks only.
 */
#include "internal.h"
#include "path/path.h"
#include <asm/poll.h>
#include <lib/format.h>
#include <linux/falloc.h>
#include <linux/mman.h>
#include <mm/mman.h>

static struct slab_cache *file_cache;
static u64 nr_files; /* atomic */
u64 files_max = INT64_MAX;

u64 files_count(void) { return READ_ONCE(nr_files); }

const struct file_ops path_file_ops = { .name = "path" };
const struct file_ops no_file_ops = { .name = "none" };

void file_init_cache(void)
{
	file_cache = slab_cache_create("filp", sizeof(struct file), 0, 0);
}

struct file *file_new(const struct file_ops *ops, struct inode *inode, u32 flags)
{
	if (unlikely(READ_ONCE(nr_files) >= READ_ONCE(files_max)) && !fs_capable(CAP_SYS_ADMIN))
		return ERR_PTR(-ENFILE);
	struct file *f = slab_alloc(file_cache, ALLOC_KERNEL | ALLOC_ZERO);
	if (!f)
		return ERR_PTR(-ENOMEM);
	__atomic_fetch_add(&nr_files, 1, __ATOMIC_RELAXED);
	f->refs = 1;
	f->flags = flags;
	f->ops = ops;
	f->inode = inode;
	f->mapping = &inode->mapping;
	list_init(&f->watches);
	mutex_init(&f->pos_lock, RANK_INODE);
	return f;
}

void file_discard(struct file *f)
{
	__atomic_fetch_sub(&nr_files, 1, __ATOMIC_RELAXED);
	slab_free(file_cache, f);
}

struct file *file_new_anon(const struct file_ops *ops, const char *name, void *priv, u32 flags)
{
	struct inode *i = inode_new_anon(0600, name);
	if (!i)
		return ERR_PTR(-ENOMEM);
	struct file *f = file_new(ops, i, flags);
	if (IS_ERR(f)) {
		inode_put(i);
		return f;
	}
	f->priv = priv;
	return f;
}

void file_put(struct file *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (unlikely(!list_is_empty(&f->watches)))
		epoll_forget_file(f);
	if (unlikely(f->inode->flocks != NULL))
		locks_release_file(f);
	if (f->ops->release)
		f->ops->release(f);
	if (f->state & FILE_WRITER) {
		inode_put_write(f->inode);
		__atomic_fetch_sub(&f->inode->super->nr_writers, 1, __ATOMIC_RELEASE);
	}
	if (f->state & FILE_EXEC_DENY)
		inode_allow_write(f->inode);
	inode_put(f->inode);
	if (f->node) {
		struct path p = { f->node, f->mount };
		path_put(&p);
	}
	file_discard(f);
}

/* Reading and writing. */

long file_pread(struct file *f, struct iov *iov, u64 pos)
{
	if (!FMODE_CAN_READ(f))
		return -EBADF;
	if (!f->ops->read)
		return f->ops->readdir ? -EISDIR : -EINVAL;
	return f->ops->read(f, iov, &pos);
}

long file_pwrite(struct file *f, struct iov *iov, u64 pos)
{
	if (!FMODE_CAN_WRITE(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	return f->ops->write(f, iov, &pos);
}

long file_read(struct file *f, struct iov *iov)
{
	if (unlikely(!FMODE_CAN_READ(f)))
		return -EBADF;
	if (unlikely(!f->ops->read))
		return f->ops->readdir ? -EISDIR : -EINVAL;
	if (!f->ops->seek)
		return f->ops->read(f, iov, NULL);
	mutex_lock(&f->pos_lock);
	long n = f->ops->read(f, iov, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

long file_write(struct file *f, struct iov *iov)
{
	if (unlikely(!FMODE_CAN_WRITE(f)))
		return -EBADF;
	if (unlikely(!f->ops->write))
		return -EINVAL;
	if (!f->ops->seek)
		return f->ops->write(f, iov, NULL);
	mutex_lock(&f->pos_lock);
	long n = f->ops->write(f, iov, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

long file_read_at(struct file *f, void *buf, size_t len, u64 pos)
{
	struct iov v;
	iov_init_kernel(&v, buf, len);
	if (!f->ops->read)
		return -EINVAL;
	return f->ops->read(f, &v, &pos);
}

long file_write_at(struct file *f, const void *buf, size_t len, u64 pos)
{
	struct iov v;
	iov_init_kernel(&v, (void *)buf, len);
	if (!f->ops->write)
		return -EINVAL;
	return f->ops->write(f, &v, &pos);
}

u32 file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

/* Seeking. */

static s64 seek_to(struct file *f, s64 pos, u64 max)
{
	if (pos < 0 || (u64)pos > max)
		return -EINVAL;
	if (f->pos != (u64)pos) {
		f->pos = pos;
		f->version = 0;
	}
	return pos;
}

s64 file_seek_generic(struct file *f, s64 offset, int whence)
{
	u64 size = READ_ONCE(f->inode->size);
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		offset += (s64)f->pos;
		break;
	case SEEK_END:
		offset += (s64)size;
		break;
	case SEEK_DATA:
		if (offset < 0 || (u64)offset >= size)
			return -ENXIO;
		break;
	case SEEK_HOLE:
		if (offset < 0 || (u64)offset >= size)
			return -ENXIO;
		offset = (s64)size;
		break;
	default:
		return -EINVAL;
	}
	return seek_to(f, offset, f->inode->super->max_bytes ? f->inode->super->max_bytes : FS_MAX_BYTES);
}

s64 file_seek_unbounded(struct file *f, s64 offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += (s64)f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return seek_to(f, offset, FS_MAX_BYTES);
}

s64 file_seek_none(struct file *f, s64 offset, int whence)
{
	f->pos = 0;
	return 0;
}

/* Names. */

size_t file_name(struct file *f, char *buf, size_t size)
{
	struct inode *i = f->inode;
	if (!size)
		return 0;
	buf[0] = 0;
	if (f->node && f->mount->root) { /* else reopened through /proc/PID/fd: no name either */
		struct path p = { f->node, f->mount };
		long n = path_name(&p, buf, size);
		return n < 0 ? 0 : (size_t)n;
	}
	const char *name = i->anon_name ? i->anon_name : "";
	if (i->mapping.flags & MAPPING_SHMEM)
		snprintf(buf, size, "/%s (deleted)", name);
	else if (S_ISFIFO(i->mode))
		snprintf(buf, size, "pipe:[%llu]", (unsigned long long)i->ino);
	else if (S_ISSOCK(i->mode))
		snprintf(buf, size, "socket:[%llu]", (unsigned long long)i->ino);
	else
		snprintf(buf, size, "%s", name);
	return strlen(buf);
}

int file_get_path(struct file *f, struct path *out)
{
	char name[300];
	if (f->node) {
		*out = (struct path){ f->node, f->mount };
	} else {
		file_name(f, name, sizeof(name));
		inode_get(f->inode);
		*out = (struct path){ node_new_anon(name, f->inode), anon_mount };
		if (!out->node)
			return -ENOMEM;
		mount_get(anon_mount);
		return 0;
	}
	path_get(out);
	return 0;
}

/* Mapping. */

u64 inode_mapping_size(struct mapping *m)
{
	return READ_ONCE(container_of(m, struct inode, mapping)->size);
}
void vfs_mapping_get(void *file) { file_get(file); }
void vfs_mapping_put(void *file) { file_put(file); }
struct readahead *vfs_mapping_readahead(void *file) { return &((struct file *)file)->ra; }

int vfs_mapping_fsync(void *file, u64 start, u64 end)
{
	struct file *f = file;
	return f->ops->fsync ? f->ops->fsync(f, false) : 0;
}

int vfs_mapping_punch(void *file, u64 start, u64 end)
{
	return (int)file_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (s64)start, (s64)(end - start));
}

const struct mapping_ops inode_mapping_ops = { .size = inode_mapping_size, VFS_MAPPING_OPS };

int file_prepare_mmap(struct file *f, struct mmap_request *req)
{
	req->file = f;
	req->file_readable = FMODE_CAN_READ(f);
	req->file_writable = FMODE_CAN_WRITE(f);
	u32 type = req->flags & MAP_TYPE;
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) {
		if ((req->prot & PROT_WRITE) && !req->file_writable)
			return -EACCES;
		if ((req->prot & PROT_WRITE) && (f->inode->flags & INODE_SWAP))
			return -ETXTBSY;
		if (!FMODE_CAN_READ(f))
			return -EACCES;
	} else if (!FMODE_CAN_READ(f)) {
		return -EACCES;
	}
	if (f->mount && (f->mount->flags & MS_NOEXEC) && (req->prot & PROT_EXEC))
		return -EPERM;
	if (f->ops->mmap)
		return f->ops->mmap(f, req);
	if (!S_ISREG(f->inode->mode) || !f->inode->mapping.ops)
		return -ENODEV;
	req->mapping = &f->inode->mapping;
	inode_touch_atime(f);
	return 0;
}
