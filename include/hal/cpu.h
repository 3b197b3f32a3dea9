/* SPDX-License-Identifier: MIT */
/*
 * CPU identity, interrupt state and pause.
 *
 * Kernel code is not preempted: a task leaves its CPU only where it sleeps, calls the scheduler or
 * returns to user mode. So per-CPU data needs no protection from other tasks of the same CPU, only
 * (where interrupt handlers touch it) from interrupts. Interrupt handlers never allocate memory.
 *
 * <machine/cpu.h> of each arch supplies, as inline functions:
 *   unsigned hal_cpu_id(void);            id of this CPU, 0 <= id < hal_nr_cpus()
 *   unsigned hal_nr_cpus(void);           CPUs that were started
 *   void hal_cpu_pause(void);             hint inside a spin loop
 *   void hal_switch_point(void);          another CPU may go first here: nothing on a machine whose CPUs
 *                                         run by themselves; where they take turns (arch/host) a place
 *                                         where the turn may pass. Locks and entries call it.
 *   HAL_SLOW_PATH                         of a function that inline functions call rarely: where it can, it keeps
 *                                         all registers, so that its callers need no frame for its sake
 *   unsigned long hal_irq_save(void);     disable interrupts, return the previous state
 *   void hal_irq_restore(unsigned long);
 *   void hal_irq_enable(void); void hal_irq_disable(void); bool hal_irq_enabled(void);
 */
#ifndef HAL_CPU_H
#define HAL_CPU_H

#include <hal/types.h>

#define HAL_MAX_CPUS 64

#include <machine/cpu.h>

/* What /proc/cpuinfo says of one CPU, NUL-terminated; length. */
size_t hal_cpu_describe(unsigned cpu, char *buf, size_t size);

#endif
