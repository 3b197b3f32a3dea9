/* SPDX-License-Identifier: MIT */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <hal/types.h>
#include <lib/list.h>
#include <mm/host.h>

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
/* Lets time pass to the next event and runs it, unless that is behind the deadline (0: none). */
bool host_run_event(u64 deadline);

bool host_is_ready(struct host_waitq *q, bool (*ready)(void *), void *arg);

/* turns.c; the running CPU, while CPUs take turns. */
void host_turn_pause(void);
u64 host_turn_clock(void);
void host_turn_clock_pass(u64 ns);
int host_turn_wait(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 deadline);
void host_turn_wake(struct host_waitq *q);
void host_turns_report(void); /* for a panic: seed, CPU and time */

#endif
