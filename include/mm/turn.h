/* SPDX-License-Identifier: MIT */
/*
 * Turns: what is done against thrashing. When processes take each other's working sets away, one after the other keeps
 * what it maps for a while. The rule and its reasons: mm/reclaim/turn.c, docs/thrashing.md.
 */
#ifndef MM_TURN_H
#define MM_TURN_H

#include <mm/frame.h>
#include <mm/space.h>

/* A fault in s has waited since began_ns (hal_clock_ns()) for f to be read. May be called with s locked. */
void turn_missed(struct space *s, const struct frame *f, u64 began_ns);
/* After a fault from user mode that waited, with nothing locked: s waits here if it is another one's turn. */
void turn_pause(struct space *s);
/* Reclaim begins: a turn may be over. Any context that may take RANK_LRU. */
void turn_refresh(void);
/* s is being torn down, is_dead is set. */
void turn_leave(struct space *s);
/* It is somebody's turn: the pages of spaces with is_protected stay. Read without a lock. */
extern bool turn_is_held;
extern u32 turn_number;

/* Flags of a frame that is read ahead for s. */
static inline u32 turn_flags(const struct space *s)
{
	return !READ_ONCE(s->is_protected) ? 0 : READ_ONCE(turn_number) & 1 ? FRAME_WANTED | FRAME_WANTED_ODD : FRAME_WANTED;
}
/* f has FRAME_WANTED: does that turn go on? Else it loses the flag. */
bool turn_is_wanted(struct frame *f);

void turn_init(void);

#endif
