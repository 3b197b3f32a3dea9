/* SPDX-License-Identifier: MIT */
/*
 * Interrupt controllers: the local APIC of each CPU (memory-mapped), the I/O APICs, and the table of
 * who handles which vector. Sources: Intel SDM vol. 3A, 11; 82093AA I/O APIC datasheet; PCI 3.0, 6.8.
 */
#include "internal.h"
#include <asm/errno.h>
#include <lib/format.h>

#define LAPIC_ID      0x020
#define LAPIC_EOI     0x0b0
#define LAPIC_SVR     0x0f0
#define LAPIC_ICR_LO  0x300
#define LAPIC_ICR_HI  0x310
#define LAPIC_TIMER   0x320
#define LAPIC_LINT0   0x350
#define LAPIC_LINT1   0x360
#define LAPIC_INITIAL 0x380
#define LAPIC_DIVIDE  0x3e0

static volatile char *lapic;
static volatile char *ioapic_mmio[8];

struct irq {
	hal_irq_handler fn;
	void *arg;
	const char *name;
	u32 gsi;    /* ~0: message-signalled */
	u32 number; /* gsi, or a number behind all of those */
	u32 pin;    /* of its controller; a message's source */
	bool level;
	u64 count[HAL_MAX_CPUS];
};
static struct irq *irqs[VECTOR_IRQ_END - VECTOR_IRQ_BASE];
static struct irq irq_pool[64];
static unsigned nr_irqs;
static unsigned nr_wired; /* inputs of all I/O APICs */

static u32 lapic_read(u32 reg) { return mmio_read32(lapic + reg); }
static void lapic_write(u32 reg, u32 v) { mmio_write32(lapic + reg, v); }

void lapic_eoi(void) { lapic_write(LAPIC_EOI, 0); }
u32 lapic_id(void) { return lapic_read(LAPIC_ID) >> 24; }

void lapic_send(u32 apic_id, u32 command)
{
	unsigned long flags = hal_irq_save();
	while (lapic_read(LAPIC_ICR_LO) & (1u << 12)) /* the previous one is on its way */
		hal_cpu_pause();
	lapic_write(LAPIC_ICR_HI, apic_id << 24);
	lapic_write(LAPIC_ICR_LO, command);
	hal_irq_restore(flags);
}

void lapic_timer_set(u64 ticks)
{
	lapic_write(LAPIC_INITIAL, ticks > 0xffffffffu ? 0xffffffffu : (u32)ticks);
}

u32 lapic_timer_left(void) { return lapic_read(0x390); }

void apic_init_cpu(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | (1u << 11));
	lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
	lapic_write(LAPIC_LINT0, 0x10000);
	lapic_write(LAPIC_LINT1, 0x400); /* NMI */
	lapic_write(LAPIC_DIVIDE, 0x3);  /* by 16 */
	lapic_write(LAPIC_TIMER, VECTOR_TIMER);
	lapic_write(LAPIC_INITIAL, 0);
	cpu_blocks[hal_cpu_id()].apic_id = lapic_id();
}

static void ioapic_write(unsigned i, u32 reg, u32 v)
{
	mmio_write32(ioapic_mmio[i], reg);
	mmio_write32(ioapic_mmio[i] + 0x10, v);
}

static u32 ioapic_read(unsigned i, u32 reg)
{
	mmio_write32(ioapic_mmio[i], reg);
	return mmio_read32(ioapic_mmio[i] + 0x10);
}

static unsigned ioapic_inputs(unsigned i) { return (ioapic_read(i, 1) >> 16 & 0xff) + 1; }

void apic_init(void)
{
	/* The old controllers: remapped out of the exceptions' way, then masked. */
	static const u8 words[][2] = { { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, 0xf0 }, { 0xa1, 0xf8 }, { 0x21, 4 },
		                           { 0xa1, 2 },    { 0x21, 1 },    { 0xa1, 1 },    { 0x21, 0xff }, { 0xa1, 0xff } };
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		hal_out8(words[i][0], words[i][1]);
	lapic = hal_mmio_map(acpi.lapic_base, PAGE_SIZE);
	apic_init_cpu();
	for (unsigned i = 0; i < acpi.nr_ioapics; i++) {
		ioapic_mmio[i] = hal_mmio_map(acpi.ioapics[i].base, PAGE_SIZE);
		for (unsigned k = 0; k < ioapic_inputs(i); k++)
			ioapic_write(i, 0x10 + 2 * k, 0x10000); /* masked */
		nr_wired += ioapic_inputs(i);
	}
}

static int vector_take(const struct irq *wanted)
{
	if (nr_irqs == ARRAY_SIZE(irq_pool))
		return -ENOSPC;
	unsigned v = nr_irqs++;
	irq_pool[v] = *wanted;
	irqs[v] = &irq_pool[v];
	return (int)(VECTOR_IRQ_BASE + 0x10 + v);
}

static struct irq *irq_of(unsigned vector)
{
	unsigned i = vector - VECTOR_IRQ_BASE - 0x10;
	return i < ARRAY_SIZE(irqs) ? irqs[i] : NULL;
}

void irq_dispatch(unsigned vector)
{
	struct irq *q = irq_of(vector);
	if (!q)
		return;
	q->count[hal_cpu_id()]++;
	q->fn(q->arg);
}

int hal_irq_request(unsigned gsi, bool level, bool active_low, const char *name, hal_irq_handler fn, void *arg)
{
	if (gsi < 16 && acpi.isa[gsi].set) {
		active_low = (acpi.isa[gsi].flags & 3) == 3;
		level = (acpi.isa[gsi].flags >> 2 & 3) == 3;
		gsi = acpi.isa[gsi].gsi;
	}
	for (unsigned i = 0; i < acpi.nr_ioapics; i++) {
		u32 pin = gsi - acpi.ioapics[i].gsi_base;
		if (gsi < acpi.ioapics[i].gsi_base || pin >= ioapic_inputs(i))
			continue;
		if (!(ioapic_read(i, 0x10 + 2 * pin) & 0x10000))
			return -EBUSY;
		int vector = vector_take(&(struct irq){ .fn = fn, .arg = arg, .name = name, .gsi = gsi, .number = gsi, .pin = pin, .level = level });
		if (vector < 0)
			return vector;
		ioapic_write(i, 0x11 + 2 * pin, cpu_blocks[0].apic_id << 24);
		ioapic_write(i, 0x10 + 2 * pin, (u32)vector | (level ? 1u << 15 : 0) | (active_low ? 1u << 13 : 0));
		return 0;
	}
	return -ENOSPC;
}

int hal_irq_request_msi(u32 source, const char *name, hal_irq_handler fn, void *arg, struct hal_msi *out)
{
	static u32 nr_msi;
	int vector = vector_take(&(struct irq){ .fn = fn, .arg = arg, .name = name, .gsi = ~0u, .number = nr_wired + nr_msi, .pin = source });
	if (vector < 0)
		return vector;
	nr_msi++;
	out->address = 0xfee00000u | cpu_blocks[0].apic_id << 12;
	out->data = (u32)vector;
	return 0;
}

static const struct {
	const char *label, *what;
} own[NR_OWN_INTERRUPTS] = {
	[OWN_TIMER] = { "LOC", "Local timer interrupts" },  [OWN_SPURIOUS] = { "SPU", "Spurious interrupts" },
	[OWN_KICK] = { "RES", "Rescheduling interrupts" },  [OWN_TLB] = { "TLB", "TLB shootdowns" },
};
static u64 own_counts[NR_OWN_INTERRUPTS][HAL_MAX_CPUS];

void irq_count_own(enum own_interrupt which) { own_counts[which][hal_cpu_id()]++; }

bool hal_irq_source(unsigned index, struct hal_irq_source *out)
{
	if (index >= nr_irqs + NR_OWN_INTERRUPTS)
		return false;
	if (index >= nr_irqs) {
		out->number = ~0u;
		snprintf(out->label, sizeof(out->label), "%s", own[index - nr_irqs].label);
		snprintf(out->what, sizeof(out->what), "%s", own[index - nr_irqs].what);
		return true;
	}
	const struct irq *q = &irq_pool[index];
	out->number = q->number;
	snprintf(out->label, sizeof(out->label), "%u", q->number);
	snprintf(out->what, sizeof(out->what), "%s %3u-%-8s  %s", q->gsi == ~0u ? "PCI-MSI" : "IO-APIC", q->pin, q->level ? "fasteoi" : "edge", q->name);
	return true;
}

u64 hal_irq_count(unsigned index, unsigned cpu) { return index < nr_irqs ? irq_pool[index].count[cpu] : own_counts[index - nr_irqs][cpu]; }
