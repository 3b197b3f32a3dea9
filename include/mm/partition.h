/* SPDX-License-Identifier: MIT */
/* Partition tables: GPT. Source: UEFI Specification 2.10, chapter 5. */
#ifndef MM_PARTITION_H
#define MM_PARTITION_H

#include <mm/block.h>

struct partition {
	u32 number; /* from 1 */
	u64 start_sector, nr_sectors; /* of 512 bytes */
	u8 type[16], id[16]; /* GUIDs as on the disk */
	char label[37];      /* its name; what is not ASCII shows as '!' */
};

/* Calls found for each entry in use of a valid table, in order. The backup table is used when the primary one
 * is broken; a log line says so, or that both are, or that entries were left out because they reach beyond the
 * table's bounds. How many were found; 0: no table, or none valid; -EIO, -ENOMEM. */
int partition_read_gpt(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg);

#endif
