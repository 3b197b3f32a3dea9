/* SPDX-License-Identifier: MIT */
/* Partition tables for tests, made by hand. */
#ifndef TESTS_GPT_H
#define TESTS_GPT_H

#include <host/disk.h>
#include <lib/crc32.h>
#include <mm/partition.h>
#include <stdlib.h>
#include <string.h>

#define GPT_ENTRIES 8u

struct gpt_image {
	u8 *bytes; /* malloc'ed */
	size_t len;
	u32 block;
};

static inline void put_le(u8 *at, u64 value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (u8)(value >> 8 * i);
}

static inline u64 get_le(const u8 *at, unsigned bytes)
{
	u64 v = 0;
	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | at[i];
	return v;
}

/* Computes both checksums of the header in `block` as far as its fields make sense. */
static inline void gpt_seal(struct gpt_image *g, u64 block)
{
	u8 *h = g->bytes + block * g->block;
	u64 array = get_le(h + 72, 8), bytes = get_le(h + 80, 4) * get_le(h + 84, 4), header = get_le(h + 12, 4);
	if (array < g->len / g->block && bytes <= g->len - array * g->block)
		put_le(h + 88, crc32(0, g->bytes + array * g->block, bytes), 4);
	put_le(h + 16, 0, 4);
	if (header <= g->block)
		put_le(h + 16, crc32(0, h, header), 4);
}

static inline void gpt_header(struct gpt_image *g, u64 own, u64 other, u64 array, u64 array_blocks)
{
	u8 *h = g->bytes + own * g->block;
	u64 nr = g->len / g->block;
	memcpy(h, "EFI PART\0\0\1\0", 12);
	put_le(h + 12, 92, 4);
	put_le(h + 24, own, 8);
	put_le(h + 32, other, 8);
	put_le(h + 40, 2 + array_blocks, 8);
	put_le(h + 48, nr - 2 - array_blocks, 8);
	put_le(h + 72, array, 8);
	put_le(h + 80, GPT_ENTRIES, 4);
	put_le(h + 84, 128, 4);
}

/* Entry i (from 0) in both arrays; checksums are the caller's. */
static inline void gpt_entry(struct gpt_image *g, unsigned i, u64 first, u64 last, const char *name)
{
	u64 array_blocks = (GPT_ENTRIES * 128 + g->block - 1) / g->block, nr = g->len / g->block;
	for (unsigned copy = 0; copy < 2; copy++) {
		u8 *e = g->bytes + (copy ? nr - 1 - array_blocks : 2) * g->block + i * 128;
		memset(e, 0, 128);
		memset(e, 0x77, 32);
		put_le(e + 32, first, 8);
		put_le(e + 40, last, 8);
		for (unsigned c = 0; name[c]; c++)
			put_le(e + 56 + 2 * c, (u8)name[c], 2);
	}
}

/* A disk of nr blocks with two partitions: 20..29 "one" (entry 0) and 40..49 (entry 2). */
static inline struct gpt_image gpt_new(u32 block, u64 nr)
{
	struct gpt_image g = { .len = nr * block, .block = block };
	u64 array_blocks = (GPT_ENTRIES * 128 + block - 1) / block;
	g.bytes = calloc(1, g.len);
	g.bytes[510] = 0x55;
	g.bytes[511] = 0xaa;
	g.bytes[446 + 4] = 0xee;
	put_le(g.bytes + 446 + 8, 1, 4);
	put_le(g.bytes + 446 + 12, nr - 1, 4);
	gpt_header(&g, 1, nr - 1, 2, array_blocks);
	gpt_header(&g, nr - 1, 1, nr - 1 - array_blocks, array_blocks);
	gpt_entry(&g, 0, 20, 29, "one");
	gpt_entry(&g, 2, 40, 49, "");
	gpt_seal(&g, 1);
	gpt_seal(&g, nr - 1);
	return g;
}

#endif
