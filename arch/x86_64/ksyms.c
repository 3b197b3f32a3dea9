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

extern const u32 ksyms_start[];
extern const char text_start[], text_end[];

const char *ksym_lookup(u64 addr, u64 *offset)
{
	if (addr < (u64)text_start || addr >= (u64)text_end)
		return NULL;
	u32 count = ksyms_start[0], key = (u32)addr, low = 0, high = count;
	const u32 *address = ksyms_start + 1, *name = address + count;
	while (low < high) { /* the number of addresses <= key */
		u32 mid = low + (high - low) / 2;
		if (address[mid] <= key)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	*offset = key - address[low - 1];
	return (const char *)(name + count) + name[low - 1];
}
