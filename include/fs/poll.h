/* SPDX-License-Identifier: MIT */
/* poll(2), select(2), epoll: how a file says when it may become ready. */
#ifndef FS_POLL_H
#define FS_POLL_H

#include <kernel/wait.h>

struct poll_table {
	/* Registers the waiter on q; NULL pt or NULL add: only asking. */
	void (*add)(struct poll_table *pt, struct host_waitq *q);
};

static inline void poll_add(struct poll_table *pt, struct host_waitq *q)
{
	if (pt && pt->add)
		pt->add(pt, q);
}

#endif
