/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: supers, inodes, limits. Files live in their mappings, directories in trees (dir.c); nothing
 * is ever written anywhere, so an inode lives as long as it has a name or a user.
 *
 * Limits: each page is charged to the super (size=) and to Committed_AS before it is inserted, whoever
 * makes it: write, fallocate or a fault, which then ends in SIGBUS. Shared memory without a name is
 * charged with its whole size when it is made, unless it is NORESERVE. Inodes are counted when made
 * (nr_inodes=).
 */
#include "tmpfs.h"
#include <asm/statfs.h>
#include <fs/seq.h>
#include <kernel/task.h>
#include <lib/parse.h>
#include <linux/magic.h>
#include <mm/commit.h>

static const struct super_ops tmpfs_super_ops;

/* Inodes. */

static int count_inode(struct tmpfs_super *t)
{
	if (__atomic_add_fetch(&t->nr_inodes, 1, __ATOMIC_RELAXED) > (s64)t->max_inodes && t->max_inodes) {
		__atomic_fetch_sub(&t->nr_inodes, 1, __ATOMIC_RELAXED);
		return -ENOSPC;
	}
	return 0;
}

void tmpfs_inode_uncount(struct inode *i)
{
	__atomic_fetch_sub(&tmpfs_of(i)->nr_inodes, 1, __ATOMIC_RELAXED);
}

static long link_readlink(struct inode *i, char *buf, size_t size)
{
	size_t n = min((size_t)i->size, size);
	memcpy(buf, i->priv, n);
	return (long)n;
}

static void link_evict(struct inode *i)
{
	kfree(i->priv);
	tmpfs_inode_uncount(i);
}

static int init_link(struct inode *i, const char *target)
{
	size_t len = strlen(target);
	char *text = kmalloc(len + 1, ALLOC_KERNEL);
	if (!text)
		return -ENOMEM;
	memcpy(text, target, len + 1);
	i->priv = text;
	i->link = len ? text : NULL;
	i->size = len;
	i->ops = &tmpfs_link_ops;
	return 0;
}

static int init_by_type(struct inode *i, struct inode *dir, const char *target)
{
	switch (i->mode & S_IFMT) {
	case S_IFDIR:
		i->priv = tmpfs_dir_new(dir);
		if (!i->priv)
			return -ENOMEM;
		i->nlink = 2;
		i->size = 40;
		i->ops = &tmpfs_dir_ops;
		i->fops = &tmpfs_dir_fops;
		return 0;
	case S_IFLNK:
		return init_link(i, target);
	case S_IFREG:
		i->mapping.flags |= MAPPING_SHMEM;
		i->mapping.ops = &tmpfs_mapping_ops;
		i->ops = &tmpfs_file_ops;
		i->fops = &tmpfs_file_fops;
		return 0;
	default:
		i->ops = &tmpfs_special_ops;
		return 0;
	}
}

int tmpfs_inode_new(struct super *s, struct inode *dir, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	struct tmpfs_super *t = s->priv;
	int err = count_inode(t);
	if (err)
		return err;
	struct inode *i = inode_new(s, mode);
	if (!i) {
		__atomic_fetch_sub(&t->nr_inodes, 1, __ATOMIC_RELAXED);
		return -ENOMEM;
	}
	inode_init_owner(i, dir, mode);
	i->rdev = rdev;
	err = init_by_type(i, dir, target);
	if (err) {
		__atomic_fetch_sub(&t->nr_inodes, 1, __ATOMIC_RELAXED);
		inode_put(i); /* no operations yet: nothing is evicted */
		return err;
	}
	*out = i;
	return 0;
}

const struct inode_ops tmpfs_link_ops = { .readlink = link_readlink, .evict = link_evict };
const struct inode_ops tmpfs_special_ops = { .evict = tmpfs_inode_uncount };

/* Charges. */

int tmpfs_charge(struct inode *i, s64 nr_pages)
{
	struct tmpfs_super *t = tmpfs_of(i);
	if (nr_pages < 0) {
		__atomic_fetch_add(&t->nr_pages, nr_pages, __ATOMIC_RELAXED);
		space_commit_release((u64)-nr_pages);
		return 0;
	}
	bool fits = __atomic_add_fetch(&t->nr_pages, nr_pages, __ATOMIC_RELAXED) <= (s64)t->max_pages || !t->max_pages;
	if (likely(fits && !space_commit_charge(current->space, (u64)nr_pages)))
		return 0;
	__atomic_fetch_sub(&t->nr_pages, nr_pages, __ATOMIC_RELAXED);
	return -ENOSPC;
}

static int mapping_charge(struct mapping *m, s64 nr_pages)
{
	struct inode *i = container_of(m, struct inode, mapping);
	return i->flags & INODE_FIXED_CHARGE ? 0 : tmpfs_charge(i, nr_pages);
}

static bool mapping_pin(struct mapping *m)
{
	struct inode *i = container_of(m, struct inode, mapping);
	s32 refs = READ_ONCE(i->refs);
	while (refs > 0 && !__atomic_compare_exchange_n(&i->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		;
	return refs > 0;
}

static void mapping_unpin(struct mapping *m) { inode_put(container_of(m, struct inode, mapping)); }

const struct mapping_ops tmpfs_mapping_ops = {
	.size = inode_mapping_size,
	.charge = mapping_charge,
	.pin = mapping_pin,
	.unpin = mapping_unpin,
	VFS_MAPPING_OPS,
};

/* Mount options. */

/* "50%" of RAM, or a number with k, m, g. */
static bool parse_amount(const char *s, u64 *bytes)
{
	const char *end;
	if (!parse_size(s, bytes, &end))
		return false;
	if (*end == '%') {
		*bytes = (frame_total() << PAGE_SHIFT) * *bytes / 100;
		end++;
	}
	return !*end || *end == ',';
}

static bool parse_number(const char *s, unsigned base, u32 *out)
{
	const char *end;
	u64 n;
	if (!parse_u64(s, base, &n, &end) || (*end && *end != ',') || n > ~0u)
		return false;
	*out = (u32)n;
	return true;
}

static bool option_is(const char **s, const char *name)
{
	size_t n = strlen(name);
	if (strncmp(*s, name, n))
		return false;
	*s += n;
	return true;
}

static bool parse_option(const char *s, struct tmpfs_super *t)
{
	u64 n;
	if (option_is(&s, "size=")) {
		if (!parse_amount(s, &n))
			return false;
		t->max_pages = (n + PAGE_SIZE - 1) >> PAGE_SHIFT;
		return true;
	}
	if (option_is(&s, "nr_blocks="))
		return parse_amount(s, &t->max_pages);
	if (option_is(&s, "nr_inodes="))
		return parse_amount(s, &t->max_inodes);
	if (option_is(&s, "mode="))
		return parse_number(s, 8, &t->mode);
	if (option_is(&s, "uid="))
		return parse_number(s, 10, &t->uid);
	if (option_is(&s, "gid="))
		return parse_number(s, 10, &t->gid);
	return option_is(&s, "huge=") || option_is(&s, "mpol=") || option_is(&s, "inode64") || option_is(&s, "inode32");
}

static bool parse_options(const char *s, struct tmpfs_super *t)
{
	while (s && *s) {
		if (*s != ',' && !parse_option(s, t))
			return false;
		while (*s && *s != ',')
			s++;
		if (*s)
			s++;
	}
	return true;
}

/* Supers. */

static void tmpfs_unmount(struct super *s)
{
	if (s->root) {
		tmpfs_dir_destroy_tree(s->root);
		inode_put(s->root);
		s->root = NULL;
	}
	kfree(s->priv);
}

static void tmpfs_statfs(struct super *s, void *out)
{
	struct tmpfs_super *t = s->priv;
	struct statfs *st = out;
	u64 used = (u64)max(READ_ONCE(t->nr_pages), (s64)0), inodes = (u64)max(READ_ONCE(t->nr_inodes), (s64)0);
	if (t->max_pages) {
		st->f_blocks = (s64)t->max_pages;
		st->f_bfree = st->f_bavail = (s64)(used < t->max_pages ? t->max_pages - used : 0);
	}
	if (t->max_inodes) {
		st->f_files = (s64)t->max_inodes;
		st->f_ffree = (s64)(inodes < t->max_inodes ? t->max_inodes - inodes : 0);
	}
}

/* May a limit become `want` while `used` are in use? None can be set where there was none. */
static bool may_become(u64 limit, u64 want, s64 used) { return want == limit || (limit && (!want || (u64)max(used, (s64)0) <= want)); }

/* The limits that are given change; the root's mode and owner stay as they are. */
static int tmpfs_remount(struct super *s, u32 flags, const char *data)
{
	struct tmpfs_super *t = s->priv, want = *t;
	if (!parse_options(data, &want) || !may_become(t->max_pages, want.max_pages, READ_ONCE(t->nr_pages)) ||
	    !may_become(t->max_inodes, want.max_inodes, READ_ONCE(t->nr_inodes)))
		return -EINVAL;
	WRITE_ONCE(t->max_pages, want.max_pages);
	WRITE_ONCE(t->max_inodes, want.max_inodes);
	return 0;
}

/* Half of memory, for what every user may write to; devtmpfs has none. */
static u64 default_limit(const struct super *s) { return strcmp(s->type, "tmpfs") ? 0 : frame_total() / 2; }

/* What is not as it is by itself. Inodes' numbers are always wide. */
static void tmpfs_show_options(struct super *s, struct seq *seq)
{
	const struct tmpfs_super *t = s->priv;
	if (t->max_pages != default_limit(s))
		seq_printf(seq, ",size=%lluk", (unsigned long long)t->max_pages << (PAGE_SHIFT - 10));
	if (t->max_inodes != default_limit(s))
		seq_printf(seq, ",nr_inodes=%llu", (unsigned long long)t->max_inodes);
	if (t->mode != 01777)
		seq_printf(seq, ",mode=%03o", t->mode);
	if (t->uid)
		seq_printf(seq, ",uid=%u", t->uid);
	if (t->gid)
		seq_printf(seq, ",gid=%u", t->gid);
	seq_puts(seq, ",inode64");
}

static const struct super_ops tmpfs_super_ops = {
	.unmount = tmpfs_unmount, .statfs = tmpfs_statfs, .remount = tmpfs_remount, .show_options = tmpfs_show_options,
};

int tmpfs_super_new(const char *type, const char *data, struct super **out)
{
	struct tmpfs_super *t = kzalloc(sizeof(*t), ALLOC_KERNEL);
	if (!t)
		return -ENOMEM;
	t->mode = 0755;
	if (!strcmp(type, "tmpfs")) {
		t->mode = 01777;
		t->uid = cred_fsuid();
		t->gid = cred_fsgid();
		t->max_pages = t->max_inodes = frame_total() / 2;
	}
	if (!parse_options(data, t)) {
		kfree(t);
		return -EINVAL;
	}
	struct super *s = super_new(&tmpfs_super_ops, type, TMPFS_MAGIC);
	if (!s) {
		kfree(t);
		return -ENOMEM;
	}
	s->priv = t;
	int err = tmpfs_inode_new(s, NULL, S_IFDIR | (t->mode & 07777), 0, NULL, &s->root);
	if (err) {
		s->root = NULL;
		super_put(s);
		return err;
	}
	s->root->uid = t->uid;
	s->root->gid = t->gid;
	*out = s;
	return 0;
}

static int tmpfs_mount(const char *source, u32 flags, const char *data, struct super **out)
{
	return tmpfs_super_new("tmpfs", data, out);
}

/* Files without a name. */

static struct super *shm_super;

struct file *shmem_file_new(const char *name, u64 size, u32 flags)
{
	struct inode *i;
	char *text = kmalloc(strlen(name) + 1, ALLOC_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	memcpy(text, name, strlen(name) + 1);
	int err = tmpfs_inode_new(shm_super, NULL, S_IFREG | 0777, 0, NULL, &i);
	if (err) {
		kfree(text);
		return ERR_PTR(err);
	}
	i->anon_name = text;
	i->nlink = 0;
	i->size = size;
	if (flags & SHMEM_SEALABLE)
		i->seals = 0;
	if (!(flags & SHMEM_NORESERVE)) {
		u64 nr_pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
		err = tmpfs_charge(i, (s64)nr_pages);
		i->charged_pages = err ? 0 : nr_pages;
		i->flags |= INODE_FIXED_CHARGE;
	}
	struct file *f = err ? ERR_PTR(-ENOMEM) : file_new(&tmpfs_file_fops, i, O_RDWR | O_LARGEFILE);
	if (IS_ERR(f))
		inode_put(i);
	return f;
}

static struct fs_type tmpfs_type = { .name = "tmpfs", .mount = tmpfs_mount };
static struct fs_type ramfs_type = { .name = "ramfs", .mount = tmpfs_mount };

void tmpfs_init(void)
{
	vfs_register(&tmpfs_type);
	vfs_register(&ramfs_type);
	ASSERT(tmpfs_super_new("shmfs", NULL, &shm_super) == 0);
}
