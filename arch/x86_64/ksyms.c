/* SPDX-License-Identifier: MIT */
/*
 * Function names for backtraces. The table is made from the linked image itself (ksyms.awk) and linked
 * in behind everything else, so that it moves no address it holds:
 *
 *   u32 count; u32 address[count], rising, low halves; u32 name[count], offsets; the names
 *
 * The result of the first of the two links has no table; it is never run.
 */
#include "internal.h"
#include "ksyms.h"
#include <hal/backtrace.h>

extern const u32 ksyms_start[];
extern const char text_start[], text_end[];

/* Its place in the table, or -1. */
static int find(u64 addr)
{
	if (addr < (u64)text_start || addr >= (u64)text_end)
		return -1;
	const u32 *address = ksyms_start + 1;
	u32 key = (u32)addr, low = 0, high = ksyms_start[0];
	while (low < high) { /* the number of addresses <= key */
		u32 mid = low + (high - low) / 2;
		if (address[mid] <= key)
			low = mid + 1;
		else
			high = mid;
	}
	return (int)low - 1;
}

const char *hal_symbol(u64 addr, u64 *offset, u64 *size)
{
	int at = find(addr);
	if (at < 0)
		return NULL;
	u32 count = ksyms_start[0];
	const u32 *address = ksyms_start + 1, *name = address + count;
	*offset = (u32)addr - address[at];
	*size = ((u32)at + 1 < count ? address[at + 1] : (u32)(u64)text_end) - address[at];
	return (const char *)(name + count) + name[at];
}

const char *ksym_lookup(u64 addr, u64 *offset)
{
	u64 size;
	return hal_symbol(addr, offset, &size);
}
