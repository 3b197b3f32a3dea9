/* SPDX-License-Identifier: MIT */
/* One address of a space, explained: the walk down, the page it ends at, who else maps that page, where reclaim has it. */
#ifndef MM_EXPLAIN_H
#define MM_EXPLAIN_H

#include <hal/mmu.h>
#include <mm/pte.h>
#include <mm/space.h>

struct frame;

/* One step of the walk: the entry that was read. */
struct explained_step {
	pfn_t table;
	unsigned level, index; /* HAL_LEVELS (the root) .. 1 */
	u32 sharers;           /* of a leaf table: the spaces that have it */
	pte_t entry;
};

struct explained {
	unsigned nr_steps; /* the last one's entry is empty, or of level 1 */
	struct explained_step steps[HAL_LEVELS];
	struct frame *frame; /* the page, with a reference; NULL: none is there, or it has no owner (special entry) */
	bool is_mapped;      /* by this entry; else the frame is the file's, or in the swap cache */
	u64 swap_entry;      /* 0: none */
	u64 swap_users;      /* entries that name it, each sharer of a table counted */
};

/* The space's lock is held for reading. The caller gives the frame's reference back. */
void explain_locked(struct space *s, uaddr_t addr, struct explained *out);

/* Somebody who maps a page. The space is pinned; whether it still has processes is for the caller to find out. */
struct explained_user {
	struct space *space;
	uaddr_t addr;
	pte_t entry;
};
/* Up to nr of them, how many there are in all. f: with a reference. */
u64 explain_users(struct frame *f, struct explained_user *out, unsigned nr);

/* Where on its list a page is: `before` pages would be looked at earlier, of `length`. */
struct explained_place {
	const char *policy; /* its name */
	unsigned list;      /* the policy's number for it, or one of the core's (mm/policy.h) */
	unsigned bits;      /* the policy's own of the page */
	bool is_active, is_anon;
	u64 before, length;
	bool is_beyond; /* more than EXPLAIN_MAX_BEFORE are before it */
};
#define EXPLAIN_MAX_BEFORE 16384u
/* False: f, with a reference, is on no list. */
bool explain_place(struct frame *f, struct explained_place *out);

#endif
