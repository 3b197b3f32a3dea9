/* SPDX-License-Identifier: MIT */
/*
 * The kernel half of every address space:
 *
 *   ffff8000'00000000  all RAM, one to one (direct map)
 *   ffffc000'00000000  kernel stacks with guard pages, device memory
 *   ffffe000'00000000  frame descriptors, backed where RAM is
 *   ffffffff'80000000  the kernel image
 */
#ifndef MACHINE_MEM_H
#define MACHINE_MEM_H

#include <hal/types.h>

#define DIRECT_MAP_BASE 0xffff800000000000ul
#define VMAP_BASE       0xffffc00000000000ul
#define FRAMES_BASE     0xffffe00000000000ul
#define IMAGE_BASE      0xffffffff80000000ul

struct frame;

static inline void *phys_ptr(paddr_t p) { return (void *)(DIRECT_MAP_BASE + p); }
static inline paddr_t ptr_phys(const void *p) { return (u64)p - DIRECT_MAP_BASE; }
static inline void *hal_frame_ptr(pfn_t pfn) { return phys_ptr(pfn << PAGE_SHIFT); }
static inline pfn_t hal_ptr_pfn(const void *p) { return ptr_phys(p) >> PAGE_SHIFT; }
static inline struct frame *hal_frames(void) { return (struct frame *)FRAMES_BASE; }

static inline void hal_page_zero(pfn_t pfn)
{
	void *p = hal_frame_ptr(pfn);
	u64 n = PAGE_SIZE / 8;
	__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0ul) : "memory");
}

static inline void hal_page_copy(pfn_t dst, pfn_t src)
{
	void *d = hal_frame_ptr(dst);
	const void *s = hal_frame_ptr(src);
	u64 n = PAGE_SIZE / 8;
	__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n)::"memory");
}

#endif
