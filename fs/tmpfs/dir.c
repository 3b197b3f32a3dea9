/* SPDX-License-Identifier: MIT */
/*
 * tmpfs directories. The entries stand in two trees: by name, and by order of creation for readdir,
 * newest first as Linux lists them. The order number is the directory position, so a listing goes on
 * at the right place whatever is made or removed meanwhile.
 *
 * Every entry holds a reference to its inode; links and nlink change together. All calls run under the
 * directory's lock. rename allocates what it needs first and then cannot fail.
 */
#include "tmpfs.h"

#define ORDER_FIRST (1ull << 40) /* the first entry's number; later ones are smaller, never below 2 */

static u32 name_hash(const char *name, size_t len)
{
	u64 h = 0xcbf29ce484222325ull;
	while (len--)
		h = (h ^ (u8)*name++) * 0x100000001b3ull;
	return (u32)(h ^ (h >> 32));
}

static int compare(u32 hash, const char *name, size_t len, const struct tmpfs_entry *e)
{
	if (hash != e->hash)
		return hash < e->hash ? -1 : 1;
	if (len != e->len)
		return len < e->len ? -1 : 1;
	return memcmp(name, e->name, len);
}

struct tmpfs_dir *tmpfs_dir_new(struct inode *parent)
{
	struct tmpfs_dir *d = kzalloc(sizeof(*d), ALLOC_KERNEL);
	if (!d)
		return NULL;
	d->next_order = ORDER_FIRST;
	d->parent = parent;
	return d;
}

static struct tmpfs_entry *entry_find(struct tmpfs_dir *d, const char *name, size_t len)
{
	u32 hash = name_hash(name, len);
	struct rb_node *n = d->names.node;
	while (n) {
		struct tmpfs_entry *e = container_of(n, struct tmpfs_entry, by_name);
		int c = compare(hash, name, len, e);
		if (!c)
			return e;
		n = c < 0 ? n->left : n->right;
	}
	return NULL;
}

static struct tmpfs_entry *entry_new(const char *name, size_t len)
{
	struct tmpfs_entry *e = kmalloc(sizeof(*e) + len + 1, ALLOC_KERNEL);
	if (!e)
		return NULL;
	e->hash = name_hash(name, len);
	e->len = (u16)len;
	memcpy(e->name, name, len);
	e->name[len] = 0;
	return e;
}

/* e is not yet in d; takes over a reference to i. */
static void entry_insert(struct tmpfs_dir *d, struct tmpfs_entry *e, struct inode *i)
{
	struct rb_node *parent = NULL, **link = &d->names.node;
	while (*link) {
		parent = *link;
		link = compare(e->hash, e->name, e->len, container_of(parent, struct tmpfs_entry, by_name)) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&d->names, &e->by_name, parent, link, NULL);
	e->inode = i;
	e->order = --d->next_order;
	parent = rb_first(&d->order); /* the newest is the leftmost */
	rb_insert(&d->order, &e->by_order, parent, parent ? &parent->left : &d->order.node, NULL);
	d->nr_entries++;
}

/* Takes e out and frees it; its inode reference passes to the caller. */
static struct inode *entry_remove(struct tmpfs_dir *d, struct tmpfs_entry *e)
{
	struct inode *i = e->inode;
	rb_erase(&d->names, &e->by_name, NULL);
	rb_erase(&d->order, &e->by_order, NULL);
	d->nr_entries--;
	kfree(e);
	return i;
}

/* The directory changed: size is 20 bytes an entry, "." and ".." included, as Linux shows it. */
static void dir_changed(struct inode *dir)
{
	struct tmpfs_dir *d = dir->priv;
	dir->size = (d->nr_entries + 2) * 20;
	inode_touch_mtime(dir);
}

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tmpfs_entry *e = entry_find(dir->priv, name, len);
	if (!e)
		return -ENOENT;
	inode_get(e->inode);
	*out = e->inode;
	return 0;
}

static int dir_create(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, const char *target, struct inode **out)
{
	struct inode *i;
	struct tmpfs_entry *e = entry_new(name, len);
	if (!e)
		return -ENOMEM;
	int err = tmpfs_inode_new(dir->super, dir, mode, rdev, target, &i);
	if (err) {
		kfree(e);
		return err;
	}
	inode_get(i); /* one for the entry, one for the caller */
	entry_insert(dir->priv, e, i);
	if (S_ISDIR(i->mode))
		dir->nlink++;
	dir_changed(dir);
	*out = i;
	return 0;
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *target)
{
	struct tmpfs_super *t = tmpfs_of(dir);
	if (t->max_inodes && READ_ONCE(t->nr_inodes) >= (s64)t->max_inodes)
		return -ENOSPC;
	struct tmpfs_entry *e = entry_new(name, len);
	if (!e)
		return -ENOMEM;
	inode_get(target);
	entry_insert(dir->priv, e, target);
	mutex_lock(&target->lock);
	target->nlink++;
	target->ctime_ns = inode_now();
	mutex_unlock(&target->lock);
	dir_changed(dir);
	return 0;
}

/* The name of victim went: counts and times. */
static void dropped(struct inode *dir, struct inode *victim)
{
	if (S_ISDIR(victim->mode)) {
		victim->nlink = 0;
		dir->nlink--;
	} else {
		victim->nlink--;
	}
	victim->ctime_ns = inode_now();
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	struct tmpfs_entry *e = entry_find(dir->priv, name, len);
	if (!e || e->inode != victim)
		return -ENOENT;
	mutex_lock(&victim->lock);
	int err = S_ISDIR(victim->mode) && ((struct tmpfs_dir *)victim->priv)->nr_entries ? -ENOTEMPTY : 0;
	if (!err) {
		entry_remove(dir->priv, e);
		dropped(dir, victim);
		dir_changed(dir);
	}
	mutex_unlock(&victim->lock);
	if (!err)
		inode_put(victim);
	return err;
}

static void set_parent(struct inode *i, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(i->mode) || from == to)
		return;
	((struct tmpfs_dir *)i->priv)->parent = to;
	from->nlink--;
	to->nlink++;
}

static int dir_rename(struct inode *od, const char *on, size_t ol, struct inode *nd, const char *nn, size_t nl,
                      struct inode *moved, struct inode *replaced, u32 flags)
{
	struct tmpfs_entry *from = entry_find(od->priv, on, ol), *to = entry_find(nd->priv, nn, nl);
	if (!from || from->inode != moved || (to ? to->inode : NULL) != replaced)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		from->inode = replaced;
		to->inode = moved;
		set_parent(moved, od, nd);
		set_parent(replaced, nd, od);
		replaced->ctime_ns = inode_now();
	} else if (replaced) {
		mutex_lock(&replaced->lock);
		bool full = S_ISDIR(replaced->mode) && ((struct tmpfs_dir *)replaced->priv)->nr_entries;
		if (!full)
			dropped(nd, replaced);
		mutex_unlock(&replaced->lock);
		if (full)
			return -ENOTEMPTY;
		to->inode = moved;
		entry_remove(od->priv, from);
		set_parent(moved, od, nd);
		inode_put(replaced);
	} else {
		struct tmpfs_entry *e = entry_new(nn, nl);
		if (!e)
			return -ENOMEM;
		entry_insert(nd->priv, e, moved);
		entry_remove(od->priv, from);
		set_parent(moved, od, nd);
	}
	moved->ctime_ns = inode_now();
	dir_changed(od);
	dir_changed(nd);
	return 0;
}

static int dir_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	int err = tmpfs_inode_new(dir->super, dir, mode, 0, NULL, out);
	if (!err)
		(*out)->nlink = 0;
	return err;
}

/* First entry at or behind position pos. */
static struct tmpfs_entry *entry_from(struct tmpfs_dir *d, u64 pos)
{
	struct rb_node *n = d->order.node;
	struct tmpfs_entry *best = NULL;
	while (n) {
		struct tmpfs_entry *e = container_of(n, struct tmpfs_entry, by_order);
		if (e->order >= pos) {
			best = e;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

static int dir_readdir(struct file *f, struct dir_emit *e)
{
	struct inode *dir = f->inode;
	struct tmpfs_dir *d = dir->priv;
	if (f->pos == 0) {
		if (!e->emit(e, ".", 1, dir->ino, 4, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!e->emit(e, "..", 2, d->parent ? d->parent->ino : dir->ino, 4, 2))
			return 0;
		f->pos = 2;
	}
	for (struct tmpfs_entry *t = entry_from(d, f->pos); t; t = entry_from(d, f->pos)) {
		if (!e->emit(e, t->name, t->len, t->inode->ino, (t->inode->mode & S_IFMT) >> 12, t->order + 1))
			return 0;
		f->pos = t->order + 1;
	}
	return 0;
}

static s64 dir_seek(struct file *f, s64 offset, int whence)
{
	return file_seek_unbounded(f, offset, whence);
}

void tmpfs_dir_evict(struct inode *i)
{
	tmpfs_dir_destroy_tree(i);
	kfree(i->priv);
	i->priv = NULL;
	tmpfs_inode_uncount(i);
}

/* Moves all entries of directory i to the work tree. */
static void take_entries(struct inode *i, struct tmpfs_dir *work)
{
	struct tmpfs_dir *d = i->priv;
	while (d->order.node) {
		struct tmpfs_entry *e = container_of(rb_first(&d->order), struct tmpfs_entry, by_order);
		rb_erase(&d->names, &e->by_name, NULL);
		rb_erase(&d->order, &e->by_order, NULL);
		d->nr_entries--;
		entry_insert(work, e, e->inode);
	}
}

void tmpfs_dir_destroy_tree(struct inode *root)
{
	struct tmpfs_dir work = { .next_order = ~0ull };
	if (!((struct tmpfs_dir *)root->priv)->nr_entries)
		return;
	take_entries(root, &work);
	while (work.order.node) {
		struct inode *i = entry_remove(&work, container_of(rb_first(&work.order), struct tmpfs_entry, by_order));
		if (S_ISDIR(i->mode))
			take_entries(i, &work);
		inode_put(i);
	}
}

const struct inode_ops tmpfs_dir_ops = {
	.lookup = dir_lookup,
	.create = dir_create,
	.link = dir_link,
	.unlink = dir_unlink,
	.rename = dir_rename,
	.tmpfile = dir_tmpfile,
	.evict = tmpfs_dir_evict,
};

const struct file_ops tmpfs_dir_fops = {
	.readdir = dir_readdir,
	.seek = dir_seek,
	.name = "tmpfs directory",
};
