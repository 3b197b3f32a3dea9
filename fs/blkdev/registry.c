/* SPDX-License-Identifier: MIT */
/*
 * The registry of block devices: by number (a tree), in the order of registration (lists), who has them
 * open, who holds them exclusively.
 *
 * I1  A device in the tree has one reference for that. A partition leaves the tree only while nobody has it
 *     open; who found it before keeps the entry, not the device: opening it fails then.
 * I2  nr_held_partitions counts the partitions of a whole device that have a holder.
 */
#include "internal.h"
#include "../path/path.h"
#include <lib/format.h>
#include <mm/cache.h>
#include <mm/partition.h>

static struct spinlock registry_lock = SPINLOCK_INIT(RANK_VFS);
static struct rb_root by_number;                            /* (r) */
static struct list_head wholes = LIST_HEAD_INIT(wholes);    /* (r) */
static u32 next_extended, next_sequence;                    /* atomic */

void blkdev_disk_name(char name[16], const char *prefix, unsigned index)
{
	char letters[8];
	unsigned n = 0;
	for (unsigned i = index + 1; i; i = (i - 1) / 26)
		letters[n++] = (char)('a' + (i - 1) % 26);
	size_t len = strlcpy(name, prefix, 16);
	while (n && len < 15)
		name[len++] = letters[--n];
	name[len] = 0;
}

/* ---- finding ---- */

static struct blkdev *find_locked(u64 rdev)
{
	struct rb_node *n = by_number.node;
	while (n) {
		struct blkdev *b = container_of(n, struct blkdev, node);
		if (b->dev->dev == rdev)
			return b;
		n = rdev < b->dev->dev ? n->left : n->right;
	}
	return NULL;
}

static struct blkdev *get(struct blkdev *b)
{
	if (b)
		__atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

struct blkdev *blkdev_find(u64 rdev)
{
	spin_lock(&registry_lock);
	struct blkdev *b = get(find_locked(rdev));
	spin_unlock(&registry_lock);
	return b;
}

/* Only partitions are ever freed. */
void blkdev_put(struct blkdev *b)
{
	if (__atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		return;
	ASSERT(b->partition);
	block_device_destroy(b->dev);
	kfree(b);
}

static struct blkdev *next_locked(struct blkdev *b)
{
	if (!b)
		return list_is_empty(&wholes) ? NULL : list_first_entry(&wholes, struct blkdev, link);
	struct blkdev *whole = b->whole;
	if (b == whole && !list_is_empty(&b->partitions))
		return list_first_entry(&b->partitions, struct blkdev, link);
	/* One that has been removed meanwhile is followed by the next whole device. */
	if (b != whole && !list_is_empty(&b->link) && b->link.next != &whole->partitions)
		return list_entry(b->link.next, struct blkdev, link);
	return whole->link.next == &wholes ? NULL : list_entry(whole->link.next, struct blkdev, link);
}

struct blkdev *blkdev_next(struct blkdev *b)
{
	spin_lock(&registry_lock);
	struct blkdev *next = get(next_locked(b));
	spin_unlock(&registry_lock);
	if (b)
		blkdev_put(b);
	return next;
}

struct blkdev *blkdev_find_name(const char *name, size_t len)
{
	struct blkdev *b = NULL;
	while ((b = blkdev_next(b)) != NULL)
		if (strlen(b->dev->name) == len && !memcmp(b->dev->name, name, len))
			return b;
	return NULL;
}

void blkdev_sync_all(void)
{
	struct blkdev *b = NULL;
	while ((b = blkdev_next(b)) != NULL)
		if (!b->partition && !b->dev->is_read_only) { /* errors are kept for who wrote */
			flusher_sync(b->dev);
			block_flush(b->dev);
		}
}

u64 blkdev_drop_clean_all(void)
{
	u64 dropped = 0;
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b))
		dropped += mapping_drop_clean(&b->dev->mapping, 0, ~0ull);
	return dropped;
}

/* ---- opening ---- */

/* The rule is Linux's: see blkdev.h. */
static bool may_hold_locked(const struct blkdev *b, const void *holder)
{
	if (b->holder)
		return b->holder == holder;
	return b == b->whole ? !b->nr_held_partitions : !b->whole->holder;
}

static int open_locked(struct blkdev *b, const void *holder)
{
	if (!b)
		return -ENXIO;
	if (holder && !may_hold_locked(b, holder))
		return -EBUSY;
	if (holder && b->nr_holds++ == 0) {
		b->holder = holder;
		b->whole->nr_held_partitions += b->partition != 0;
	}
	if (!b->nr_opens++)
		WRITE_ONCE(b->dev->store.has_lost, false); /* nobody is left whom it would concern */
	get(b);
	return 0;
}

int blkdev_open(u64 rdev, const void *holder, struct block_device **out)
{
	spin_lock(&registry_lock);
	struct blkdev *b = find_locked(rdev);
	int err = open_locked(b, holder);
	spin_unlock(&registry_lock);
	if (!err)
		*out = b->dev;
	return err;
}

void blkdev_close(struct block_device *d, const void *holder)
{
	struct blkdev *b = blkdev_of(d);
	spin_lock(&registry_lock);
	if (holder && --b->nr_holds == 0) {
		b->holder = NULL;
		b->whole->nr_held_partitions -= b->partition != 0;
	}
	b->nr_opens--;
	spin_unlock(&registry_lock);
	blkdev_put(b);
}

int blkdev_open_path(const char *path, const void *holder, struct block_device **out)
{
	struct path p;
	int err = vfs_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	struct inode *i = path_inode(&p);
	err = !S_ISBLK(i->mode) ? -ENOTBLK : p.mount->flags & MS_NODEV ? -EACCES : blkdev_open(i->rdev, holder, out);
	path_put(&p);
	return err;
}

/* ---- registering ---- */

static int insert_locked(struct blkdev *b)
{
	struct rb_node *parent = NULL, **link = &by_number.node;
	while (*link) {
		u64 other = container_of(*link, struct blkdev, node)->dev->dev;
		if (other == b->dev->dev)
			return -EBUSY;
		parent = *link;
		link = b->dev->dev < other ? &parent->left : &parent->right;
	}
	rb_insert(&by_number, &b->node, parent, link, NULL);
	list_add_tail(&b->link, b->partition ? &b->whole->partitions : &wholes);
	return 0;
}

static int insert(struct blkdev *b)
{
	spin_lock(&registry_lock);
	int err = insert_locked(b);
	spin_unlock(&registry_lock);
	return err;
}

/* As large as the device's size allows, up to a page. */
static u32 default_block_size(const struct block_device *d)
{
	u32 size = d->logical_block;
	while (size < PAGE_SIZE && !((d->nr_sectors << SECTOR_SHIFT) & size))
		size <<= 1;
	return size;
}

static struct blkdev *entry_new(struct block_device *d)
{
	struct blkdev *b = kzalloc(sizeof(*b), ALLOC_KERNEL);
	if (!b)
		return NULL;
	b->dev = d;
	b->whole = b;
	b->refs = 1;
	list_init(&b->link);
	list_init(&b->partitions);
	mutex_init(&b->write_lock, RANK_INODE);
	host_waitq_init(&b->direct_wait);
	mutex_init(&b->scan_lock, RANK_FS_NAMESPACE);
	return b;
}

static u64 extended_number(void) { return dev_make(BLKDEV_EXTENDED_MAJOR, __atomic_fetch_add(&next_extended, 1, __ATOMIC_RELAXED)); }

/* ---- partitions ---- */

static void fill_partition(struct blkdev *b, struct blkdev *whole, const struct partition *p)
{
	struct block_device *d = &b->partition_dev, *w = whole->dev;
	size_t len = strlen(w->name);
	bool ends_in_digit = w->name[len - 1] >= '0' && w->name[len - 1] <= '9';
	snprintf(d->name, sizeof(d->name), ends_in_digit ? "%sp%u" : "%s%u", w->name, p->number);
	d->parent = w;
	d->start_sector = p->start_sector;
	d->nr_sectors = p->nr_sectors;
	d->logical_block = w->logical_block;
	d->physical_block = w->physical_block;
	d->max_segments = w->max_segments;
	d->max_sectors = w->max_sectors;
	d->is_read_only = w->is_read_only;
	d->dev = p->number < whole->info.nr_minors ? w->dev + p->number : extended_number();
	b->whole = whole;
	b->partition = p->number;
	b->dev = d;
	d->entry = b;
	b->block_size = default_block_size(d);
	strlcpy(b->label, p->label, sizeof(b->label));
	block_device_init(d);
}

static void add_partition(const struct partition *p, void *arg)
{
	struct blkdev *whole = arg, *b = entry_new(NULL);
	if (!b) {
		hal_log(LOG_ERR, "%s: no memory for partition %u", whole->dev->name, p->number);
		return;
	}
	fill_partition(b, whole, p);
	int err = insert(b);
	if (err) {
		hal_log(LOG_ERR, "%s: partition %u not added (error %d)", whole->dev->name, p->number, -err);
		blkdev_put(b);
		return;
	}
	blkdev_node_add(b);
}

/* Takes all partitions out of the registry, or none. */
static int remove_partitions(struct blkdev *whole)
{
	struct list_head removed = LIST_HEAD_INIT(removed);
	struct blkdev *b, *next;
	bool is_open = false;
	spin_lock(&registry_lock);
	list_for_each_entry(b, &whole->partitions, link)
		is_open |= b->nr_opens != 0;
	if (!is_open)
		list_for_each_entry_safe(b, next, &whole->partitions, link) {
			rb_erase(&by_number, &b->node, NULL);
			list_del(&b->link);
			list_add_tail(&b->removed, &removed);
		}
	spin_unlock(&registry_lock);
	list_for_each_entry_safe(b, next, &removed, removed) {
		list_del(&b->removed);
		blkdev_node_remove(b);
		blkdev_put(b);
	}
	return is_open ? -EBUSY : 0;
}

static void log_partitions(struct blkdev *whole)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s:", whole->dev->name);
	struct blkdev *b;
	spin_lock(&registry_lock);
	list_for_each_entry(b, &whole->partitions, link)
		if (len < (int)sizeof(line) - 16)
			len += snprintf(line + len, sizeof(line) - (size_t)len, " %s", b->dev->name + strlen(whole->dev->name));
	spin_unlock(&registry_lock);
	hal_log(LOG_INFO, "%s", line);
}

int blkdev_rescan(struct blkdev *whole)
{
	mutex_lock(&whole->scan_lock);
	int err = remove_partitions(whole), nr = 0;
	if (!err)
		nr = partition_read(whole->dev, add_partition, whole);
	mutex_unlock(&whole->scan_lock);
	if (nr > 0)
		log_partitions(whole);
	return err ? err : min(nr, 0);
}

int blkdev_register(struct block_device *whole, const struct blkdev_info *info)
{
	struct blkdev *b = entry_new(whole);
	if (!b)
		return -ENOMEM;
	blkdev_file_init();
	b->info = *info;
	b->sequence = __atomic_add_fetch(&next_sequence, 1, __ATOMIC_RELAXED);
	b->block_size = default_block_size(whole);
	if (!whole->dev)
		whole->dev = extended_number();
	whole->entry = b;
	int err = insert(b);
	if (err) {
		whole->entry = NULL;
		kfree(b);
		return err;
	}
	hal_log(LOG_INFO, "%s: %llu %u-byte logical blocks (%llu MiB)%s", whole->name,
	        (unsigned long long)(whole->nr_sectors / (whole->logical_block >> SECTOR_SHIFT)), whole->logical_block,
	        (unsigned long long)(whole->nr_sectors >> 11), whole->is_read_only ? ", read-only" : "");
	err = flusher_start(whole);
	if (err)
		hal_log(LOG_ERR, "%s: no flusher: what is written goes to the disk on request only", whole->name);
	blkdev_node_add(b);
	err = blkdev_rescan(b);
	if (err)
		hal_log(LOG_WARNING, "%s: unable to read partition table (error %d)", whole->name, -err);
	return 0;
}
