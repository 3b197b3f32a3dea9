/* SPDX-License-Identifier: MIT */
/*
 * What is counted for a real user id, whoever its processes are. One object for each id that is in use: credentials,
 * processes and queued signals hold references, and the last one frees it.
 */
#ifndef KERNEL_USER_H
#define KERNEL_USER_H

#include <hal/types.h>
#include <lib/rbtree.h>

struct user {
	struct rb_node node; /* (users_lock) */
	u32 uid;
	u32 refs;       /* atomic; 0 only under users_lock */
	u32 nr_tasks;   /* atomic: against RLIMIT_NPROC */
	u32 nr_signals; /* atomic: queued, against RLIMIT_SIGPENDING */
};

extern struct user user_root; /* uid 0; never freed */

/* The object of uid with a reference; NULL: no memory. Takes users_lock. */
struct user *user_of(u32 uid);
static inline struct user *user_get(struct user *u)
{
	__atomic_fetch_add(&u->refs, 1, __ATOMIC_RELAXED);
	return u;
}
/* Under any lock that ranks before RANK_USER. */
void user_put(struct user *u);

#endif
