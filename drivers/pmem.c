/* SPDX-License-Identifier: MIT */
/*
 * Disks in a range of memory: pmem0, pmem1, ... (memmap=SIZE!START). A request is a copy, done when submit
 * returns, so what a program costs on such a disk repeats to the instruction. The content is there as the
 * machine's memory was at boot: QEMU keeps it over a reset, and can fill it from a file.
 */
#include "pmem.h"
#include <fs/blkdev.h>
#include <hal/log.h>
#include <hal/mem.h>
#include <lib/format.h>
#include <lib/string.h>
#include <mm/block.h>
#include <mm/slab.h>

#define MAX_SEGMENTS 128

struct pmem {
	struct block_device dev;
	char *bytes;
	char place[64];
};

static void copy_segment(char *at, const struct block_segment *s, bool is_write)
{
	char *page = (char *)frame_ptr(s->frame) + s->offset;
	if (is_write)
		memcpy(at, page, s->len);
	else
		memcpy(page, at, s->len);
}

static void submit(struct block_device *d, struct block_request *r)
{
	char *at = container_of(d, struct pmem, dev)->bytes + (r->sector << SECTOR_SHIFT);
	for (u32 i = 0; i < r->nr_segments; i++) {
		copy_segment(at, &r->segments[i], r->op == BLOCK_WRITE);
		at += r->segments[i].len;
	}
	block_done(r, 0);
}

static const struct block_ops ops = { .submit = submit };

static void add(const struct hal_persistent_range *range, unsigned index)
{
	struct pmem *p = kzalloc(sizeof(*p), ALLOC_KERNEL);
	if (!p) {
		hal_log(LOG_ERR, "pmem%u: no memory", index);
		return;
	}
	p->bytes = hal_frame_ptr(range->start >> PAGE_SHIFT);
	snprintf(p->dev.name, sizeof(p->dev.name), "pmem%u", index);
	snprintf(p->place, sizeof(p->place), "platform/e820_pmem/ndbus0/region%u/namespace%u.0", index, index);
	p->dev.ops = &ops;
	p->dev.nr_sectors = (range->end - range->start) >> SECTOR_SHIFT;
	p->dev.logical_block = SECTOR_SIZE;
	p->dev.physical_block = PAGE_SIZE;
	p->dev.max_segments = MAX_SEGMENTS;
	p->dev.max_sectors = MAX_SEGMENTS * (PAGE_SIZE / SECTOR_SIZE);
	block_device_init(&p->dev);
	struct blkdev_info info = { .driver = "pmem", .place = p->place, .nr_requests = 128 };
	int err = blkdev_register(&p->dev, &info);
	if (err)
		hal_log(LOG_ERR, "%s: not registered (error %d)", p->dev.name, -err);
}

void pmem_probe(void)
{
	const struct hal_persistent_range *ranges;
	unsigned n = hal_persistent_ranges(&ranges);
	for (unsigned i = 0; i < n; i++)
		add(&ranges[i], i);
}
