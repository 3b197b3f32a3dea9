/* SPDX-License-Identifier: MIT */
/* What the files of fs/swap share. */
#ifndef FS_SWAP_INTERNAL_H
#define FS_SWAP_INTERNAL_H

#include "../internal.h"
#include <fs/swap.h>
#include <mm/swap.h>

/* The first page of an area (mkswap(8), version 1); numbers in the byte order of whoever made it. */
struct swap_disk_header {
	u8 boot[1024];
	u32 version, last_page, nr_bad;
	u8 uuid[16], label[16];
	u32 unused[117];
	u32 bad[637];
	char unaligned[2];
	char magic[10];
} __attribute__((packed));
_Static_assert(sizeof(struct swap_disk_header) == PAGE_SIZE, "a header is a page");

#define SWAP_MAX_BAD 637u

struct swap_header {
	u64 nr_pages; /* the header included */
	u32 nr_bad;
	u32 bad[SWAP_MAX_BAD]; /* ascending, no page twice */
};

/* header.c. Reads what a page with a header says of an area with room for `room` pages. 0 or -EINVAL; says why in
 * the log. */
int swap_header_parse(const struct swap_disk_header *d, u64 room, bool is_device, struct swap_header *out);

/* extents.c. Where the bytes of a file lie, as whole pages, at most max of them. */
struct swap_extents {
	struct swap_extent *list; /* kfree'd by the caller, on errors too */
	u32 nr, nr_allocated;
	u64 nr_pages;
};
/* The inode's lock is held. 0; -EINVAL: it has holes; -ENOMEM; -EIO.. */
int swap_extents_of_file(struct inode *i, u64 max, struct swap_extents *out);
/* The device as it is, one extent. */
int swap_extents_of_device(u64 nr_pages, struct swap_extents *out);

#endif
