/* SPDX-License-Identifier: MIT */
/* Interrupts, timers and other CPUs, as drivers and the scheduler use them. */
#ifndef HAL_IRQ_H
#define HAL_IRQ_H

#include <hal/types.h>

typedef void (*hal_irq_handler)(void *arg); /* interrupts off; must not sleep or allocate */

/* A wired interrupt by global number (ISA IRQs as the firmware maps them). name stays. 0, -EBUSY, -ENOSPC. */
int hal_irq_request(unsigned gsi, bool level_triggered, bool active_low, const char *name, hal_irq_handler fn, void *arg);

/* A message-signalled interrupt: the address and data a PCI device has to write. */
struct hal_msi {
	u64 address;
	u32 data;
};
/* source: which one of the machine's it is, for people; name stays. */
int hal_irq_request_msi(u32 source, const char *name, hal_irq_handler fn, void *arg, struct hal_msi *out);

/* Arms this CPU's one-shot timer at an absolute hal_clock_ns() time (past = at once); ~0 = never.
 * It calls kernel_timer(). */
void hal_timer_arm(u64 deadline_ns);

void hal_cpu_kick(unsigned cpu); /* makes kernel_kick() run on that CPU */
void hal_cpu_idle(void);         /* interrupts off on entry: waits for one with them enabled, returns with them off */

/* Where interrupts come from, one after the other: devices first. false: there are no more. */
struct hal_irq_source {
	unsigned number;    /* of a device's interrupt; ~0: the processor's own */
	char label[8];      /* the number, or a short name */
	char what[64];      /* how it comes and who sends it */
};
bool hal_irq_source(unsigned index, struct hal_irq_source *out);
u64 hal_irq_count(unsigned index, unsigned cpu); /* since boot */

/* Device memory, uncached; never fails for RAM-less ranges (panics out of address space). */
void *hal_mmio_map(paddr_t base, size_t len);

/* <machine/io.h>: hal_in8/16/32(port), hal_out8/16/32(port, value); mmio_read8..64, mmio_write8..64 */

void hal_power_off(void) __attribute__((noreturn));
void hal_reboot(void) __attribute__((noreturn));

/* Wall-clock time at boot, from the machine's clock: seconds since 1970. */
s64 hal_boot_time_s(void);

#endif
