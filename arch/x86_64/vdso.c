/* SPDX-License-Identifier: MIT */
/*
 * The vDSO's kernel side: its frames, the data page, and the mapping into a program.
 *
 *   addr        addr + 4096
 *   | [vvar] r-- | [vdso] r-x ... |
 */
#include "internal.h"
#include "vvar.h"
#include <asm/errno.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vdso.h>
#include <hal/time.h>
#include <lib/string.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <machine/clock.h>
#include <mm/mman.h>
#include <mm/space.h>

#define COARSE_NS 4000000 /* kernel/time/clock.c shows the same */
#define MAX_PAGES 4
#define RANDOM_SPAN (1ul << 21) /* as far above the stack as one page table reaches */

extern const char vdso_image[], vdso_image_end[];

static pfn_t pfns[1 + MAX_PAGES]; /* the data page, then the image */
static unsigned nr_image_pages;
static struct vvar *vvar;

static void write_vvar(s64 realtime_offset)
{
	static struct spinlock lock = { .rank = RANK_DEVICE };
	const struct hal_clock_params *p = hal_clock_params();
	spin_lock(&lock);
	__atomic_store_n(&vvar->seq, vvar->seq + 1, __ATOMIC_SEQ_CST);
	vvar->tsc_base = p->base;
	vvar->mult = p->mult;
	vvar->coarse_ns = COARSE_NS;
	vvar->realtime_offset = realtime_offset;
	__atomic_store_n(&vvar->seq, vvar->seq + 1, __ATOMIC_SEQ_CST);
	spin_unlock(&lock);
}

void vdso_init(void)
{
	size_t len = (size_t)(vdso_image_end - vdso_image);
	unsigned nr = (unsigned)(PAGE_ALIGN_UP(len) >> PAGE_SHIFT);
	ASSERT(nr <= MAX_PAGES);
	for (unsigned i = 0; i <= nr; i++) {
		struct frame *f = frame_alloc(0, ALLOC_KERNEL | ALLOC_ZERO, FRAME_SPECIAL);
		if (!f)
			return; /* programs make system calls instead */
		pfns[i] = frame_pfn(f);
		if (i)
			memcpy(hal_frame_ptr(pfns[i]), vdso_image + (i - 1) * PAGE_SIZE, min(PAGE_SIZE, len - (i - 1) * PAGE_SIZE));
	}
	vvar = hal_frame_ptr(pfns[0]);
	write_vvar(clock_realtime_offset_ns());
	clock_offset_changed = write_vvar;
	nr_image_pages = nr;
}

static uaddr_t choose(uaddr_t hint, u64 len)
{
	if (!hint)
		return 0;
	uaddr_t end = min((hint + RANDOM_SPAN) & ~(RANDOM_SPAN - 1), HAL_USER_END);
	if (end < hint + len)
		return 0;
	u64 room = (end - len - hint) >> PAGE_SHIFT;
	if (!room || (current->personality & ADDR_NO_RANDOMIZE))
		return hint;
	return hint + (hal_random() % (room + 1) << PAGE_SHIFT);
}

int vdso_map(struct space *s, uaddr_t hint, uaddr_t *out)
{
	u64 image_len = (u64)nr_image_pages << PAGE_SHIFT;
	uaddr_t at, image;
	if (!nr_image_pages)
		return -ENOMEM;
	/* Room for both at once, then the part behind the data page becomes the image. */
	int err = space_map_special(s, choose(hint, PAGE_SIZE + image_len), PAGE_SIZE + image_len, PROT_READ, pfns, "[vvar]", &at);
	if (err)
		return err;
	space_munmap(s, at + PAGE_SIZE, image_len);
	err = space_map_special(s, at + PAGE_SIZE, image_len, PROT_READ | PROT_EXEC, pfns + 1, "[vdso]", &image);
	if (err || image != at + PAGE_SIZE) {
		if (!err)
			space_munmap(s, image, image_len);
		space_munmap(s, at, PAGE_SIZE);
		return -ENOMEM;
	}
	s->vdso = *out = image;
	return 0;
}
