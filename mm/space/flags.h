/* SPDX-License-Identifier: MIT */
/* Changing region flags over a range (mlock.c); the space's lock is held for writing. */
#ifndef MM_SPACE_FLAGS_H
#define MM_SPACE_FLAGS_H

#include <mm/space.h>

/* [start, end) lies in r; *out = the region that holds it afterwards. 0 or -ENOMEM. */
int region_change_flags(struct space *s, struct region *r, uaddr_t start, uaddr_t end, u32 clear, u32 set, struct region **out);
/* -ENOMEM also at the first hole; what comes before it is changed. */
int range_change_flags(struct space *s, uaddr_t start, uaddr_t end, u32 clear, u32 set);

#endif
