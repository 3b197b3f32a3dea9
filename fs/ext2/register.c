/* SPDX-License-Identifier: MIT */
/* ext2 as mount(2) knows it: from a source to a device, one super for each device. */
#include "ext2.h"
#include <fs/blkdev.h>
#include <kernel/init.h>

/* The device is mounted already: the same super again, if both want to write or both do not. */
static int share(struct super *s, u32 flags, struct super **out)
{
	if (s->ops == &ext2_super_ops && !((s->flags ^ flags) & MS_RDONLY)) {
		*out = s;
		return 0;
	}
	super_put(s);
	return -EBUSY;
}

static int ext2_mount(const char *source, u32 flags, const char *data, struct super **out)
{
	struct block_device *dev;
	struct super *s;
	int err = blkdev_open_path(source, NULL, &dev);
	if (err)
		return err;
	err = super_find(dev->dev, &s);
	if (err || s) {
		blkdev_close(dev, NULL);
		return err ? err : share(s, flags, out);
	}
	u64 rdev = dev->dev;
	blkdev_close(dev, NULL);
	err = blkdev_open(rdev, &ext2_super_ops, &dev);
	if (err)
		return err;
	if (dev->is_read_only && !(flags & MS_RDONLY))
		err = -EACCES;
	if (!err)
		err = ext2_mount_device(dev, flags, data, out);
	if (err)
		blkdev_close(dev, &ext2_super_ops);
	else
		((struct ext2_sb *)(*out)->priv)->is_opened = true;
	return err;
}

void ext2_close_device(struct block_device *dev) { blkdev_close(dev, &ext2_super_ops); }

static struct fs_type ext2_type = { .name = "ext2", .needs_device = true, .mount = ext2_mount };

static void ext2_init(void)
{
	ext2_init_caches();
	vfs_register(&ext2_type);
}
INITCALL(fs, ext2_init);
