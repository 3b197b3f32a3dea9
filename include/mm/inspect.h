/* SPDX-License-Identifier: MIT */
/* Looking into an address space from outside: another task's memory, smaps, pagemap. */
#ifndef MM_INSPECT_H
#define MM_INSPECT_H

#include <mm/space.h>

struct region;

/* Access by address from any context that may sleep: copies through the tables, faulting pages in.
 * write with `force` (ptrace) ignores missing PROT_WRITE on private regions. Returns bytes done. */
size_t space_access(struct space *s, uaddr_t addr, void *buf, size_t len, bool write, bool force);

/* Page-level figures of one region for smaps; bytes. */
struct region_usage {
	u64 rss, pss, pss_dirty, shared_clean, shared_dirty, private_clean, private_dirty;
	u64 referenced, anonymous, swap, swap_pss, locked;
};
void region_usage_locked(struct region *r, struct region_usage *out);

/* Where its pages are and how they are used, for numa_maps: pages of each kind. */
#define REGION_NODES 8
struct region_places {
	u64 pages, anon, dirty, active, writeback, swapcache, mapcount_max;
	u64 of_node[REGION_NODES];
};
void region_places_locked(struct region *r, struct region_places *out);

/* Forgets which pages of private anonymous regions, of those that map something, or of both were used: accessed bits,
 * for all that share a page or table. Takes the space's lock. Source: proc(5), clear_refs. */
void space_clear_refs(struct space *s, bool anonymous, bool files);
/* VmHWM begins anew at what is resident now. */
void space_reset_hiwater(struct space *s);

/* /proc/PID/pagemap word for one page (Linux's format). Lock held for reading. */
u64 space_pagemap_locked(struct space *s, uaddr_t addr);

#endif
