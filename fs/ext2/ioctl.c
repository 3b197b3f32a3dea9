/* SPDX-License-Identifier: MIT */
/* chattr and lsattr: FS_IOC_GETFLAGS and its kind. */
#include "ext2.h"
#include "../path/path.h"

static int set_flags(struct file *f, u32 flags)
{
	struct inode *i = f->inode;
	struct ext2_inode *e = ext2_i(i);
	if (!inode_owner_or_capable(i))
		return -EPERM;
	if (S_ISREG(i->mode))
		flags &= ~(EXT2_FL_DIRSYNC | EXT2_FL_TOPDIR);
	mutex_lock(&i->lock);
	int err = 0;
	if (((flags ^ e->flags) & (EXT2_FL_APPEND | EXT2_FL_IMMUTABLE)) && !fs_capable(CAP_LINUX_IMMUTABLE))
		err = -EPERM;
	if (!err) {
		e->flags = (e->flags & ~EXT2_FL_MODIFIABLE) | (flags & EXT2_FL_MODIFIABLE);
		ext2_apply_flags(i);
		inode_touch_ctime(i);
		ext2_dirty(i, EXT2_DIRTY_META);
	}
	mutex_unlock(&i->lock);
	return err;
}

static int set_generation(struct file *f, u32 generation)
{
	struct inode *i = f->inode;
	if (!inode_owner_or_capable(i))
		return -EPERM;
	mutex_lock(&i->lock);
	ext2_i(i)->generation = generation;
	inode_touch_ctime(i);
	ext2_dirty(i, EXT2_DIRTY_META);
	mutex_unlock(&i->lock);
	return 0;
}

static int check_writable(struct file *f)
{
	return (f->mount ? f->mount->flags & MS_RDONLY : 0) || ext2_is_read_only(ext2_sb_of(f->inode)) ? -EROFS : 0;
}

long ext2_ioctl(struct file *f, u32 cmd, u64 arg)
{
	u32 value;
	int err;
	switch (cmd) {
	case FS_IOC_GETFLAGS:
		return put_user((int)(ext2_i(f->inode)->flags & EXT2_FL_VISIBLE), arg);
	case FS_IOC_GETVERSION:
		return put_user((int)ext2_i(f->inode)->generation, arg);
	case FS_IOC_SETFLAGS:
	case FS_IOC_SETVERSION:
		if (get_user(value, arg))
			return -EFAULT;
		err = check_writable(f);
		if (err)
			return err;
		return cmd == FS_IOC_SETFLAGS ? set_flags(f, value) : set_generation(f, value);
	default:
		return -ENOTTY;
	}
}
