/* SPDX-License-Identifier: MIT */
/* Physical memory of the host machine: one region of the process's memory. */
#ifndef MACHINE_MEM_H
#define MACHINE_MEM_H

#include <hal/types.h>
#include <lib/string.h>

struct frame;
extern char *host_ram;              /* content of paddr 0 */
extern struct frame *host_frames;

static inline void *hal_frame_ptr(pfn_t pfn) { return host_ram + (pfn << PAGE_SHIFT); }
static inline pfn_t hal_ptr_pfn(const void *p) { return (pfn_t)((const char *)p - host_ram) >> PAGE_SHIFT; }
static inline struct frame *hal_frames(void) { return host_frames; }
static inline void hal_page_zero(pfn_t pfn) { memset(hal_frame_ptr(pfn), 0, PAGE_SIZE); }
static inline void hal_page_copy(pfn_t dst, pfn_t src) { memcpy(hal_frame_ptr(dst), hal_frame_ptr(src), PAGE_SIZE); }

#endif
