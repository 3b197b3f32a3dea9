/* SPDX-License-Identifier: MIT */
/* stat and its family, access, statfs. */
#include "../path/path.h"
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/securebits.h>

#define STAT_AT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)

static long stat_to_user(struct target *t, uaddr_t ustat)
{
	struct stat st;
	inode_stat(t->inode, &st);
	target_put(t);
	return copy_to_user(ustat, &st, sizeof(st)) ? -EFAULT : 0;
}

static long stat_at(int dirfd, uaddr_t uname, uaddr_t ustat, u32 flags)
{
	struct target t;
	if (flags & ~(u32)STAT_AT_FLAGS)
		return -EINVAL;
	int err = target_get(&t, dirfd, uname, flags, !(flags & AT_SYMLINK_NOFOLLOW));
	return err ? err : stat_to_user(&t, ustat);
}

SYSCALL2(stat, uname, ustat) { return stat_at(AT_FDCWD, uname, ustat, 0); }
SYSCALL2(lstat, uname, ustat) { return stat_at(AT_FDCWD, uname, ustat, AT_SYMLINK_NOFOLLOW); }
SYSCALL4(newfstatat, dirfd, uname, ustat, flags) { return stat_at((int)dirfd, uname, ustat, (u32)flags); }

SYSCALL2(fstat, fd, ustat)
{
	struct target t;
	int err = target_from_fd(&t, (int)fd, true);
	return err ? err : stat_to_user(&t, ustat);
}

static struct statx_timestamp timestamp(u64 s, u64 ns)
{
	return (struct statx_timestamp){ .tv_sec = (s64)s, .tv_nsec = (u32)ns };
}

static void fill_statx(struct target *t, struct statx *x)
{
	struct stat st;
	inode_stat(t->inode, &st);
	memset(x, 0, sizeof(*x));
	x->stx_mask = STATX_BASIC_STATS;
	x->stx_blksize = (u32)st.st_blksize;
	x->stx_nlink = (u32)st.st_nlink;
	x->stx_uid = st.st_uid;
	x->stx_gid = st.st_gid;
	x->stx_mode = (u16)st.st_mode;
	x->stx_ino = st.st_ino;
	x->stx_size = (u64)st.st_size;
	x->stx_blocks = (u64)st.st_blocks;
	x->stx_atime = timestamp(st.st_atime, st.st_atime_nsec);
	x->stx_mtime = timestamp(st.st_mtime, st.st_mtime_nsec);
	x->stx_ctime = timestamp(st.st_ctime, st.st_ctime_nsec);
	x->stx_rdev_major = dev_major(st.st_rdev);
	x->stx_rdev_minor = dev_minor(st.st_rdev);
	x->stx_dev_major = dev_major(st.st_dev);
	x->stx_dev_minor = dev_minor(st.st_dev);
	x->stx_attributes_mask = STATX_ATTR_MOUNT_ROOT | STATX_ATTR_AUTOMOUNT;
	if (t->path.node) {
		x->stx_mask |= STATX_MNT_ID;
		x->stx_mnt_id = t->path.mount->id;
		if (t->path.node == t->path.mount->root)
			x->stx_attributes |= STATX_ATTR_MOUNT_ROOT;
	}
}

SYSCALL5(statx, dirfd, uname, flags, mask, ubuf)
{
	struct target t;
	struct statx x;
	if (((u32)mask & STATX__RESERVED) || ((u32)flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    ((u32)flags & ~(u32)(STAT_AT_FLAGS | AT_STATX_SYNC_TYPE)))
		return -EINVAL;
	int err = target_get(&t, (int)dirfd, uname, (u32)flags, !(flags & AT_SYMLINK_NOFOLLOW));
	if (err)
		return err;
	fill_statx(&t, &x);
	target_put(&t);
	return copy_to_user(ubuf, &x, sizeof(x)) ? -EFAULT : 0;
}

/* Capabilities do not count for access(2) unless the real user is root. */
static u64 real_caps(const struct cred *c)
{
	if (c->securebits & (1u << SECURE_NO_SETUID_FIXUP))
		return c->cap_effective;
	return c->uid ? 0 : c->cap_permitted;
}

/* access(2) asks for the real user: for the time of the question the task acts as that one. Others see
 * nothing of it. */
static void act_as_real(struct cred *c)
{
	*c = *current->cred;
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	c->cap_effective = real_caps(c);
	current->acting = c;
}

static int ask_access(const struct target *t, u32 mode)
{
	struct inode *i = t->inode;
	if (!mode)
		return 0;
	if ((mode & MAY_EXEC) && S_ISREG(i->mode) && t->path.node && (t->path.mount->flags & MS_NOEXEC))
		return -EACCES;
	int err = inode_permission(i, mode);
	if (!err && (mode & MAY_WRITE) && !S_ISCHR(i->mode) && !S_ISBLK(i->mode) && !S_ISFIFO(i->mode) && !S_ISSOCK(i->mode))
		err = target_want_write(t);
	return err;
}

static long access_at(int dirfd, uaddr_t uname, u32 mode, u32 flags)
{
	const struct cred *c = current->cred;
	struct cred real;
	struct target t;
	if ((mode & ~7u) || (flags & ~(u32)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (!(flags & AT_EACCESS) && (c->uid != c->fsuid || c->gid != c->fsgid || c->cap_effective != real_caps(c)))
		act_as_real(&real);
	int err = target_get(&t, dirfd, uname, flags, !(flags & AT_SYMLINK_NOFOLLOW));
	if (!err) {
		err = ask_access(&t, mode);
		target_put(&t);
	}
	current->acting = NULL;
	return err;
}

SYSCALL2(access, uname, mode) { return access_at(AT_FDCWD, uname, (u32)mode, 0); }
SYSCALL3(faccessat, dirfd, uname, mode) { return access_at((int)dirfd, uname, (u32)mode, 0); }
SYSCALL4(faccessat2, dirfd, uname, mode, flags) { return access_at((int)dirfd, uname, (u32)mode, (u32)flags); }

/* statfs. */

#define ST_VALID 0x20

static s64 statfs_flags(u32 f)
{
	return ST_VALID | (f & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS)) | (f & MS_NOATIME ? 0x400 : 0) |
	       (f & MS_NODIRATIME ? 0x800 : 0) | (f & MS_RELATIME ? 0x1000 : 0);
}

static long statfs_to_user(struct target *t, uaddr_t ubuf)
{
	struct super *s = t->inode->super;
	struct statfs st;
	memset(&st, 0, sizeof(st));
	st.f_type = s->magic;
	st.f_bsize = st.f_frsize = PAGE_SIZE;
	st.f_namelen = FS_NAME_MAX;
	st.f_fsid.val[0] = (int)s->dev;
	st.f_flags = statfs_flags(s->flags | (t->path.node ? t->path.mount->flags : 0));
	if (s->ops && s->ops->statfs)
		s->ops->statfs(s, &st);
	target_put(t);
	return copy_to_user(ubuf, &st, sizeof(st)) ? -EFAULT : 0;
}

SYSCALL2(statfs, uname, ubuf)
{
	struct target t;
	int err = target_get(&t, AT_FDCWD, uname, 0, true);
	return err ? err : statfs_to_user(&t, ubuf);
}

SYSCALL2(fstatfs, fd, ubuf)
{
	struct target t;
	int err = target_from_fd(&t, (int)fd, true);
	return err ? err : statfs_to_user(&t, ubuf);
}
