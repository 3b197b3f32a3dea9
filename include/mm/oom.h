/* SPDX-License-Identifier: MIT */
/*
 * When memory runs out and nothing more can be reclaimed: which process ends, and how its memory comes
 * back. The theory is in mm/reclaim/oom.c. Figures are in pages.
 */
#ifndef MM_OOM_H
#define MM_OOM_H

#include <hal/types.h>

struct space;

#define OOM_SCORE_ADJ_MIN (-1000) /* never */
#define OOM_SCORE_ADJ_MAX 1000
#define OOM_MAX_ORDER 3 /* for larger blocks nobody is killed: the allocation fails (Linux: costly orders) */

/* space->oom.state */
#define OOM_VICTIM (1u << 0) /* chosen, or found on its way out: others wait for what it gives back */
#define OOM_DONE   (1u << 1) /* no more is to be had of it: it is not chosen again, nobody waits */

/* An allocation of 2^order pages found none, and reclaim none. May sleep. True: it is worth trying again, a
 * process was killed, or is ending. False: nobody can be killed for it, or the caller is being killed and the
 * reserves are used up: it fails. alloc: ALLOC_*. */
bool oom_make_room(unsigned order, unsigned alloc);

/* The same for a page that would exceed the limit of a group, out of which nothing can be reclaimed. */
struct mem_group;
bool oom_make_room_in(struct mem_group *g, unsigned alloc);

/* The same for a fault that ended without memory. True: repeat the access. */
bool oom_fault(void);

/* Sleeps until some victim's memory has come, or a tenth of a second. */
void oom_wait(void);

/* What a process weighs when one has to go: the pages that ending it should free, moved by adj / 1000 of
 * total. total: RAM and swap. Source: oom_badness(), Linux 6.1. */
s64 oom_badness(const struct space *s, s16 adj, u64 total);
#define OOM_NEVER (-0x7fffffffffffffff - 1)
/* The same on the scale of /proc/PID/oom_score: 0..2000, two thirds of it in fact. */
u64 oom_score(s64 badness, u64 total);
u64 oom_total_pages(void); /* RAM and swap */

/* space_teardown of one with oom.state set gave back nr_freed pages. */
void oom_note_end(struct space *s, u64 nr_freed);

void oom_init(void);
int oom_start(void); /* the reaper, once threads exist: 0 or -ENOMEM */

#endif
