/* SPDX-License-Identifier: MIT */
/* Changing credentials, and what belongs to them. */
#ifndef KERNEL_CRED_H
#define KERNEL_CRED_H

#include <kernel/task.h>

/* A copy with a reference of its own on everything, to change; NULL: no memory. */
struct cred *cred_copy(const struct cred *c);
/* A copy of the running task's credentials to change, or NULL: no memory. */
struct cred *cred_prepare(void);
/* c's real user becomes uid: 0, or -EAGAIN (no memory). */
int cred_set_uid(struct cred *c, u32 uid);
/* The running task takes it (0 is returned, for the callers' convenience), or it is thrown away. */
int cred_commit(struct cred *c);
void cred_abort(struct cred *c);

/* Lists of supplementary groups; NULL is the empty one. */
struct group_list *groups_get(struct group_list *g);
void groups_put(struct group_list *g);
u32 cred_nr_groups(const struct cred *c);
u32 cred_group(const struct cred *c, u32 n); /* n < cred_nr_groups; ascending */
bool cred_has_group(const struct cred *c, u32 gid); /* among the supplementary ones */

#endif
