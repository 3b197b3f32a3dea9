/* SPDX-License-Identifier: MIT */
/*
 * The initial RAM disk: cpio archives ("newc", with or without checksums), plain or gzip, several in a
 * row, unpacked into the root. Source of the format: cpio(5).
 *
 * The unpacker is a machine that is fed pieces of any size, so that a compressed archive needs no
 * buffer beyond the decoder's window; file content goes straight into the page cache. States:
 * START (between archives) -> HEADER -> NAME -> BODY -> HEADER ... -> TRAILER -> START. Hard links are
 * names with the same inode number and nlink > 1: the first makes the file, the one that carries the
 * content (usually the last) writes it.
 *
 * A name that cannot be made is logged and skipped; a malformed archive ends the unpacking.
 */
#include "inflate.h"
#include "internal.h"
#include "path/path.h"

#define HEADER_LEN 110u
#define NR_BUCKETS 64u

enum state { START, HEADER, NAME, BODY };

struct known_link { /* the first name of a file with several */
	struct known_link *next;
	u32 ino, dev_major, dev_minor;
	char name[];
};

struct dir_time { /* directories get their time when all is made in them */
	struct dir_time *next;
	s64 mtime_ns;
	char name[];
};

struct cpio {
	enum state state;
	u32 offset;       /* bytes since the archive's start, for alignment */
	u32 have;         /* bytes of header, name or small body collected */
	u32 left;         /* bytes of the body still to come */
	u32 skip;         /* padding to pass over */
	u32 ino, mode, uid, gid, nlink, mtime, size, dev_major, dev_minor, rdev_major, rdev_minor, name_len;
	struct file *file; /* where the body goes; NULL: nowhere */
	u64 pos;
	unsigned nr_failed;
	struct known_link *links[NR_BUCKETS];
	struct dir_time *dirs;
	char header[HEADER_LEN];
	char name[FS_PATH_MAX];
	char target[FS_PATH_MAX]; /* a symbolic link's text */
};

static void complain(struct cpio *c, const char *what, int err)
{
	if (c->nr_failed++ < 10)
		hal_log(LOG_ERR, "initramfs: cannot %s %s (error %d)", what, c->name, -err);
}

static void forget_links(struct cpio *c)
{
	for (unsigned b = 0; b < NR_BUCKETS; b++) {
		while (c->links[b]) {
			struct known_link *l = c->links[b];
			c->links[b] = l->next;
			kfree(l);
		}
	}
}

/* The earlier name of the same file; NULL: this is the first (now remembered). */
static const char *find_link(struct cpio *c)
{
	struct known_link **b = &c->links[(c->ino + c->dev_minor) % NR_BUCKETS];
	for (struct known_link *l = *b; l; l = l->next)
		if (l->ino == c->ino && l->dev_major == c->dev_major && l->dev_minor == c->dev_minor)
			return l->name;
	size_t len = strlen(c->name) + 1;
	struct known_link *l = kmalloc(sizeof(*l) + len, ALLOC_KERNEL);
	if (!l)
		return NULL;
	*l = (struct known_link){ .next = *b, .ino = c->ino, .dev_major = c->dev_major, .dev_minor = c->dev_minor };
	memcpy(l->name, c->name, len);
	*b = l;
	return NULL;
}

static void remember_dir(struct cpio *c)
{
	size_t len = strlen(c->name) + 1;
	struct dir_time *d = kmalloc(sizeof(*d) + len, ALLOC_KERNEL);
	if (!d)
		return;
	d->mtime_ns = (s64)c->mtime * 1000000000ll;
	memcpy(d->name, c->name, len);
	d->next = c->dirs;
	c->dirs = d;
}

static void set_dir_times(struct cpio *c)
{
	while (c->dirs) {
		struct dir_time *d = c->dirs;
		struct path p;
		c->dirs = d->next;
		if (!vfs_lookup(AT_FDCWD, d->name, 0, &p)) {
			struct attr a = { .valid = ATTR_MTIME, .mtime_ns = d->mtime_ns };
			inode_setattr(path_inode(&p), &a, true);
			path_put(&p);
		}
		kfree(d);
	}
}

static void set_attributes(struct cpio *c, struct inode *i)
{
	struct attr a = { .valid = ATTR_UID | ATTR_GID | ATTR_MODE | ATTR_MTIME,
		              .uid = c->uid, .gid = c->gid, .mode = c->mode & 07777, .mtime_ns = (s64)c->mtime * 1000000000ll };
	if (S_ISLNK(i->mode))
		a.mode = 0777;
	inode_setattr(i, &a, true);
}

static void set_attributes_by_name(struct cpio *c)
{
	struct path p;
	if (vfs_lookup(AT_FDCWD, c->name, 0, &p))
		return;
	set_attributes(c, path_inode(&p));
	path_put(&p);
}

/* Something of another type in the way goes. */
static void clear_way(struct cpio *c)
{
	struct path p;
	if (vfs_lookup(AT_FDCWD, c->name, 0, &p))
		return;
	u32 type = path_inode(&p)->mode & S_IFMT;
	path_put(&p);
	if (type != (c->mode & S_IFMT) || type == S_IFLNK)
		vfs_unlink(AT_FDCWD, c->name, type == S_IFDIR);
}

static int make_regular(struct cpio *c)
{
	const char *first = c->nlink > 1 ? find_link(c) : NULL;
	if (first) {
		vfs_unlink(AT_FDCWD, c->name, false);
		int err = vfs_link(AT_FDCWD, first, AT_FDCWD, c->name, 0);
		if (err || !c->size)
			return err;
	}
	struct file *f = vfs_open(AT_FDCWD, c->name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_LARGEFILE, c->mode & 07777);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	c->file = f;
	c->pos = 0;
	return 0;
}

/* The name is complete: makes everything but symbolic links, which wait for their text. */
static void make_entry(struct cpio *c)
{
	int err;
	clear_way(c);
	switch (c->mode & S_IFMT) {
	case S_IFREG:
		err = make_regular(c);
		break;
	case S_IFDIR:
		err = vfs_mkdir(AT_FDCWD, c->name, c->mode);
		if (err == -EEXIST)
			err = 0;
		if (!err) {
			set_attributes_by_name(c);
			remember_dir(c);
		}
		break;
	case S_IFLNK:
		return;
	default:
		err = vfs_mknod(AT_FDCWD, c->name, c->mode, dev_make(c->rdev_major, c->rdev_minor));
		if (err == -EEXIST)
			err = 0;
		if (!err)
			set_attributes_by_name(c);
	}
	if (err)
		complain(c, "make", err);
}

/* The body is complete. */
static void finish_entry(struct cpio *c)
{
	if (S_ISLNK(c->mode)) {
		c->target[c->have] = 0;
		int err = vfs_symlink(c->target, AT_FDCWD, c->name);
		if (err)
			complain(c, "link", err);
		else
			set_attributes_by_name(c);
	}
	if (c->file) {
		set_attributes(c, c->file->inode);
		file_put(c->file);
		c->file = NULL;
	}
}

static bool parse_field(const char *s, u32 *out)
{
	u32 v = 0;
	for (unsigned n = 0; n < 8; n++) {
		char d = s[n];
		unsigned digit = d >= '0' && d <= '9' ? (unsigned)(d - '0') : (d | 32) >= 'a' && (d | 32) <= 'f' ? (unsigned)((d | 32) - 'a' + 10) : 16;
		if (digit > 15)
			return false;
		v = v << 4 | digit;
	}
	*out = v;
	return true;
}

static int parse_header(struct cpio *c)
{
	u32 check;
	u32 *const fields[13] = { &c->ino, &c->mode, &c->uid, &c->gid, &c->nlink, &c->mtime, &c->size, &c->dev_major,
		                      &c->dev_minor, &c->rdev_major, &c->rdev_minor, &c->name_len, &check };
	if (memcmp(c->header, "070701", 6) && memcmp(c->header, "070702", 6)) {
		hal_log(LOG_ERR, "initramfs: no cpio header of the newc format where one has to be");
		return -EINVAL;
	}
	for (unsigned n = 0; n < 13; n++)
		if (!parse_field(c->header + 6 + 8 * n, fields[n]))
			return -EINVAL;
	if (!c->name_len || c->name_len > FS_PATH_MAX || (S_ISLNK(c->mode) && c->size >= FS_PATH_MAX)) {
		hal_log(LOG_ERR, "initramfs: a name of %u bytes", c->name_len);
		return -EINVAL;
	}
	return 0;
}

/* Copies up to want - have bytes into buf; bytes used. */
static size_t collect(struct cpio *c, char *buf, u32 want, const u8 *p, size_t n)
{
	size_t part = min((size_t)(want - c->have), n);
	memcpy(buf + c->have, p, part);
	c->have += (u32)part;
	return part;
}

static void enter(struct cpio *c, enum state s)
{
	c->state = s;
	c->have = 0;
}

static size_t feed_name(struct cpio *c, const u8 *p, size_t n)
{
	size_t used = collect(c, c->name, c->name_len, p, n);
	if (c->have < c->name_len)
		return used;
	c->name[c->name_len - 1] = 0;
	c->skip = -(c->offset + (u32)used) & 3;
	c->left = c->size;
	enter(c, BODY);
	if (!strcmp(c->name, "TRAILER!!!")) {
		forget_links(c);
		c->skip = 0; /* START passes over zeros by itself */
		enter(c, START);
		return used;
	}
	make_entry(c);
	return used;
}

static size_t feed_body(struct cpio *c, const u8 *p, size_t n)
{
	size_t part = min((size_t)c->left, n);
	if (S_ISLNK(c->mode)) {
		collect(c, c->target, c->size, p, part);
	} else if (c->file && part) {
		long done = file_write_at(c->file, p, part, c->pos);
		if (done < (long)part) {
			complain(c, "write", done < 0 ? (int)done : -ENOSPC);
			file_put(c->file);
			c->file = NULL;
		}
		c->pos += part;
	}
	c->left -= (u32)part;
	if (!c->left) {
		finish_entry(c);
		c->skip = -(c->offset + (u32)part) & 3;
		enter(c, HEADER);
	}
	return part;
}

/* Feeds one state; bytes used, or -errno. */
static long feed(struct cpio *c, const u8 *p, size_t n)
{
	if (c->skip) {
		size_t part = min((size_t)c->skip, n);
		c->skip -= (u32)part;
		return (long)part;
	}
	switch (c->state) {
	case START:
		if (*p == 0)
			return 1;
		c->offset = 0;
		enter(c, HEADER);
		return 0;
	case HEADER: {
		size_t used = collect(c, c->header, HEADER_LEN, p, n);
		if (c->have == HEADER_LEN) {
			int err = parse_header(c);
			if (err)
				return err;
			enter(c, NAME);
		}
		return (long)used;
	}
	case NAME:
		return (long)feed_name(c, p, n);
	default:
		return (long)feed_body(c, p, n);
	}
}

static int feed_all(void *arg, const u8 *p, size_t n)
{
	struct cpio *c = arg;
	/* A body of length 0 needs no further input to end. */
	while (n || (c->state == BODY && !c->left && !c->skip)) {
		long used = feed(c, p, n);
		if (used < 0)
			return (int)used;
		p += used;
		n -= (size_t)used;
		c->offset += (u32)used;
	}
	return 0;
}

#define STEP 0x40000u /* bytes between two times that used_up() is told of them */

/* Bytes up to the next possible start of a gzip member, fed as they are. */
static int unpack_plain(struct cpio *c, const u8 *p, size_t n, size_t *used)
{
	*used = 0;
	do {
		long part = feed(c, p + *used, n - *used);
		if (part < 0)
			return (int)part;
		*used += (size_t)part;
		c->offset += (u32)part;
	} while (*used < n && c->state != START);
	return 0;
}

int initramfs_unpack(const void *data, size_t len, void (*used_up)(size_t n))
{
	const u8 *p = data;
	size_t told = 0;
	int err = 0;
	struct cpio *c = kzalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c)
		return -ENOMEM;
	while (len && !err) {
		size_t used = 1;
		if (c->state == START && !*p)
			used = 1;
		else if (c->state == START && len > 2 && p[0] == 0x1f && p[1] == 0x8b)
			err = gzip_inflate(p, len, &used, feed_all, c);
		else
			err = unpack_plain(c, p, min(len, (size_t)STEP), &used);
		p += min(used, len);
		len -= min(used, len);
		size_t done = (size_t)(p - (const u8 *)data);
		if (done - told >= STEP)
			used_up(told = done);
	}
	if (!err && c->state != START) {
		hal_log(LOG_ERR, "initramfs: the archive ends early");
		err = -EINVAL;
	} else if (err) {
		hal_log(LOG_ERR, "initramfs: the archive is damaged (error %d)", -err);
	}
	if (c->file)
		file_put(c->file);
	forget_links(c);
	set_dir_times(c);
	kfree(c);
	return err;
}
