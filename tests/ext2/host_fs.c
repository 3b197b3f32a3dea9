/* SPDX-License-Identifier: MIT */
/* ext2 on the host: what the kernel around it would do, and nothing more. */
#include "../../fs/ext2/ext2.h"
#include "host_fs.h"
#include <asm/statfs.h>
#include <fs/seq.h>
#include <kernel/cred.h>
#include <kernel/signal.h>

s64 fs_now_ns = 1600000000000000000ll;
u32 fs_uid;

/* The kernel's part. */

static struct cred cred;
bool cred_has_group(const struct cred *c, u32 gid) { return false; }
static struct process process;
static struct task task;

s64 clock_realtime_ns(void) { return fs_now_ns; }
bool capable(unsigned cap) { return !fs_uid; }
void cond_resched(void) {}
int signal_send_task(struct task *t, int sig, const siginfo_t *info) { return 0; }
const struct file_ops no_file_ops = { .name = "none" };
const struct mapping_ops inode_mapping_ops = { 0 };
void pipe_inode_evict(struct inode *i) {}
void locks_free(struct inode *i) {}
void vfs_mapping_get(void *file) {}
void vfs_mapping_put(void *file) {}
struct readahead *vfs_mapping_readahead(void *file) { return NULL; }
int vfs_mapping_fsync(void *file, u64 start, u64 end) { return 0; }
int vfs_mapping_punch(void *file, u64 start, u64 end) { return 0; }
void seq_puts(struct seq *s, const char *text) {}
void seq_printf(struct seq *s, const char *fmt, ...) {}
size_t copy_from_user(void *dst, uaddr_t src, size_t len) { return len; }
size_t copy_to_user(uaddr_t dst, const void *src, size_t len) { return len; }
size_t clear_user(uaddr_t dst, size_t len) { return len; }
void ext2_close_device(struct block_device *dev) {}

s64 file_seek_generic(struct file *f, s64 offset, int whence)
{
	f->pos = (u64)offset;
	return offset;
}

void fs_start(void)
{
	cred = (struct cred){ .refs = 1, .uid = fs_uid, .fsuid = fs_uid };
	task = (struct task){ .cred = &cred, .process = &process };
	for (unsigned n = 0; n < ARRAY_SIZE(process.rlimits); n++)
		process.rlimits[n].cur = process.rlimits[n].max = ~0ull;
	fs_thread();
	inode_init_cache();
	ext2_init_caches();
}

void fs_thread(void) { host_task = &task; }

/* Supers. */

int fs_mount(struct block_device *dev, bool read_only, const char *options, struct super **out)
{
	cred.fsuid = cred.uid = fs_uid;
	return ext2_mount_device(dev, read_only ? MS_RDONLY : 0, options, out);
}

void fs_unmount(struct super *s) { super_put(s); }

int fs_remount(struct super *s, bool read_only)
{
	u32 old = s->flags;
	if (read_only)
		s->flags |= MS_RDONLY;
	int err = s->ops->remount(s, read_only ? MS_RDONLY : 0, NULL);
	s->flags = err ? old : read_only ? s->flags | MS_RDONLY : s->flags & ~MS_RDONLY;
	return err;
}

int fs_sync(struct super *s) { return s->ops->sync(s); }
bool fs_is_read_only(struct super *s) { return s->flags & MS_RDONLY; }

struct inode *fs_root(struct super *s)
{
	inode_get(s->root);
	return s->root;
}

void fs_put(struct inode *i) { inode_put(i); }

static void drop_pages(struct inode *i, void *arg) { mapping_drop_clean(&i->mapping, 0, ~0ull); }

u64 fs_shrink(struct super *s)
{
	icache_for_each(s, drop_pages, NULL);
	mapping_drop_clean(&ext2_sb(s)->dev->mapping, 0, ~0ull);
	return icache_shrink(s, ~0ull);
}

void fs_space(struct super *s, struct fs_space *out)
{
	struct statfs st = { 0 };
	s->ops->statfs(s, &st);
	*out = (struct fs_space){ st.f_blocks, st.f_bfree, st.f_bavail, st.f_files, st.f_ffree, st.f_bsize };
}

void fs_stat(struct inode *i, struct fs_stat *out)
{
	*out = (struct fs_stat){ i->ino, i->size, i->blocks, i->rdev, i->mode, i->nlink, i->uid, i->gid, i->mtime_ns };
}

/* Names. */

int fs_lookup(struct inode *dir, const char *name, struct inode **out)
{
	mutex_lock(&dir->lock);
	int err = dir->ops->lookup ? dir->ops->lookup(dir, name, strlen(name), out) : -ENOTDIR;
	mutex_unlock(&dir->lock);
	return err;
}

static int want_write(struct inode *i) { return i->super->flags & MS_RDONLY ? -EROFS : 0; }

int fs_create(struct inode *dir, const char *name, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	struct inode *there;
	int err = want_write(dir);
	mutex_lock(&dir->lock);
	if (!err)
		err = dir->ops->lookup ? dir->ops->lookup(dir, name, strlen(name), &there) : -ENOTDIR;
	if (!err) {
		inode_put(there);
		err = -EEXIST;
	} else if (err == -ENOENT) {
		err = dir->ops->create(dir, name, strlen(name), mode, rdev, target, out);
	}
	mutex_unlock(&dir->lock);
	return err;
}

int fs_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	int err = want_write(dir);
	return err ? err : dir->ops->tmpfile(dir, mode, out);
}

int fs_link(struct inode *dir, const char *name, struct inode *target)
{
	int err = want_write(dir);
	mutex_lock(&dir->lock);
	if (!err)
		err = dir->ops->link(dir, name, strlen(name), target);
	mutex_unlock(&dir->lock);
	return err;
}

int fs_unlink(struct inode *dir, const char *name, bool is_rmdir)
{
	struct inode *i;
	int err = want_write(dir);
	if (err)
		return err;
	mutex_lock(&dir->lock);
	err = dir->ops->lookup ? dir->ops->lookup(dir, name, strlen(name), &i) : -ENOTDIR;
	if (!err) {
		err = S_ISDIR(i->mode) != is_rmdir ? (is_rmdir ? -ENOTDIR : -EISDIR) : dir->ops->unlink(dir, name, strlen(name), i);
		inode_put(i);
	}
	mutex_unlock(&dir->lock);
	return err;
}

static int rename_locked(struct inode *od, const char *on, struct inode *nd, const char *nn, u32 flags)
{
	struct inode *i, *there = NULL;
	int err = od->ops->lookup(od, on, strlen(on), &i);
	if (err)
		return err;
	err = nd->ops->lookup(nd, nn, strlen(nn), &there);
	if (err == -ENOENT)
		err = flags & RENAME_EXCHANGE ? -ENOENT : 0;
	else if (!err && (flags & RENAME_NOREPLACE))
		err = -EEXIST;
	else if (!err && there != i && !(flags & RENAME_EXCHANGE) && S_ISDIR(there->mode) != S_ISDIR(i->mode))
		err = S_ISDIR(i->mode) ? -ENOTDIR : -EISDIR;
	if (!err && there != i)
		err = od->ops->rename(od, on, strlen(on), nd, nn, strlen(nn), i, there, flags);
	if (there)
		inode_put(there);
	inode_put(i);
	return err;
}

int fs_rename(struct inode *od, const char *on, struct inode *nd, const char *nn, u32 flags)
{
	struct inode *a = od < nd ? od : nd, *b = od < nd ? nd : od;
	int err = want_write(od);
	if (err)
		return err;
	mutex_lock(&a->lock);
	if (a != b)
		mutex_lock(&b->lock);
	err = rename_locked(od, on, nd, nn, flags);
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
	return err;
}

long fs_readlink(struct inode *i, char *buf, size_t size) { return i->ops->readlink ? i->ops->readlink(i, buf, size) : -EINVAL; }

struct lister {
	struct dir_emit emit;
	bool (*fn)(void *arg, const char *name, size_t len, u64 ino, unsigned type);
	void *arg;
};

static bool emit(struct dir_emit *e, const char *name, size_t len, u64 ino, unsigned type, u64 next_pos)
{
	struct lister *l = (struct lister *)e;
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return true;
	return l->fn(l->arg, name, len, ino, type);
}

int fs_readdir(struct inode *dir, bool (*fn)(void *arg, const char *name, size_t len, u64 ino, unsigned type), void *arg)
{
	struct file f = { .ops = dir->fops, .inode = dir };
	struct lister l = { { 0, emit }, fn, arg };
	if (!dir->fops->readdir)
		return -ENOTDIR;
	mutex_lock(&dir->lock);
	int err = dir->fops->readdir(&f, &l.emit);
	mutex_unlock(&dir->lock);
	return err;
}

/* Contents. */

static void open_on(struct file *f, struct inode *i)
{
	*f = (struct file){ .refs = 1, .ops = i->fops, .inode = i, .mapping = &i->mapping, .flags = O_RDWR };
	if (i->ops->open)
		i->ops->open(i, f);
}

long fs_read(struct inode *i, void *buf, size_t len, u64 pos)
{
	struct file f;
	struct iov v;
	open_on(&f, i);
	iov_init_kernel(&v, buf, len);
	return i->fops->read ? i->fops->read(&f, &v, &pos) : -EISDIR;
}

long fs_write(struct inode *i, const void *buf, size_t len, u64 pos)
{
	struct file f;
	struct iov v;
	open_on(&f, i);
	iov_init_kernel(&v, (void *)buf, len);
	int err = want_write(i);
	return err ? err : i->fops->write ? i->fops->write(&f, &v, &pos) : -EISDIR;
}

int fs_touch_mapped(struct inode *i, u64 index, char byte)
{
	struct mapping *m = &i->mapping;
	struct frame *f;
	int err = mapping_get(m, index, ALLOC_USER, &f);
	if (err)
		return err;
	err = m->ops->make_writable(m, index, f);
	if (!err) {
		*(char *)frame_ptr(f) = byte;
		mapping_dirty_page(m, f);
	}
	frame_put(f);
	return err;
}

int fs_truncate(struct inode *i, u64 size)
{
	int err = want_write(i);
	return err ? err : inode_truncate(i, size);
}

int fs_fsync(struct inode *i, bool data_only)
{
	struct file f;
	open_on(&f, i);
	return i->fops->fsync ? i->fops->fsync(&f, data_only) : -EINVAL;
}

s64 fs_seek(struct inode *i, s64 offset, int whence)
{
	struct file f;
	open_on(&f, i);
	return i->fops->seek(&f, offset, whence);
}

int fs_fallocate(struct inode *i, u32 mode, u64 offset, u64 len)
{
	struct file f;
	open_on(&f, i);
	return i->fops->fallocate ? i->fops->fallocate(&f, mode, offset, len) : -EOPNOTSUPP;
}

int fs_set_owner(struct inode *i, u32 uid, u32 gid, u32 mode)
{
	struct attr a = { .valid = ATTR_UID | ATTR_GID | ATTR_MODE, .uid = uid, .gid = gid, .mode = mode };
	int err = want_write(i);
	return err ? err : inode_setattr(i, &a, true);
}

long fs_xattr_get(struct inode *i, const char *name, void *value, size_t size) { return ext2_xattr_get(i, name, value, size); }

int fs_xattr_set(struct inode *i, const char *name, const void *value, size_t size, u32 flags)
{
	int err = want_write(i);
	return err ? err : ext2_xattr_set(i, name, value, size, flags, false);
}

int fs_xattr_remove(struct inode *i, const char *name)
{
	int err = want_write(i);
	return err ? err : ext2_xattr_set(i, name, NULL, 0, 0, true);
}

long fs_xattr_list(struct inode *i, char *list, size_t size) { return ext2_xattr_list(i, list, size); }
