/* SPDX-License-Identifier: MIT */
/* Character devices by number; and opening of files that are no files: devices, FIFOs, sockets. */
#include "internal.h"
#include "blkdev/internal.h"
#include <linux/major.h>

static struct list_head devices = LIST_HEAD_INIT(devices); /* (vfs_lock) */
void (*chrdev_added)(struct chrdev *d);

int chrdev_register(struct chrdev *d)
{
	struct chrdev *o;
	int err = 0;
	spin_lock(&vfs_lock);
	list_for_each_entry(o, &devices, link)
		if (o->major == d->major && o->minor < d->minor + d->nr_minors && d->minor < o->minor + o->nr_minors)
			err = -EBUSY;
	if (!err)
		list_add_tail(&d->link, &devices);
	spin_unlock(&vfs_lock);
	if (!err && chrdev_added)
		chrdev_added(d);
	return err;
}

/* Devices are never removed, so the list may be walked without the lock. */
void chrdev_for_each(bool (*fn)(struct chrdev *d, void *arg), void *arg)
{
	struct chrdev *d;
	list_for_each_entry(d, &devices, link)
		if (!fn(d, arg))
			return;
}

static struct chrdev *find(u32 major, u32 minor)
{
	struct chrdev *d;
	list_for_each_entry(d, &devices, link)
		if (d->major == major && minor >= d->minor && minor - d->minor < max(d->nr_minors, 1u))
			return d;
	return NULL;
}

int special_open(struct inode *i, struct file *f)
{
	if (S_ISFIFO(i->mode))
		return fifo_open(i, f);
	if (S_ISBLK(i->mode))
		return blkdev_open_file(i, f);
	if (!S_ISCHR(i->mode))
		return -ENXIO;
	struct chrdev *d = find(dev_major(i->rdev), dev_minor(i->rdev));
	if (!d) /* devices of all sorts share a major, whose driver is always there */
		return dev_major(i->rdev) == MISC_MAJOR ? -ENODEV : -ENXIO;
	f->ops = d->fops;
	return d->open ? d->open(i, f) : 0;
}
