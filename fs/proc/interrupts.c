/* SPDX-License-Identifier: MIT */
/*
 * interrupts, softirqs, and the line of stat that sums interrupts up. There are no soft interrupts: what a handler
 * leaves for later is done by kernel threads, so each row of softirqs stays 0.
 */
#include "proc.h"
#include <hal/cpu.h>
#include <hal/irq.h>

static u64 count_all_cpus(unsigned index)
{
	u64 sum = 0;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
		sum += hal_irq_count(index, cpu);
	return sum;
}

static u64 count_number(unsigned number)
{
	struct hal_irq_source q;
	for (unsigned i = 0; hal_irq_source(i, &q); i++)
		if (q.number == number)
			return count_all_cpus(i);
	return 0;
}

/* All, then each number up to the highest one in use. */
void show_interrupt_sums(struct seq *s)
{
	struct hal_irq_source q;
	unsigned nr_numbers = 0;
	u64 total = 0;
	for (unsigned i = 0; hal_irq_source(i, &q); i++) {
		total += count_all_cpus(i);
		if (q.number != ~0u)
			nr_numbers = max(nr_numbers, q.number + 1);
	}
	seq_printf(s, "intr %llu", (unsigned long long)total);
	for (unsigned n = 0; n < nr_numbers; n++)
		seq_printf(s, " %llu", (unsigned long long)count_number(n));
	seq_putc(s, '\n');
}

static void show_cpu_names(struct seq *s)
{
	seq_puts(s, "           ");
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
		seq_printf(s, "CPU%-8u", cpu);
	seq_putc(s, '\n');
}

int show_interrupts(struct seq *s, struct pseudo_node *n)
{
	struct hal_irq_source q;
	show_cpu_names(s);
	for (unsigned i = 0; hal_irq_source(i, &q); i++) {
		seq_printf(s, "%3s: ", q.label);
		for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
			seq_printf(s, "%10llu ", (unsigned long long)hal_irq_count(i, cpu));
		seq_printf(s, " %s%s\n", q.number == ~0u ? "" : " ", q.what);
	}
	return 0;
}

int show_softirqs(struct seq *s, struct pseudo_node *n)
{
	static const char *const names[] = { "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU" };
	seq_puts(s, "         ");
	show_cpu_names(s);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		seq_printf(s, "%12s:", names[i]);
		for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++)
			seq_printf(s, " %10u", 0u);
		seq_putc(s, '\n');
	}
	return 0;
}
