/* SPDX-License-Identifier: MIT */
/*
 * What a page-table entry says: the codecs. The encoding is x86-64's on every machine.
 * Source: Intel SDM vol. 3A, 4.5 (4-level paging).
 *
 *   63 NX | 51..12 frame | 9 special | 8 no-access (P = 0) | 7 PS | 6 D | 5 A | 2 U | 1 W | 0 P
 *
 * An entry is empty (0), maps a frame with access (P), maps a frame without any access (P = 0, bit 8:
 * PROT_NONE keeps the frame), or names a page in swap. "Special" entries map frames that have no slots and
 * no counts (zero page, vDSO); those that name a page in swap have that bit too, since they map no frame.
 * An entry whose frame is being migrated keeps all it says but grants nothing: it maps the frame without access,
 * with bit 11, and with bit 3 if P comes back.
 * W in an entry of an upper table is off exactly when the table below is shared.
 *
 *   in swap:  57..12 swap entry (area, slot; see mm/swap.h) | 10 swap | 9 special
 */
#ifndef MM_PTE_H
#define MM_PTE_H

#include <hal/entry.h>
#include <hal/types.h>

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_NOACCESS (1ull << 8) /* only with P = 0 */
#define PTE_SPECIAL  (1ull << 9)
#define PTE_SWAP     (1ull << 10) /* only with P = 0, no access off, special */
#define PTE_LOCKED   (1ull << 52) /* of a region locked in memory: reclaim leaves the page alone */
#define PTE_MIGRATING (1ull << 11) /* only with PTE_NOACCESS */
#define PTE_HAD_ACCESS (1ull << 3) /* only with PTE_MIGRATING: P comes back */
#define PTE_NX       (1ull << 63)
#define PTE_PFN      0x000ffffffffff000ull

#define PTE_RIGHTS (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NOACCESS | PTE_LOCKED | PTE_NX)

static inline pte_t pte_none(void) { return (pte_t){ 0 }; }
static inline bool pte_is_none(pte_t e) { return e.bits == 0; }
static inline bool pte_is_present(pte_t e) { return e.bits & PTE_PRESENT; }
static inline bool pte_is_mapped(pte_t e) { return e.bits & (PTE_PRESENT | PTE_NOACCESS); }
static inline bool pte_is_writable(pte_t e) { return e.bits & PTE_WRITE; }
static inline bool pte_is_dirty(pte_t e) { return e.bits & PTE_DIRTY; }
static inline bool pte_is_accessed(pte_t e) { return e.bits & PTE_ACCESSED; }
static inline bool pte_is_special(pte_t e) { return e.bits & PTE_SPECIAL; }
/* With special set: not a frame, but a page in swap. */
static inline bool pte_is_swap(pte_t e) { return e.bits & PTE_SWAP; }
static inline u64 pte_swap_entry(pte_t e) { return (e.bits & ~PTE_NX) >> PAGE_SHIFT; }
static inline pte_t pte_make_swap(u64 entry) { return (pte_t){ entry << PAGE_SHIFT | PTE_SWAP | PTE_SPECIAL }; }
static inline bool pte_is_executable(pte_t e) { return !(e.bits & PTE_NX); }
static inline pfn_t pte_pfn(pte_t e) { return (e.bits & PTE_PFN) >> PAGE_SHIFT; }

/* rights: PTE_RIGHTS bits, possibly with A, D, SPECIAL. */
static inline pte_t pte_make(pfn_t pfn, u64 rights) { return (pte_t){ (pfn << PAGE_SHIFT) | rights }; }
/* The same frame and A/D history under other rights. */
static inline pte_t pte_with_rights(pte_t e, u64 rights) { return (pte_t){ (e.bits & ~PTE_RIGHTS) | rights }; }
static inline pte_t pte_set(pte_t e, u64 bits) { return (pte_t){ e.bits | bits }; }
static inline pte_t pte_clear(pte_t e, u64 bits) { return (pte_t){ e.bits & ~bits }; }

static inline bool pte_is_migrating(pte_t e) { return e.bits & PTE_MIGRATING; }
static inline pte_t pte_to_migrating(pte_t e)
{
	u64 had = e.bits & PTE_PRESENT ? PTE_HAD_ACCESS : 0;
	return (pte_t){ (e.bits & ~PTE_PRESENT) | PTE_NOACCESS | PTE_MIGRATING | had };
}
/* As it was, of another frame. */
static inline pte_t pte_from_migrating(pte_t e, pfn_t pfn)
{
	u64 access = e.bits & PTE_HAD_ACCESS ? PTE_PRESENT : PTE_NOACCESS;
	return pte_make(pfn, (e.bits & ~(PTE_PFN | PTE_NOACCESS | PTE_MIGRATING | PTE_HAD_ACCESS)) | access);
}

/* Entry of an upper table. */
static inline pte_t pte_make_table(pfn_t table) { return pte_make(table, PTE_PRESENT | PTE_WRITE | PTE_USER); }
static inline bool pte_table_is_shared(pte_t upper) { return !(upper.bits & PTE_WRITE); }

#endif
