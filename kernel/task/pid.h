/* SPDX-License-Identifier: MIT */
/* Numbers of tasks, processes, groups and sessions. Private to kernel/. */
#ifndef KERNEL_TASK_PID_H
#define KERNEL_TASK_PID_H

#include <kernel/task.h>

struct pid {
	u32 nr;
	struct pid *hash_next;    /* (t) */
	struct task *task;        /* (t) with this tid */
	struct process *process;  /* (t) with this pid */
	struct list_head group;   /* (t) process.pgrp_link */
	struct list_head session; /* (t) process.session_link */
};

void pid_init(void);
/* A fresh number that nothing uses, or ERR_PTR(-EAGAIN, -ENOMEM). */
struct pid *pid_alloc(void);
/* Frees the number when nothing carries it any more; under tasklist_lock. */
void pid_release_locked(struct pid *p);
struct pid *pid_find_locked(u32 nr);
/* The lowest number in use that is at least nr, or NULL. */
struct pid *pid_next_locked(u32 nr);

/* Moves a process into a group or session; the number must exist. */
void process_set_pgrp_locked(struct process *p, u32 pgid);
void process_set_session_locked(struct process *p, u32 sid);
void process_leave_groups_locked(struct process *p);

#endif
