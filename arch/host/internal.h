/* SPDX-License-Identifier: MIT */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <hal/types.h>
#include <lib/list.h>

extern bool host_threads;
void host_mmu_reset(void);

/* Without threads: what happens by itself while somebody waits. fn may add its event again. */
struct host_event {
	struct list_head link; /* in the list of those to come */
	u64 due_ns;            /* hal_clock_ns() */
	void (*fn)(struct host_event *e);
};
void host_event_init(struct host_event *e, void (*fn)(struct host_event *e));
void host_event_add(struct host_event *e, u64 due_ns);
void host_event_cancel(struct host_event *e);

#endif
