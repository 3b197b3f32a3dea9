/* SPDX-License-Identifier: MIT */
/*
 * Places: the devices and files that swap lies on, from swapon to swapoff.
 *
 * claimed (nobody else holds the device; nobody writes to the device or file any more, and the cache has none
 * of its pages) -> listed (mm/swap uses it) -> leaving (swapoff brings pages back; listed again if
 * it fails) -> released.
 *
 * P1  A claimed place is open for writing: its file system stays mounted and writable, its inode and blocks stay.
 * P2  While a place is claimed, write, truncation to no more than its size, fallocate, copy_file_range and shared
 *     writable mappings get -ETXTBSY, a write through a mapping that was there before SIGBUS, unlink and rename
 *     -EPERM: INODE_SWAP of a file, blkdev_begin_swap of a device.
 * P3  Its pages are not in the cache when swap begins. Who reads it meanwhile caches what swap has written;
 *     that is dropped at the end.
 */
#include "internal.h"
#include "../path/path.h"
#include <fs/blkdev.h>
#include <kernel/init.h>
#include <mm/cache.h>
#include <mm/commit.h>
#include <mm/writeback.h>

struct swap_place {
	struct file *file;        /* open for reading and writing */
	struct block_device *dev; /* held exclusively; NULL: it is a file */
	bool is_leaving;          /* (places_lock) */
};

static struct mutex places_lock; /* RANK_SWAP_PLACES */
static struct swap_place *places[SWAP_MAX_AREAS]; /* (places_lock) by area */

static void init_places(void) { mutex_init(&places_lock, RANK_SWAP_PLACES); }

INITCALL(core, init_places);

/* ---- claiming ---- */

/* Writes everything of a file and drops it from the cache. Its lock is held and INODE_SWAP set, so pages become dirty
 * again only by faults that were under way. */
static int settle_file(struct file *f)
{
	int err = f->ops->fsync(f, false);
	for (unsigned round = 0; !err && round < 100; round++) {
		err = mapping_invalidate(f->mapping, 0, ~0ull);
		if (err != -EBUSY)
			return err;
		cond_resched();
	}
	return err;
}

static void unmark_file(struct inode *i)
{
	mutex_lock(&i->lock);
	i->flags &= ~INODE_SWAP;
	mutex_unlock(&i->lock);
	mapping_invalidate(&i->mapping, 0, ~0ull);
}

static bool has_no_name(const struct file *f)
{
	spin_lock(&vfs_lock);
	bool is_deleted = f->node && f->node->is_deleted;
	spin_unlock(&vfs_lock);
	return is_deleted;
}

static int read_header(struct file *f, u64 room, bool is_device, struct swap_header *out)
{
	struct frame *page;
	int err = mapping_get(f->mapping, 0, ALLOC_USER, &page);
	if (err)
		return err == -ENODATA ? -EINVAL : err;
	err = swap_header_parse(frame_ptr(page), room, is_device, out);
	frame_put(page);
	return err;
}

static int set_up_device(struct swap_place *p, struct swap_header *h, struct swap_extents *x)
{
	int err = read_header(p->file, p->dev->nr_sectors >> (PAGE_SHIFT - SECTOR_SHIFT), true, h);
	return err ? err : swap_extents_of_device(h->nr_pages, x);
}

static int set_up_file_locked(struct file *f, struct swap_header *h, struct swap_extents *x)
{
	struct inode *i = f->inode;
	if (i->flags & INODE_SWAP)
		return -EBUSY;
	int err = read_header(f, i->size >> PAGE_SHIFT, false, h);
	if (!err) {
		i->flags |= INODE_SWAP;
		err = settle_file(f);
		if (!err)
			err = swap_extents_of_file(i, h->nr_pages, x);
		if (!err && x->nr_pages < 2)
			err = -EINVAL; /* no two pages of it lie in one piece each */
		if (err)
			i->flags &= ~INODE_SWAP;
	}
	h->nr_pages = x->nr_pages;
	return err;
}

static int set_up_file(struct swap_place *p, struct swap_header *h, struct swap_extents *x)
{
	struct inode *i = p->file->inode;
	if (!S_ISREG(i->mode) || !i->mapping.store)
		return -EINVAL;
	mutex_lock(&i->lock);
	int err = set_up_file_locked(p->file, h, x);
	mutex_unlock(&i->lock);
	return err;
}

/* Opened, held, settled; *h and *x say what is there. */
static int claim(struct swap_place *p, const char *name, struct swap_header *h, struct swap_extents *x)
{
	struct file *f = vfs_open(AT_FDCWD, name, O_RDWR | O_LARGEFILE, 0);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	p->file = f;
	int err = S_ISBLK(f->inode->mode) ? blkdev_open(f->inode->rdev, p, &p->dev) : 0;
	if (!err && has_no_name(f))
		err = -ENOENT;
	if (!err)
		err = p->dev ? set_up_device(p, h, x) : set_up_file(p, h, x);
	if (!err && p->dev)
		err = blkdev_begin_swap(p->dev);
	if (!err)
		return 0;
	if (p->dev)
		blkdev_close(p->dev, p);
	file_put(f);
	return err;
}

static void release(struct swap_place *p)
{
	if (p->dev) {
		blkdev_end_swap(p->dev);
		blkdev_close(p->dev, p);
	} else {
		unmark_file(p->file->inode);
	}
	file_put(p->file);
	kfree(p);
}

/* ---- swapon ---- */

static void list_place(struct swap_place *p, unsigned area)
{
	mutex_lock(&places_lock);
	places[area] = p;
	mutex_unlock(&places_lock);
}

static void log_added(const char *name, unsigned area, const struct swap_extents *x)
{
	struct swap_area_stat s;
	if (swap_area_stat(area, &s))
		hal_log(LOG_INFO, "Adding %lluk swap on %s.  Priority:%d extents:%u across:%lluk", (unsigned long long)s.nr_pages << (PAGE_SHIFT - 10),
		        name, s.priority, x->nr,
		        (unsigned long long)(x->list[x->nr - 1].sector + x->list[x->nr - 1].nr * (PAGE_SIZE / SECTOR_SIZE) - x->list[0].sector) / 2);
}

static int use(struct swap_place *p, const char *name, u32 flags, const struct swap_header *h, const struct swap_extents *x)
{
	struct swap_config c = {
		.dev = p->dev ? p->dev : p->file->mapping->store->dev,
		.extents = x->list,
		.nr_extents = x->nr,
		.nr_pages = h->nr_pages,
		.bad = h->bad,
		.nr_bad = h->nr_bad,
		.priority = flags & SWAP_FLAG_PREFER ? (int)(flags & SWAP_FLAG_PRIO_MASK) : -1,
		.owner = p,
	};
	unsigned area;
	int err = swap_area_add(&c, &area);
	if (!err) {
		list_place(p, area);
		log_added(name, area, x);
	}
	return err;
}

int swap_on(const char *name, u32 flags)
{
	struct swap_place *p = kzalloc(sizeof(*p), ALLOC_KERNEL);
	struct swap_header *h = kmalloc(sizeof(*h), ALLOC_KERNEL);
	struct swap_extents x = { 0 };
	int err = p && h ? claim(p, name, h, &x) : -ENOMEM;
	if (err) {
		kfree(p);
	} else {
		err = use(p, name, flags, h, &x);
		if (err)
			release(p);
	}
	kfree(x.list);
	kfree(h);
	return err;
}

/* ---- swapoff ---- */

/* The listed place with the bytes of f, leaving from now on; NULL: there is none. */
static struct swap_place *begin_leaving(const struct file *f, unsigned *area)
{
	struct swap_place *p = NULL;
	mutex_lock(&places_lock);
	for (*area = 0; *area < SWAP_MAX_AREAS; ++*area) {
		struct swap_place *each = places[*area];
		if (!each || each->is_leaving || each->file->mapping != f->mapping)
			continue;
		p = each;
		p->is_leaving = true;
		break;
	}
	mutex_unlock(&places_lock);
	return p;
}

/* The area's number may be another's already when it is gone. */
static void end_leaving(struct swap_place *p, unsigned area, bool is_gone)
{
	mutex_lock(&places_lock);
	p->is_leaving = false;
	if (is_gone && places[area] == p)
		places[area] = NULL;
	mutex_unlock(&places_lock);
}

/* Would what is promised still be covered without the area? */
static int check_commit(unsigned area)
{
	struct swap_area_stat s;
	if (!swap_area_stat(area, &s))
		return 0;
	int err = space_commit_charge(current->space, s.nr_pages);
	if (!err)
		space_commit_release(s.nr_pages);
	return err;
}

int swap_off(const char *name)
{
	unsigned area;
	struct file *f = vfs_open(AT_FDCWD, name, O_RDWR | O_LARGEFILE, 0);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	struct swap_place *p = begin_leaving(f, &area);
	int err = p ? check_commit(area) : -EINVAL;
	if (!err)
		err = swap_area_remove(area);
	if (p)
		end_leaving(p, area, !err);
	if (!err)
		release(p);
	file_put(f);
	return err;
}

/* ---- looking ---- */

void swap_for_each_place(void (*fn)(const struct swap_place_info *, void *), void *arg)
{
	mutex_lock(&places_lock);
	for (unsigned area = 0; area < SWAP_MAX_AREAS; area++) {
		struct swap_place *p = places[area];
		struct swap_area_stat s;
		if (!p || !swap_area_stat(area, &s) || s.owner != p)
			continue;
		struct swap_place_info info = { p->file, p->dev != NULL, s.nr_pages, s.nr_used, s.priority };
		fn(&info, arg);
	}
	mutex_unlock(&places_lock);
}
