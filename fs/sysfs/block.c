/* SPDX-License-Identifier: MIT */
/*
 * Block devices in sysfs, as lsblk, blockdev, iostat and sar read them: one directory for each, and links to
 * it by name and by number. node->arg is the device number, looked up anew each time.
 */
#include "sysfs.h"
#include "../blkdev/internal.h"

/* ---- files ---- */

#define NS_PER_MS 1000000u

static unsigned long long ms(u64 ns) { return ns / NS_PER_MS; }

/* A file that shows something of `b`. */
#define ATTR(id, ...)                                          \
	static int show_##id(struct seq *s, struct pseudo_node *n) \
	{                                                          \
		struct blkdev *b = blkdev_find(n->arg);                \
		if (!b)                                                \
			return -ENODEV;                                    \
		seq_printf(s, __VA_ARGS__);                            \
		blkdev_put(b);                                         \
		return 0;                                              \
	}

ATTR(dev, "%u:%u\n", dev_major(b->dev->dev), dev_minor(b->dev->dev))
ATTR(size, "%llu\n", (unsigned long long)READ_ONCE(b->dev->nr_sectors))
ATTR(ro, "%u\n", blkdev_is_read_only(b))
ATTR(range, "%u\n", b->info.nr_minors)
ATTR(diskseq, "%llu\n", (unsigned long long)b->whole->sequence)
ATTR(cache_type, "%s\n", b->info.has_write_cache ? "write back" : "write through")
ATTR(inflight, "%8llu %8llu\n", (unsigned long long)READ_ONCE(b->dev->stats.in_flight[BLOCK_READ]),
     (unsigned long long)READ_ONCE(b->dev->stats.in_flight[BLOCK_WRITE]))
ATTR(partition, "%u\n", b->partition)
ATTR(start, "%llu\n", (unsigned long long)b->dev->start_sector)
ATTR(logical, "%u\n", b->dev->logical_block)
ATTR(physical, "%u\n", b->dev->physical_block)
ATTR(rotational, "%u\n", b->info.is_rotational)
ATTR(nr_requests, "%u\n", b->info.nr_requests)
ATTR(max_sectors_kb, "%u\n", b->dev->max_sectors / 2)
ATTR(max_segments, "%u\n", b->dev->max_segments)
ATTR(max_segment_size, "%u\n", b->dev->max_sectors * SECTOR_SIZE)
ATTR(read_ahead_kb, "%u\n", READ_ONCE(b->dev->readahead_pages) * (u32)(PAGE_SIZE / 1024))

static int show_stat_line(struct seq *s, struct pseudo_node *n)
{
	struct blkdev *b = blkdev_find(n->arg);
	if (!b)
		return -ENODEV;
	const struct block_stats *t = &b->dev->stats;
	u64 total = t->ns[BLOCK_READ] + t->ns[BLOCK_WRITE] + t->ns[BLOCK_FLUSH];
	for (unsigned op = BLOCK_READ; op <= BLOCK_WRITE; op++)
		seq_printf(s, "%8llu %8u %8llu %8llu ", (unsigned long long)t->requests[op], 0, (unsigned long long)t->sectors[op], ms(t->ns[op]));
	seq_printf(s, "%8llu %8llu %8llu %8u %8u %8u %8u %8llu %8llu\n", (unsigned long long)block_nr_in_flight(b->dev), ms(block_busy_ns(b->dev)),
	           ms(total), 0, 0, 0, 0, (unsigned long long)t->requests[BLOCK_FLUSH], ms(t->ns[BLOCK_FLUSH]));
	blkdev_put(b);
	return 0;
}

static int show_uevent(struct seq *s, struct pseudo_node *n)
{
	struct blkdev *b = blkdev_find(n->arg);
	if (!b)
		return -ENODEV;
	seq_printf(s, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=%s\nDISKSEQ=%llu\n", dev_major(b->dev->dev), dev_minor(b->dev->dev), b->dev->name,
	           b->partition ? "partition" : "disk", (unsigned long long)b->whole->sequence);
	if (b->partition)
		seq_printf(s, "PARTN=%u\n", b->partition);
	if (b->label[0])
		seq_printf(s, "PARTNAME=%s\n", b->label);
	blkdev_put(b);
	return 0;
}

static int store_read_ahead(struct pseudo_node *n, char *text, size_t len)
{
	s64 kb;
	int err = pseudo_parse_value(text, &kb);
	if (err || kb < 0 || kb > 1 << 20)
		return -EINVAL;
	struct blkdev *b = blkdev_find(n->arg);
	if (!b)
		return -ENODEV;
	WRITE_ONCE(b->dev->readahead_pages, (u32)kb / (u32)(PAGE_SIZE / 1024));
	blkdev_put(b);
	return 0;
}

/* Requests go to the device as they come: that is the only scheduler. */
static int store_scheduler(struct pseudo_node *n, char *text, size_t len)
{
	return !strncmp(text, "none", 4) && (!text[4] || text[4] == '\n') ? 0 : -EINVAL;
}

/* ---- links inside a device's directory ---- */

/* From /sys/devices/PLACE/block/NAME[/PARTITION] up to /sys. */
static unsigned depth_of(const struct blkdev *b)
{
	unsigned depth = 4 + (b->partition != 0); /* devices, the last name of PLACE, block, NAME */
	for (const char *p = b->whole->info.place; *p; p++)
		depth += *p == '/';
	return depth;
}

static long read_subsystem(struct inode *i, char *buf, size_t size)
{
	struct blkdev *b = blkdev_find(pseudo_node_of(i)->arg);
	size_t at = 0;
	if (!b)
		return -ENOENT;
	for (unsigned n = depth_of(b); n && at + 3 < size; n--, at += 3)
		memcpy(buf + at, "../", 3);
	blkdev_put(b);
	return (long)at + snprintf(buf + at, size - at, "class/block");
}

static long read_device(struct inode *i, char *buf, size_t size)
{
	struct blkdev *b = blkdev_find(pseudo_node_of(i)->arg);
	if (!b)
		return -ENOENT;
	const char *last = b->info.place;
	for (const char *p = last; *p; p++)
		if (*p == '/')
			last = p + 1;
	long n = snprintf(buf, size, "../../../%s", last);
	blkdev_put(b);
	return n;
}

#define LINK_ENTRY(n, fn)       { .name = (n), .mode = S_IFLNK | 0777, .readlink = (fn) }
#define WRITABLE(n, fn, writer) { .name = (n), .mode = S_IFREG | 0644, .show = (fn), .store = (writer) }

static const struct pseudo_entry queue_entries[] = {
	TEXT_ENTRY("add_random", "0"),
	TEXT_ENTRY("chunk_sectors", "0"),
	TEXT_ENTRY("dax", "0"),
	TEXT_ENTRY("discard_granularity", "0"),
	TEXT_ENTRY("discard_max_bytes", "0"),
	TEXT_ENTRY("discard_max_hw_bytes", "0"),
	TEXT_ENTRY("discard_zeroes_data", "0"),
	TEXT_ENTRY("dma_alignment", "511"),
	TEXT_ENTRY("fua", "0"),
	FILE_ENTRY("hw_sector_size", show_logical),
	TEXT_ENTRY("io_poll", "0"),
	TEXT_ENTRY("iostats", "1"),
	FILE_ENTRY("logical_block_size", show_logical),
	TEXT_ENTRY("max_discard_segments", "0"),
	FILE_ENTRY("max_hw_sectors_kb", show_max_sectors_kb),
	TEXT_ENTRY("max_integrity_segments", "0"),
	FILE_ENTRY("max_sectors_kb", show_max_sectors_kb),
	FILE_ENTRY("max_segment_size", show_max_segment_size),
	FILE_ENTRY("max_segments", show_max_segments),
	FILE_ENTRY("minimum_io_size", show_physical),
	TEXT_ENTRY("nomerges", "2"),
	FILE_ENTRY("nr_requests", show_nr_requests),
	TEXT_ENTRY("nr_zones", "0"),
	TEXT_ENTRY("optimal_io_size", "0"),
	FILE_ENTRY("physical_block_size", show_physical),
	WRITABLE("read_ahead_kb", show_read_ahead_kb, store_read_ahead),
	FILE_ENTRY("rotational", show_rotational),
	{ .name = "scheduler", .mode = S_IFREG | 0644, .show = show_text, .data = "[none]", .store = store_scheduler },
	TEXT_ENTRY("stable_writes", "0"),
	TEXT_ENTRY("virt_boundary_mask", "0"),
	FILE_ENTRY("write_cache", show_cache_type),
	TEXT_ENTRY("write_same_max_bytes", "0"),
	TEXT_ENTRY("write_zeroes_max_bytes", "0"),
	TEXT_ENTRY("zone_append_max_bytes", "0"),
	TEXT_ENTRY("zone_write_granularity", "0"),
	TEXT_ENTRY("zoned", "none"),
};

static const struct pseudo_entry no_entries[0];

static const struct pseudo_entry disk_entries[] = {
	TEXT_ENTRY("alignment_offset", "0"),
	FILE_ENTRY("cache_type", show_cache_type),
	TEXT_ENTRY("capability", "0"),
	FILE_ENTRY("dev", show_dev),
	LINK_ENTRY("device", read_device),
	TEXT_ENTRY("discard_alignment", "0"),
	FILE_ENTRY("diskseq", show_diskseq),
	TEXT_ENTRY("ext_range", "256"),
	TEXT_ENTRY("hidden", "0"),
	DIR_ENTRY("holders", no_entries),
	FILE_ENTRY("inflight", show_inflight),
	DIR_ENTRY("queue", queue_entries),
	FILE_ENTRY("range", show_range),
	TEXT_ENTRY("removable", "0"),
	FILE_ENTRY("ro", show_ro),
	FILE_ENTRY("size", show_size),
	DIR_ENTRY("slaves", no_entries),
	FILE_ENTRY("stat", show_stat_line),
	LINK_ENTRY("subsystem", read_subsystem),
	FILE_ENTRY("uevent", show_uevent),
};

static const struct pseudo_entry partition_entries[] = {
	TEXT_ENTRY("alignment_offset", "0"),
	FILE_ENTRY("dev", show_dev),
	TEXT_ENTRY("discard_alignment", "0"),
	DIR_ENTRY("holders", no_entries),
	FILE_ENTRY("inflight", show_inflight),
	FILE_ENTRY("partition", show_partition),
	FILE_ENTRY("ro", show_ro),
	FILE_ENTRY("size", show_size),
	FILE_ENTRY("start", show_start),
	FILE_ENTRY("stat", show_stat_line),
	LINK_ENTRY("subsystem", read_subsystem),
	FILE_ENTRY("uevent", show_uevent),
};

/* ---- directories of devices ---- */

/* Which devices a directory shows. */
typedef bool (*member_fn)(const struct blkdev *b, u64 arg);

static bool is_whole(const struct blkdev *b, u64 arg) { return !b->partition; }
static bool is_any(const struct blkdev *b, u64 arg) { return true; }
static bool is_partition_of(const struct blkdev *b, u64 arg) { return b->partition && b->whole->dev->dev == arg; }

static int lookup_member(struct inode *dir, const char *name, size_t len, member_fn is_member, const struct pseudo_entry *entry, struct inode **out)
{
	struct blkdev *b = blkdev_find_name(name, len);
	int err = -ENOENT;
	if (b && is_member(b, pseudo_node_of(dir)->arg))
		err = pseudo_inode_new(dir->super, entry, NULL, 0, b->dev->dev, out);
	if (b)
		blkdev_put(b);
	return err;
}

static void member_name(const struct blkdev *b, bool by_number, char name[24])
{
	if (by_number)
		snprintf(name, 24, "%u:%u", dev_major(b->dev->dev), dev_minor(b->dev->dev));
	else
		strlcpy(name, b->dev->name, 24);
}

static int list_members(struct file *f, struct dir_emit *e, member_fn is_member, const struct pseudo_entry *entry, bool by_number)
{
	u64 skip = f->pos - PSEUDO_DYNAMIC;
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b)) {
		char name[24];
		if (!is_member(b, pseudo_node_of(f->inode)->arg))
			continue;
		if (skip) {
			skip--;
			continue;
		}
		member_name(b, by_number, name);
		if (!e->emit(e, name, strlen(name), pseudo_ino(entry, 0, b->dev->dev), S_ISLNK(entry->mode) ? 10 : 4, f->pos + 1)) {
			blkdev_put(b);
			return 0;
		}
		f->pos++;
	}
	return 0;
}

static int partitions_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return lookup_member(dir, name, len, is_partition_of, &sys_partition_dir, out);
}

static int partitions_list(struct file *f, struct dir_emit *e)
{
	return list_members(f, e, is_partition_of, &sys_partition_dir, false);
}

const struct pseudo_entry sys_disk_dir = {
	.name = "disk", .mode = S_IFDIR | 0555, PSEUDO_CHILDREN(disk_entries), .lookup = partitions_lookup, .list = partitions_list,
};
const struct pseudo_entry sys_partition_dir = DIR_ENTRY("partition", partition_entries);

/* ---- links to them ---- */

/* The link's data is the way up to /sys. */
static long read_link(struct inode *i, char *buf, size_t size)
{
	struct pseudo_node *n = pseudo_node_of(i);
	struct blkdev *b = blkdev_find(n->arg);
	if (!b)
		return -ENOENT;
	const char *up = n->entry->data;
	long len = b->partition ? snprintf(buf, size, "%sdevices/%s/block/%s/%s", up, b->whole->info.place, b->whole->dev->name, b->dev->name)
	                        : snprintf(buf, size, "%sdevices/%s/block/%s", up, b->info.place, b->dev->name);
	blkdev_put(b);
	return min(len, (long)size);
}

static const struct pseudo_entry link_near = { .name = "link", .mode = S_IFLNK | 0777, .readlink = read_link, .data = "../" };
static const struct pseudo_entry link_far = { .name = "link", .mode = S_IFLNK | 0777, .readlink = read_link, .data = "../../" };

int sys_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return lookup_member(dir, name, len, is_whole, &link_near, out);
}

int sys_block_list(struct file *f, struct dir_emit *e) { return list_members(f, e, is_whole, &link_near, false); }

int sys_class_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	return lookup_member(dir, name, len, is_any, &link_far, out);
}

int sys_class_block_list(struct file *f, struct dir_emit *e) { return list_members(f, e, is_any, &link_far, false); }

int sys_dev_block_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	u32 major, minor;
	size_t colon = 0;
	while (colon < len && name[colon] != ':')
		colon++;
	if (colon == len || !pseudo_parse_number(name, colon, &major) || !pseudo_parse_number(name + colon + 1, len - colon - 1, &minor))
		return -ENOENT;
	struct blkdev *b = blkdev_find(dev_make(major, minor));
	if (!b)
		return -ENOENT;
	int err = pseudo_inode_new(dir->super, &link_far, NULL, 0, b->dev->dev, out);
	blkdev_put(b);
	return err;
}

int sys_dev_block_list(struct file *f, struct dir_emit *e) { return list_members(f, e, is_any, &link_far, true); }
