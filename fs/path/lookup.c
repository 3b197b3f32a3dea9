/* SPDX-License-Identifier: MIT */
/*
 * The walk from a string to a place. It begins with what the cache of names knows (advance.c); then one
 * component at a time: the name cache first, then the directory's own lookup under its lock; a mount on
 * the child is entered, a symbolic link replaces the rest of the string by its text (40 links at most),
 * ".." stops at the caller's root.
 *
 * With LOOKUP_PARENT the walk ends before the last component and leaves it in w->last, so that
 * creating and deleting calls can act on the directory; w->slash tells of slashes behind it.
 *
 * References: w->at, and w->root once it was asked for, are held until walk_end, whatever fails in between.
 */
#include "path.h"

struct inode *path_inode(const struct path *p) { return p->node->inode; }

static struct path_node *unless_absent(struct path_node *n)
{
	if (likely(!node_is_absent(n)))
		return n;
	node_put(n);
	return ERR_PTR(-ENOENT);
}

struct path_node *lookup_child_locked(struct path_node *dir, const char *name, size_t len)
{
	struct path_node *n = node_find(dir, name, len);
	struct inode *i = dir->inode, *found;
	if (n)
		return unless_absent(n);
	if (!i->ops->lookup)
		return ERR_PTR(-ENOENT);
	int err = i->ops->lookup(i, name, len, &found);
	if (err == -ENOENT && i->super->keeps_absent)
		node_add_absent(dir, name, len);
	if (err)
		return ERR_PTR(err);
	n = node_add(dir, name, len, found);
	return n ? n : ERR_PTR(-ENOMEM);
}

struct path_node *lookup_child(struct path_node *dir, const char *name, size_t len)
{
	struct path_node *n = node_find(dir, name, len);
	if (likely(n != NULL))
		return unless_absent(n);
	mutex_lock(&dir->inode->lock);
	n = lookup_child_locked(dir, name, len);
	mutex_unlock(&dir->inode->lock);
	return n;
}

/* Start and end. */

/* The open file that a relative name starts at, with a reference. */
static int get_start_file(int dirfd, bool needs_dir, struct file **out)
{
	struct file *f = fd_get_path(dirfd);
	if (!f)
		return -EBADF;
	if (f->node && !(needs_dir && !S_ISDIR(f->inode->mode))) {
		*out = f;
		return 0;
	}
	file_put(f);
	return -ENOTDIR;
}

/* Openat2's restrictions: where the walk starts must be known, and for some be its root. */
static int begin_restricted(struct walk *w)
{
	if (w->flags & LOOKUP_IN_ROOT) {
		w->root = w->at;
		path_get(&w->root);
	}
	w->start_mount = w->at.mount;
	w->start_node = w->at.node;
	node_get(w->start_node);
	return 0;
}

int walk_begin(struct walk *w, int dirfd, const char *name, u32 flags)
{
	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	bool at_root = *name == '/' && !(flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT));
	struct file *f = NULL;
	*w = (struct walk){ .flags = flags, .rest = name, .must_be_dir = flags & LOOKUP_DIRECTORY };
	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	if (*name == '/' && (flags & LOOKUP_BENEATH))
		return -EXDEV;
	int err = at_root || dirfd == AT_FDCWD ? 0 : get_start_file(dirfd, *name != 0, &f);
	if (err)
		return err;
	spin_lock(&vfs_lock);
	w->at = at_root ? fs_root_locked() : f ? (struct path){ f->node, f->mount } : fs_cwd_locked();
	err = flags & LOOKUP_RESTRICTED ? 0 : walk_advance_locked(w);
	if (likely(!err)) {
		node_get_locked(w->at.node);
		mount_get(w->at.mount);
	}
	spin_unlock(&vfs_lock);
	if (f)
		file_put(f);
	if (unlikely(flags & LOOKUP_RESTRICTED) && !err)
		err = begin_restricted(w);
	return err;
}

static const struct path *walk_root(struct walk *w)
{
	if (!w->root.node)
		fs_get_root(&w->root);
	return &w->root;
}

void walk_end(struct walk *w)
{
	path_put(&w->at);
	if (w->root.node)
		path_put(&w->root);
	if (w->start_node)
		node_put(w->start_node);
	kfree(w->buffer);
}

/* Steps. */

static void move_to(struct walk *w, struct path *to)
{
	path_put(&w->at);
	w->at = *to;
}

static int check_mount(struct walk *w)
{
	return (w->flags & LOOKUP_NO_XDEV) && w->at.mount != w->start_mount ? -EXDEV : 0;
}

static int step_up(struct walk *w)
{
	const struct path *root = walk_root(w);
	if (w->at.node == root->node && w->at.mount == root->mount)
		return 0;
	if ((w->flags & LOOKUP_BENEATH) && w->at.node == w->start_node)
		return -EXDEV;
	while (mount_up(&w->at))
		if (w->at.node == root->node && w->at.mount == root->mount)
			return check_mount(w);
	spin_lock(&vfs_lock);
	struct path_node *parent = w->at.node->parent;
	node_get(parent);
	spin_unlock(&vfs_lock);
	struct path_node *old = w->at.node;
	w->at.node = parent;
	node_put(old);
	mount_cross(&w->at);
	return check_mount(w);
}

/* Goes on with the text of a link, from the link's directory (w->at). */
static int go_on_with(struct walk *w, const char *text, size_t len)
{
	size_t rest = strlen(w->rest);
	if (!len)
		return -ENOENT;
	char *b = kmalloc(len + rest + 1, ALLOC_KERNEL);
	if (!b)
		return -ENOMEM;
	memcpy(b, text, len);
	memcpy(b + len, w->rest, rest + 1);
	kfree(w->buffer);
	w->buffer = b;
	w->rest = b;
	if (*b == '/') {
		if (w->flags & LOOKUP_BENEATH)
			return -EXDEV;
		struct path to = *walk_root(w);
		path_get(&to);
		move_to(w, &to);
		return check_mount(w);
	}
	return 0;
}

int walk_follow(struct walk *w, struct path *link)
{
	struct inode *i = link->node->inode;
	int err;
	w->last_type = LAST_ROOT;
	if (++w->nr_links > FS_LINKS_MAX || (w->flags & LOOKUP_NO_SYMLINKS) || (link->mount->flags & MS_NOSYMFOLLOW)) {
		err = -ELOOP;
	} else if (i->ops->follow) {
		struct path to;
		err = w->flags & LOOKUP_NO_MAGICLINKS ? -ELOOP : w->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT) ? -EXDEV : i->ops->follow(i, &to);
		if (!err) {
			move_to(w, &to);
			err = check_mount(w);
		}
	} else if (i->link) {
		err = go_on_with(w, i->link, strlen(i->link));
	} else {
		char *text = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
		long len = !text ? -ENOMEM : i->ops->readlink ? i->ops->readlink(i, text, FS_PATH_MAX) : -EINVAL;
		err = len < 0 ? (int)len : go_on_with(w, text, (size_t)len);
		kfree(text);
	}
	path_put(link);
	return err;
}

static int enter_dir(struct walk *w)
{
	struct inode *i = w->at.node->inode;
	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	return inode_permission(i, MAY_EXEC);
}

int walk_child(struct walk *w, struct path *out)
{
	struct path_node *n = lookup_child(w->at.node, w->last, w->last_len);
	if (IS_ERR(n))
		return (int)PTR_ERR(n);
	*out = (struct path){ n, w->at.mount };
	mount_get(out->mount);
	if (mount_cross(out) && (w->flags & LOOKUP_NO_XDEV)) {
		path_put(out);
		return -EXDEV;
	}
	return 0;
}

/* Splits off the next component into w->last. */
static int next_component(struct walk *w)
{
	const char *s = w->rest;
	size_t len = 0;
	while (s[len] && s[len] != '/')
		len++;
	if (len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	w->last = s;
	w->last_len = len;
	w->last_type = s[0] != '.' ? LAST_NORM : len == 1 ? LAST_DOT : len == 2 && s[1] == '.' ? LAST_DOTDOT : LAST_NORM;
	s += len;
	w->slash = *s == '/';
	while (*s == '/')
		s++;
	w->rest = s;
	return 0;
}

static int step_into_child(struct walk *w, bool is_last)
{
	struct path child;
	int err = walk_child(w, &child);
	if (err)
		return err;
	if (S_ISLNK(child.node->inode->mode) && (!is_last || w->slash || (w->flags & LOOKUP_FOLLOW))) {
		/* What stood behind the link's name stays behind its text. */
		if (w->slash)
			w->rest--;
		return walk_follow(w, &child);
	}
	move_to(w, &child);
	return 0;
}

int walk_run(struct walk *w)
{
	w->last_type = LAST_ROOT;
	while (*w->rest == '/')
		w->rest++;
	while (*w->rest) {
		int err = enter_dir(w);
		if (!err)
			err = next_component(w);
		if (err)
			return err;
		bool is_last = !*w->rest;
		if (is_last && (w->flags & LOOKUP_PARENT))
			return 0;
		if (w->last_type == LAST_DOTDOT)
			err = step_up(w);
		else if (w->last_type == LAST_NORM)
			err = step_into_child(w, is_last);
		if (err)
			return err;
		if (is_last && w->slash && !*w->rest)
			w->must_be_dir = true;
		while (*w->rest == '/') { /* a link's text */
			w->rest++;
			w->must_be_dir |= !*w->rest;
		}
	}
	if (w->must_be_dir && !(w->flags & LOOKUP_PARENT) && !S_ISDIR(w->at.node->inode->mode))
		return -ENOTDIR;
	return 0;
}

int vfs_lookup(int dirfd, const char *name, u32 flags, struct path *out)
{
	struct walk w;
	int err = walk_begin(&w, dirfd, name, flags & ~LOOKUP_PARENT);
	if (err)
		return err;
	if (likely(!*w.rest && !w.must_be_dir && !w.start_node)) { /* the cache of names led there: w.at is all it holds */
		*out = w.at;
		return 0;
	}
	err = walk_run(&w);
	if (!err) {
		*out = w.at;
		path_get(out);
	}
	walk_end(&w);
	return err;
}

int vfs_lookup_parent(struct walk *w, int dirfd, const char *name, u32 flags)
{
	int err = walk_begin(w, dirfd, name, flags | LOOKUP_PARENT);
	if (err)
		return err;
	err = walk_run(w);
	if (err)
		walk_end(w);
	return err;
}

/* Names. */

/* Puts text before buf[*at]. */
static bool prepend(char *buf, size_t *at, const char *text, size_t len)
{
	if (*at < len)
		return false;
	*at -= len;
	memcpy(buf + *at, text, len);
	return true;
}

static long name_locked(const struct path *p, const struct path *root, char *buf, size_t size)
{
	struct path_node *n = p->node;
	struct mount *m = p->mount;
	size_t at = size;
	if (!prepend(buf, &at, "", 1))
		return -ENAMETOOLONG;
	if (n->is_deleted && !prepend(buf, &at, " (deleted)", 10))
		return -ENAMETOOLONG;
	size_t end = at;
	while (n != root->node || m != root->mount) {
		if (m && n == m->root) {
			if (!m->parent)
				break;
			n = m->point;
			m = m->parent;
			continue;
		}
		if (n->parent == n) {
			if (!prepend(buf, &at, n->name, n->len)) /* a file without a place: "pipe:[7]" */
				return -ENAMETOOLONG;
			break;
		}
		if (!prepend(buf, &at, n->name, n->len) || !prepend(buf, &at, "/", 1))
			return -ENAMETOOLONG;
		n = n->parent;
	}
	if (at == end && !prepend(buf, &at, "/", 1))
		return -ENAMETOOLONG;
	memmove(buf, buf + at, size - at);
	return (long)(size - at - 1);
}

long path_name(const struct path *p, char *buf, size_t size)
{
	struct path root;
	fs_get_root(&root);
	spin_lock(&vfs_lock);
	long n = name_locked(p, &root, buf, size);
	spin_unlock(&vfs_lock);
	path_put(&root);
	return n;
}

bool path_is_reachable(const struct path *p)
{
	struct path root;
	fs_get_root(&root);
	spin_lock(&vfs_lock);
	struct path_node *n = p->node;
	struct mount *m = p->mount;
	bool reachable;
	while (!(reachable = n == root.node && m == root.mount)) {
		if (m && n == m->root) {
			if (!m->parent)
				break;
			n = m->point;
			m = m->parent;
		} else if (n->parent == n) {
			break;
		} else {
			n = n->parent;
		}
	}
	spin_unlock(&vfs_lock);
	path_put(&root);
	return reachable;
}
