/* SPDX-License-Identifier: MIT */
/* Tasks as the files of kernel/task/ and kernel/exec/ see them. */
#ifndef KERNEL_TASK_TASK_H
#define KERNEL_TASK_TASK_H

#include "pid.h"
#include <asm/resource.h>
#include <hal/time.h>
#include <kernel/task.h>

extern u32 nr_tasks; /* (t) */

/* task.c */
void task_cache_init(void);
struct task *task_alloc(void);    /* zeroed, with a stack; references for the tree and for running */
void task_free(struct task *t);   /* one that was never started */
void task_release_context(struct task *t);
struct process *process_alloc(void);

/* tree.c; tasklist_lock held */
void tree_add_task(struct task *t, struct pid *pid);
void tree_remove_task(struct task *t);
void tree_add_process(struct process *p, struct process *parent);
void tree_remove_process(struct process *p);
bool pgrp_has_stopped_locked(u32 pgid);

/* exit.c */
void task_release_vfork(struct task *t); /* the parent that waits in vfork goes on */
void task_clear_tid(struct task *t);     /* CLONE_CHILD_CLEARTID and robust futexes, as exec and exit do */
/* Takes a zombie out of the tree and accounts it to its parent; drops what kept it. tasklist_lock held. */
void process_reap_locked(struct process *p);

/* A zombie that nobody traces any more: a thread leaves the tree; a process whose last one it was is its parent's to
 * reap from now on. tasklist_lock held. */
void task_release_zombie_locked(struct task *t);
/* No thread is left beside the leader, not even a zombie that its tracer has yet to see. */
bool process_is_single_locked(const struct process *p);

u64 process_maxrss_kb(struct process *p);
void note_maxrss(struct process *p, struct space *s);

/* kthread.c: a process of its own that runs fn in kernel mode */
struct task *kthread_create_process(void (*fn)(void *), void *arg, const char *name, struct process *parent);

void kthread_init(struct task **init, void (*init_main)(void *)); /* pids 1 (not started) and 2 */

/* files of other parts that need not exist */
void tty_session_exit(struct process *p) __attribute__((weak));

#endif
