/* SPDX-License-Identifier: MIT */
/*
 * /sys/devices/PLACE/block/NAME: directories for the places where whole block devices are, as their drivers
 * name them ("pci0000:00/0000:00:04.0/virtio1").
 *
 * A directory on the way is known by the first device below it and its depth: node->arg is the device's number
 * << 8 | names passed. Devices with equal beginnings share the directories.
 */
#include "sysfs.h"
#include "../blkdev/internal.h"
#include <lib/hash.h>

static const struct pseudo_entry place_dir, block_dir;

/* The first `depth` names of a place: how many characters. ~0: there are fewer. */
static size_t prefix_len(const char *place, unsigned depth)
{
	size_t at = 0;
	for (; depth; depth--) {
		if (!place[at])
			return ~0ul;
		while (place[at] && place[at] != '/')
			at++;
		if (place[at] && depth > 1)
			at++;
	}
	return at;
}

/* The name that follows the first `depth` ones; *len 0: none. */
static const char *name_at(const char *place, unsigned depth, size_t *len)
{
	size_t at = prefix_len(place, depth), end;
	*len = 0;
	if (at == ~0ul)
		return place;
	if (depth && place[at] == '/')
		at++;
	for (end = at; place[end] && place[end] != '/'; end++)
		;
	*len = end - at;
	return place + at;
}

static u64 dir_arg(struct inode *dir)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	return n->entry == &place_dir || n->entry == &block_dir ? n->arg : 0;
}

/* Is b a whole device below the directory `arg`? */
static bool is_below(struct blkdev *b, u64 arg)
{
	unsigned depth = arg & 0xff;
	if (b->partition)
		return false;
	if (!depth)
		return true;
	struct blkdev *first = blkdev_find(arg >> 8);
	if (!first)
		return false;
	size_t len = prefix_len(first->info.place, depth);
	bool is_same = prefix_len(b->info.place, depth) == len && !memcmp(b->info.place, first->info.place, len);
	blkdev_put(first);
	return is_same;
}

/* The n-th different name in the directory (or, with `name`, that name): the first device below it, with a
 * reference. */
static struct blkdev *find_below(u64 arg, const char *name, size_t len, u64 n)
{
	unsigned depth = arg & 0xff;
	u64 last = 0;
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b)) {
		size_t own_len;
		if (!is_below(b, arg))
			continue;
		const char *own = name_at(b->info.place, depth, &own_len);
		u64 hash = hash_bytes(own, own_len);
		if (!own_len)
			continue;
		if (name ? own_len == len && !memcmp(own, name, len) : hash != last && n-- == 0)
			return b;
		last = hash; /* neighbours with one name: devices come in the order of the bus */
	}
	return NULL;
}

static bool has_disk(u64 arg, struct blkdev **out)
{
	struct blkdev *b = blkdev_find(arg >> 8);
	bool is_end = b && prefix_len(b->info.place, arg & 0xff) == strlen(b->info.place);
	if (is_end)
		*out = b;
	else if (b)
		blkdev_put(b);
	return is_end;
}

int sys_places_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	u64 arg = dir_arg(dir);
	struct blkdev *b;
	if (len == 5 && !memcmp(name, "block", 5) && has_disk(arg, &b)) {
		blkdev_put(b);
		return pseudo_inode_new(dir->super, &block_dir, NULL, 0, arg, out);
	}
	b = find_below(arg, name, len, 0);
	if (!b)
		return -ENOENT;
	int err = pseudo_inode_new(dir->super, &place_dir, NULL, 0, b->dev->dev << 8 | ((arg & 0xff) + 1), out);
	blkdev_put(b);
	return err;
}

int sys_places_list(struct file *f, struct dir_emit *e)
{
	u64 arg = dir_arg(f->inode);
	struct blkdev *b;
	for (u64 n = f->pos - PSEUDO_DYNAMIC; (b = find_below(arg, NULL, 0, n)) != NULL; n = f->pos - PSEUDO_DYNAMIC) {
		size_t len;
		const char *name = name_at(b->info.place, arg & 0xff, &len);
		bool more = e->emit(e, name, len, pseudo_ino(&place_dir, 0, b->dev->dev << 8 | ((arg & 0xff) + 1)), 4, f->pos + 1);
		blkdev_put(b);
		if (!more)
			return 0;
		f->pos++;
	}
	if (has_disk(arg, &b)) {
		blkdev_put(b);
		if (f->pos < ~0u && e->emit(e, "block", 5, pseudo_ino(&block_dir, 0, arg), 4, ~0u))
			f->pos = ~0u;
	}
	return 0;
}

static const struct pseudo_entry place_dir = DYNAMIC_DIR("place", sys_places);

/* ---- PLACE/block ---- */

static int in_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct blkdev *b = blkdev_find_name(name, len);
	int err = -ENOENT;
	if (b && b->dev->dev == pseudo_node_of(dir)->arg >> 8)
		err = pseudo_inode_new(dir->super, &sys_disk_dir, NULL, 0, b->dev->dev, out);
	if (b)
		blkdev_put(b);
	return err;
}

static int in_block_list(struct file *f, struct dir_emit *e)
{
	struct blkdev *b = blkdev_find(pseudo_node_of(f->inode)->arg >> 8);
	if (b && f->pos == PSEUDO_DYNAMIC && e->emit(e, b->dev->name, strlen(b->dev->name), pseudo_ino(&sys_disk_dir, 0, b->dev->dev), 4, f->pos + 1))
		f->pos++;
	if (b)
		blkdev_put(b);
	return 0;
}

static const struct pseudo_entry block_dir = DYNAMIC_DIR("block", in_block);
