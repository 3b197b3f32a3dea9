/* SPDX-License-Identifier: MIT */
/* Block devices: partitions, diskstats, and their drivers in devices. */
#include "proc.h"
#include "../blkdev/internal.h"

#define NS_PER_MS 1000000u

int show_partitions(struct seq *s, struct pseudo_node *n)
{
	bool is_first = true;
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b)) {
		u64 sectors = READ_ONCE(b->dev->nr_sectors);
		if (is_first)
			seq_puts(s, "major minor  #blocks  name\n\n");
		is_first = false;
		if (sectors)
			seq_printf(s, "%4u  %7u %10llu %s\n", dev_major(b->dev->dev), dev_minor(b->dev->dev), (unsigned long long)sectors / 2, b->dev->name);
	}
	return 0;
}

static void stat_line(struct seq *s, const struct blkdev *b)
{
	const struct block_stats *t = &b->dev->stats;
	u64 total = t->ns[BLOCK_READ] + t->ns[BLOCK_WRITE] + t->ns[BLOCK_FLUSH];
	seq_printf(s, "%4u %7u %s", dev_major(b->dev->dev), dev_minor(b->dev->dev), b->dev->name);
	for (unsigned op = BLOCK_READ; op <= BLOCK_WRITE; op++) /* nothing is merged: who reads and writes makes large requests */
		seq_printf(s, " %llu 0 %llu %llu", (unsigned long long)t->requests[op], (unsigned long long)t->sectors[op],
		           (unsigned long long)(t->ns[op] / NS_PER_MS));
	seq_printf(s, " %llu %llu %llu 0 0 0 0 %llu %llu\n", (unsigned long long)block_nr_in_flight(b->dev),
	           (unsigned long long)(block_busy_ns(b->dev) / NS_PER_MS), (unsigned long long)(total / NS_PER_MS),
	           (unsigned long long)t->requests[BLOCK_FLUSH], (unsigned long long)(t->ns[BLOCK_FLUSH] / NS_PER_MS));
}

int show_diskstats(struct seq *s, struct pseudo_node *n)
{
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b))
		stat_line(s, b);
	return 0;
}

void show_block_drivers(struct seq *s)
{
	const char *last = "";
	for (struct blkdev *b = blkdev_next(NULL); b; b = blkdev_next(b)) {
		u32 major = dev_major(b->dev->dev);
		if (b->partition || major == BLKDEV_EXTENDED_MAJOR || !strcmp(last, b->info.driver))
			continue;
		last = b->info.driver; /* its disks stand together: they are found by one driver after the other */
		seq_printf(s, "%3u %s\n", major, last);
	}
	seq_printf(s, "%3u blkext\n", BLKDEV_EXTENDED_MAJOR);
}
