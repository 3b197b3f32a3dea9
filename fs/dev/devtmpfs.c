/* SPDX-License-Identifier: MIT */
/*
 * devtmpfs: one tmpfs, shared by all its mounts, in which every registered character device has a node
 * by itself. Programs may add, remove and change names there as in any tmpfs.
 */
#include "dev.h"
#include <fs/pseudo.h>

static struct super *dev_super;

/* A device with several minors (pts) has no node of its own. */
static void add_node(struct chrdev *d)
{
	struct inode *root = dev_super->root, *i;
	if (d->nr_minors > 1)
		return;
	mutex_lock(&root->lock);
	int err = root->ops->lookup(root, d->name, strlen(d->name), &i);
	if (err == -ENOENT)
		err = root->ops->create(root, d->name, strlen(d->name), S_IFCHR | (d->mode ? d->mode : 0600), dev_make(d->major, d->minor), NULL, &i);
	mutex_unlock(&root->lock);
	if (err)
		hal_log(LOG_WARNING, "devtmpfs: no node for %s (error %d)", d->name, -err);
	else
		inode_put(i);
}

static bool add_each(struct chrdev *d, void *arg)
{
	add_node(d);
	return true;
}

static int devtmpfs_mount(const char *source, u32 flags, const char *data, struct super **out)
{
	__atomic_fetch_add(&dev_super->refs, 1, __ATOMIC_RELAXED);
	*out = dev_super;
	return 0;
}

static struct fs_type devtmpfs_type = { .name = "devtmpfs", .mount = devtmpfs_mount };

void devtmpfs_init(void)
{
	ASSERT(tmpfs_super_new("devtmpfs", NULL, &dev_super) == 0);
	chrdev_added = add_node;
	chrdev_for_each(add_each, NULL);
	vfs_register(&devtmpfs_type);
}

void fs_pseudo_init(void)
{
	dev_mem_init();
	devtmpfs_init();
	tty_init();
	proc_init();
	sysfs_init();
}
