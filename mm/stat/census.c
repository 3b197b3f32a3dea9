/* SPDX-License-Identifier: MIT */
/*
 * Every frame is somebody's: counted one by one by their kinds, they are what the gauges say, and together all the
 * memory there is.
 */
#include <mm/frame.h>
#include <mm/stat.h>

struct census {
	u64 of[FRAME_NR_KINDS];
	u64 anon_mapped, anon_astray; /* mapped; neither mapped nor in the swap cache */
	u64 cache_mapped, shmem, swapcache;
};

static void count(struct census *c, const struct frame *f)
{
	u32 flags = frame_flags(f);
	c->of[f->kind]++;
	if (f->kind == FRAME_ANON) {
		c->anon_mapped += f->nr_slots != 0;
		c->anon_astray += !f->nr_slots && !(flags & FRAME_SWAPCACHE);
	} else if (f->kind == FRAME_CACHE) {
		c->cache_mapped += f->nr_slots != 0;
		c->shmem += (flags & FRAME_SHMEM) != 0;
	} else {
		return;
	}
	c->swapcache += (flags & FRAME_SWAPCACHE) != 0;
}

const char *stat_validate(void)
{
	struct census c = { 0 };
	u64 total = 0;
	for (pfn_t p = 0; p < frame_max_pfn(); p++)
		count(&c, pfn_frame(p));
	const u64 *n = c.of;
	for (unsigned k = FRAME_RESERVED + 1; k < FRAME_NR_KINDS; k++)
		total += n[k];
	const struct {
		u64 counted, gauge;
		const char *broken;
	} checks[] = {
		{ total, frame_total(), "frames: they are not all the memory there is" },
		{ n[FRAME_FREE] + n[FRAME_FREE_TAIL] + n[FRAME_PCP], frame_nr_free(), "frames: MemFree is wrong" },
		{ n[FRAME_SLAB] + n[FRAME_SLAB_TAIL], stat_read(STAT_NR_SLAB_RECLAIMABLE) + stat_read(STAT_NR_SLAB_UNRECLAIMABLE), "frames: Slab is wrong" },
		{ n[FRAME_TABLE], stat_read(STAT_NR_PAGE_TABLE), "frames: PageTables is wrong" },
		{ n[FRAME_COMPANION], stat_read(STAT_NR_COMPANION), "frames: companions are counted wrong" },
		{ n[FRAME_STACK] + n[FRAME_KERNEL] + n[FRAME_SPECIAL], stat_read(STAT_NR_KERNEL_STACK_KB) / (PAGE_SIZE >> 10) + stat_read(STAT_NR_KERNEL_MISC),
		  "frames: the kernel's own are counted wrong" },
		{ n[FRAME_CACHE], stat_read(STAT_NR_FILE_PAGES), "frames: Buffers and Cached are wrong" },
		{ c.shmem, stat_read(STAT_NR_SHMEM), "frames: Shmem is wrong" },
		{ c.cache_mapped, stat_read(STAT_NR_MAPPED), "frames: Mapped is wrong" },
		{ c.anon_mapped, stat_read(STAT_NR_ANON_PAGES), "frames: AnonPages is wrong" },
		{ c.swapcache, stat_read(STAT_NR_SWAPCACHE), "frames: SwapCached is wrong" },
		{ c.anon_astray, 0, "frames: an anonymous page is nobody's" },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].counted != checks[i].gauge)
			return checks[i].broken;
	return NULL;
}
