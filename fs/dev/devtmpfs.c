/* SPDX-License-Identifier: MIT */
/*
 * devtmpfs: one tmpfs, shared by all its mounts, in which every registered device has a node by itself. Programs may add, remove and change names there as in any tmpfs.
 */
#include "dev.h"
#include "../blkdev/internal.h"
#include "../path/path.h"
#include <fs/pseudo.h>

#define GID_DISK 6 /* group "disk" of Debian */

static struct super *dev_super;

static void add_node(const char *name, u32 mode, u32 gid, u64 rdev)
{
	struct inode *root = dev_super->root, *i;
	mutex_lock(&root->lock);
	int err = root->ops->lookup(root, name, strlen(name), &i);
	if (err == -ENOENT) {
		err = root->ops->create(root, name, strlen(name), mode, rdev, NULL, &i);
		if (!err)
			i->gid = gid;
	}
	mutex_unlock(&root->lock);
	if (err)
		hal_log(LOG_WARNING, "devtmpfs: no node for %s (error %d)", name, -err);
	else
		inode_put(i);
}

/* A device with several minors (pts) has no node of its own. */
static void add_chrdev(struct chrdev *d)
{
	if (d->nr_minors <= 1)
		add_node(d->name, S_IFCHR | (d->mode ? d->mode : 0600), 0, dev_make(d->major, d->minor));
}

void blkdev_node_add(struct blkdev *b) { add_node(b->dev->name, S_IFBLK | 0660, GID_DISK, b->dev->dev); }

/* Unless a program has put something else there. */
void blkdev_node_remove(struct blkdev *b)
{
	struct inode *root = dev_super->root, *i;
	const char *name = b->dev->name;
	mutex_lock(&root->lock);
	int err = root->ops->lookup(root, name, strlen(name), &i);
	if (!err && S_ISBLK(i->mode) && i->rdev == b->dev->dev) {
		err = root->ops->unlink(root, name, strlen(name), i);
		if (!err)
			node_delete_all(i);
	}
	mutex_unlock(&root->lock);
	if (!err)
		inode_put(i);
}

static bool add_each(struct chrdev *d, void *arg)
{
	add_chrdev(d);
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
	chrdev_added = add_chrdev;
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
	cgroupfs_init();
}
