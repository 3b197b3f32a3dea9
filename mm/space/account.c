/* SPDX-License-Identifier: MIT */
/*
 * What address space costs: sizes of a space (VmSize, VmData, VmLck ...), limits, and Committed_AS with
 * the overcommit policy (Linux: Documentation/mm/overcommit-accounting).
 */
#include "internal.h"
#include <mm/swap.h>

struct mm_tunables mm_tunables = {
	.overcommit_memory = 0,
	.overcommit_ratio = 50,
	.oom_dump_tasks = 1,
	.max_map_count = 65530,
	.mmap_min_addr = 65536,
	.share_tables = 1,
	.turn_ms = 1000,
	.swappiness = 60,
	.page_cluster = 3,
	.vfs_cache_pressure = 100,
};

static s64 committed_pages; /* atomic */

u64 space_committed(void)
{
	s64 n = READ_ONCE(committed_pages);
	return n > 0 ? (u64)n : 0;
}

#define KB_SHIFT (PAGE_SHIFT - 10)

/* There is no pool of huge pages that would have to be left out. */
u64 space_commit_limit(void)
{
	u64 kb = READ_ONCE(mm_tunables.overcommit_kbytes);
	return (kb ? kb >> KB_SHIFT : frame_total() * mm_tunables.overcommit_ratio / 100) + swap_nr_total();
}

void space_commit_init(void)
{
	u64 kb = frame_nr_free() << KB_SHIFT; /* as Linux: 3 % of what is free, up to 8 and 128 MiB */
	mm_tunables.admin_reserve_kbytes = min(kb / 32, 8192ul);
	mm_tunables.user_reserve_kbytes = min(kb / 32, 131072ul);
}

/* What may be promised in mode 2 on behalf of s: a reserve is kept for the administrator, and from one process,
 * by its size, so that others can recover. */
static s64 allowed(const struct space *s)
{
	s64 pages = (s64)space_commit_limit();
	if (!host_current()->has_sys_admin)
		pages -= (s64)(READ_ONCE(mm_tunables.admin_reserve_kbytes) >> KB_SHIFT);
	if (s)
		pages -= (s64)min(READ_ONCE(s->total_pages) / 32, READ_ONCE(mm_tunables.user_reserve_kbytes) >> KB_SHIFT);
	return pages;
}

int space_commit_charge(const struct space *s, u64 nr_pages)
{
	s64 sum = __atomic_add_fetch(&committed_pages, (s64)nr_pages, __ATOMIC_RELAXED);
	bool ok = true;
	if (mm_tunables.overcommit_memory == 0)
		ok = nr_pages <= frame_total() + swap_nr_total();
	else if (mm_tunables.overcommit_memory == 2)
		ok = sum < allowed(s);
	if (likely(ok))
		return 0;
	space_commit_release(nr_pages);
	return -ENOMEM;
}

void space_commit_release(u64 nr_pages)
{
	__atomic_fetch_sub(&committed_pages, (s64)nr_pages, __ATOMIC_RELAXED);
}

/* Linux's classes: data is private and writable, but no stack; code is executable and not writable. */
static bool is_data(u32 flags) { return (flags & (REGION_WRITE | REGION_SHARED | REGION_GROWSDOWN)) == REGION_WRITE; }
static bool is_code(u32 flags) { return (flags & (REGION_EXEC | REGION_WRITE | REGION_GROWSDOWN)) == REGION_EXEC; }

/* Everything but VmSize. */
static inline void account_classes(struct space *s, u32 flags, s64 nr_pages)
{
	if (is_data(flags))
		s->data_pages += nr_pages;
	else if (is_code(flags))
		s->exec_pages += nr_pages;
	else if (flags & REGION_GROWSDOWN)
		s->stack_pages += nr_pages;
	if (unlikely(flags & REGION_LOCKED))
		s->locked_pages += nr_pages;
}

void account_pages(struct space *s, u32 flags, s64 nr_pages)
{
	s->total_pages += nr_pages;
	account_classes(s, flags, nr_pages);
	if (s->total_pages > s->hiwater_vm)
		s->hiwater_vm = s->total_pages;
}

void account_reflag(struct space *s, u32 old, u32 flags, u64 nr_pages)
{
	account_classes(s, old, -(s64)nr_pages);
	account_classes(s, flags, (s64)nr_pages);
}

void account_range(struct space *s, const struct region *r, u64 len, int sign)
{
	s64 nr = (s64)(len >> PAGE_SHIFT) * sign;
	account_pages(s, r->flags, nr);
	if (sign < 0 && (r->flags & REGION_ACCOUNT))
		space_commit_release((u64)-nr);
}

void account_region(struct space *s, const struct region *r, int sign)
{
	account_range(s, r, r->end - r->start, sign);
}

int account_may_expand(struct space *s, u32 flags, u64 nr_pages)
{
	const struct rlimit_pair *l = host_rlimits();
	if (s->total_pages + nr_pages > l[RLIMIT_AS].cur >> PAGE_SHIFT)
		return -ENOMEM;
	if (is_data(flags) && s->data_pages + nr_pages > l[RLIMIT_DATA].cur >> PAGE_SHIFT)
		return -ENOMEM;
	return 0;
}

int account_may_lock(struct space *s, u64 nr_pages, int err)
{
	u64 limit = host_rlimits()[RLIMIT_MEMLOCK].cur;
	if (host_current()->has_ipc_lock || s->locked_pages + nr_pages <= limit >> PAGE_SHIFT)
		return 0;
	return limit == 0 ? -EPERM : err;
}

void space_reset_hiwater(struct space *s)
{
	WRITE_ONCE(s->hiwater_rss, 0);
	space_note_hiwater(s);
}

void space_note_hiwater(struct space *s)
{
	s64 rss = READ_ONCE(s->rss[RSS_ANON]) + READ_ONCE(s->rss[RSS_FILE]) + READ_ONCE(s->rss[RSS_SHMEM]);
	u64 high = READ_ONCE(s->hiwater_rss);
	while (rss > 0 && (u64)rss > high)
		if (__atomic_compare_exchange_n(&s->hiwater_rss, &high, (u64)rss, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
}
