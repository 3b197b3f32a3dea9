/* SPDX-License-Identifier: MIT */
/* Partition tables: GPT (UEFI Specification 2.10, chapter 5) and MBR, which DOS had first. */
#ifndef MM_PARTITION_H
#define MM_PARTITION_H

#include <mm/block.h>

struct partition {
	u32 number; /* from 1 */
	u64 start_sector, nr_sectors; /* of 512 bytes */
	u8 type[16], id[16]; /* GUIDs as on the disk; MBR: the type in the first byte, no id */
	char label[37];      /* its name, empty in an MBR; what is not ASCII shows as '!' */
};

/* The table that the disk has, a GPT before an MBR: calls found for each partition, in the order of their numbers.
 * How many were found; 0: no table, or none valid; -EIO, -ENOMEM. */
int partition_read(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg);

/* A GPT. The backup table is used when the primary one is broken; a log line says so, or that both are, or that
 * entries were left out because they reach beyond the table's bounds. Results as above. */
int partition_read_gpt(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg);

/* An MBR: primary partitions 1 to 4, logical ones from 5 on. A table that protects a GPT is none. What begins beyond
 * the disk's end is left out, what reaches beyond it cut; a log line says so. Results as above. */
int partition_read_mbr(struct block_device *whole, void (*found)(const struct partition *p, void *arg), void *arg);

#endif
