/* SPDX-License-Identifier: MIT */
/*
 * Replacement policies: which page leaves memory first. A policy is one file with one const table of
 * functions; docs/policy.md shows how one is written.
 *
 * A struct lru holds the pages of one type (anonymous or of files) of one memory group on up to
 * LRU_NR_LISTS lists. Some lists are the core's own; what the others mean is the policy's affair. A page
 * knows its list, and has a few bits for its policy, in frame->flags.
 *
 * What a policy learns of uses: touch, for each read(2) and write(2); and the hardware's accessed and dirty
 * bits, which the core reads and clears for the pages that the policy names: those that it would evict
 * (select), and those that it only wants to hear of (age). Between the naming and the verdict (judge, aged)
 * the lock is free and the page is on the core's list LRU_ISOLATED.
 *
 * All functions but touch_fast are called with lru->lock held; they do not sleep, allocate or take locks.
 */
#ifndef MM_POLICY_H
#define MM_POLICY_H

#include <hal/lock.h>
#include <mm/frame.h>

enum lru_type { LRU_ANON, LRU_FILE, LRU_NR_TYPES };

/* The core's lists; the policy's are LRU_FIRST_LIST .. LRU_NR_LISTS - 1. */
enum {
	LRU_ISOLATED,    /* named by the policy, or taken by the core: nobody finds it until it is put back */
	LRU_LEAVING,     /* added under the policy before this one, which has not seen it yet */
	LRU_UNEVICTABLE, /* locked into memory by mlock */
	LRU_FIRST_LIST,
	LRU_NR_LISTS = 48,
	LRU_EVICT = LRU_NR_LISTS, /* judge: on no list, it shall go */
};

/* frame->flags of a page on a list. They change under the lru lock, the policy's bits also without, atomically. */
#define LRU_LIST_SHIFT    16
#define LRU_LIST_MASK     (63u << LRU_LIST_SHIFT)
#define LRU_EPOCH         (1u << 22) /* lru->epoch when the page was added: if it differs, the page is LRU_LEAVING */
#define LRU_POLICY_SHIFT  23
#define LRU_POLICY_MASK   (511u << LRU_POLICY_SHIFT)
#define LRU_POLICY_BIT(n) (1u << (LRU_POLICY_SHIFT + (n))) /* n: 0..8 */

struct lru_group;
struct policy;

struct lru {
	struct spinlock lock; /* RANK_LRU */
	u8 type;              /* enum lru_type */
	u8 gauge[LRU_NR_LISTS]; /* enum mm_counter of each list */
	bool has_active;      /* the policy calls lists active at all */
	u32 epoch;            /* changes with the policy */
	const struct policy *policy;
	struct lru_group *group;
	struct list_head lists[LRU_NR_LISTS]; /* struct frame.lru; the tail is the cold end */
	u64 nr[LRU_NR_LISTS];
	u64 words[16];        /* the policy's own, 0 at first */
	u64 nr_evicted;       /* ever */
	u64 eviction_hash;    /* of all of them in their order: index in the file, or swap entry */
};

/* What is remembered of a page that was evicted and now comes back. */
struct refault {
	u64 distance;  /* how far the group's clock went since then: lru_clock */
	unsigned word; /* what evict() returned; 0 if another policy evicted it */
	bool was_active; /* it had been on an active list */
};

/* What is known of a page's use since it was last asked. */
#define USED_MAPPED (1u << 0) /* through a mapping: an accessed bit was set */
#define USED_TWICE  (1u << 1) /* through two mappings at least */
#define USED_EXEC   (1u << 2) /* through one that may be executed */
#define USED_CALL   (1u << 3) /* by read(2) or write(2) */
#define USED_DIRTY  (1u << 4) /* not a use: it differs from what the disk has */
#define USED_PROTECTED (1u << 6) /* not a use: it is the turn of whom it is for (mm/turn.h); policies do not see it */
#define USED_LOCKED (1u << 5) /* not a use: a locked region maps it; policies do not see such pages */

struct policy {
	const char *name; /* up to POLICY_NAME_MAX - 1 characters */
	u64 active_lists; /* bit n: list n counts as active in /proc/meminfo at first; the others as inactive */

	/* The lists are empty, the words 0. NULL: nothing to do. */
	void (*init)(struct lru *l);
	/* A page comes in, its policy bits 0, or could not be evicted: the list whose warm end it goes to. r: what is
	 * known from before, or NULL. */
	unsigned (*add)(struct lru *l, struct frame *f, const struct refault *r);
	/* One use of a page on one of the policy's lists. NULL: nothing to do. */
	void (*touch)(struct lru *l, struct frame *f);
	/* The same, before it and without the lock: true, if that was all. `first`: not touched since last judged. May
	 * change policy bits, atomically (the page may just have become another policy's: bits are hints). NULL: false. */
	bool (*touch_fast)(struct frame *f, bool first);
	/* The page leaves its list for good. NULL: nothing to do. */
	void (*remove)(struct lru *l, struct frame *f);
	/* The next page that should go, NULL if there is none; the core isolates it. */
	struct frame *(*select)(struct lru *l);
	/* ... and then hears where to keep it (a list), or LRU_EVICT. from: its list before; used: USED_*. */
	unsigned (*judge)(struct lru *l, struct frame *f, unsigned from, unsigned used);
	/* The same for pages that shall not go yet; asked up to twice as often as pages are selected, before that. NULL:
	 * there is none to ask about. */
	struct frame *(*age)(struct lru *l);
	unsigned (*aged)(struct lru *l, struct frame *f, unsigned from, unsigned used);
	/* The isolated page goes: 0..31 to remember about it. NULL: 0. */
	unsigned (*evict)(struct lru *l, struct frame *f);
	/* Another policy takes over: fills in the policy's lists from cold to warm, returns how many. NULL: by number. */
	unsigned (*order)(struct lru *l, u8 lists[LRU_NR_LISTS]);
};

#define POLICY_NAME_MAX 16

/* ---- for policies, with the lock held ---- */

static inline unsigned lru_list_of(const struct frame *f) { return (frame_flags(f) & LRU_LIST_MASK) >> LRU_LIST_SHIFT; }

/* Moves a page of the policy's lists to the warm end of one. */
void lru_move(struct lru *l, struct frame *f, unsigned list);

/* From now on the list counts as active, or not. */
void lru_set_active(struct lru *l, unsigned list, bool is_active);

/* The page at the cold end, NULL if the list is empty. */
static inline struct frame *lru_coldest(const struct lru *l, unsigned list)
{
	return list_is_empty(&l->lists[list]) ? NULL : list_last_entry(&l->lists[list], struct frame, lru);
}

/* The group's clock: goes on with each eviction, and by lru_clock_pass. */
u64 lru_clock(const struct lru *l);
void lru_clock_pass(struct lru *l, u64 n);

/* A counter of `bits` bits in a page's policy bits, from bit n on: its value; adds 1 up to `most`; sets it. */
static inline unsigned lru_bits_get(const struct frame *f, unsigned n, unsigned bits)
{
	return frame_flags(f) >> (LRU_POLICY_SHIFT + n) & ((1u << bits) - 1);
}
void lru_bits_add(struct frame *f, unsigned n, unsigned bits, unsigned most);
void lru_bits_set(struct frame *f, unsigned n, unsigned bits, unsigned value);

/* ---- choosing one ---- */

/* The i-th policy, NULL behind the last. */
const struct policy *policy_at(unsigned i);
/* The one named so, or NULL. */
const struct policy *policy_find(const char *name);
/* The one in use. */
const struct policy *policy_current(void);
/* The same; until policy_release() it stays that one. May sleep. */
const struct policy *policy_hold(void);
void policy_release(void);
/* All pages go over to p, coldest first, while others use the lists. May sleep. */
void policy_switch(const struct policy *p);

#endif
