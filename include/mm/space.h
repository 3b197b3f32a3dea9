/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: a root table and a set of regions (Linux: mm_struct and VMAs), from creation to the
 * last put. What lies in one: mm/region.h; the calls that change it: mm/mman.h; looking in from outside:
 * mm/inspect.h.
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include <hal/mmu.h>
#include <hal/types.h>
#include <lib/rbtree.h>
#include <mm/host.h>

struct region;

enum rss_kind { RSS_ANON, RSS_FILE, RSS_SHMEM, RSS_SWAP, RSS_NR };

/* Of a space that was chosen to go because memory ran out (mm/oom.h), so that nothing has to be allocated then. */
struct oom_note {
	u32 state;             /* atomic: OOM_* of mm/oom.h; 0: it was not chosen */
	u32 pid;
	char name[16];
	u64 charged_pages;     /* what it held when it was chosen */
	u64 freed_by_reaper;   /* pages */
	struct list_head link; /* (reaper's lock) */
};

/* How much a space lacks its working set, and where it stands: mm/reclaim/turn.c, under the lock there. */
struct turn_note {
	struct list_head link;
	bool is_queued;
	u64 window_ns, waited_ns; /* since when, and how long its faults have waited for missed pages since then */
	u64 last_ns;              /* the last of them */
};

struct space {
	struct rwlock lock; /* RANK_SPACE */
	pfn_t root_pfn;
	struct rb_root regions; /* (lock) */
	struct region *first, *last; /* (lock) by address */
	struct region *top_hole;     /* (lock) where the search for a hole begins, see gap.c; NULL: behind all */
	u64 top_hole_len;
	struct region *cached;  /* last region found; any reader may replace it */
	u32 nr_regions;
	u32 users;              /* atomic: space_get/put */
	u32 pins;               /* atomic: one of all users; the structure and the root stay */
	cpumask_t cpus;         /* atomic: CPUs that have the root loaded */
	bool has_owed_flush;    /* of tlb_batch.c: a batch has owed it a flush, and perhaps does still */
	bool is_dead;           /* torn down: nothing may be mapped any more */
	bool is_reaped;         /* its pages were dropped under it: what is absent may have been written to */
	u8 def_flags_locked;    /* mlockall(MCL_FUTURE / MCL_ONFAULT) */

	uaddr_t mmap_base;      /* highest address for kernel-chosen mappings, searched downwards */
	uaddr_t brk_start, brk;
	uaddr_t code_start, code_end, data_start, data_end, stack_start;
	uaddr_t args_start, args_end, env_start, env_end;
	uaddr_t vdso;           /* 0 = none */

	s64 rss[RSS_NR];        /* atomic; pages, shared tables counted in each sharer */
	u64 hiwater_rss, hiwater_vm;
	u64 total_pages;        /* (lock) VmSize */
	u64 locked_pages, data_pages, exec_pages, stack_pages; /* (lock) */
	s64 nr_tables;          /* atomic: page-table pages incl. shared: VmPTE */
	struct oom_note oom;
	bool is_protected;      /* it is its turn: reclaim leaves alone what it maps */
	struct turn_note turn;
};

/* An empty space with one reference, or NULL. */
struct space *space_create(void);
static inline void space_get(struct space *s) { __atomic_fetch_add(&s->users, 1, __ATOMIC_RELAXED); }
/* The last put unmaps everything and frees the tables; it must not be loaded on any CPU then. */
void space_put(struct space *s);
/* Keeps the structure, not what it maps, beyond the last put. */
static inline void space_pin(struct space *s) { __atomic_fetch_add(&s->pins, 1, __ATOMIC_RELAXED); }
void space_unpin(struct space *s);
/* Unmaps everything now (exit, exec) although references remain; faults then fail. */
void space_teardown(struct space *s);

/* fork: a copy with shared last-level tables, private pages copied on write. 0 or -ENOMEM. */
int space_fork(struct space *parent, struct space **child);

/* Loads the space on this CPU (NULL: the kernel's root); maintains `cpus`. */
void space_switch(struct space *prev, struct space *next);

void space_init(void); /* once, after slab_init: caches, zero page */
struct frame *space_zero_frame(void);

/* NULL or what is broken: regions, gaps, tables, counts, and the walk back of every frame. The space
 * must be quiet. */
const char *space_validate(struct space *s);

#endif
