/* SPDX-License-Identifier: MIT */
/*
 * Every counter of the memory manager, declared once: Linux's name, unit and one line of help.
 * /proc/vmstat, /proc/meminfo, reports and the lab all read this table. Counts are kept per CPU and
 * summed on reading; gauges (nr_*) may be negative on one CPU, never in sum.
 */
#ifndef MM_STAT_H
#define MM_STAT_H

#include <hal/cpu.h>
#include <hal/types.h>

/* X(id, "name in /proc/vmstat", "help") */
#define MM_COUNTERS(X)                                                                                       \
	/* gauges, in pages unless the name says otherwise */                                                    \
	X(NR_ANON_PAGES, "nr_anon_pages", "anonymous pages that are mapped")                                     \
	X(NR_MAPPED, "nr_mapped", "file and shmem pages that are mapped at least once")                          \
	X(NR_FILE_PAGES, "nr_file_pages", "pages in the page cache, shmem included")                             \
	X(NR_BUFFERS, "nr_buffers", "pages in the page cache that are a block device's own: Buffers")            \
	X(NR_INACTIVE_ANON, "nr_inactive_anon", "anonymous and shmem pages not used lately")                     \
	X(NR_ACTIVE_ANON, "nr_active_anon", "anonymous and shmem pages that are used")                           \
	X(NR_INACTIVE_FILE, "nr_inactive_file", "file pages not used lately: the next to be reclaimed")          \
	X(NR_ACTIVE_FILE, "nr_active_file", "file pages used more than once")                                    \
	X(NR_UNEVICTABLE, "nr_unevictable", "pages that reclaim leaves alone: locked ones")                      \
	X(NR_ISOLATED_ANON, "nr_isolated_anon", "anonymous and shmem pages taken off the lists for a while")     \
	X(NR_ISOLATED_FILE, "nr_isolated_file", "file pages taken off the lists for a while")                    \
	X(NR_SHMEM, "nr_shmem", "pages of tmpfs, shared anonymous and SysV shared memory")                       \
	X(NR_FILE_DIRTY, "nr_dirty", "file pages waiting to be written back")                                    \
	X(NR_WRITEBACK, "nr_writeback", "file pages being written back")                                         \
	X(NR_SLAB_RECLAIMABLE, "nr_slab_reclaimable", "slab pages whose objects a shrinker can free")            \
	X(NR_SLAB_UNRECLAIMABLE, "nr_slab_unreclaimable", "slab pages that stay until their objects are freed")  \
	X(NR_KERNEL_STACK_KB, "nr_kernel_stack", "kernel stacks, in KiB")                                        \
	X(NR_PAGE_TABLE, "nr_page_table_pages", "page-table pages of user spaces; a shared one counts once")     \
	X(NR_COMPANION, "nr_companion_pages", "pages that hold the chain links of page-table pages")             \
	X(NR_MLOCK, "nr_mlock", "pages locked by mlock and MAP_LOCKED")                                          \
	X(NR_SWAPCACHE, "nr_swapcached", "pages that are in memory and in swap")                                 \
	X(NR_KERNEL_MISC, "nr_kernel_misc_pages", "other pages the kernel allocated")                            \
	/* events */                                                                                             \
	X(PGPGIN, "pgpgin", "KiB read from block devices")                                                       \
	X(PGPGOUT, "pgpgout", "KiB written to block devices")                                                    \
	X(PSWPIN, "pswpin", "pages read from swap")                                                              \
	X(PSWPOUT, "pswpout", "pages written to swap")                                                           \
	X(SWAP_RA, "swap_ra", "pages read from swap ahead of their use")                                         \
	X(SWAP_RA_HIT, "swap_ra_hit", "of those, pages that were used")                                          \
	X(PGALLOC, "pgalloc_normal", "pages allocated")                                                          \
	X(PGFREE, "pgfree", "pages freed")                                                                       \
	X(PGFAULT, "pgfault", "page faults, minor and major")                                                    \
	X(PGMAJFAULT, "pgmajfault", "page faults that waited for a disk")                                        \
	X(PGSHARE, "pgtable_share", "last-level page-table pages shared by fork")                                \
	X(PGUNSHARE, "pgtable_unshare", "last-level page-table pages copied at the first change")                \
	X(PGUNSHARE_LAST, "pgtable_unshare_last", "shared tables whose last sharer took them over")              \
	X(PGCOPY, "pgcopy", "pages copied on write")                                                             \
	X(PGREUSE, "pgreuse", "write faults that reused the page in place")                                      \
	X(PGZERO, "pgzero_fault", "anonymous pages filled with zeros at a fault")                                \
	X(TLB_FLUSH, "tlb_flush", "flushes of user translations asked of the machine")                           \
	X(TLB_SHOOTDOWN, "tlb_shootdown", "flushes that had to reach another CPU")                               \
	X(OOM_KILL, "oom_kill", "processes killed because memory ran out")                                       \
	X(NR_DIRTIED, "nr_dirtied", "pages of files on devices that became dirty")                               \
	X(NR_WRITTEN, "nr_written", "pages whose write-back was started")                                        \
	X(READAHEAD, "pgreadahead", "pages read ahead of their use")                                             \
	X(PGSCAN_KSWAPD, "pgscan_kswapd", "pages the background worker looked at to reclaim them")               \
	X(PGSCAN_DIRECT, "pgscan_direct", "pages that allocations in need looked at to reclaim them")            \
	X(PGSTEAL_KSWAPD, "pgsteal_kswapd", "pages the background worker reclaimed")                             \
	X(PGSTEAL_DIRECT, "pgsteal_direct", "pages that allocations in need reclaimed")                          \
	X(PGSCAN_ANON, "pgscan_anon", "anonymous and shmem pages looked at to reclaim them")                     \
	X(PGSCAN_FILE, "pgscan_file", "file pages looked at to reclaim them")                                    \
	X(PGSTEAL_ANON, "pgsteal_anon", "anonymous and shmem pages reclaimed")                                   \
	X(PGSTEAL_FILE, "pgsteal_file", "file pages reclaimed")                                                  \
	X(ALLOCSTALL, "allocstall_normal", "allocations that reclaimed for themselves")                          \
	X(PAGEOUTRUN, "pageoutrun", "times the background worker was called")                                    \
	X(UNEVICTABLE_CULLED, "unevictable_pgs_culled", "pages put where reclaim leaves them alone")             \
	X(UNEVICTABLE_RESCUED, "unevictable_pgs_rescued", "pages taken from there again")                        \
	X(UNEVICTABLE_MLOCKED, "unevictable_pgs_mlocked", "pages locked")                                        \
	X(UNEVICTABLE_MUNLOCKED, "unevictable_pgs_munlocked", "pages unlocked")                                  \
	X(UNEVICTABLE_CLEARED, "unevictable_pgs_cleared", "pages freed while they were locked")                  \
	X(PGACTIVATE, "pgactivate", "pages moved to the active list")                                            \
	X(PGDEACTIVATE, "pgdeactivate", "pages moved to the inactive list")                                      \
	X(PGREFILL, "pgrefill", "pages looked at only for their accessed bits")                                  \
	X(WORKINGSET_NODERECLAIM, "workingset_nodereclaim", "evicted pages forgotten for lack of room")          \
	X(WORKINGSET_REFAULT_ANON, "workingset_refault_anon", "anonymous pages that came back after eviction")   \
	X(WORKINGSET_REFAULT_FILE, "workingset_refault_file", "file pages that came back after eviction")        \
	X(WORKINGSET_ACTIVATE_ANON, "workingset_activate_anon", "those that became active at once")              \
	X(WORKINGSET_ACTIVATE_FILE, "workingset_activate_file", "those that became active at once")              \
	X(WORKINGSET_RESTORE_ANON, "workingset_restore_anon", "those that had been active before")               \
	X(WORKINGSET_RESTORE_FILE, "workingset_restore_file", "those that had been active before")               \
	X(RECLAIM_TURNS, "reclaim_turns", "times a process was given a turn in which it keeps its pages")            \
	X(RECLAIM_PAUSES, "reclaim_pauses", "times a fault paused because it was another one's turn")              \
	X(SLABS_SCANNED, "slabs_scanned", "reclaimable objects looked at")                                       \
	X(PGMIGRATE_SUCCESS, "pgmigrate_success", "pages moved to another frame")                                \
	X(PGMIGRATE_FAIL, "pgmigrate_fail", "pages that were to be moved and stayed")                            \
	X(COMPACT_MIGRATE_SCANNED, "compact_migrate_scanned", "frames that compaction looked at for pages to move") \
	X(COMPACT_FREE_SCANNED, "compact_free_scanned", "frames that compaction looked at for free ones")        \
	X(COMPACT_ISOLATED, "compact_isolated", "pages and free frames that compaction took up")                 \
	X(COMPACT_STALL, "compact_stall", "allocations that had memory compacted for them")                      \
	X(COMPACT_FAIL, "compact_fail", "those that got no block even so")                                       \
	X(COMPACT_SUCCESS, "compact_success", "those that got one")                                              \
	X(COMPACT_DAEMON_WAKE, "compact_daemon_wake", "times a worker began to compact in the background")         \
	X(COMPACT_DAEMON_MIGRATE_SCANNED, "compact_daemon_migrate_scanned", "what of compact_migrate_scanned it looked at") \
	X(COMPACT_DAEMON_FREE_SCANNED, "compact_daemon_free_scanned", "what of compact_free_scanned it looked at") \
	X(DROP_PAGECACHE, "drop_pagecache", "times the page cache was dropped on request")                       \
	X(DROP_SLAB, "drop_slab", "times reclaimable slab was dropped on request")

enum mm_counter {
#define X(id, name, help) STAT_##id,
	MM_COUNTERS(X)
#undef X
	STAT_NR
};

struct mm_stat_cpu {
	s64 count[STAT_NR];
	u32 nr_unasked; /* shown nowhere: pages dirtied here since a writer last asked whether it is too fast (flusher.c) */
} __attribute__((aligned(64)));
extern struct mm_stat_cpu mm_stat_cpus[HAL_MAX_CPUS];

/* No lock: the CPU's own line. Not from interrupt handlers. */
static inline void stat_add(enum mm_counter c, s64 n) { mm_stat_cpus[hal_cpu_id()].count[c] += n; }

/* The CPU's own share: as long as nothing sleeps, the difference of two looks is what happened in between. */
static inline u64 stat_read_here(enum mm_counter c) { return (u64)mm_stat_cpus[hal_cpu_id()].count[c]; }
u64 stat_read(enum mm_counter c); /* sum over CPUs; a negative sum (a race while reading) reads 0 */
const char *stat_name(enum mm_counter c);
const char *stat_help(enum mm_counter c);

/* Estimate of what can be had without swapping, by Linux's formula, in pages: MemAvailable.
 * Source: si_mem_available(), Linux 6.1 mm/page_alloc.c. */
u64 stat_available(void);

/* NULL, or which gauge is not what the frames themselves say, counted one by one: used, free, cache, slabs, page tables,
 * companions, stacks and the kernel's own make up all memory exactly. Nothing may run meanwhile. */
const char *stat_validate(void);

#endif
