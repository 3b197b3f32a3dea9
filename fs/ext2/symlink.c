/* SPDX-License-Identifier: MIT */
/* Symbolic links: a text that fits lies in the inode's block pointers, a longer one in a block of its own. */
#include "ext2.h"

#define FAST_MAX (EXT2_NPTRS * 4u) /* bytes, with the NUL */

static long fast_readlink(struct inode *i, char *buf, size_t size)
{
	if (i->size >= FAST_MAX)
		return ext2_corrupt(ext2_sb_of(i), "symbolic link %llu is too long for its inode", (unsigned long long)i->ino);
	size_t n = min((size_t)i->size, size);
	memcpy(buf, ext2_i(i)->block, n);
	return (long)n;
}

static long link_readlink(struct inode *i, char *buf, size_t size)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct buffer b;
	u32 p;
	if (ext2_is_fast_link(i))
		return fast_readlink(i, buf, size);
	int err = i->size < sb->block_size ? ext2_map_one(i, 0, &p) : -EUCLEAN;
	if (!err && !p)
		err = -EUCLEAN;
	if (err)
		return err == -EUCLEAN ? ext2_corrupt(sb, "symbolic link %llu has no text", (unsigned long long)i->ino) : err;
	err = buffer_read(sb->dev, p, sb->shift, &b);
	if (err)
		return ext2_io_error(sb, err, "symbolic link", i->ino);
	size_t n = min((size_t)i->size, size);
	memcpy(buf, b.data, n);
	buffer_put(&b);
	return (long)n;
}

void ext2_link_loaded(struct inode *i)
{
	const char *text = (const char *)ext2_i(i)->block;
	if (ext2_is_fast_link(i) && i->size && i->size < FAST_MAX && strnlen(text, FAST_MAX) == i->size)
		i->link = text;
}

int ext2_symlink_init(struct inode *i, const char *target)
{
	size_t len = strlen(target);
	struct buffer b;
	if (len + 1 > ext2_sb_of(i)->block_size)
		return -ENAMETOOLONG;
	if (len + 1 <= FAST_MAX) {
		memcpy(ext2_i(i)->block, target, len + 1);
	} else {
		int err = ext2_append_block(i, 0, &b);
		if (err)
			return err;
		memcpy(b.data, target, len);
		buffer_put(&b); /* kept until it is written */
	}
	i->size = len;
	ext2_link_loaded(i);
	return 0;
}

const struct inode_ops ext2_link_ops = { .readlink = link_readlink, .setattr = ext2_setattr, EXT2_XATTR_OPS, .evict = ext2_evict };
