/* SPDX-License-Identifier: MIT */
/* Listing directories; working directory and root. */
#include "../path/path.h"

/* Listing: entries go straight to user memory, one by one. */
struct getdents {
	struct dir_emit emit; /* first */
	uaddr_t at;
	u64 left;
	int err;
	bool old_layout;  /* getdents(2): no type field, the type is the record's last byte */
};

struct record_head { /* both layouts */
	u64 ino;
	s64 off;
	u16 len;
} __attribute__((packed));

static bool put_record(struct getdents *g, const char *name, size_t len, u64 ino, unsigned type, u64 next_pos)
{
	size_t name_at = g->old_layout ? 18 : 19;
	u8 buf[18 + 1 + FS_NAME_MAX + 2 + 8];
	size_t size = (name_at + len + (g->old_layout ? 2 : 1) + 7) & ~(size_t)7;
	if (len > FS_NAME_MAX || size > g->left) {
		g->err = -EINVAL; /* counts only when it is the first */
		return false;
	}
	memset(buf, 0, size);
	struct record_head h = { ino, (s64)next_pos, (u16)size };
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + name_at, name, len);
	buf[g->old_layout ? size - 1 : 18] = (u8)type;
	if (copy_to_user(g->at, buf, size)) {
		g->err = -EFAULT;
		return false;
	}
	g->at += size;
	g->left -= size;
	return true;
}

static bool getdents_emit(struct dir_emit *e, const char *name, size_t len, u64 ino, unsigned type, u64 next_pos)
{
	struct getdents *g = (struct getdents *)e;
	if (!put_record(g, name, len, ino, type, next_pos))
		return false;
	e->pos = next_pos;
	return true;
}

static long list(struct file *f, uaddr_t ubuf, u64 size, bool old_layout)
{
	struct getdents g = { .emit.emit = getdents_emit, .at = ubuf, .left = size, .old_layout = old_layout };
	if (!f->ops->readdir || !S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	mutex_lock(&f->pos_lock);
	mutex_lock(&f->inode->lock);
	int err = -ENOENT;
	if (f->inode->nlink) {
		g.emit.pos = f->pos;
		err = f->ops->readdir(f, &g.emit);
	}
	mutex_unlock(&f->inode->lock);
	mutex_unlock(&f->pos_lock);
	inode_touch_atime(f);
	if (g.at != ubuf)
		return (long)(g.at - ubuf);
	return err ? err : g.err;
}

static long getdents_common(u64 fd, uaddr_t ubuf, u64 size, bool old_layout)
{
	struct file *f = fd_get((int)fd);
	if (!f)
		return -EBADF;
	long n = list(f, ubuf, (u32)size, old_layout);
	file_put(f);
	return n;
}

SYSCALL3(getdents, fd, ubuf, size) { return getdents_common(fd, ubuf, size, true); }
SYSCALL3(getdents64, fd, ubuf, size) { return getdents_common(fd, ubuf, size, false); }

/* Places. */

SYSCALL2(getcwd, ubuf, size)
{
	struct path cwd;
	char *buf = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
	if (!buf)
		return -ENOMEM;
	fs_get_cwd(&cwd);
	long n = cwd.node->is_deleted ? -ENOENT : path_name(&cwd, buf, FS_PATH_MAX);
	path_put(&cwd);
	if (n >= 0) {
		n++;
		if ((u64)n > size)
			n = -ERANGE;
		else if (copy_to_user(ubuf, buf, (size_t)n))
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

static int set_cwd(struct path *p)
{
	int err = S_ISDIR(p->node->inode->mode) ? inode_permission(p->node->inode, MAY_EXEC) : -ENOTDIR;
	if (err) {
		path_put(p);
		return err;
	}
	return fs_set_cwd(p);
}

SYSCALL1(chdir, uname)
{
	struct path p;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int err = vfs_lookup(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	user_path_put(name);
	return err ? err : set_cwd(&p);
}

SYSCALL1(fchdir, fd)
{
	struct target t;
	int err = target_from_fd(&t, (int)fd, true);
	if (err)
		return err;
	err = -ENOTDIR;
	if (t.path.node) {
		struct path p = t.path;
		path_get(&p);
		err = set_cwd(&p);
	}
	target_put(&t);
	return err;
}

SYSCALL1(chroot, uname)
{
	struct path p;
	char *name = user_path_get(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	int err = vfs_lookup(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	user_path_put(name);
	if (err)
		return err;
	err = inode_permission(p.node->inode, MAY_EXEC);
	if (!err && !fs_capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err) {
		path_put(&p);
		return err;
	}
	return fs_set_root(&p);
}
