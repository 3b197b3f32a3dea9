/* SPDX-License-Identifier: MIT */
/*
 * GPT: a protective MBR in block 0, the header in block 1, an array of entries; header and array once more
 * at the end of the disk. Both carry CRCs. Everything on the disk is taken for hostile: the array is read
 * page by page into one buffer, so its size costs time, not memory, and each entry is checked by itself.
 *
 * Linux uses the backup only when told to (gpt on the command line); here a broken primary is enough.
 */
#include <asm/errno.h>
#include <hal/log.h>
#include <lib/crc32.h>
#include <lib/string.h>
#include <mm/partition.h>
#include "reader.h"

#define MAX_ARRAY_BYTES (1u << 20)
#define HEADER_BYTES    92u

struct gpt_header {
	char signature[8];
	u32 revision, header_size, header_crc, reserved;
	u64 own_block, other_block, first_usable, last_usable;
	u8 disk_id[16];
	u64 array_block;
	u32 nr_entries, entry_size, array_crc;
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_header) == HEADER_BYTES, "as on the disk");

struct gpt_entry {
	u8 type[16], id[16];
	u64 first, last, attributes;
	u16 name[36];
} __attribute__((packed));
_Static_assert(sizeof(struct gpt_entry) == 128, "as on the disk");

struct mbr_record {
	u8 status, first_chs[3], type, last_chs[3];
	u32 first, nr;
} __attribute__((packed));

/* Is there a record that protects a GPT? */
static int read_mbr(struct block_reader *r)
{
	int err = block_reader_get(r, 0, 1);
	if (err)
		return err;
	if (r->bytes[510] != 0x55 || r->bytes[511] != 0xaa)
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		struct mbr_record m;
		memcpy(&m, r->bytes + 446 + i * sizeof(m), sizeof(m));
		if (m.type == 0xee && m.first == 1)
			return 1;
	}
	return 0;
}

static bool is_sane(const struct block_reader *r, const struct gpt_header *h, u64 block)
{
	if (h->own_block != block || h->first_usable > h->last_usable || h->last_usable >= r->nr_blocks)
		return false;
	if (h->entry_size < sizeof(struct gpt_entry) || h->entry_size > PAGE_SIZE || (h->entry_size & (h->entry_size - 1)))
		return false;
	u64 bytes = (u64)h->nr_entries * h->entry_size;
	u64 blocks = (bytes + r->block - 1) / r->block;
	return bytes <= MAX_ARRAY_BYTES && h->array_block >= 2 && h->array_block < r->nr_blocks && blocks <= r->nr_blocks - h->array_block;
}

/* Reads the part of the array that begins `done` bytes in, up to a page; *bytes: how many of it belong to it. */
static int read_array(struct block_reader *r, const struct gpt_header *h, u32 done, u32 *bytes)
{
	u32 left = h->nr_entries * h->entry_size - done;
	*bytes = min(left, (u32)PAGE_SIZE);
	return block_reader_get(r, h->array_block + done / r->block, (*bytes + r->block - 1) / r->block);
}

static int check_array(struct block_reader *r, const struct gpt_header *h)
{
	u32 crc = 0, bytes, total = h->nr_entries * h->entry_size;
	for (u32 done = 0; done < total; done += bytes) {
		int err = read_array(r, h, done, &bytes);
		if (err)
			return err;
		crc = crc32(crc, r->bytes, bytes);
	}
	return crc == h->array_crc ? 0 : -EINVAL;
}

/* 0; -EINVAL: not a valid table; -EIO. */
static int read_header(struct block_reader *r, u64 block, struct gpt_header *h)
{
	int err = block_reader_get(r, block, 1);
	if (err)
		return err;
	memcpy(h, r->bytes, sizeof(*h));
	if (memcmp(h->signature, "EFI PART", 8) || h->header_size < HEADER_BYTES || h->header_size > r->block)
		return -EINVAL;
	memset(r->bytes + offsetof(struct gpt_header, header_crc), 0, 4);
	if (crc32(0, r->bytes, h->header_size) != h->header_crc || !is_sane(r, h, block))
		return -EINVAL;
	return check_array(r, h);
}

static bool is_used(const struct gpt_entry *e)
{
	static const u8 none[16];
	return memcmp(e->type, none, 16) != 0;
}

struct result {
	void (*found)(const struct partition *p, void *arg);
	void *arg;
	int nr_found, nr_bad;
};

static void copy_label(const u16 name[36], char label[37])
{
	unsigned n = 0;
	for (; n < 36 && name[n]; n++)
		label[n] = name[n] > ' ' && name[n] < 0x7f ? (char)name[n] : name[n] == ' ' ? ' ' : '!';
	label[n] = 0;
}

static void take_entry(struct block_reader *r, const struct gpt_header *h, const struct gpt_entry *e, u32 number, struct result *out)
{
	u64 factor = r->block >> SECTOR_SHIFT;
	if (!is_used(e))
		return;
	if (e->first > e->last || e->first < h->first_usable || e->last > h->last_usable) {
		out->nr_bad++;
		return;
	}
	struct partition p = { .number = number, .start_sector = e->first * factor, .nr_sectors = (e->last - e->first + 1) * factor };
	memcpy(p.type, e->type, 16);
	memcpy(p.id, e->id, 16);
	u16 name[36]; /* aligned */
	memcpy(name, e->name, sizeof(name));
	copy_label(name, p.label);
	out->nr_found++;
	out->found(&p, out->arg);
}

static int take_entries(struct block_reader *r, const struct gpt_header *h, struct result *out)
{
	u32 bytes, total = h->nr_entries * h->entry_size;
	for (u32 done = 0; done < total; done += bytes) {
		int err = read_array(r, h, done, &bytes);
		if (err)
			return err;
		for (u32 at = 0; at < bytes; at += h->entry_size) {
			struct gpt_entry e;
			memcpy(&e, r->bytes + at, sizeof(e));
			take_entry(r, h, &e, (done + at) / h->entry_size + 1, out);
		}
	}
	if (out->nr_bad)
		hal_log(LOG_WARNING, "%s: GPT: %d entries reach beyond the table's bounds: left out", r->dev->name, out->nr_bad);
	return 0;
}

static int read_table(struct block_reader *r, struct result *out)
{
	struct gpt_header h;
	int err = read_mbr(r);
	if (err <= 0)
		return err;
	err = read_header(r, 1, &h);
	if (err) {
		int second = read_header(r, r->nr_blocks - 1, &h);
		if (second) {
			hal_log(LOG_WARNING, "%s: GPT: no valid table (error %d, backup %d): no partitions", r->dev->name, -err, -second);
			return err == -ENOMEM || second == -ENOMEM ? -ENOMEM : err == -EIO && second == -EIO ? -EIO : 0;
		}
		hal_log(LOG_WARNING, "%s: GPT: primary table broken, backup used", r->dev->name);
	}
	return take_entries(r, &h, out);
}

int partition_read_gpt(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg)
{
	struct block_reader r;
	struct result out = { .found = found, .arg = arg };
	int err = block_reader_begin(&r, whole);
	if (err)
		return err;
	if (r.nr_blocks >= 6) /* MBR, two headers, two arrays, one block to use */
		err = read_table(&r, &out);
	block_reader_end(&r);
	return err ? err : out.nr_found;
}
