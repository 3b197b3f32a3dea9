/* SPDX-License-Identifier: MIT */
/*
 * Flushes put off, so that many pages taken from few spaces cost one flush for each.
 *
 * A flush is owed from the moment an entry is changed: it maps nothing, or names a page in swap, while another CPU
 * may go on using its old translation.
 *
 * F1  The frame that was mapped is busy, and referenced, until the flush is done. So it is neither freed nor written
 *     out nor migrated and does not leave its file; and a fault at the address waits for it before anything else is
 *     mapped there, a private copy included.
 * F2  A batch is counted in tlb_nr_owing from before its first change until its flushes are done. A space that is owed
 *     one has its mark, set under the lock of the table with the entry and never taken away. So who finds an entry
 *     under that lock and no flush owed afterwards (tlb_flush_is_owed) knows that nobody uses an older translation;
 *     who looks without the lock goes by the count alone, or takes the lock once (look.c).
 * F3  Whoever unmaps or takes rights away, and returns without a flush for the addresses, has found none owed:
 *     gather_end, protect.c, look.c. fork and moving (mremap) always flush.
 *
 * Truncation and whoever else takes pages from a file need not ask: they wait for each page's busy bit.
 * Source of the idea: Linux's flush_tlb_batched_pending (mm/rmap.c), which has two counters in each space instead.
 */
#include <mm/pagetable.h>

u32 tlb_nr_owing;

static void flush_all(struct tlb_batch *b)
{
	for (unsigned i = 0; i < b->nr; i++)
		hal_tlb_flush(b->of[i].cpus, b->of[i].root, b->of[i].start, b->of[i].end, false);
	b->nr = 0;
}

void tlb_batch_count(struct tlb_batch *b)
{
	b->is_counted = true;
	__atomic_fetch_add(&tlb_nr_owing, 1, __ATOMIC_SEQ_CST);
}

void tlb_batch_flush(struct tlb_batch *b)
{
	flush_all(b);
	if (b->is_counted)
		__atomic_fetch_sub(&tlb_nr_owing, 1, __ATOMIC_RELEASE);
	b->is_counted = false;
}

/* The first of the batch that s is owed. */
static __attribute__((noinline)) void add_space(struct tlb_batch *b, struct space *s, uaddr_t addr, cpumask_t cpus)
{
	if (b->nr == TLB_BATCH_SPACES)
		flush_all(b);
	b->of[b->nr].root = s->root_pfn;
	b->of[b->nr].cpus = cpus;
	b->of[b->nr].start = addr;
	b->of[b->nr].end = addr + PAGE_SIZE;
	b->nr++;
}

void tlb_batch_add(struct tlb_batch *b, struct space *s, uaddr_t addr)
{
	cpumask_t cpus = READ_ONCE(s->cpus); /* who loads the space later sees the entry as it is now */
	unsigned i = 0;
	if (!cpus)
		return;
	if (unlikely(!READ_ONCE(s->has_owed_flush))) /* a root that the batch knows may have been that of a space that ended */
		WRITE_ONCE(s->has_owed_flush, true);
	while (i < b->nr && b->of[i].root != s->root_pfn)
		i++;
	if (i == b->nr) {
		add_space(b, s, addr, cpus);
		return;
	}
	b->of[i].cpus |= cpus;
	b->of[i].start = min(b->of[i].start, addr);
	b->of[i].end = max(b->of[i].end, addr + PAGE_SIZE);
}
