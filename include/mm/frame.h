/* SPDX-License-Identifier: MIT */
/*
 * Frames: one descriptor for every physical page, and the allocator that hands frames out.
 *
 * A frame is free (in a buddy list or a per-CPU list) or has a kind that says who owns it. What a
 * descriptor's union means follows from the kind. References: the owner's one, one per slot that
 * maps a user frame, and one for each user in flight; the last put frees the frame.
 *
 * `table_lock` is never reinitialised, whatever becomes of the frame: a walker may lock a table that
 * was freed under it, and then sees by re-reading the entry above that it came late.
 */
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include <hal/lock.h>
#include <hal/mem.h>
#include <hal/types.h>
#include <lib/list.h>

struct mapping;
struct space;
struct slab_cache;

enum frame_kind {
	FRAME_RESERVED = 0, /* not RAM, firmware, kernel image: never allocated, never freed */
	FRAME_FREE,         /* head of a free buddy block, on a free list */
	FRAME_FREE_TAIL,    /* inside a free buddy block */
	FRAME_PCP,          /* free, on a per-CPU list */
	FRAME_KERNEL,       /* allocated, no further meaning */
	FRAME_STACK,        /* kernel stack */
	FRAME_SLAB,         /* first frame of a slab */
	FRAME_SLAB_TAIL,    /* further frames of a slab */
	FRAME_TABLE,        /* page-table page */
	FRAME_COMPANION,    /* chain links of a page-table page */
	FRAME_ANON,         /* anonymous user page */
	FRAME_CACHE,        /* page of a file's or shmem's mapping */
	FRAME_SPECIAL,      /* mapped without slots or references: zero page, vDSO, device */
	FRAME_NR_KINDS
};

/* frame->flags */
#define FRAME_BUSY      (1u << 0) /* content being filled or removed: see frame_busy_lock() */
#define FRAME_BUSY_WAIT (1u << 1) /* somebody waits for FRAME_BUSY */
#define FRAME_UPTODATE  (1u << 2) /* content is valid */
#define FRAME_DIRTY     (1u << 3) /* content differs from the backing store */
#define FRAME_ACCESSED  (1u << 4) /* touched since last aged (read/write calls; harvested bits) */
#define FRAME_SHMEM     (1u << 5) /* FRAME_CACHE of a shmem mapping: counts as Shmem */
#define FRAME_WRITEBACK (1u << 6) /* on its way to the disk: stays in its file's index until it is there */
#define FRAME_WRITEBACK_WAIT (1u << 7) /* somebody waits for FRAME_WRITEBACK */
#define FRAME_LRU       (1u << 9) /* (lru lock) on a replacement list */
#define FRAME_MLOCKED   (1u << 10) /* a locked region maps it: lru_lock */
#define FRAME_READAHEAD (1u << 8) /* whoever comes here first starts the next read-ahead */
#define FRAME_SWAPCACHE (1u << 11) /* (busy) its page has a swap slot too: see mm/swap.h */
#define FRAME_WAS_ACTIVE (1u << 12) /* (lru lock) was on an active list once */
#define FRAME_REFAULT   (1u << 13) /* comes back although it belongs to the working set: waiting for it is a stall */
#define FRAME_REFUSED   (1u << 14) /* (tree lock of its file) the disk refused its last write: see mm/cache/refused.c */
#define FRAME_WANTED    (1u << 15) /* read ahead for somebody whose turn it was: mm/turn.h */
#define FRAME_WANTED_ODD (1u << 14) /* of an anonymous page, with FRAME_WANTED: a turn with an odd number */
/* bits 16..31: the page's replacement list, and its policy's own (mm/policy.h) */

/* A slot: which entry (bits 22..30) of which table (its number, bits 0..21) maps something. 0 is "none":
 * table numbers start at 1. Bit 31 is used in frame->chain alone: the chain's lock. */
typedef u32 slot_t;

/* What a page block (aligned, 2^FRAME_BLOCK_ORDER frames) is meant for: allocations that stay apart, so that
 * the movable ones can be moved together. In Linux's order. */
enum frame_mobility {
	FRAME_UNMOVABLE = 0,
	FRAME_MOVABLE,     /* user pages and pages of files: migrated by compaction */
	FRAME_RECLAIMABLE, /* slabs of shrinkers: given up together */
	FRAME_NR_MOBILITIES
};

struct frame {
	union {
		struct {
			u8 kind;     /* enum frame_kind */
			u8 mobility; /* (node lock to write) its page block's enum frame_mobility; not of RESERVED ones */
		};
		u16 kind_mobility; /* both at once, kind in the lower byte */
	};
	u8 order;       /* of a free or allocated block's head */
	u8 node;
	u8 table_lock;  /* FRAME_TABLE: guards the 512 entries and the counts below */
	u8 table_level; /* TABLE: 1 = last level .. HAL_LEVELS = root */
	union {
		u16 nr_entries; /* TABLE (table_lock): entries that are not empty */
		u16 group;      /* else: the memory group that it is charged to (mm/group.h); free frames: 0 */
	};
	u32 flags;      /* atomic */
	s32 refs;       /* atomic */
	union {
		struct { /* (chain lock, which is bit 31 of `chain`; of a leaf table: table_lock) */
			slot_t slot; /* first slot that maps this frame; a table: the entry above it */
			union {
				u32 nr_slots;  /* length of the chain; a leaf table: its sharers */
				u32 slab_used; /* SLAB: objects handed out */
			};
		};
		u64 chain; /* both at once */
	};
	union {
		struct list_head list;   /* FREE: free list. SLAB: its cache's list. Else the owner's */
		struct frame *next_free; /* PCP: below it on its CPU's stack */
		struct {
			struct mapping *mapping; /* CACHE: the file */
			u64 index;               /* CACHE: page number in the file. ANON in the swap cache: its entry */
		};
		struct {                /* TABLE (table_lock) */
			u32 table_nr;       /* its number in slots */
			u32 companion_pfn;  /* 0 = none */
			union {
				u16 rss[4];  /* leaf: entries per enum rss_kind */
				u64 rss_all; /* the four at once */
			};
		};
	};
	union {
		struct space *space;  /* TABLE at the root: whose */
		struct list_head lru; /* ANON, CACHE: on a replacement list, with FRAME_LRU */
		struct {              /* SLAB */
			struct slab_cache *cache;
			void *free_objects;
		};
	};
	u64 owner; /* the owner's own; TABLE: its memory group; CACHE of a block device: its dirty sectors, one bit for 512 bytes (atomic).
	            * CACHE of shmem in the swap cache: its entry */
};
_Static_assert(sizeof(struct frame) == 64, "frame descriptor is one cache line");

#define FRAME_SHIFT 6 /* log2 of the size of a descriptor */

static inline struct frame *pfn_frame(pfn_t pfn) { return hal_frames() + pfn; }
static inline pfn_t frame_pfn(const struct frame *f) { return (pfn_t)(f - hal_frames()); }
static inline void *frame_ptr(const struct frame *f) { return hal_frame_ptr(frame_pfn(f)); }
static inline struct frame *ptr_frame(const void *p) { return pfn_frame(hal_ptr_pfn(p)); }

/* How an allocation may behave; 0 = fail rather than wait. */
#define ALLOC_WAIT    (1u << 0) /* may sleep, may reclaim */
#define ALLOC_IO      (1u << 1) /* may start I/O while waiting */
#define ALLOC_RESERVE (1u << 2) /* may go below the minimum watermark */
#define ALLOC_ZERO    (1u << 3) /* content zeroed */
#define ALLOC_MOVABLE (1u << 4) /* user page or page of a file: can be migrated */
#define ALLOC_RECLAIMABLE (1u << 5) /* kernel memory that a shrinker can free; not with ALLOC_MOVABLE */
#define ALLOC_VICTIM  (1u << 6) /* may take half of what lies below the minimum watermark: who allocates is ending */
#define ALLOC_ACCOUNT (1u << 7) /* charged to the running task's memory group (mm/group.h) */
#define ALLOC_GROUP(number) ((u32)(number) << 16) /* charged to this one, if it is not 0; not with ALLOC_ACCOUNT */
#define ALLOC_GROUP_MASK 0xffff0000u
#define ALLOC_KERNEL  (ALLOC_WAIT | ALLOC_IO)
#define ALLOC_PAGE    (ALLOC_MOVABLE | ALLOC_ACCOUNT) /* a user page, without waiting */
#define ALLOC_USER    (ALLOC_WAIT | ALLOC_IO | ALLOC_PAGE)

/* The flags for memory of the kernel's own that is needed on the way. */
static inline unsigned alloc_of_kernel(unsigned alloc) { return alloc & ~(ALLOC_ZERO | ALLOC_PAGE | ALLOC_GROUP_MASK); }
/* The group that is named in the flags, or 0. */
static inline u32 alloc_group(unsigned alloc) { return alloc >> 16; }
/* Which page blocks an allocation comes from. */
static inline enum frame_mobility alloc_mobility(unsigned alloc) { return (enum frame_mobility)(alloc >> 4 & 3); }

#define FRAME_MAX_ORDER 10 /* largest block: 2^10 pages = 4 MiB */
#define FRAME_BLOCK_ORDER 9 /* page block: 2 MiB */
#define FRAME_BLOCK_PAGES (1ul << FRAME_BLOCK_ORDER)

/* Builds descriptors from hal_ram_ranges() and frees all RAM into the buddy lists. Once, at boot. */
void frame_init(void);

/* More RAM (bytes, half open) for the allocator: the initial RAM disk once unpacked, init memory. */
void frame_add_range(paddr_t start, paddr_t end, unsigned node);

/* A block of 2^order pages (0..FRAME_MAX_ORDER) of the given kind with one reference, or NULL. With ALLOC_WAIT and
 * ALLOC_IO and up to OOM_MAX_ORDER it rather ends a process than fails (mm/oom.h).
 * Source: Knuth, TAOCP 1, 2.5 (buddy system). No locks required; not from interrupts. */
struct frame *frame_alloc(unsigned order, unsigned alloc, enum frame_kind kind);
/* The same for one page with ALLOC_PAGE, of kind FRAME_ANON; zeroed or not. NULL: only waiting helps. */
struct frame *frame_alloc_page(void);
struct frame *frame_alloc_zeroed_page(void);

/* Gives back a block that frame_alloc returned, whatever its reference count. */
void frame_free(struct frame *f, unsigned order);

/* The swap entry of a frame with FRAME_SWAPCACHE; whoever is not sure of that holds the busy bit. */
static inline u64 frame_swap_entry(const struct frame *f) { return f->kind == FRAME_ANON ? f->index : f->owner; }
static inline void frame_set_swap_entry(struct frame *f, u64 entry) { *(f->kind == FRAME_ANON ? &f->index : &f->owner) = entry; }

static inline void frame_get(struct frame *f) { __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED); }

/* Drops one reference; the last frees the (single) frame. */
void frame_put_last(struct frame *f);
static inline void frame_put(struct frame *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) == 0)
		frame_put_last(f);
}
/* A user page lost a mapping that has been flushed: drops its reference, and the page itself if only the swap
 * cache is left. */
void frame_put_user(struct frame *f);
/* The same for several. */
void frame_put_many(struct frame *const *frames, unsigned nr);

/* As frame_put of a user page, but a frame that becomes free goes to the buddy lists at once. */
void frame_put_to_buddy(struct frame *f);

/* The busy bit: a sleeping lock on a frame's content (RANK_FRAME_BUSY). */
void frame_busy_lock(struct frame *f);
static inline bool frame_busy_trylock(struct frame *f)
{
	return !(__atomic_fetch_or(&f->flags, FRAME_BUSY, __ATOMIC_ACQUIRE) & FRAME_BUSY);
}
void frame_busy_unlock(struct frame *f);

/* Waiting for the busy bit to go without a reference, which would keep the frame from being migrated: begun
 * under a lock that keeps f what it is, ended without any. It may end too early: what was to be done is tried
 * again. False: f is not busy, there is nothing to wait for. */
struct frame_queue;
struct frame_wait {
	struct frame_queue *queue;
	u64 nr_wakes;
};
bool frame_wait_begin(struct frame *f, struct frame_wait *w);
void frame_wait_end(struct frame_wait *w);

/* FRAME_WRITEBACK, set by whoever starts the write with the busy bit held, ends. */
void frame_wait_writeback(struct frame *f);
void frame_end_writeback(struct frame *f);

/* Whoever sees FRAME_UPTODATE sees the content that was written before it was set. */
static inline u32 frame_flags(const struct frame *f) { return __atomic_load_n(&f->flags, __ATOMIC_ACQUIRE); }
static inline void frame_set_flags(struct frame *f, u32 bits) { __atomic_fetch_or(&f->flags, bits, __ATOMIC_RELEASE); }
static inline void frame_clear_flags(struct frame *f, u32 bits) { __atomic_fetch_and(&f->flags, ~bits, __ATOMIC_RELAXED); }

#define FRAME_MAX_NODES 8

/* Watermarks and sizes of one node, in pages. */
struct frame_node_stat {
	u64 start_pfn, spanned, present, managed;
	u64 free;      /* in buddy lists */
	u64 free_pcp;  /* in per-CPU lists */
	u64 wmark_min, wmark_low, wmark_high;
	u64 nr_free_blocks[FRAME_MAX_ORDER + 1];
};

/* The same by what page blocks are meant for. */
struct frame_mobility_stat {
	u64 nr_free_blocks[FRAME_NR_MOBILITIES][FRAME_MAX_ORDER + 1];
	u64 nr_page_blocks[FRAME_NR_MOBILITIES];
};

/* What a CPU keeps for itself, in pages: now, at most, and how many it takes at once. */
struct frame_pcp_stat {
	u32 count, high, batch;
};

unsigned frame_nr_nodes(void);
void frame_pcp_stat(unsigned cpu, struct frame_pcp_stat *out);
void frame_node_stat(unsigned node, struct frame_node_stat *out);
void frame_mobility_stat(unsigned node, struct frame_mobility_stat *out);
u64 frame_total(void);                       /* pages managed by the allocator: MemTotal */
u64 frame_nr_free(void);                     /* free pages incl. per-CPU lists: MemFree */
u64 frame_max_pfn(void);                     /* descriptors exist for pfn < this */
u64 frame_nr_of_kind(enum frame_kind kind);  /* O(n) census, for validators and debug files */

/* Sets min watermark from /proc/sys/vm/min_free_kbytes; low and high follow as in Linux. */
void frame_set_min_free(u64 kbytes);
u64 frame_min_free(void);
/* The distance of the watermarks in 1/10000 of a node: /proc/sys/vm/watermark_scale_factor. */
void frame_set_watermark_scale(u32 factor);
u32 frame_watermark_scale(void);

/* Allocations with one of these ALLOC_* have to be charged: none, as long as there are no memory groups. */
void frame_charge_allocs(unsigned alloc);

void frame_drain_pcp(void); /* returns this CPU's lists to the buddy lists */

/* Returns NULL, or what is broken: walks all lists and descriptors. No allocation may run. */
const char *frame_validate(void);

#endif
