/* SPDX-License-Identifier: MIT */
/* Parts of fault handling, each for one kind of region. */
#ifndef MM_FAULT_INTERNAL_H
#define MM_FAULT_INTERNAL_H

#include <mm/fault.h>
#include <mm/pagetable.h>
#include <mm/region.h>

#define VERDICT_MAPPED ((struct fault_verdict){ .kind = FAULT_MAPPED })
#define VERDICT_OOM    ((struct fault_verdict){ .kind = FAULT_OOM })
#define VERDICT_SIGNAL(s, c) ((struct fault_verdict){ .kind = FAULT_SIGNAL, .sig = (s), .code = (c) })

/* An absent entry of an anonymous region (anon.c). The leaf is exclusive and locked; unlocks it. */
struct fault_verdict fault_anon(struct space *s, struct region *r, uaddr_t addr, unsigned access, struct leaf *l);
/* An absent entry of a file or shmem region (file.c). The leaf is not locked. */
struct fault_verdict fault_file(struct space *s, struct region *r, uaddr_t addr, unsigned access);
/* A write to a present entry without W (copy.c). The leaf is exclusive and locked; unlocks it. */
struct fault_verdict fault_write_present(struct space *s, struct region *r, uaddr_t addr, struct leaf *l, pte_t e);

/* A frame for a private page, on the user's account; NULL: no memory. */
static inline struct frame *fault_alloc(unsigned extra) { return frame_alloc(0, ALLOC_USER | extra, FRAME_ANON); }

#endif
