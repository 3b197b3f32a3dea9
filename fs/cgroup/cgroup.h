/* SPDX-License-Identifier: MIT */
/* The cgroup2 file system: a directory for each control group. node->arg is its id, looked up anew each time. */
#ifndef FS_CGROUP_H
#define FS_CGROUP_H

#include "../proc/proc.h"
#include <kernel/cgroup.h>
#include <mm/group.h>

/* The node's group with the lock held, or NULL without it: it was removed. */
struct cgroup *node_lock_cgroup(struct pseudo_node *n);

/* A word of text without the blanks around it: the rest behind it. len 0: there is none. */
const char *cgroup_next_word(const char *text, size_t *len);

/* memory.c */
int memory_show_current(struct seq *s, struct pseudo_node *n);
int memory_show_events(struct seq *s, struct pseudo_node *n);
int memory_show_local_events(struct seq *s, struct pseudo_node *n);
struct host_waitq *memory_events_change(struct pseudo_node *n, u64 *count);
int memory_show_evictions(struct seq *s, struct pseudo_node *n);
int memory_show_max(struct seq *s, struct pseudo_node *n);
int memory_store_max(struct pseudo_node *n, char *text, size_t len);
int memory_show_oom_group(struct seq *s, struct pseudo_node *n);
int memory_store_oom_group(struct pseudo_node *n, char *text, size_t len);
int memory_show_peak(struct seq *s, struct pseudo_node *n);
int memory_store_reclaim(struct pseudo_node *n, char *text, size_t len);
int memory_show_stat(struct seq *s, struct pseudo_node *n);
int memory_show_swap_current(struct seq *s, struct pseudo_node *n);
int memory_show_swap_max(struct seq *s, struct pseudo_node *n);
int memory_store_swap_max(struct pseudo_node *n, char *text, size_t len);

#endif
