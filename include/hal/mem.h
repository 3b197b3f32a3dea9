/* SPDX-License-Identifier: MIT */
/* Physical memory as the machine presents it. */
#ifndef HAL_MEM_H
#define HAL_MEM_H

#include <hal/types.h>

/* One range of usable RAM, page aligned, half open; what the firmware, the kernel image, the
 * initial RAM disk and early allocations occupy is already left out. */
struct hal_ram_range {
	paddr_t start, end;
	u16 node; /* 0 <= node < 8 */
	u8 tier;  /* 0 = fastest */
};

/* Ranges sorted by address, none overlapping. Stable after boot. Returns how many. */
unsigned hal_ram_ranges(const struct hal_ram_range **out);

/* Bytes of RAM that the machine has, including what hal_ram_ranges() leaves out (for the log). */
u64 hal_ram_total(void);

/* Memory that the boot parameters set aside to keep its content (memmap=SIZE!START): no RAM of the kernel's, but
 * reachable through hal_frame_ptr(). Page aligned, half open. Returns how many. */
struct hal_persistent_range {
	paddr_t start, end;
};
unsigned hal_persistent_ranges(const struct hal_persistent_range **out);

/* The machine's memory map, sorted: what [*start, *end) is, in the words of /proc/iomem; NULL: no more. */
const char *hal_memory_map(unsigned index, paddr_t *start, paddr_t *end);

/* An array of nr_pfns descriptors of entry_bytes each, indexed by pfn, zeroed; backed by memory at
 * least for every pfn in hal_ram_ranges(). Called once, before any frame is allocated; it may shrink
 * the ranges, so read them again afterwards. Never fails (panics when RAM cannot hold it). */
void *hal_frame_array(u64 nr_pfns, size_t entry_bytes);

/*
 * <machine/mem.h> supplies, inline:
 *   void *hal_frame_ptr(pfn_t);        kernel address of a frame's content (always mapped)
 *   pfn_t hal_ptr_pfn(const void *);   the inverse
 *   struct frame *hal_frames(void);    what hal_frame_array() returned (constant address on x86-64)
 *   void hal_page_zero(pfn_t);
 *   void hal_page_copy(pfn_t dst, pfn_t src);
 */
#include <machine/mem.h>

#endif
