/* SPDX-License-Identifier: MIT */
/*
 * Control groups, version 2: a tree of sets of processes. A group that has the memory controller of its own is a
 * memory group (mm/group.h); the processes of others are charged to the nearest one above.
 * Source: Linux 6.1, Documentation/admin-guide/cgroup-v2.rst.
 */
#ifndef KERNEL_CGROUP_H
#define KERNEL_CGROUP_H

#include <hal/types.h>
#include <lib/list.h>
#include <lib/rbtree.h>

struct mem_group;
struct process;
struct task;

#define CGROUP_NAME_MAX 255

struct cgroup {
	struct rb_node node;      /* (lock) by id */
	u64 id;                   /* 1: the root; never used again */
	struct cgroup *parent;    /* NULL: the root */
	struct list_head children, sibling; /* (lock) */
	struct list_head members; /* (lock, tasklist_lock to change; either to read) process.cgroup_link */
	char *name;
	struct mem_group *memory; /* (lock, tasklist_lock) its own, or of the nearest above */
	bool has_memory;          /* (lock) its own; the root has one always */
	bool gives_memory;        /* (lock) cgroup.subtree_control has memory: children have their own */
	u32 nr_descendants;       /* (lock) */
	u32 max_depth, max_descendants; /* (lock) ~0: no limit */
};

extern struct cgroup cgroup_root;
/* The one lock of the tree (sleeping, RANK_CGROUP). It may be held for long by nobody: reclaim runs without it. */
void cgroup_lock(void);
void cgroup_unlock(void);

/* ---- with the lock held ---- */

/* By id, or NULL: it was removed. */
struct cgroup *cgroup_find(u64 id);
struct cgroup *cgroup_child(struct cgroup *parent, const char *name, size_t len);
/* 0; -EEXIST, -ENOMEM; -EAGAIN: a limit of depth or number; -EINVAL: a name with a line end. */
int cgroup_make(struct cgroup *parent, const char *name, size_t len, struct cgroup **out);
/* 0; -EBUSY: it has processes or children. */
int cgroup_remove(struct cgroup *g);
/* Gives the children memory groups of their own, or takes them away. 0; -EBUSY: it has processes (or a child gives
 * memory on); -ENOENT: it has none itself; -ENOMEM. */
int cgroup_give_memory(struct cgroup *g, bool on);
/* p's threads are in g from now on. 0; -EBUSY: g gives its memory on; -ESRCH: it has ended; -EINVAL: a thread of the
 * kernel's own. Takes tasklist_lock. */
int cgroup_move(struct process *p, struct cgroup *g);
/* Does it or one below have processes? */
bool cgroup_is_populated(struct cgroup *g);
/* SIGKILL to all below. */
void cgroup_kill(struct cgroup *g);
/* "/a/b", "/" for the root; length, or -ENAMETOOLONG. */
long cgroup_path(const struct cgroup *g, char *buf, size_t size);

/* ---- for kernel/task, under tasklist_lock ---- */

/* A new process joins g; a further thread is where its process is; the process has ended. */
void cgroup_join_locked(struct process *p, struct cgroup *g);
void cgroup_join_thread_locked(struct task *t);
void cgroup_leave_locked(struct process *p);

void cgroup_init(void);

#endif
