/* SPDX-License-Identifier: MIT */
/* Replacement lists as the files of mm/reclaim/ see them. */
#ifndef MM_RECLAIM_INTERNAL_H
#define MM_RECLAIM_INTERNAL_H

#include <mm/frame.h>
#include <mm/reclaim.h>
#include <mm/stat.h>

/* Takes up to nr pages from the cold end of the inactive list, each with a reference; they stay on the
 * list, moved to its warm end. */
unsigned lru_take_cold(struct frame **out, unsigned nr);
/* Used since it came: to the active list, if it is still on the inactive one. */
void lru_activate(struct frame *f);
/* Up to nr pages from the cold end of the active list go to the inactive one, while that is the shorter. */
void lru_balance(unsigned nr);

#endif
