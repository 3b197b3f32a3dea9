/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes. They lie in the rest of a large inode record (as mke2fs -d and ext4 put them there) and in
 * one block of their own, which files with equal attributes may share. Both hold the same entries:
 * upwards from the front, ended by four zero bytes, sorted in a block; values downwards from the end.
 *
 * A change collects the entries of a place, rebuilds them in a scratch copy, and puts the copy in place: so
 * it either happens or does not. A new attribute goes to the block; one that stands in the record is
 * replaced there if it fits, else moves. A block that others share is never changed: the file gets a
 * block of its own. What a place holds is checked before it is used.
 */
#include "ext2.h"
#include <linux/xattr.h>

#define INDEX_USER     1u
#define INDEX_TRUSTED  4u
#define INDEX_SECURITY 6u
#define HEAD           ((u32)sizeof(struct ext2_xattr_header))

static const struct prefix {
	const char *text;
	u8 index;
} prefixes[] = { { "user.", INDEX_USER }, { "trusted.", INDEX_TRUSTED }, { "security.", INDEX_SECURITY } };

/* Where entries lie: offsets of values count from base. */
struct place {
	char *base;
	u32 first, end;
};

struct attribute {
	const char *name, *value;
	u32 value_size;
	u8 index, name_len;
};

struct attributes {
	u32 nr;
	struct attribute list[EXT2_XATTR_MAX];
};

static struct ext2_xattr_entry *entry_at(const struct place *p, u32 at) { return (struct ext2_xattr_entry *)(p->base + at); }

static bool is_end(const struct place *p, u32 at) { return at + 4 > p->end || !*(const u32 *)(p->base + at); }

/* Every entry and value lies inside. */
static bool is_sound(const struct place *p)
{
	u32 at = p->first;
	while (at + 4 <= p->end && *(const u32 *)(p->base + at)) {
		if (at + 16 > p->end)
			return false;
		const struct ext2_xattr_entry *x = entry_at(p, at);
		u32 next = at + ext2_xattr_entry_size(x->name_len);
		if (next > p->end || x->value_block || x->value_size > p->end || (x->value_size && x->value_offs > p->end - x->value_size))
			return false;
		at = next;
	}
	return at + 4 <= p->end;
}

static struct ext2_xattr_entry *find(const struct place *p, u8 index, const char *name, u8 len)
{
	for (u32 at = p->first; !is_end(p, at); at += ext2_xattr_entry_size(entry_at(p, at)->name_len)) {
		struct ext2_xattr_entry *x = entry_at(p, at);
		if (x->name_index == index && x->name_len == len && !memcmp(x->name, name, len))
			return x;
	}
	return NULL;
}

/* Places. */

/* The rest of the record; *b is held when true. */
static bool open_record(struct inode *i, struct buffer *b, struct place *p)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_disk_inode *d;
	if (sb->inode_size <= EXT2_GOOD_OLD_INODE_SIZE + 2 || ext2_i(i)->is_new_record || ext2_record_of(sb, (u32)i->ino, b, &d))
		return false;
	u32 room = sb->inode_size - EXT2_GOOD_OLD_INODE_SIZE, extra = *(const u16 *)(d + 1);
	char *start = (char *)(d + 1) + extra;
	if (!(extra & 3) && extra >= 4 && extra + 8 <= room && *(const u32 *)start == EXT2_XATTR_MAGIC) {
		*p = (struct place){ .base = start + 4, .first = 0, .end = room - extra - 4 };
		if (is_sound(p))
			return true;
		ext2_corrupt(sb, "inode %llu: attributes in its record are broken", (unsigned long long)i->ino);
	}
	buffer_put(b);
	return false;
}

/* 0: there is one, *b is held; -ENODATA: none. */
static int open_block(struct inode *i, struct buffer *b, struct place *p)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	u32 block = ext2_i(i)->file_acl;
	if (!block)
		return -ENODATA;
	int err = buffer_read(sb->dev, block, sb->shift, b);
	if (err)
		return ext2_io_error(sb, err, "attributes of inode", i->ino);
	const struct ext2_xattr_header *h = b->data;
	*p = (struct place){ .base = b->data, .first = HEAD, .end = sb->block_size };
	if (h->magic == EXT2_XATTR_MAGIC && h->blocks == 1 && h->refcount && is_sound(p))
		return 0;
	buffer_put(b);
	return ext2_corrupt(sb, "inode %llu: its block of attributes, %u, is broken", (unsigned long long)i->ino, block);
}

/* Reading. */

static const struct prefix *split(const char **name)
{
	for (unsigned n = 0; n < ARRAY_SIZE(prefixes); n++) {
		size_t len = strlen(prefixes[n].text);
		if (strncmp(*name, prefixes[n].text, len))
			continue;
		*name += len;
		return &prefixes[n];
	}
	return NULL;
}

static long copy_value(const struct place *p, const struct ext2_xattr_entry *x, void *value, size_t size)
{
	if (!size)
		return x->value_size;
	if (x->value_size > size)
		return -ERANGE;
	memcpy(value, p->base + x->value_offs, x->value_size);
	return x->value_size;
}

static long get_locked(struct inode *i, u8 index, const char *name, u8 len, void *value, size_t size)
{
	struct buffer b;
	struct place p;
	long n = -ENODATA;
	if (open_record(i, &b, &p)) {
		const struct ext2_xattr_entry *x = find(&p, index, name, len);
		if (x)
			n = copy_value(&p, x, value, size);
		buffer_put(&b);
	}
	if (n != -ENODATA)
		return n;
	int err = open_block(i, &b, &p);
	if (err)
		return err;
	const struct ext2_xattr_entry *x = find(&p, index, name, len);
	n = x ? copy_value(&p, x, value, size) : -ENODATA;
	buffer_put(&b);
	return n;
}

long ext2_xattr_get(struct inode *i, const char *name, void *value, size_t size)
{
	struct ext2_inode *e = ext2_i(i);
	const struct prefix *x = split(&name);
	size_t len = strlen(name);
	if (!x || (x->index == INDEX_USER && ext2_sb_of(i)->opt.no_user_xattr))
		return -EOPNOTSUPP;
	if (!len)
		return -EINVAL;
	if (len > 255)
		return -ERANGE;
	rwlock_read(&e->xattr_lock);
	long n = get_locked(i, x->index, name, (u8)len, value, size);
	rwlock_read_unlock(&e->xattr_lock);
	return n;
}

/* Adds "prefix.name\0" of each entry that the caller may see; the length in all, or -ERANGE. */
static long list_place(const struct place *p, char *list, size_t size, long done)
{
	for (u32 at = p->first; !is_end(p, at) && done >= 0; at += ext2_xattr_entry_size(entry_at(p, at)->name_len)) {
		const struct ext2_xattr_entry *x = entry_at(p, at);
		const char *text = NULL;
		for (unsigned n = 0; n < ARRAY_SIZE(prefixes); n++)
			if (prefixes[n].index == x->name_index)
				text = prefixes[n].text;
		if (!text || (x->name_index == INDEX_TRUSTED && !fs_capable(CAP_SYS_ADMIN)))
			continue;
		size_t prefix = strlen(text), len = prefix + x->name_len + 1;
		if (size && (size_t)done + len > size)
			return -ERANGE;
		if (size) {
			memcpy(list + done, text, prefix);
			memcpy(list + done + prefix, x->name, x->name_len);
			list[(size_t)done + len - 1] = 0;
		}
		done += (long)len;
	}
	return done;
}

long ext2_xattr_list(struct inode *i, char *list, size_t size)
{
	struct ext2_inode *e = ext2_i(i);
	struct buffer b;
	struct place p;
	long done = 0;
	rwlock_read(&e->xattr_lock);
	if (open_record(i, &b, &p)) {
		done = list_place(&p, list, size, done);
		buffer_put(&b);
	}
	int err = done < 0 ? (int)done : open_block(i, &b, &p);
	if (!err) {
		done = list_place(&p, list, size, done);
		buffer_put(&b);
	}
	rwlock_read_unlock(&e->xattr_lock);
	return err && err != -ENODATA ? err : done;
}

/* Changing. */

static int order(const struct attribute *a, const struct attribute *b)
{
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return memcmp(a->name, b->name, a->name_len);
}

static bool add(struct attributes *all, const struct attribute *a)
{
	u32 n = all->nr;
	if (n == EXT2_XATTR_MAX)
		return false;
	for (; n && order(a, &all->list[n - 1]) < 0; n--)
		all->list[n] = all->list[n - 1];
	all->list[n] = *a;
	all->nr++;
	return true;
}

/* All of the place but one. */
static bool collect(const struct place *p, const struct attribute *but, struct attributes *all)
{
	for (u32 at = p->first; !is_end(p, at); at += ext2_xattr_entry_size(entry_at(p, at)->name_len)) {
		const struct ext2_xattr_entry *x = entry_at(p, at);
		struct attribute a = { x->name, p->base + x->value_offs, x->value_size, x->name_index, x->name_len };
		if (order(&a, but) && !add(all, &a))
			return false;
	}
	return true;
}

/* Hashes as e2fsck checks them: of the name's bytes, then of the value's words. */
static u32 entry_hash(const struct ext2_xattr_entry *x, const char *padded_value)
{
	u32 hash = 0;
	for (u32 n = 0; n < x->name_len; n++)
		hash = (hash << 5) ^ (hash >> 27) ^ (u8)x->name[n];
	for (u32 n = 0; n < x->value_size; n += 4) {
		u32 word;
		memcpy(&word, padded_value + n, 4);
		hash = (hash << 16) ^ (hash >> 16) ^ word;
	}
	return hash;
}

/* Writes the attributes into the place, which they do not lie in. False: they do not fit. */
static bool build(const struct place *p, const struct attributes *all)
{
	u32 at = p->first, value_at = p->end;
	memset(p->base + p->first, 0, p->end - p->first);
	for (u32 n = 0; n < all->nr; n++) {
		const struct attribute *a = &all->list[n];
		u32 entry = ext2_xattr_entry_size(a->name_len), value = (a->value_size + 3) & ~3u;
		if (entry + value + 4 > value_at - at)
			return false;
		struct ext2_xattr_entry *x = entry_at(p, at);
		value_at -= value;
		*x = (struct ext2_xattr_entry){ .name_len = a->name_len, .name_index = a->index, .value_offs = (u16)(a->value_size ? value_at : 0), .value_size = a->value_size };
		memcpy(x->name, a->name, a->name_len);
		memcpy(p->base + value_at, a->value, a->value_size);
		x->hash = entry_hash(x, p->base + value_at);
		at += entry;
	}
	return true;
}

static void seal_block(void *data, const struct place *p)
{
	struct ext2_xattr_header *h = data;
	u32 hash = 0;
	for (u32 at = p->first; !is_end(p, at); at += ext2_xattr_entry_size(entry_at(p, at)->name_len)) {
		u32 one = entry_at(p, at)->hash;
		hash = one ? (hash << 16) ^ (hash >> 16) ^ one : 0;
		if (!one)
			break;
	}
	*h = (struct ext2_xattr_header){ .magic = EXT2_XATTR_MAGIC, .refcount = 1, .blocks = 1, .hash = hash };
}

/* The file lets go of its block. */
static void drop_block(struct inode *i, struct buffer *b)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_xattr_header *h = b->data;
	u32 block = e->file_acl;
	e->file_acl = 0;
	i->blocks -= min(i->blocks, (u64)sb->block_size >> 9);
	ext2_dirty(i, EXT2_DIRTY_META);
	if (h->refcount > 1) {
		h->refcount--;
		buffer_dirty(b);
		return;
	}
	rwlock_write(&e->map_lock);
	ext2_meta_forget(e, block);
	rwlock_write_unlock(&e->map_lock);
	buffer_forget(sb->dev, block, 1, sb->shift);
	ext2_free_blocks(sb, block, 1);
	ext2_commit_soon(sb);
}

/* A block of the file's own with this content. */
static int new_block(struct inode *i, const char *content)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	struct ext2_meta *n = ext2_meta_alloc();
	struct buffer b;
	u32 block, nr;
	if (!n)
		return -ENOMEM;
	rwlock_write(&e->map_lock);
	int err = ext2_new_blocks(i, 0, 1, &block, &nr);
	if (!err) {
		err = buffer_new(sb->dev, block, sb->shift, &b);
		if (err)
			ext2_unallocate(sb, block, 1);
	}
	if (!err) {
		memcpy(b.data, content, sb->block_size);
		ext2_meta_add(e, n, &b, true);
		n = NULL;
		e->file_acl = block;
		i->blocks += sb->block_size >> 9;
	}
	rwlock_write_unlock(&e->map_lock);
	ext2_meta_free(n);
	if (!err)
		ext2_use_feature(sb, EXT2_COMPAT_EXT_ATTR, 0);
	return err;
}

/* a into the block (or, without a value, out of it). */
static int change_block(struct inode *i, const struct attribute *a, bool remove, struct attributes *all, char *scratch)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct buffer b = { 0 };
	struct place old, new = { scratch, HEAD, sb->block_size };
	int err = open_block(i, &b, &old);
	if (err && err != -ENODATA)
		return err;
	all->nr = 0;
	bool fits = (err || collect(&old, a, all)) && (remove || add(all, a)) && build(&new, all);
	err = fits ? 0 : -ENOSPC;
	if (!err && !all->nr) {
		if (b.frame)
			drop_block(i, &b);
	} else if (!err) {
		seal_block(scratch, &new);
		if (b.frame && ((struct ext2_xattr_header *)b.data)->refcount == 1) {
			memcpy(b.data, scratch, sb->block_size);
			buffer_dirty(&b);
		} else {
			u32 shared = ext2_i(i)->file_acl;
			err = new_block(i, scratch);
			if (!err && shared) { /* the count of the one that was shared; the file's own stays */
				((struct ext2_xattr_header *)b.data)->refcount--;
				buffer_dirty(&b);
				i->blocks -= sb->block_size >> 9;
			}
		}
	}
	buffer_put(&b);
	return err;
}

/* Replaces or removes what stands in the record. 0; -ENODATA: it does not stand there; -ENOSPC: no room. */
static int change_record(struct inode *i, const struct attribute *a, bool remove, struct attributes *all, char *scratch)
{
	struct buffer b;
	struct place p;
	int err = -ENODATA;
	if (!open_record(i, &b, &p))
		return err;
	if (find(&p, a->index, a->name, a->name_len)) {
		struct place new = { scratch, 0, p.end };
		all->nr = 0;
		err = collect(&p, a, all) && (remove || add(all, a)) && build(&new, all) ? 0 : -ENOSPC;
		if (!err) {
			memcpy(p.base, scratch, p.end);
			buffer_dirty(&b);
		}
	}
	buffer_put(&b);
	return err;
}

static int set_locked(struct inode *i, const struct attribute *a, u32 flags, bool remove, struct attributes *all, char *scratch)
{
	long there = get_locked(i, a->index, a->name, a->name_len, NULL, 0);
	if (there < 0 && there != -ENODATA)
		return (int)there;
	if (there >= 0 && (flags & XATTR_CREATE))
		return -EEXIST;
	if (there < 0 && ((flags & XATTR_REPLACE) || remove))
		return -ENODATA;
	int err = change_record(i, a, remove, all, scratch);
	if (err == -ENODATA)
		return change_block(i, a, remove, all, scratch);
	if (err != -ENOSPC)
		return err;
	err = change_block(i, a, false, all, scratch); /* too large for the record now */
	return err ? err : change_record(i, a, true, all, scratch);
}

int ext2_xattr_set(struct inode *i, const char *name, const void *value, size_t size, u32 flags, bool remove)
{
	struct ext2_sb *sb = ext2_sb_of(i);
	struct ext2_inode *e = ext2_i(i);
	const struct prefix *x = split(&name);
	size_t len = strlen(name);
	if (!x || (x->index == INDEX_USER && sb->opt.no_user_xattr))
		return -EOPNOTSUPP;
	if (!len)
		return -EINVAL;
	if (len > 255)
		return -ERANGE;
	if (size > sb->block_size)
		return -ENOSPC;
	struct attribute a = { name, value ? value : "", (u32)size, x->index, (u8)len };
	struct attributes *all = kmalloc(sizeof(*all), ALLOC_KERNEL);
	char *scratch = kmalloc(sb->block_size, ALLOC_KERNEL);
	int err = all && scratch ? 0 : -ENOMEM;
	if (!err && e->is_new_record)
		err = ext2_write_inode(i, false); /* from now on what lies behind its first part means something */
	if (!err) {
		rwlock_write(&e->xattr_lock);
		err = set_locked(i, &a, flags, remove, all, scratch);
		rwlock_write_unlock(&e->xattr_lock);
	}
	if (!err) {
		inode_touch_ctime(i);
		ext2_dirty(i, EXT2_DIRTY_META);
	}
	kfree(all);
	kfree(scratch);
	return err;
}

void ext2_xattr_free(struct inode *i)
{
	struct buffer b;
	struct place p;
	if (open_block(i, &b, &p))
		return;
	drop_block(i, &b);
	buffer_put(&b);
}
