/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: a root table and a set of regions (Linux: mm_struct and VMAs). A region is a range
 * of addresses with one set of rights and one source of content. Addresses and lengths are in bytes.
 *
 * All calls below take the space's lock themselves unless they end in _locked. Results are 0 or
 * -errno exactly as Linux 6.1 documents for the system call of the same name.
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include <hal/mmu.h>
#include <hal/types.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <mm/host.h>

struct mapping;

/* region->flags */
#define REGION_READ      (1u << 0)
#define REGION_WRITE     (1u << 1)
#define REGION_EXEC      (1u << 2)
#define REGION_SHARED    (1u << 3)
#define REGION_MAYREAD   (1u << 4) /* mprotect may grant it */
#define REGION_MAYWRITE  (1u << 5)
#define REGION_MAYEXEC   (1u << 6)
#define REGION_GROWSDOWN (1u << 7)
#define REGION_LOCKED    (1u << 8)
#define REGION_LOCKONFAULT (1u << 9)
#define REGION_DONTFORK  (1u << 10)
#define REGION_WIPEONFORK (1u << 11)
#define REGION_NORESERVE (1u << 12)
#define REGION_ACCOUNT   (1u << 13) /* counted in Committed_AS */
#define REGION_SPECIAL   (1u << 14) /* vDSO, vvar: frames given at creation, never anonymous */
#define REGION_STACK     (1u << 15) /* the initial stack, for names and VmStk */
#define REGION_DONTDUMP  (1u << 16)
#define REGION_SEQ_READ  (1u << 17)
#define REGION_RAND_READ (1u << 18)
#define REGION_HUGEPAGE  (1u << 19)
#define REGION_NOHUGEPAGE (1u << 20)

enum rss_kind { RSS_ANON, RSS_FILE, RSS_SHMEM, RSS_SWAP, RSS_NR };

struct region {
	struct rb_node node; /* in space->regions, by address */
	uaddr_t start, end;
	u64 gap;             /* bytes free between the region before and this one (less its guard gap) */
	u64 max_gap;         /* largest gap in this subtree */
	u32 flags;
	struct space *space;
	struct mapping *mapping;       /* NULL: anonymous */
	void *file;                    /* for ops->file_get/put and names; NULL: none */
	u64 pgoff;                     /* page number in the mapping of `start`; anonymous: start's own */
	struct list_head mapping_link; /* in mapping->regions */
	u64 zap_stamp;                 /* (mapping->regions_lock) last truncation that visited it */
	const pfn_t *special_pfns;     /* REGION_SPECIAL: one per page */
	const char *name;              /* "[vdso]" ...; NULL: derived */
};

struct space {
	struct rwlock lock; /* RANK_SPACE */
	pfn_t root_pfn;
	struct rb_root regions; /* (lock) */
	struct region *cached;  /* last region found; any reader may replace it */
	u32 nr_regions;
	u32 users;              /* atomic: space_get/put */
	cpumask_t cpus;         /* atomic: CPUs that have the root loaded */
	bool is_dead;           /* torn down: nothing may be mapped any more */
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
};

/* An empty space with one reference, or NULL. */
struct space *space_create(void);
static inline void space_get(struct space *s) { __atomic_fetch_add(&s->users, 1, __ATOMIC_RELAXED); }
/* The last put unmaps everything and frees the tables; it must not be loaded on any CPU then. */
void space_put(struct space *s);
/* Unmaps everything now (exit, exec) although references remain; faults then fail. */
void space_teardown(struct space *s);

/* fork: a copy with shared last-level tables, private pages copied on write. 0 or -ENOMEM. */
int space_fork(struct space *parent, struct space **child);

/* Loads the space on this CPU (NULL: the kernel's root); maintains `cpus`. */
void space_switch(struct space *prev, struct space *next);

/* What to map. prot/flags: Linux's PROT_* and MAP_* (from <linux/mman.h>). */
struct mmap_request {
	uaddr_t addr;
	u64 len;
	u32 prot, flags;
	struct mapping *mapping; /* NULL: anonymous. MAP_SHARED|MAP_ANONYMOUS needs one from the host */
	void *file;              /* a reference is taken through ops->file_get */
	u64 offset;              /* bytes, page aligned */
	bool file_readable, file_writable; /* how it was opened */
	u32 extra_flags;         /* REGION_* to add (STACK, ...) */
};
int space_mmap(struct space *s, const struct mmap_request *req, uaddr_t *out);

/* Maps kernel-owned frames (vDSO); name must stay valid. */
int space_map_special(struct space *s, uaddr_t addr, u64 len, u32 prot, const pfn_t *pfns, const char *name, uaddr_t *out);

int space_munmap(struct space *s, uaddr_t addr, u64 len);
int space_mprotect(struct space *s, uaddr_t addr, u64 len, u32 prot);
int space_mremap(struct space *s, uaddr_t old, u64 old_len, u64 new_len, u32 flags, uaddr_t new_addr, uaddr_t *out);
uaddr_t space_brk(struct space *s, uaddr_t brk); /* returns the break as it is now */
int space_madvise(struct space *s, uaddr_t addr, u64 len, int advice);
/* vec: one byte per page, in kernel memory. */
int space_mincore(struct space *s, uaddr_t addr, u64 nr_pages, u8 *vec);
int space_msync(struct space *s, uaddr_t addr, u64 len, int flags);
int space_mlock(struct space *s, uaddr_t addr, u64 len, bool on_fault);
int space_munlock(struct space *s, uaddr_t addr, u64 len);
int space_mlockall(struct space *s, int mcl_flags);
int space_munlockall(struct space *s);

/* Lookup, with the lock held for reading: the region that contains addr, or the first above it. */
struct region *space_find_locked(struct space *s, uaddr_t addr);
struct region *space_first_locked(struct space *s);
struct region *region_next(const struct region *r);

/* Access by address from any context that may sleep: copies through the tables, faulting pages in.
 * write with `force` (ptrace) ignores missing PROT_WRITE on private regions. Returns bytes done. */
size_t space_access(struct space *s, uaddr_t addr, void *buf, size_t len, bool write, bool force);

/* Page-level figures of one region for smaps; bytes. */
struct region_usage {
	u64 rss, pss, pss_dirty, shared_clean, shared_dirty, private_clean, private_dirty;
	u64 referenced, anonymous, swap, swap_pss, locked;
};
void region_usage_locked(struct region *r, struct region_usage *out);

/* /proc/PID/pagemap word for one page (Linux's format). Lock held for reading. */
u64 space_pagemap_locked(struct space *s, uaddr_t addr);

/* Charges nr_pages to Committed_AS under the overcommit policy: 0 or -ENOMEM. Shmem objects charge
 * their size themselves; regions are charged by the calls above. */
int space_commit_charge(u64 nr_pages);
void space_commit_release(u64 nr_pages);
u64 space_committed(void);    /* Committed_AS, pages */
u64 space_commit_limit(void); /* CommitLimit, pages */

void space_init(void); /* once, after slab_init: caches, zero page */
struct frame *space_zero_frame(void);

/* NULL or what is broken: regions, gaps, tables, counts, and the walk back of every frame. The space
 * must be quiet. */
const char *space_validate(struct space *s);

/* Makes user pages present in [addr, addr+len) as MAP_POPULATE does; errors as mlock. */
int space_populate(struct space *s, uaddr_t addr, u64 len);

#endif
