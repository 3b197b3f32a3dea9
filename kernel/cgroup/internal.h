/* SPDX-License-Identifier: MIT */
/* Control groups as the files of kernel/cgroup/ see them. */
#ifndef KERNEL_CGROUP_INTERNAL_H
#define KERNEL_CGROUP_INTERNAL_H

#include <kernel/cgroup.h>
#include <kernel/task.h>
#include <mm/group.h>

/* The next of g and all below `top` in preorder, NULL behind the last; into: g's children too. */
struct cgroup *cgroup_next(const struct cgroup *top, struct cgroup *g, bool into);

/* tasklist_lock held: what the threads of g's members allocate is charged to g->memory from now on. */
void cgroup_recharge_locked(struct cgroup *g);

#endif
