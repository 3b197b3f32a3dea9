/* SPDX-License-Identifier: MIT */
/*
 * Root, working directory and umask of a task; shared under CLONE_FS. Each place holds references to
 * its name and mount. Before the first context exists, everything starts at the root mount.
 */
#include "path.h"

struct fs_context {
	s32 refs; /* atomic */
	u32 umask;
	struct path root, cwd; /* (vfs_lock) */
};

static struct slab_cache *context_cache;

void fs_context_init_cache(void)
{
	context_cache = slab_cache_create("fs_cache", sizeof(struct fs_context), 0, 0);
	ASSERT(context_cache);
}

static void top(struct path *out)
{
	*out = (struct path){ root_mount->root, root_mount };
	path_get(out);
}

struct fs_context *fs_context_new(void)
{
	struct fs_context *c = slab_alloc(context_cache, ALLOC_KERNEL);
	if (!c)
		return NULL;
	c->refs = 1;
	c->umask = 022;
	top(&c->root);
	top(&c->cwd);
	return c;
}

struct fs_context *fs_context_copy(struct fs_context *from)
{
	struct fs_context *c = slab_alloc(context_cache, ALLOC_KERNEL);
	if (!c)
		return NULL;
	c->refs = 1;
	c->umask = from->umask;
	fs_context_root(from, &c->root);
	fs_context_cwd(from, &c->cwd);
	return c;
}

void fs_context_get(struct fs_context *c) { __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED); }

void fs_context_put(struct fs_context *c)
{
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	path_put(&c->root);
	path_put(&c->cwd);
	slab_free(context_cache, c);
}

int fs_unshare_current(void)
{
	struct fs_context *old = current->fs;
	if (__atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1)
		return 0;
	struct fs_context *c = fs_context_copy(old);
	if (!c)
		return -ENOMEM;
	current->fs = c;
	fs_context_put(old);
	return 0;
}

static void read_place(struct path *from, struct path *out)
{
	spin_lock(&vfs_lock);
	*out = *from;
	path_get(out);
	spin_unlock(&vfs_lock);
}

void fs_context_cwd(struct fs_context *c, struct path *out) { read_place(&c->cwd, out); }
void fs_context_root(struct fs_context *c, struct path *out) { read_place(&c->root, out); }

void fs_get_root(struct path *out)
{
	if (current->fs)
		fs_context_root(current->fs, out);
	else
		top(out);
}

void fs_get_cwd(struct path *out)
{
	if (current->fs)
		fs_context_cwd(current->fs, out);
	else
		top(out);
}

struct path fs_root_locked(void)
{
	return current->fs ? current->fs->root : (struct path){ root_mount->root, root_mount };
}

struct path fs_cwd_locked(void)
{
	return current->fs ? current->fs->cwd : (struct path){ root_mount->root, root_mount };
}

static int set_place(struct path *place, struct path *p)
{
	spin_lock(&vfs_lock);
	struct path old = *place;
	*place = *p;
	spin_unlock(&vfs_lock);
	path_put(&old);
	return 0;
}

int fs_set_cwd(struct path *p) { return set_place(&current->fs->cwd, p); }
int fs_set_root(struct path *p) { return set_place(&current->fs->root, p); }

u32 fs_context_umask(const struct fs_context *c) { return c->umask; }

u32 fs_umask(void) { return current->fs ? current->fs->umask : 0; }

u32 fs_set_umask(u32 mask)
{
	u32 old = current->fs->umask;
	current->fs->umask = mask & 0777;
	return old;
}
