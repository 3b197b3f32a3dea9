/* SPDX-License-Identifier: MIT */
/*
 * Memory groups: limits on what a set of processes has in memory and in swap (the memory controller of Linux's
 * cgroup v2). Groups form a tree; what one is charged counts for all above it. A page belongs to the group of
 * the process that brought it in, until it is freed.
 *
 * Group 0, the root of the tree, is for everything that belongs to no other; it has no limit and is charged nothing.
 * Figures are in pages.
 */
#ifndef MM_GROUP_H
#define MM_GROUP_H

#include <mm/frame.h>
#include <mm/host.h>
#include <mm/lru.h>

#define MEM_GROUP_UNLIMITED (~0ul >> 1)
#define MEM_GROUP_MAX_NUMBER 65535u

/* What memory.events counts. */
enum mem_group_event {
	MEM_GROUP_EVENT_MAX,      /* a charge met the limit */
	MEM_GROUP_EVENT_OOM,      /* ... and reclaim made no room */
	MEM_GROUP_EVENT_OOM_KILL, /* a process of the group was killed, whoever was short of memory */
	MEM_GROUP_EVENT_OOM_GROUP_KILL, /* the group was killed as a whole */
	MEM_GROUP_NR_EVENTS
};

/* What it is charged for. */
enum mem_group_kind {
	MEM_GROUP_ANON,   /* anonymous pages */
	MEM_GROUP_FILE,   /* pages of files */
	MEM_GROUP_SHMEM,  /* pages of tmpfs and shared memory */
	MEM_GROUP_TABLES, /* page tables and their companions */
	MEM_GROUP_STACKS, /* kernel stacks */
	MEM_GROUP_NR_KINDS
};

/* A sum with a limit, over a group and all below it. */
struct mem_group_counter {
	s64 usage;     /* atomic */
	s64 max;       /* MEM_GROUP_UNLIMITED: none */
	s64 peak;      /* the most that usage has been, roughly */
	u64 nr_failed; /* charges that met the limit */
};

struct mem_group {
	struct lru_group lru; /* lru.number: of 1..MEM_GROUP_MAX_NUMBER; 0: the root */
	struct mem_group *parent; /* NULL: the root */
	struct list_head children, sibling; /* (tree lock) */
	s64 refs;             /* atomic: its owner's, its children's, one for each page charged */
	bool is_closed;       /* its owner has let go of it: charges go to its parent */
	bool oom_kills_all;   /* memory.oom.group: its processes end together */
	u32 cursor;           /* the number of the group where the last reclaim of this subtree ended */
	struct mem_group_counter memory, swap;
	s64 nr_of_kind[MEM_GROUP_NR_KINDS]; /* atomic, its own */
	u64 events[MEM_GROUP_NR_EVENTS], local_events[MEM_GROUP_NR_EVENTS]; /* atomic: of the subtree, its own */
	u64 nr_scanned, nr_stolen; /* atomic, its own: pages that reclaim looked at, and took */
	char *name;           /* as reports show it, "/a/b"; NULL: the root */
	struct host_waitq event_queue; /* woken when an event is counted */
};

/* The root. Always there. */
extern struct mem_group mem_root;

/* A new group below `parent`, with the caller's reference. name: kmalloc'ed, taken over. NULL: no memory, or
 * MEM_GROUP_MAX_NUMBER exist. May sleep. */
struct mem_group *mem_group_new(struct mem_group *parent, char *name);
/* The owner's reference goes. No process is in the group any more; it stays as long as pages are charged to it,
 * and is reclaimed with its parent. */
void mem_group_close(struct mem_group *g);

/* Does the tree below `top` hold the group (or is it top itself)? */
bool mem_group_contains(const struct mem_group *top, const struct mem_group *g);
/* By number; stays valid while something is charged to it or its owner keeps it. */
struct mem_group *mem_group_numbered(u32 number);
/* The same for whatever may have been read as a number (0..MEM_GROUP_MAX_NUMBER); NULL: no group ever had it. */
struct mem_group *mem_group_find(u32 number);
static inline struct mem_group *mem_group_at(u32 number) { return likely(!number) ? &mem_root : mem_group_numbered(number); }

/* The groups of a subtree one after the other, each with a reference that passing it as `previous` gives back;
 * NULL begins, and is the end. */
struct mem_group *mem_group_next(struct mem_group *top, struct mem_group *previous);
/* Where the last walk of reclaim through the subtree ended, with a reference. */
struct mem_group *mem_group_at_cursor(struct mem_group *top);
void mem_group_get(struct mem_group *g);
void mem_group_put(struct mem_group *g);

/* ---- charging ---- */

/* Charges 2^order pages of what `kind` names to group `number`. With ALLOC_WAIT it takes memory back within the
 * group, and in the end has one of its processes killed, rather than fail. Returns the number of the group that was
 * charged (one above, if that one was closed; 0: none needs to be), or -ENOMEM: over a limit. */
s32 mem_group_charge(u32 number, unsigned order, unsigned alloc, enum mem_group_kind kind);
/* Gives that back. Any context. */
void mem_group_uncharge(u32 number, unsigned order, enum mem_group_kind kind);

/* What a new frame counts as. */
static inline enum mem_group_kind mem_group_kind_of(enum frame_kind kind)
{
	return kind == FRAME_ANON ? MEM_GROUP_ANON : kind == FRAME_CACHE ? MEM_GROUP_FILE : MEM_GROUP_TABLES;
}

/* The same for the allocator: whom an allocation with these flags is for; f->group afterwards. */
s32 mem_group_charge_alloc(unsigned order, unsigned alloc, enum frame_kind kind);
void mem_group_uncharge_frame(struct frame *f, unsigned order);
/* A page of the cache turns out to be of shared memory; it has just been allocated. */
void mem_group_is_shmem(struct frame *f);

/* One page in swap for group `number`, to which a page is charged meanwhile. False: over a limit. */
bool mem_group_charge_swap(u32 number);
void mem_group_uncharge_swap(u32 number);
/* Pages that the group may put into swap still. */
u64 mem_group_swap_free(const struct mem_group *g);

/* ---- limits ---- */

/* A new limit (0..MEM_GROUP_UNLIMITED); memory beyond it is taken back, by killing if nothing else helps. May sleep. */
void mem_group_set_max(struct mem_group *g, s64 max);
/* Takes back about nr pages. How many. May sleep. */
u64 mem_group_reclaim(struct mem_group *g, u64 nr);

void mem_group_count(struct mem_group *g, enum mem_group_event e);

/* Sums over a subtree. */
struct mem_group_stat {
	u64 nr_of_kind[MEM_GROUP_NR_KINDS];
	u64 inactive[LRU_NR_TYPES], active[LRU_NR_TYPES], unevictable;
	u64 nr_scanned, nr_stolen;
	u64 refaults[LRU_NR_TYPES];
};
void mem_group_stat(struct mem_group *g, struct mem_group_stat *out);
/* The lines of memory.stat, in Linux's order: bytes, or numbers. */
void mem_group_show_stat(struct mem_group *g, void (*line)(const char *name, u64 value, void *arg), void *arg);

void mem_group_init(void);

/* NULL, or what is broken: charges against all frames and slots. Nothing may run meanwhile. */
const char *mem_group_validate(void);

#endif
