/* SPDX-License-Identifier: MIT */
/*
 * The kernel half of every address space, built once at boot: direct map, image with W^X, frame
 * descriptors, and an area for kernel stacks and device memory. User roots copy its 256 upper entries;
 * the level-3 tables below them are made up front, so that later mappings show in every root.
 *
 * The image's text and constants are read-only in the direct map too: no writable alias of code.
 */
#include "internal.h"
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/pte.h>

#define PTE_HUGE    (1ull << 7)
#define PTE_NOCACHE (1ull << 4)

#define KERNEL_RO (PTE_PRESENT | PTE_NX | PTE_ACCESSED | PTE_GLOBAL)
#define KERNEL_RX (PTE_PRESENT | PTE_ACCESSED | PTE_GLOBAL)
#define HUGE_SIZE (2ul << 20)

extern char text_start[], text_end[], rodata_end[], image_end[], image_start_phys[], boot_stack_guard[];

paddr_t kernel_root;

static struct hal_ram_range ranges[32];
static unsigned nr_ranges;
static paddr_t ram_top;
static u64 ram_bytes;
static bool frames_are_up;

paddr_t ram_end(void) { return ram_top; }
u64 hal_ram_total(void) { return ram_bytes; }

static void add_range(paddr_t start, paddr_t end)
{
	start = PAGE_ALIGN_UP(start);
	end = PAGE_ALIGN_DOWN(end);
	if (start < end && nr_ranges < ARRAY_SIZE(ranges))
		ranges[nr_ranges++] = (struct hal_ram_range){ start, end, 0, 0 };
}

/* Adds [start, end) without the hole [from, to). */
static void add_around(paddr_t start, paddr_t end, paddr_t from, paddr_t to)
{
	if (to <= start || from >= end) {
		add_range(start, end);
		return;
	}
	if (start < from)
		add_range(start, from);
	if (to < end)
		add_range(to, end);
}

/* RAM without the first MiB, the image and the initial RAM disk. */
static void find_ranges(void)
{
	const struct memory_piece *m;
	unsigned n = memory_map(&m);
	u64 limit = cmdline_number("mem", ~0ull);
	const struct hal_boot_info *info = hal_boot_info();
	paddr_t initrd = info->initrd ? ptr_phys(info->initrd) : 0;
	paddr_t image = PAGE_ALIGN_UP((u64)image_end - IMAGE_BASE);
	for (unsigned i = 0; i < n; i++) {
		if (m[i].type != 1)
			continue;
		ram_bytes += m[i].end - m[i].start;
		paddr_t start = max(m[i].start, 1ul << 20), end = min(m[i].end, limit);
		if (start >= end)
			continue;
		ram_top = max(ram_top, end);
		start = max(start, min(image, end)); /* the image lies at the start of the first piece above 1 MiB */
		add_around(start, end, PAGE_ALIGN_DOWN(initrd), PAGE_ALIGN_UP(initrd + info->initrd_len));
	}
	if (!nr_ranges)
		hal_panic("no usable memory");
}

unsigned hal_ram_ranges(const struct hal_ram_range **out)
{
	*out = ranges;
	return nr_ranges;
}

/* The last range with room: initial allocations end up high, large blocks stay whole below. Before the
 * kernel's own tables stand only the first 4 GiB are reachable. */
paddr_t early_alloc(u64 bytes)
{
	bytes = PAGE_ALIGN_UP(bytes);
	ASSERT(!frames_are_up);
	for (unsigned i = 0; i < nr_ranges; i++) {
		struct hal_ram_range *r = &ranges[i];
		if (r->end - r->start < bytes || (!kernel_root && r->start + bytes > 4ul << 30))
			continue;
		paddr_t p = r->start;
		r->start += bytes;
		memset(phys_ptr(p), 0, bytes);
		return p;
	}
	hal_panic("not enough memory to start: %lu KiB of RAM", (unsigned long)(ram_bytes >> 10));
}

/* 0: no memory. A lock is held: nothing may be waited for. */
static paddr_t table_page(void)
{
	if (!frames_are_up)
		return early_alloc(PAGE_SIZE);
	struct frame *f = frame_alloc(0, ALLOC_ZERO | ALLOC_RESERVE, FRAME_KERNEL);
	return f ? frame_pfn(f) << PAGE_SHIFT : 0;
}

/* The entry that maps vaddr on a level; tables that are missing are made. NULL: no memory for one. */
static u64 *entry_of(paddr_t root, u64 vaddr, unsigned level)
{
	u64 *table = phys_ptr(root);
	for (unsigned l = 4;; l--) {
		u64 *e = &table[(vaddr >> (12 + 9 * (l - 1))) & 511];
		if (l == level)
			return e;
		paddr_t below = *e ? 0 : table_page();
		if (!*e && !below)
			return NULL;
		if (below)
			*e = below | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
		table = phys_ptr(*e & PTE_PFN);
	}
}

static paddr_t root_being_built;

/* Two CPUs may need the same table at the same time. */
static struct spinlock tables_lock = SPINLOCK_INIT(RANK_SLAB);

u64 *kernel_entry(u64 vaddr, bool make)
{
	if (!make)
		return entry_of(root_being_built, vaddr, 1);
	spin_lock(&tables_lock);
	u64 *e = entry_of(root_being_built, vaddr, 1);
	spin_unlock(&tables_lock);
	return e;
}

void kernel_map(u64 vaddr, paddr_t paddr, u64 len, u64 flags)
{
	for (u64 off = 0; off < len; off += PAGE_SIZE) {
		u64 *e = kernel_entry(vaddr + off, true);
		if (!e)
			hal_panic("no memory for a kernel page table");
		*e = (paddr + off) | flags;
	}
}

static u64 image_rights(u64 vaddr)
{
	return vaddr < (u64)text_start ? KERNEL_RW : vaddr < (u64)text_end ? KERNEL_RX : vaddr < (u64)rodata_end ? KERNEL_RO : KERNEL_RW;
}

static void map_direct(paddr_t start, paddr_t end)
{
	paddr_t image = (u64)image_start_phys, image_top = PAGE_ALIGN_UP((u64)image_end - IMAGE_BASE);
	for (paddr_t p = start & ~(HUGE_SIZE - 1); p < end; p += HUGE_SIZE) {
		if (p + HUGE_SIZE > image && p < image_top) {
			for (paddr_t q = p; q < p + HUGE_SIZE; q += PAGE_SIZE) {
				u64 rights = q >= image && q < image_top ? image_rights(q + IMAGE_BASE) : KERNEL_RW;
				*entry_of(root_being_built, DIRECT_MAP_BASE + q, 1) = q | rights | PTE_NX;
			}
		} else {
			*entry_of(root_being_built, DIRECT_MAP_BASE + p, 2) = p | KERNEL_RW | PTE_HUGE;
		}
	}
}

void paging_init(void)
{
	const struct memory_piece *m;
	unsigned n = memory_map(&m);
	find_ranges();
	root_being_built = early_alloc(PAGE_SIZE);
	for (unsigned i = 0; i < n; i++) {
		/* RAM and firmware tables; large reserved areas are devices. */
		if (m[i].type != 2 || (m[i].end <= ram_top + (16ul << 20) && m[i].start >= 1ul << 20))
			map_direct(m[i].start, m[i].end);
	}
	map_direct(0, 1ul << 20); /* trampoline, BIOS areas */
	for (u64 v = (u64)text_start; v < (u64)image_end; v += PAGE_SIZE)
		if (v != (u64)boot_stack_guard)
			kernel_map(v, v - IMAGE_BASE, PAGE_SIZE, image_rights(v));
	/* One level-3 table for every upper entry that may ever be used. */
	static const u64 areas[] = { DIRECT_MAP_BASE, VMAP_BASE, FRAMES_BASE };
	for (unsigned i = 0; i < ARRAY_SIZE(areas); i++)
		entry_of(root_being_built, areas[i], 3);
	kernel_root = root_being_built;
	write_cr4(read_cr4() | CR4_PGE);
	write_cr3(kernel_root);
}

/* The boot tables map the first MiBs executable one to one; other CPUs need that until all are up. */
void paging_share_low(bool on)
{
	u64 *root = phys_ptr(kernel_root);
	extern u64 boot_pml4[];
	root[0] = on ? *(u64 *)phys_ptr((u64)boot_pml4) : 0;
	write_cr3(kernel_root);
}

/* Backs the descriptors (bytes of the array) of the frames in [start, end). */
static void back_frames(paddr_t start, paddr_t end, size_t entry_bytes)
{
	u64 to = ((end + PAGE_SIZE - 1) >> PAGE_SHIFT) * entry_bytes;
	for (u64 off = PAGE_ALIGN_DOWN((start >> PAGE_SHIFT) * entry_bytes); off < to; off += PAGE_SIZE) {
		u64 *e = entry_of(root_being_built, FRAMES_BASE + off, 1);
		if (!*e)
			*e = early_alloc(PAGE_SIZE) | KERNEL_RW;
	}
}

/* Descriptors of addresses without RAM can be read, as reserved frames: one page of zeros for all. */
static void back_holes(u64 array_bytes)
{
	u64 zeros = early_alloc(PAGE_SIZE) | KERNEL_RO;
	paddr_t all_zeros = early_alloc(PAGE_SIZE);
	for (unsigned i = 0; i < 512; i++)
		((u64 *)phys_ptr(all_zeros))[i] = zeros;
	for (u64 off = 0; off < array_bytes; off += HUGE_SIZE) {
		u64 *upper = entry_of(root_being_built, FRAMES_BASE + off, 2);
		if (!*upper) {
			*upper = all_zeros | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
			continue;
		}
		u64 *table = phys_ptr(*upper & PTE_PFN);
		for (unsigned i = 0; i < 512; i++)
			if (!table[i])
				table[i] = zeros;
	}
}

void *hal_frame_array(u64 nr_pfns, size_t entry_bytes)
{
	const struct hal_boot_info *info = hal_boot_info();
	for (unsigned i = 0; i < nr_ranges; i++)
		back_frames(ranges[i].start, ranges[i].end, entry_bytes);
	if (info->initrd) /* these frames join later */
		back_frames(ptr_phys(info->initrd), ptr_phys(info->initrd) + info->initrd_len, entry_bytes);
	back_holes(nr_pfns * entry_bytes);
	frames_are_up = true;
	return (void *)FRAMES_BASE;
}

void hal_boot_release_initrd(size_t n)
{
	static paddr_t released; /* up to here */
	const struct hal_boot_info *info = hal_boot_info();
	if (!info->initrd)
		return;
	paddr_t start = max(released, ptr_phys(info->initrd)), end = PAGE_ALIGN_DOWN(ptr_phys(info->initrd) + n);
	frame_add_range(start, end, 0);
	released = end;
}

void hal_root_init(pfn_t root)
{
	u64 *to = hal_frame_ptr(root), *from = phys_ptr(kernel_root);
	memcpy(to + 256, from + 256, 2048);
}

void hal_root_switch_kernel(void)
{
	struct hal_percpu *c = &cpu_blocks[hal_cpu_id()];
	c->root = kernel_root;
	write_cr3(kernel_root);
}

void hal_root_switch(pfn_t root)
{
	struct hal_percpu *c = &cpu_blocks[hal_cpu_id()];
	c->root = root << PAGE_SHIFT;
	write_cr3(root << PAGE_SHIFT);
}

/* ---- the area of stacks and device memory ---- */

static u64 vmap_next = VMAP_BASE;
static struct spinlock vmap_lock = SPINLOCK_INIT(RANK_DEVICE);

u64 vmap_reserve(u64 len)
{
	unsigned long flags = spin_lock_irq(&vmap_lock);
	u64 at = vmap_next;
	vmap_next += len;
	spin_unlock_irq(&vmap_lock, flags);
	return at;
}

void *hal_mmio_map(paddr_t base, size_t len)
{
	paddr_t start = PAGE_ALIGN_DOWN(base);
	u64 size = PAGE_ALIGN_UP(base + len) - start, at = vmap_reserve(size + PAGE_SIZE);
	kernel_map(at, start, size, KERNEL_RW | PTE_NOCACHE);
	return (void *)(at + (base - start));
}
