/* SPDX-License-Identifier: MIT */
/*
 * Flushes put off, so that many pages taken from few spaces cost one flush for each. Who changes rights, unmaps or
 * forks meanwhile must not rely on an entry that maps nothing any more: its old translation may still be in use
 * (see protect.c).
 */
#include <mm/pagetable.h>

void tlb_batch_flush(struct tlb_batch *b)
{
	for (unsigned i = 0; i < b->nr; i++)
		hal_tlb_flush(b->of[i].cpus, b->of[i].root, b->of[i].start, b->of[i].end, false);
	b->nr = 0;
}

void tlb_batch_add(struct tlb_batch *b, struct space *s, uaddr_t addr)
{
	cpumask_t cpus = READ_ONCE(s->cpus); /* who loads the space later sees the entry as it is now */
	unsigned i = 0;
	if (!cpus)
		return;
	while (i < b->nr && b->of[i].root != s->root_pfn)
		i++;
	if (i == TLB_BATCH_SPACES) {
		tlb_batch_flush(b);
		i = 0;
	}
	if (i == b->nr) {
		b->of[i].root = s->root_pfn;
		b->of[i].cpus = 0;
		b->of[i].start = addr;
		b->of[i].end = addr + PAGE_SIZE;
		b->nr++;
	}
	b->of[i].cpus |= cpus;
	b->of[i].start = min(b->of[i].start, addr);
	b->of[i].end = max(b->of[i].end, addr + PAGE_SIZE);
}
