/* SPDX-License-Identifier: MIT */
/* Committed_AS: memory promised, and the overcommit policy (account.c). All figures in pages. */
#ifndef MM_COMMIT_H
#define MM_COMMIT_H

#include <hal/types.h>

struct space;

/* Charges nr_pages to Committed_AS under the overcommit policy, for a process in s (NULL: of no process): 0 or
 * -ENOMEM. Shmem objects charge their size themselves; regions are charged by the calls of mm/mman.h. */
int space_commit_charge(const struct space *s, u64 nr_pages);
void space_commit_release(u64 nr_pages);
void space_commit_init(void); /* the reserves of mode 2, by what is free: once, at the end of boot */
u64 space_committed(void);    /* Committed_AS, pages */
u64 space_commit_limit(void); /* CommitLimit, pages */

#endif
