/* SPDX-License-Identifier: MIT */
/*
 * MBR: four records at the end of block 0, each a start and a length in logical blocks. A record of an extended type
 * holds a chain of further tables. Such a table describes one logical partition, relative to itself, and leads to the
 * next table by a record of an extended type, relative to the start of the whole chain:
 *
 *   block 0      | 1 | 2 | . | 4: extended                                 |
 *   first table              | 5: +63, 1000 | next: +2000 |
 *   second table                             | 6: +63, 500 | -             |
 *
 * What differs between those who wrote such tables is read as Linux does: all four records of a table in the
 * chain may be partitions, the last two only when they lie within the table's part, as they are often garbage;
 * the extended partition itself shows as its first two sectors, room for a boot loader. Everything on the
 * disk is taken for hostile: numbers end at MAX_NUMBER, and a chain that leads to no partition for MAX_LINKS
 * tables is a circle.
 */
#include <asm/errno.h>
#include <hal/log.h>
#include <lib/string.h>
#include <mm/partition.h>
#include "reader.h"

#define NR_RECORDS 4u
#define MAX_NUMBER 255u
#define MAX_LINKS  100u

#define TYPE_DOS_EXTENDED   0x05
#define TYPE_WIN98_EXTENDED 0x0f
#define TYPE_LINUX_EXTENDED 0x85
#define TYPE_GPT_PROTECTIVE 0xee

struct record {
	u8 status, first_chs[3], type, last_chs[3];
	u32 start, nr; /* logical blocks */
} __attribute__((packed));
_Static_assert(sizeof(struct record) == 16, "as on the disk");

struct table {
	struct record records[NR_RECORDS];
};

struct result {
	void (*found)(const struct partition *p, void *arg);
	void *arg;
	int nr_found;
	u32 next_number; /* of the next logical partition */
};

static bool is_extended(const struct record *m)
{
	return m->nr && (m->type == TYPE_DOS_EXTENDED || m->type == TYPE_WIN98_EXTENDED || m->type == TYPE_LINUX_EXTENDED);
}

/* 1: `block` ends like a table, *t holds its records; 0: it does not; -errno. */
static int get_table(struct block_reader *r, u64 block, struct table *t)
{
	int err = block_reader_get(r, block, 1);
	if (err)
		return err;
	memcpy(t, r->bytes + 446, sizeof(*t));
	return r->bytes[510] == 0x55 && r->bytes[511] == 0xaa;
}

/* A boot sector of a file system ends like a table too; its code is no list of partitions. */
static bool is_mbr(const struct table *t)
{
	for (unsigned n = 0; n < NR_RECORDS; n++)
		if ((t->records[n].status & 0x7f) || t->records[n].type == TYPE_GPT_PROTECTIVE)
			return false;
	return true;
}

static void put(struct block_reader *r, u32 number, u8 type, u64 start_sector, u64 nr_sectors, struct result *out)
{
	u64 end = r->nr_blocks * (r->block >> SECTOR_SHIFT);
	if (start_sector >= end) {
		hal_log(LOG_WARNING, "%s: partition %u begins beyond the end of the disk: left out", r->dev->name, number);
		return;
	}
	if (nr_sectors > end - start_sector) {
		hal_log(LOG_WARNING, "%s: partition %u reaches beyond the end of the disk: cut", r->dev->name, number);
		nr_sectors = end - start_sector;
	}
	struct partition p = { .number = number, .start_sector = start_sector, .nr_sectors = nr_sectors, .type = { type } };
	out->nr_found++;
	out->found(&p, out->arg);
}

/* The logical partitions of a table at `block`, which has `nr` blocks of the chain's [first, first + size). How many. */
static unsigned put_logical(struct block_reader *r, const struct table *t, u64 block, u64 nr, u64 first, u64 size, struct result *out)
{
	u64 factor = r->block >> SECTOR_SHIFT;
	unsigned found = 0;
	for (unsigned n = 0; n < NR_RECORDS && out->next_number <= MAX_NUMBER; n++) {
		const struct record *m = &t->records[n];
		u64 start = block + m->start, end = start + m->nr;
		if (!m->nr || is_extended(m))
			continue;
		if (n >= 2 && ((u64)m->start + m->nr > nr || start < first || end > first + size))
			continue;
		put(r, out->next_number++, m->type, start * factor, m->nr * factor, out);
		found++;
	}
	return found;
}

static const struct record *next_link(const struct table *t)
{
	for (unsigned n = 0; n < NR_RECORDS; n++)
		if (is_extended(&t->records[n]))
			return &t->records[n];
	return NULL;
}

/* Follows the chain of the extended partition [first, first + size). What cannot be read ends it. */
static void read_chain(struct block_reader *r, u64 first, u64 size, struct result *out)
{
	u64 block = first, nr = size;
	struct table t;
	for (unsigned links = 0; links < MAX_LINKS && out->next_number <= MAX_NUMBER; links++) {
		int ok = get_table(r, block, &t);
		if (ok < 0)
			hal_log(LOG_WARNING, "%s: table of logical partitions at block %llu cannot be read (error %d): the rest is left out",
			        r->dev->name, (unsigned long long)block, -ok);
		if (ok <= 0)
			return;
		if (put_logical(r, &t, block, nr, first, size, out))
			links = 0;
		const struct record *next = next_link(&t);
		if (!next)
			return;
		block = first + next->start;
		nr = next->nr;
	}
}

static int read_table(struct block_reader *r, struct result *out)
{
	struct table t;
	u64 factor = r->block >> SECTOR_SHIFT;
	int ok = get_table(r, 0, &t);
	if (ok <= 0)
		return ok;
	if (!is_mbr(&t))
		return 0;
	for (unsigned n = 0; n < NR_RECORDS; n++) {
		const struct record *m = &t.records[n];
		u64 nr = m->nr * factor;
		if (nr)
			put(r, n + 1, m->type, m->start * factor, is_extended(m) ? min(nr, max(factor, 2ull)) : nr, out);
	}
	for (unsigned n = 0; n < NR_RECORDS; n++)
		if (is_extended(&t.records[n]))
			read_chain(r, t.records[n].start, t.records[n].nr, out);
	return 0;
}

int partition_read_mbr(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg)
{
	struct block_reader r;
	struct result out = { .found = found, .arg = arg, .next_number = NR_RECORDS + 1 };
	int err = block_reader_begin(&r, whole);
	if (err)
		return err;
	if (r.nr_blocks)
		err = read_table(&r, &out);
	block_reader_end(&r);
	return err ? err : out.nr_found;
}
