/* SPDX-License-Identifier: MIT */
/* Moving the content and all users of a frame to another frame. */
#ifndef MM_MIGRATE_H
#define MM_MIGRATE_H

#include <mm/frame.h>

/* Moves the page in f, to which the caller holds a reference, to the frame `to`, freshly allocated of kind ANON with its
 * one reference. 0: `to` is the page, its reference used up; f is nobody's but the caller's and those that hold a reference
 * for a moment. -EBUSY: the page stays, since somebody uses it just now (I/O, a busy bit, a reference); another time. -EINVAL:
 * no such page. On failure `to` remains the caller's. Sleeps not, allocates not; takes table locks. */
int frame_migrate(struct frame *f, struct frame *to);

#endif
