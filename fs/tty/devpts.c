/* SPDX-License-Identifier: MIT */
/*
 * devpts: one directory with a node for each open pty, and ptmx. The nodes' inodes belong to the ptys
 * (so that chmod and chown last); the directory asks the table of ptys. There is one instance; options
 * uid=, gid=, mode=, ptmxmode= apply to what is made from then on.
 */
#include "internal.h"
#include <fs/seq.h>
#include <lib/parse.h>

static struct super *pts_super;
static struct inode *ptmx_inode;
static u32 opt_mode = 0600, opt_uid, opt_gid;
static bool has_uid, has_gid;

static const struct inode_ops node_ops; /* all by the inode's type */

#define INO_PTMX  2
#define INO_SLAVE 3 /* of pts 0 */

struct inode *devpts_add(u32 index)
{
	struct inode *i = inode_new(pts_super, S_IFCHR | opt_mode);
	if (!i)
		return NULL;
	i->ino = INO_SLAVE + index;
	i->rdev = dev_make(136, index);
	i->uid = has_uid ? opt_uid : cred_fsuid();
	i->gid = has_gid ? opt_gid : cred_fsgid();
	i->ops = &node_ops;
	return i;
}

struct file *devpts_open_slave(u32 index, u32 flags)
{
	struct inode *i = pty_inode(index);
	if (!i)
		return ERR_PTR(-EIO);
	struct file *f = file_new(&no_file_ops, i, flags & ~(u32)O_CLOEXEC);
	if (IS_ERR(f)) {
		inode_put(i);
		return f;
	}
	int err = pty_open_slave(i, f);
	if (err) {
		f->ops = &no_file_ops;
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

static int pts_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	u32 index = 0;
	if (len == 4 && !memcmp(name, "ptmx", 4)) {
		inode_get(ptmx_inode);
		*out = ptmx_inode;
		return 0;
	}
	if (!len || len > 5 || (len > 1 && name[0] == '0'))
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		index = index * 10 + (u32)(name[i] - '0');
	}
	*out = pty_inode(index);
	return *out ? 0 : -ENOENT;
}

static int pts_readdir(struct file *f, struct dir_emit *e)
{
	u64 ino = f->inode->ino;
	if (f->pos == 0) {
		if (!e->emit(e, ".", 1, ino, 4, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!e->emit(e, "..", 2, ino, 4, 2))
			return 0;
		f->pos = 2;
	}
	if (f->pos == 2) {
		if (!e->emit(e, "ptmx", 4, INO_PTMX, 2, 3))
			return 0;
		f->pos = 3;
	}
	for (s32 index = pty_next_index((s32)f->pos - 3); index >= 0; index = pty_next_index(index + 1)) {
		char name[12];
		int n = snprintf(name, sizeof(name), "%d", index);
		if (!e->emit(e, name, (size_t)n, INO_SLAVE + (u64)index, 2, (u64)index + 4))
			return 0;
		f->pos = (u64)index + 4;
	}
	return 0;
}

static s64 pts_seek(struct file *f, s64 offset, int whence) { return file_seek_unbounded(f, offset, whence); }

static const struct inode_ops dir_ops = { .lookup = pts_lookup, .no_cache = true };
static const struct file_ops dir_fops = { .readdir = pts_readdir, .seek = pts_seek, .name = "devpts" };

static bool option(const char **s, const char *name, unsigned base, u64 *out)
{
	size_t n = strlen(name);
	return !strncmp(*s, name, n) && parse_u64(*s + n, base, out, NULL);
}

static int pts_mount(const char *source, u32 flags, const char *data, struct super **out)
{
	for (const char *s = data; s && *s;) {
		u64 v;
		if (option(&s, "uid=", 10, &v)) {
			opt_uid = (u32)v;
			has_uid = true;
		} else if (option(&s, "gid=", 10, &v)) {
			opt_gid = (u32)v;
			has_gid = true;
		} else if (option(&s, "mode=", 8, &v)) {
			opt_mode = v & 0777;
		} else if (option(&s, "ptmxmode=", 8, &v)) {
			ptmx_inode->mode = S_IFCHR | (v & 0777);
		}
		while (*s && *s != ',')
			s++;
		if (*s)
			s++;
	}
	__atomic_fetch_add(&pts_super->refs, 1, __ATOMIC_RELAXED);
	*out = pts_super;
	return 0;
}

static void pts_show_options(struct super *s, struct seq *seq)
{
	if (has_uid)
		seq_printf(seq, ",uid=%u", opt_uid);
	if (has_gid)
		seq_printf(seq, ",gid=%u", opt_gid);
	seq_printf(seq, ",mode=%03o,ptmxmode=%03o", opt_mode, ptmx_inode->mode & 0777);
}

static const struct super_ops pts_ops = { .show_options = pts_show_options };

static struct fs_type pts_type = { .name = "devpts", .mount = pts_mount };

void devpts_init(void)
{
	pts_super = super_new(&pts_ops, "devpts", 0x1cd1);
	ASSERT(pts_super);
	pts_super->root = inode_new(pts_super, S_IFDIR | 0755);
	ptmx_inode = inode_new(pts_super, S_IFCHR);
	ASSERT(pts_super->root && ptmx_inode);
	pts_super->root->ops = &dir_ops;
	pts_super->root->fops = &dir_fops;
	pts_super->root->nlink = 2;
	ptmx_inode->ino = INO_PTMX;
	ptmx_inode->rdev = dev_make(5, 2);
	ptmx_inode->ops = &node_ops;
	vfs_register(&pts_type);
}
