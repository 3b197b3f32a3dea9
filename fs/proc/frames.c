/* SPDX-License-Identifier: MIT */
/*
 * Every frame of RAM for programs: how often it is mapped (kpagecount) and what it is (kpageflags), one 64-bit word
 * each, by frame number. With PID/pagemap they tell who shares what. Each word is true for a moment only.
 * Source: Linux, Documentation/admin-guide/mm/pagemap.rst.
 */
#include "proc.h"
#include <kernel/sched.h>
#include <linux/kernel-page-flags.h>
#include <mm/frame.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/space.h>

#define BIT(n) (1ull << (n))
#define KPF_MLOCKED 33 /* of the bits that Linux calls internal */
#define CHUNK 64u

static u64 word_of_count(struct frame *f)
{
	if (!lru_get(f)) /* locked pages, and those that are being looked at for reclaim, are on no list */
		return f->kind == FRAME_ANON || f->kind == FRAME_CACHE ? READ_ONCE(f->nr_slots) : 0;
	u64 n = frame_mapcount(f);
	frame_put(f);
	return n;
}

static u64 flags_of_page(const struct frame *f)
{
	static const struct {
		u32 flag;
		u64 bits;
	} same[] = {
		{ FRAME_BUSY, BIT(KPF_LOCKED) },           { FRAME_ACCESSED, BIT(KPF_REFERENCED) }, { FRAME_UPTODATE, BIT(KPF_UPTODATE) },
		{ FRAME_DIRTY, BIT(KPF_DIRTY) },           { FRAME_WRITEBACK, BIT(KPF_WRITEBACK) }, { FRAME_SWAPCACHE, BIT(KPF_SWAPCACHE) },
		{ FRAME_SHMEM, BIT(KPF_SWAPBACKED) },      { FRAME_LRU, BIT(KPF_LRU) },
		{ FRAME_MLOCKED, BIT(KPF_MLOCKED) | BIT(KPF_UNEVICTABLE) | BIT(KPF_LRU) },
	};
	u32 flags = frame_flags(f);
	u64 word = READ_ONCE(f->nr_slots) ? BIT(KPF_MMAP) : 0;
	if (f->kind == FRAME_ANON)
		word |= BIT(KPF_ANON) | BIT(KPF_SWAPBACKED);
	for (unsigned n = 0; n < ARRAY_SIZE(same); n++)
		if (flags & same[n].flag)
			word |= same[n].bits;
	return word;
}

static u64 word_of_flags(struct frame *f)
{
	switch (f->kind) {
	case FRAME_RESERVED:
		return BIT(KPF_NOPAGE);
	case FRAME_FREE:
	case FRAME_FREE_TAIL:
		return BIT(KPF_BUDDY);
	case FRAME_SLAB:
	case FRAME_SLAB_TAIL:
		return BIT(KPF_SLAB);
	case FRAME_TABLE:
		return BIT(KPF_PGTABLE);
	case FRAME_SPECIAL:
		return f == space_zero_frame() ? BIT(KPF_ZERO_PAGE) : 0;
	case FRAME_ANON:
	case FRAME_CACHE:
		break;
	default:
		return 0;
	}
	bool is_held = lru_get(f);
	u64 word = flags_of_page(f) | (is_held && lru_is_active(f) ? BIT(KPF_ACTIVE) : 0);
	if (is_held)
		frame_put(f);
	return word;
}

static long read_words(struct iov *iov, u64 *pos, u64 (*word)(struct frame *f))
{
	long done = 0;
	if (*pos % 8 || iov->left % 8)
		return -EINVAL;
	while (iov->left && *pos / 8 < frame_max_pfn()) {
		u64 words[CHUNK];
		size_t nr = min(min(iov->left / 8, (u64)CHUNK), frame_max_pfn() - *pos / 8);
		for (size_t n = 0; n < nr; n++)
			words[n] = word(pfn_frame(*pos / 8 + n));
		size_t moved = iov_copy_to(iov, words, nr * 8);
		done += (long)moved;
		*pos += moved;
		if (moved < nr * 8)
			return done ? done : -EFAULT;
		cond_resched();
	}
	return done;
}

static long count_read(struct file *f, struct iov *iov, u64 *pos) { return read_words(iov, pos, word_of_count); }
static long flags_read(struct file *f, struct iov *iov, u64 *pos) { return read_words(iov, pos, word_of_flags); }

const struct file_ops proc_kpagecount_fops = { .read = count_read, .seek = proc_any_seek, .name = "kpagecount" };
const struct file_ops proc_kpageflags_fops = { .read = flags_read, .seek = proc_any_seek, .name = "kpageflags" };
