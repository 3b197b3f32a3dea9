/* SPDX-License-Identifier: MIT */
/* The host as a machine: each CPU is a thread, running freely or in turns, or all are one thread. */
#ifndef MACHINE_CPU_H
#define MACHINE_CPU_H

#include <hal/types.h>

#define HAL_SLOW_PATH __attribute__((cold, noinline))

extern __thread unsigned host_cpu_id;
extern unsigned host_nr_cpus;

/* The task that the calling thread acts as, for code of fs/ that asks who is asking; NULL: none. */
struct task;
extern __thread struct task *host_task;
static inline struct task *hal_current(void) { return host_task; }

static inline unsigned hal_cpu_id(void) { return host_cpu_id; }
static inline unsigned hal_nr_cpus(void) { return host_nr_cpus; }
void hal_cpu_pause(void);

/* CPUs run one at a time (arch/host/turns.c). */
extern bool host_turns;
void host_turn_pass(void);
static inline void hal_switch_point(void)
{
	if (unlikely(host_turns))
		host_turn_pass();
}
static inline unsigned long hal_irq_save(void) { return 0; }
static inline void hal_irq_restore(unsigned long flags) { (void)flags; }
static inline void hal_irq_enable(void) {}
static inline void hal_irq_disable(void) {}
static inline bool hal_irq_enabled(void) { return true; }

#endif
