/* SPDX-License-Identifier: MIT */
/* This CPU: its block of data behind GS, interrupt state, a few instructions. */
#ifndef MACHINE_CPU_H
#define MACHINE_CPU_H

#include <hal/types.h>

struct task;

/* What assembly and hot paths read through GS; offsets are fixed (asm_offsets below). */
struct hal_percpu {
	struct task *current; /* 0 */
	u64 kernel_sp;        /* 8: top of the current kernel stack, for system calls */
	u64 scratch;          /* 16: the user's stack pointer at system call entry */
	u32 cpu_id;           /* 24 */
	u32 apic_id;          /* 28 */
	u64 root;             /* 32: paddr loaded in CR3 */
	u64 exceptions;       /* 40: interrupts and exceptions so far */
};

#define PERCPU_CURRENT   0
#define PERCPU_KERNEL_SP 8
#define PERCPU_SCRATCH   16

static inline unsigned hal_cpu_id(void)
{
	u32 id;
	__asm__ volatile("movl %%gs:24, %0" : "=r"(id));
	return id;
}

/* Not cached over a context switch: a volatile read. */
static inline struct task *hal_current(void)
{
	struct task *t;
	__asm__ volatile("movq %%gs:0, %0" : "=r"(t));
	return t;
}

extern unsigned hal_cpu_count;
static inline unsigned hal_nr_cpus(void) { return hal_cpu_count; }

#define HAL_SLOW_PATH __attribute__((cold, noinline, no_caller_saved_registers))

static inline void hal_cpu_pause(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void hal_switch_point(void) {}
static inline void hal_irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void hal_irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }

static inline unsigned long hal_irq_save(void)
{
	unsigned long flags;
	__asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
	return flags;
}

static inline void hal_irq_restore(unsigned long flags)
{
	if (flags & (1ul << 9))
		hal_irq_enable();
}

static inline bool hal_irq_enabled(void)
{
	unsigned long flags;
	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags)::"memory");
	return flags & (1ul << 9);
}

#endif
