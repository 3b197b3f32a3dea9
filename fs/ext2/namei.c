/* SPDX-License-Identifier: MIT */
/*
 * Names: looking up, making, linking, removing, renaming. The directory's lock is held (both, for a rename);
 * the vfs has checked rights and shapes and keeps its cache of names in step.
 *
 * Order matters for crashes: a name is made after its inode, removed before it. A rename that moves a name
 * from one block to another makes the new name durable before the old one goes, so that one of them
 * is there at any moment.
 */
#include "ext2.h"

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct ext2_dirent *de;
	struct buffer b;
	if (len > EXT2_NAME_MAX)
		return -ENAMETOOLONG;
	int err = ext2_find_entry(dir, name, len, &b, &de);
	if (err)
		return err;
	u32 ino = de->inode;
	buffer_put(&b);
	err = ext2_iget(dir->super, ino, out);
	if (err == -ESTALE)
		err = ext2_corrupt(ext2_sb_of(dir), "directory %llu names inode %u, which is removed", (unsigned long long)dir->ino, ino);
	return err;
}

void ext2_unlinked(struct inode *i)
{
	__atomic_fetch_add(&i->super->nr_unlinked, 1, __ATOMIC_SEQ_CST);
}

/* Links are counted under the inode's lock, or that of the directory whose children they are; who writes records
 * looks at any time. */
static void set_nlink(struct inode *i, u32 nlink) { WRITE_ONCE(i->nlink, nlink); }

/* An inode that got no name. */
static void discard_new(struct inode *i)
{
	set_nlink(i, 0);
	ext2_unlinked(i);
	inode_put(i);
}

/* After a change, where the directory is to be written at once. */
static int sync_if_asked(struct inode *dir)
{
	if (!(dir->super->flags & (MS_SYNCHRONOUS | MS_DIRSYNC)) && !(ext2_i(dir)->flags & (EXT2_FL_DIRSYNC | EXT2_FL_SYNC)))
		return 0;
	return ext2_commit(ext2_sb_of(dir));
}

static int init_by_type(struct inode *i, struct inode *dir, u64 rdev, const char *target)
{
	struct ext2_inode *e = ext2_i(i);
	u32 major = dev_major(rdev), minor = dev_minor(rdev);
	if (S_ISDIR(i->mode))
		return ext2_make_empty(i, dir);
	if (S_ISLNK(i->mode))
		return ext2_symlink_init(i, target);
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		i->rdev = rdev;
		if (major < 256 && minor < 256)
			e->block[0] = major << 8 | minor;
		else
			e->block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
	}
	return 0;
}

static int try_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	struct inode *i;
	int err = ext2_new_inode(dir, mode, &i);
	if (err)
		return err;
	err = init_by_type(i, dir, rdev, target);
	if (!err)
		err = ext2_add_entry(dir, name, len, i);
	if (err) {
		discard_new(i);
		return err;
	}
	if (S_ISDIR(mode)) {
		set_nlink(i, 2);
		set_nlink(dir, dir->nlink + 1);
	}
	ext2_dirty(i, EXT2_DIRTY_META);
	*out = i;
	return 0;
}

static int dir_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	if (S_ISDIR(mode) && dir->nlink >= EXT2_MAX_LINKS)
		return -EMLINK;
	int err = try_create(dir, name, len, mode, rdev, target, out);
	if (err == -ENOSPC && ext2_reclaim_freed(ext2_sb_of(dir)))
		err = try_create(dir, name, len, mode, rdev, target, out);
	if (err)
		return err;
	sync_if_asked(dir); /* the file is there; what failed is reported to fsync */
	writeback_throttle(&ext2_sb_of(dir)->dev->mapping, 1); /* names alone can fill the memory with dirty metadata */
	return 0;
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	mutex_lock(&target->lock);
	int err = target->nlink >= EXT2_MAX_LINKS ? -EMLINK : ext2_add_entry(dir, name, len, target);
	if (err == -ENOSPC && ext2_reclaim_freed(ext2_sb_of(dir)))
		err = ext2_add_entry(dir, name, len, target);
	if (!err) {
		set_nlink(target, target->nlink + 1);
		if (target->nlink == 1)
			__atomic_fetch_sub(&target->super->nr_unlinked, 1, __ATOMIC_RELAXED);
		inode_touch_ctime(target);
		ext2_dirty(target, EXT2_DIRTY_META);
	}
	mutex_unlock(&target->lock);
	return err ? err : sync_if_asked(dir);
}

/* A name of victim went: one link less, all of a directory's. victim's lock is held. */
static void drop_link(struct inode *dir, struct inode *victim)
{
	inode_touch_ctime(victim);
	if (S_ISDIR(victim->mode)) {
		set_nlink(victim, 0);
		if (dir->nlink)
			set_nlink(dir, dir->nlink - 1);
		ext2_dirty(dir, EXT2_DIRTY_META);
	} else {
		set_nlink(victim, victim->nlink - 1);
	}
	ext2_dirty(victim, EXT2_DIRTY_META);
	if (!victim->nlink)
		ext2_unlinked(victim);
}

static int check_empty(struct inode *i)
{
	int empty = S_ISDIR(i->mode) ? ext2_is_empty(i) : 1;
	return empty < 0 ? empty : empty ? 0 : -ENOTEMPTY;
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	struct ext2_dirent *de;
	struct buffer b;
	int err = ext2_find_entry(dir, name, len, &b, &de);
	if (err)
		return err;
	mutex_lock(&victim->lock);
	err = de->inode == victim->ino ? check_empty(victim) : -ENOENT;
	if (!err)
		err = ext2_remove_entry(dir, &b, de);
	if (!err && victim->nlink)
		drop_link(dir, victim);
	mutex_unlock(&victim->lock);
	buffer_put(&b);
	return err ? err : sync_if_asked(dir);
}

/* Renaming. */

/* A directory moved to another parent: its ".." and the parents' counts. */
static void set_parent(struct buffer *b, struct ext2_dirent *dotdot, struct inode *moved, struct inode *from, struct inode *to)
{
	ext2_set_entry(moved, b, dotdot, to);
	if (from->nlink)
		set_nlink(from, from->nlink - 1);
	set_nlink(to, to->nlink + 1);
	ext2_dirty(from, EXT2_DIRTY_META);
	ext2_dirty(to, EXT2_DIRTY_META);
}

/* The new name is on the disk before the old one goes from another block. */
static int settle(struct inode *dir, struct buffer *b, const struct inode *moved)
{
	struct ext2_sb *sb = ext2_sb_of(dir);
	int err = ext2_write_inode((struct inode *)moved, true);
	if (!err)
		err = ext2_write_inode(dir, true);
	if (!err)
		err = buffer_write(b);
	return err ? err : block_flush(sb->dev);
}

static int rename_over(struct inode *nd, const char *nn, size_t nl, struct inode *moved, struct inode *replaced)
{
	struct ext2_dirent *de;
	struct buffer b;
	int err = ext2_find_entry(nd, nn, nl, &b, &de);
	if (err)
		return err;
	mutex_lock(&replaced->lock);
	err = de->inode == replaced->ino ? check_empty(replaced) : -ENOENT;
	if (!err)
		err = ext2_set_entry(nd, &b, de, moved);
	if (!err && replaced->nlink)
		drop_link(nd, replaced);
	mutex_unlock(&replaced->lock);
	buffer_put(&b);
	return err;
}

static int rename_to_new(struct inode *nd, const char *nn, size_t nl, struct inode *moved)
{
	if (S_ISDIR(moved->mode) && nd->nlink >= EXT2_MAX_LINKS)
		return -EMLINK;
	int err = ext2_add_entry(nd, nn, nl, moved);
	if (err == -ENOSPC && ext2_reclaim_freed(ext2_sb_of(nd)))
		err = ext2_add_entry(nd, nn, nl, moved);
	return err;
}

/* Removes the old name; the new one stands. */
static int drop_old_name(struct inode *od, const char *on, size_t ol, struct inode *nd, const char *nn, size_t nl, struct inode *moved)
{
	struct ext2_dirent *de;
	struct buffer b, to;
	int err = ext2_find_entry(nd, nn, nl, &to, &de);
	if (err)
		return err;
	err = ext2_find_entry(od, on, ol, &b, &de);
	if (!err) {
		if (b.block != to.block)
			settle(nd, &to, moved); /* a failure is reported to fsync; the rename goes on */
		err = ext2_remove_entry(od, &b, de);
		buffer_put(&b);
	}
	buffer_put(&to);
	return err;
}

/* One of two directories' entries, and ".." of the directory it leads to when that changes its parent. */
struct side {
	struct buffer b, up;
	struct ext2_dirent *de, *dotdot;
};

static int find_side(struct inode *dir, const char *name, size_t len, struct inode *i, bool new_parent, struct side *s)
{
	*s = (struct side){ 0 };
	int err = ext2_find_entry(dir, name, len, &s->b, &s->de);
	if (!err && S_ISDIR(i->mode) && new_parent)
		err = ext2_find_dotdot(i, &s->up, &s->dotdot);
	return err;
}

static void put_side(struct side *s)
{
	buffer_put(&s->b);
	buffer_put(&s->up);
}

/* Both entries stay and change what they lead to. */
static int exchange(struct inode *od, const char *on, size_t ol, struct inode *nd, const char *nn, size_t nl, struct inode *a, struct inode *b)
{
	struct side from, to = { 0 };
	if (od != nd && ((S_ISDIR(a->mode) && nd->nlink >= EXT2_MAX_LINKS) || (S_ISDIR(b->mode) && od->nlink >= EXT2_MAX_LINKS)))
		return -EMLINK;
	int err = find_side(od, on, ol, a, od != nd, &from);
	if (!err)
		err = find_side(nd, nn, nl, b, od != nd, &to);
	if (!err) {
		ext2_set_entry(nd, &to.b, to.de, a);
		ext2_set_entry(od, &from.b, from.de, b);
		if (from.dotdot)
			set_parent(&from.up, from.dotdot, a, od, nd);
		if (to.dotdot)
			set_parent(&to.up, to.dotdot, b, nd, od);
		inode_touch_ctime(a);
		inode_touch_ctime(b);
	}
	put_side(&from);
	put_side(&to);
	return err ? err : sync_if_asked(nd);
}

static int dir_rename(struct inode *od, const char *on, size_t ol, struct inode *nd, const char *nn, size_t nl,
                      struct inode *moved, struct inode *replaced, u32 flags)
{
	bool new_parent = S_ISDIR(moved->mode) && od != nd;
	struct ext2_dirent *dotdot = NULL;
	struct buffer up = { 0 };
	if (flags & RENAME_EXCHANGE)
		return exchange(od, on, ol, nd, nn, nl, moved, replaced);
	int err = new_parent ? ext2_find_dotdot(moved, &up, &dotdot) : 0;
	if (err)
		return err;
	err = replaced ? rename_over(nd, nn, nl, moved, replaced) : rename_to_new(nd, nn, nl, moved);
	if (!err) {
		inode_touch_ctime(moved);
		ext2_dirty(moved, EXT2_DIRTY_META);
		err = drop_old_name(od, on, ol, nd, nn, nl, moved);
		if (new_parent)
			set_parent(&up, dotdot, moved, od, nd);
	}
	buffer_put(&up);
	if (!err)
		err = sync_if_asked(nd);
	return err;
}

static int dir_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	int err = ext2_new_inode(dir, mode, out);
	if (err == -ENOSPC && ext2_reclaim_freed(ext2_sb_of(dir)))
		err = ext2_new_inode(dir, mode, out);
	if (err)
		return err;
	set_nlink(*out, 0);
	ext2_unlinked(*out);
	return 0;
}

const struct inode_ops ext2_dir_ops = {
	.lookup = dir_lookup,
	.create = dir_create,
	.link = dir_link,
	.unlink = dir_unlink,
	.rename = dir_rename,
	.tmpfile = dir_tmpfile,
	.setattr = ext2_setattr,
	EXT2_XATTR_OPS,
	.evict = ext2_evict,
};
