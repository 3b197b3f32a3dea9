/* SPDX-License-Identifier: MIT */
/*
 * What swap lies on, as the file system sees it: block devices and files that mkswap has marked. mm/swap
 * (mm/swap.h) knows only devices and sectors.
 */
#ifndef FS_SWAP_H
#define FS_SWAP_H

#include <hal/types.h>

struct file;

/* swapon(2)'s flags; Linux keeps them in no header for programs. */
#define SWAP_FLAG_PREFER        0x8000u
#define SWAP_FLAG_PRIO_MASK     0x7fffu
#define SWAP_FLAG_DISCARD       0x10000u
#define SWAP_FLAG_DISCARD_ONCE  0x20000u
#define SWAP_FLAG_DISCARD_PAGES 0x40000u
#define SWAP_FLAGS_VALID        0x7ffffu

/* swapon(2) and swapoff(2) behind the checks of flags and rights. 0 or -errno. May sleep. */
int swap_on(const char *name, u32 flags);
int swap_off(const char *name);

/* A place in use, in the order of the areas' numbers; valid in the call only. */
struct swap_place_info {
	struct file *file;
	bool is_device;
	u64 nr_pages, nr_used;
	int priority;
};
void swap_for_each_place(void (*fn)(const struct swap_place_info *p, void *arg), void *arg);

#endif
