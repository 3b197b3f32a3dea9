/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer over partition tables, GPT and MBR: the input is laid over a valid GPT on a disk in memory; with the
 * first byte's bits the checksums are made right again, so that what lies behind them is reached. Blocks 40 to 43
 * can become tables of logical partitions. Whatever is found lies within the disk.
 */
#include "../unit/gpt.h"
#include "../unit/tests.h"

static u64 nr_sectors;
static u32 last_number;

static void found(const struct partition *p, void *arg)
{
	(void)arg;
	assert_true(p->number > last_number);
	last_number = p->number;
	assert_true(p->nr_sectors && p->start_sector < nr_sectors && p->nr_sectors <= nr_sectors - p->start_sector);
	assert_true(strnlen(p->label, sizeof(p->label)) < sizeof(p->label));
}

static void overlay(u8 *disk, size_t at, size_t max, const u8 **data, size_t *left)
{
	size_t n = *left < max ? *left : max;
	for (size_t i = 0; i < n; i++)
		disk[at + i] ^= (*data)[i];
	*data += n;
	*left -= n;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool is_up;
	if (!size)
		return 0;
	if (!is_up)
		machine_up(16ul << 20, 1);
	is_up = true;
	u8 how = *data++;
	size--;
	u32 block = how & 4 ? 4096 : 512;
	struct gpt_image g = gpt_new(block, 96);
	overlay(g.bytes, block, 92, &data, &size);               /* header */
	overlay(g.bytes, 2 * block, 256, &data, &size);          /* two entries */
	overlay(g.bytes, g.len - block, 92, &data, &size);       /* backup header */
	overlay(g.bytes, 446, 66, &data, &size);                 /* MBR */
	for (u32 n = 40; n < 44; n++) {
		put_le(g.bytes + n * block + 510, 0xaa55, 2);
		overlay(g.bytes, n * block + 446, 66, &data, &size);
	}
	if (how & 1)
		gpt_seal(&g, 1);
	if (how & 2)
		gpt_seal(&g, g.len / block - 1);
	nr_sectors = g.len / 512;
	last_number = 0;
	struct host_disk *d = host_disk_create(&(struct host_disk_config){ .nr_sectors = nr_sectors, .content = g.bytes, .logical_block = block });
	if (how & 8)
		host_disk_fail(d, BLOCK_READ, 0, ~0ull, how >> 4, 1);
	partition_read(host_disk_device(d), found, NULL);
	host_disk_destroy(d);
	free(g.bytes);
	return 0;
}
