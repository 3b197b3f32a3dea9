/* SPDX-License-Identifier: MIT */
/*
 * The calls that change an address space. Addresses and lengths are in bytes. All take the space's lock
 * themselves. Results are 0 or -errno exactly as Linux 6.1 documents for the system call of the same name.
 */
#ifndef MM_MMAN_H
#define MM_MMAN_H

#include <mm/space.h>

struct mapping;

/* What to map. prot/flags: Linux's PROT_* and MAP_* (from <linux/mman.h>). */
struct mmap_request {
	uaddr_t addr;
	u64 len;
	u32 prot, flags;
	struct mapping *mapping; /* NULL: anonymous. MAP_SHARED|MAP_ANONYMOUS needs one from the host */
	void *file;              /* a reference is taken through ops->file_get */
	u64 offset;              /* bytes, page aligned */
	bool file_readable, file_writable; /* how it was opened */
	u32 extra_flags;         /* REGION_* to add (STACK, ...) */
};
int space_mmap(struct space *s, const struct mmap_request *req, uaddr_t *out);

/* Maps kernel-owned frames (vDSO); name must stay valid. */
int space_map_special(struct space *s, uaddr_t addr, u64 len, u32 prot, const pfn_t *pfns, const char *name, uaddr_t *out);

int space_munmap(struct space *s, uaddr_t addr, u64 len);
int space_mprotect(struct space *s, uaddr_t addr, u64 len, u32 prot);
int space_mremap(struct space *s, uaddr_t old, u64 old_len, u64 new_len, u32 flags, uaddr_t new_addr, uaddr_t *out);
uaddr_t space_brk(struct space *s, uaddr_t brk); /* returns the break as it is now */
int space_madvise(struct space *s, uaddr_t addr, u64 len, int advice);
/* vec: one byte per page, in kernel memory. */
int space_mincore(struct space *s, uaddr_t addr, u64 nr_pages, u8 *vec);
int space_msync(struct space *s, uaddr_t addr, u64 len, int flags);
int space_mlock(struct space *s, uaddr_t addr, u64 len, bool on_fault);
int space_munlock(struct space *s, uaddr_t addr, u64 len);
int space_mlockall(struct space *s, int mcl_flags);
int space_munlockall(struct space *s);
/* Makes user pages present in [addr, addr+len) as MAP_POPULATE does; errors as mlock. */
int space_populate(struct space *s, uaddr_t addr, u64 len);

/* The logarithm in MAP_HUGETLB's upper flags, the same in shmget's: the default, 2 MiB or 1 GiB. */
static inline bool hugetlb_size_is_known(u32 flags)
{
	u32 shift = flags >> 26 & 0x3f;
	return !shift || shift == 21 || shift == 30;
}

#endif
