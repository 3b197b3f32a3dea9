/* SPDX-License-Identifier: MIT */
/* Parts of fault handling, each for one kind of region. */
#ifndef MM_FAULT_INTERNAL_H
#define MM_FAULT_INTERNAL_H

#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <mm/fault.h>
#include <mm/leaf.h>
#include <mm/mapping.h>
#include <mm/pagetable.h>
#include <mm/reclaim.h>
#include <mm/region.h>
#include <mm/stat.h>
#include <mm/writeback.h>

#define VERDICT_MAPPED ((struct fault_verdict){ .kind = FAULT_MAPPED })
#define VERDICT_RETRY ((struct fault_verdict){ .kind = FAULT_RETRY })
#define VERDICT_OOM    ((struct fault_verdict){ .kind = FAULT_OOM })
#define VERDICT_SIGNAL(s, c) ((struct fault_verdict){ .kind = FAULT_SIGNAL, .sig = (s), .code = (c) })

/* A read of a file's page also maps what the cache holds of the aligned window around it; within one table. */
#define FAULT_AROUND_BYTES min(16 * PAGE_SIZE, LEAF_SPAN)

/* What -errno of a file system means to the access. */
static inline struct fault_verdict verdict_of_error(int err)
{
	if (err == -EAGAIN)
		return VERDICT_MAPPED; /* truncated meanwhile: repeated, and then beyond the end */
	return err == -ENOMEM ? VERDICT_OOM : VERDICT_SIGNAL(SIGBUS, BUS_ADRERR);
}

/* A file's page may be written from now on. Under the leaf table's lock, so that write-back either finds
 * the entry's W or comes before the first write. */
static inline void mark_written(struct mapping *m, struct frame *f)
{
	if (m->store)
		mapping_dirty_page(m, f);
	else if (!(frame_flags(f) & FRAME_DIRTY))
		frame_set_flags(f, FRAME_DIRTY);
}

/* Maps a new, zeroed frame for a write. The leaf is exclusive and locked; unlocks it. */
static inline __attribute__((always_inline)) struct fault_verdict fault_map_new(struct space *s, struct region *r, struct leaf *l, struct frame *f)
{
	f->flags = FRAME_UPTODATE;
	leaf_map_first(s, l, f, rights_of(r->flags, r->flags & REGION_WRITE) | PTE_ACCESSED | PTE_DIRTY, RSS_ANON);
	lru_add_new(f);
	leaf_unlock(l);
	stat_add(STAT_PGZERO, 1);
	return VERDICT_MAPPED;
}

/* An absent entry of an anonymous region that is read, or written to while no frame is free (anon.c). The leaf is exclusive and locked; unlocks it. */
struct fault_verdict fault_anon(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l);
/* An absent entry of a file or shmem region (file.c). The leaf is not locked. */
struct fault_verdict fault_file(struct space *s, struct region *r, uaddr_t addr, unsigned access);
/* An entry that names a page in swap (swap.c). The leaf is locked, shared or not; unlocks it. */
struct fault_verdict fault_swap(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l);
/* The frame is being migrated: waits for that, after which the access is repeated. The leaf is locked; unlocks it. */
struct fault_verdict fault_wait(struct leaf *l, struct frame *f);
/* A write to a present entry without W (copy.c). The leaf is exclusive and locked; unlocks it. */
struct fault_verdict fault_write_present(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e);

/* A frame for a private page, on the user's account; NULL: no memory. */
static inline struct frame *fault_alloc(unsigned extra) { return frame_alloc(0, ALLOC_USER | extra, FRAME_ANON); }

/* ---- traced.c: a fault that is recorded. The space's lock is held. ---- */

struct fault_trace {
	pte_t before;     /* as it was found */
	const pte_t *entry; /* where; NULL: the fault did not get so far, or it is a special page */
	struct region *r; /* NULL: none */
	u64 began_ns;
};
void fault_record(const struct fault_trace *t, struct space *s, uaddr_t addr, unsigned access, struct fault_verdict v);

#endif
