/* SPDX-License-Identifier: MIT */
/*
 * Mounts: which file system shows at which name. The tree of mounts is small, so a list is searched,
 * and only at names that carry a mount (node->nr_mounts).
 *
 * A mount in the tree holds one reference to itself, to its root node, its super, its parent mount and
 * its mount point. umount takes it out of the tree; what still uses it (MNT_DETACH) keeps it alive.
 *
 * Locking: changes of the tree run under namespace_lock (sleeping); readers take vfs_lock.
 */
#include "path.h"

#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_NOSYMFOLLOW)
#define SUPER_FLAGS (MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK)
#define ATIME_FLAGS (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
#define MS_PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

struct mount *root_mount, *anon_mount;
static struct list_head mounts = LIST_HEAD_INIT(mounts);
static struct list_head types = LIST_HEAD_INIT(types);
struct mutex namespace_lock;
static u32 next_id = 1;

void vfs_register(struct fs_type *t)
{
	spin_lock(&vfs_lock);
	list_add_tail(&t->link, &types);
	spin_unlock(&vfs_lock);
}

static struct fs_type *type_find(const char *name)
{
	struct fs_type *t;
	list_for_each_entry(t, &types, link)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

void vfs_for_each_type(bool (*fn)(const struct fs_type *, void *arg), void *arg)
{
	struct fs_type *t;
	list_for_each_entry(t, &types, link)
		if (!fn(t, arg))
			return;
}

/* A detached mount of s (takes over the super's reference, also on failure). root: takes a reference. */
static struct mount *mount_new(struct super *s, struct path_node *root, u32 flags, const char *source)
{
	struct mount *m = kzalloc(sizeof(*m), ALLOC_KERNEL);
	char *text = kmalloc(strlen(source) + 1, ALLOC_KERNEL);
	if (!m || !text) {
		kfree(m);
		kfree(text);
		super_put(s);
		return NULL;
	}
	memcpy(text, source, strlen(source) + 1);
	m->source = text;
	m->refs = 1;
	m->flags = flags & MOUNT_FLAGS;
	m->super = s;
	list_init(&m->link);
	m->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
	if (root) {
		node_get(root);
		m->root = root;
	} else {
		inode_get(s->root);
		m->root = node_new_root(s->root);
		if (!m->root) {
			super_put(s);
			kfree(text);
			kfree(m);
			return NULL;
		}
	}
	return m;
}

void mount_put(struct mount *m)
{
	if (__atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL))
		return;
	node_put(m->root);
	if (READ_ONCE(m->super->refs) == 1)
		node_drop_unused(m->super, ~0ull);
	super_put(m->super);
	kfree(m->source);
	kfree(m);
}

void path_get(struct path *p)
{
	node_get(p->node);
	mount_get(p->mount);
}

void path_put(struct path *p)
{
	node_put(p->node);
	mount_put(p->mount);
}

/* The mount on (parent, point), newest first; vfs_lock is held. */
static struct mount *mounted_on_locked(struct mount *parent, struct path_node *point)
{
	for (struct list_head *l = mounts.prev; l != &mounts; l = l->prev) {
		struct mount *m = list_entry(l, struct mount, link);
		if (m->point == point && m->parent == parent)
			return m;
	}
	return NULL;
}

bool mount_cross(struct path *p)
{
	bool crossed = false;
	while (unlikely(READ_ONCE(p->node->nr_mounts))) {
		spin_lock(&vfs_lock);
		struct mount *m = mounted_on_locked(p->mount, p->node);
		struct path to = { m ? m->root : NULL, m };
		if (m)
			path_get(&to);
		spin_unlock(&vfs_lock);
		if (!m)
			break;
		path_put(p);
		*p = to;
		crossed = true;
	}
	return crossed;
}

struct path mount_top_locked(struct path p)
{
	struct mount *m;
	while (p.node->nr_mounts && (m = mounted_on_locked(p.mount, p.node)) != NULL)
		p = (struct path){ m->root, m };
	return p;
}

bool mount_up(struct path *p)
{
	if (p->node != p->mount->root)
		return false;
	spin_lock(&vfs_lock);
	struct path to = { p->mount->point, p->mount->parent };
	if (to.mount)
		path_get(&to);
	spin_unlock(&vfs_lock);
	if (!to.mount)
		return false;
	path_put(p);
	*p = to;
	return true;
}

int mount_want_write(const struct path *p)
{
	return (p->mount->flags | p->mount->super->flags) & MS_RDONLY ? -EROFS : 0;
}

/* Puts m into the tree at `at`; takes over m's reference. */
static int attach(struct mount *m, const struct path *at)
{
	if (S_ISDIR(m->root->inode->mode) != S_ISDIR(at->node->inode->mode))
		return -ENOTDIR;
	spin_lock(&vfs_lock);
	if (at->node->is_deleted) {
		spin_unlock(&vfs_lock);
		return -ENOENT;
	}
	m->parent = at->mount;
	m->point = at->node;
	node_get(at->node);
	mount_get(at->mount);
	node_pin_hashed(at->node);
	at->node->nr_mounts++;
	list_add_tail(&m->link, &mounts);
	m->is_attached = true;
	spin_unlock(&vfs_lock);
	return 0;
}

/* Takes m out of the tree; the tree's references go. */
static void detach(struct mount *m)
{
	spin_lock(&vfs_lock);
	struct path at = { m->point, m->parent };
	m->point->nr_mounts--;
	m->point = NULL;
	m->parent = NULL;
	m->is_attached = false;
	list_del(&m->link);
	spin_unlock(&vfs_lock);
	path_put(&at);
	mount_put(m);
}

static bool has_children(struct mount *m)
{
	struct mount *c;
	list_for_each_entry(c, &mounts, link)
		if (c->parent == m)
			return true;
	return false;
}

/* Detaches all below m, leaves first. */
static void detach_children(struct mount *m)
{
	bool found = true;
	while (found) {
		struct mount *c;
		found = false;
		list_for_each_entry(c, &mounts, link) {
			struct mount *up = c->parent;
			while (up && up != m)
				up = up->parent;
			if (!up || has_children(c))
				continue;
			detach(c);
			found = true;
			break;
		}
	}
}

/* No file may be open for writing, and none be waiting for its last close to be freed. The flag comes first,
 * so that nobody begins to write behind the look. */
static int make_read_only(struct super *s)
{
	__atomic_fetch_or(&s->flags, MS_RDONLY, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&s->nr_writers, __ATOMIC_SEQ_CST) <= 0 && READ_ONCE(s->nr_unlinked) <= 0)
		return 0;
	__atomic_fetch_and(&s->flags, ~MS_RDONLY, __ATOMIC_RELAXED);
	return -EBUSY;
}

static int remount_super(struct super *s, u32 flags, const char *data)
{
	bool becomes_ro = (flags & MS_RDONLY) && !(s->flags & MS_RDONLY);
	int err = becomes_ro ? make_read_only(s) : 0;
	if (!err && s->ops && s->ops->remount) {
		err = s->ops->remount(s, flags & SUPER_FLAGS, data);
		if (err && becomes_ro)
			__atomic_fetch_and(&s->flags, ~MS_RDONLY, __ATOMIC_RELAXED);
	}
	if (!err)
		s->flags = (s->flags & ~SUPER_FLAGS) | (flags & SUPER_FLAGS);
	return err;
}

/* atime_given: flags say what to do with access times; else it stays as it is. */
static int do_remount(const struct path *at, u32 flags, bool atime_given, const char *data)
{
	struct mount *m = at->mount;
	if (at->node != m->root)
		return -EINVAL;
	int err = flags & MS_BIND ? 0 : remount_super(m->super, flags, data);
	if (err)
		return err;
	if (!atime_given)
		flags = (flags & ~ATIME_FLAGS) | (m->flags & ATIME_FLAGS);
	m->flags = flags & MOUNT_FLAGS;
	return 0;
}

static int do_bind(const char *source, const struct path *at)
{
	struct path from;
	int err = vfs_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	__atomic_fetch_add(&from.mount->super->refs, 1, __ATOMIC_RELAXED);
	struct mount *m = mount_new(from.mount->super, from.node, from.mount->flags, from.mount->source);
	err = m ? attach(m, at) : -ENOMEM;
	if (err && m)
		mount_put(m);
	path_put(&from);
	return err;
}

static int do_move(const char *source, const struct path *at)
{
	struct path from;
	int err = vfs_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	struct mount *m = from.mount;
	if (from.node != m->root || !m->parent)
		err = -EINVAL;
	for (struct mount *up = at->mount; up && !err; up = up->parent)
		if (up == m)
			err = -ELOOP;
	if (!err) {
		mount_get(m);
		detach(m);
		err = attach(m, at);
		if (err)
			mount_put(m);
	}
	path_put(&from);
	return err;
}

static int do_new(const char *source, const struct path *at, const char *type, u32 flags, const char *data)
{
	struct fs_type *t = type_find(type);
	struct super *s;
	if (!t)
		return -ENODEV;
	int err = t->mount(source, flags, data, &s);
	if (err)
		return err;
	if (!t->needs_device) /* else set by the mount of the device, which others may share */
		s->flags |= flags & SUPER_FLAGS;
	struct mount *m = mount_new(s, NULL, flags, source);
	if (!m)
		return -ENOMEM;
	err = attach(m, at);
	if (err)
		mount_put(m);
	return err;
}

int vfs_mount_at(const char *source, const struct path *at, const char *type, u32 flags, const char *data)
{
	int err;
	bool atime_given = flags & ATIME_FLAGS;
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		flags |= MS_RELATIME;
	mutex_lock(&namespace_lock);
	if (flags & MS_REMOUNT)
		err = do_remount(at, flags, atime_given, data);
	else if (flags & MS_BIND)
		err = source ? do_bind(source, at) : -EINVAL;
	else if (flags & MS_PROPAGATION)
		err = at->node == at->mount->root ? 0 : -EINVAL; /* one namespace: nothing to propagate */
	else if (flags & MS_MOVE)
		err = source ? do_move(source, at) : -EINVAL;
	else
		err = type ? do_new(source ? source : "none", at, type, flags, data) : -EINVAL;
	mutex_unlock(&namespace_lock);
	return err;
}

int vfs_mount(const char *source, const char *target, const char *type, u32 flags, const char *data)
{
	struct path at;
	int err = vfs_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	if (err)
		return err;
	err = vfs_mount_at(source, &at, type, flags, data);
	path_put(&at);
	return err;
}

int vfs_umount(const char *target, u32 flags)
{
	struct path p;
	int err = vfs_lookup(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	mutex_lock(&namespace_lock);
	struct mount *m = p.mount;
	bool is_top = p.node == m->root;
	node_put(p.node);
	if (!is_top || !m->is_attached)
		err = -EINVAL;
	else if (m == root_mount || !m->parent)
		err = flags & MNT_DETACH ? -EINVAL : -EBUSY;
	else if (!(flags & MNT_DETACH) && (has_children(m) || READ_ONCE(m->refs) > 2))
		err = -EBUSY;
	if (!err) {
		detach_children(m);
		detach(m);
	}
	mutex_unlock(&namespace_lock);
	mount_put(m);
	return err;
}

void vfs_for_each_mount(bool (*fn)(const struct mount_info *, void *arg), void *arg)
{
	char *target = kmalloc(FS_PATH_MAX, ALLOC_KERNEL), *top = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
	struct mount *m;
	mutex_lock(&namespace_lock);
	list_for_each_entry(m, &mounts, link) {
		struct path at = { m->root, m };
		if (!target || !top || path_name(&at, target, FS_PATH_MAX) < 0)
			break;
		struct path inner = { m->root, NULL };
		if (path_name(&inner, top, FS_PATH_MAX) < 0)
			break;
		struct mount_info info = { .id = m->id, .parent_id = m->parent ? m->parent->id : m->id, .source = m->source,
			.target = target, .root = top, .type = m->super->type, .super = m->super, .flags = m->flags | m->super->flags,
			.is_reachable = path_is_reachable(&at) };
		if (!fn(&info, arg))
			break;
	}
	mutex_unlock(&namespace_lock);
	kfree(target);
	kfree(top);
}

/* The root of everything. */
void vfs_init(void)
{
	struct super *s;
	file_init_cache();
	fdtable_init_cache();
	node_init_cache();
	node_shrinker_init();
	inode_init_cache();
	fs_context_init_cache();
	mutex_init(&namespace_lock, RANK_FS_NAMESPACE);
	user_path_init();
	tmpfs_init();
	pipe_init();
	epoll_init_cache();
	ASSERT(tmpfs_super_new("rootfs", NULL, &s) == 0);
	root_mount = mount_new(s, NULL, 0, "rootfs");
	ASSERT(root_mount);
	root_mount->is_attached = true;
	anon_super->root = inode_new(anon_super, S_IFDIR | 0555);
	ASSERT(anon_super->root);
	anon_mount = mount_new(anon_super, NULL, 0, "none");
	ASSERT(anon_mount);
	list_add_tail(&root_mount->link, &mounts);
}
