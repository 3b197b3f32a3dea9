/* SPDX-License-Identifier: MIT */
/*
 * Pressure: states of CPUs, and the sums and averages of a group.
 *
 * A CPU's states for memory follow from who is counted there:
 *
 *   some  a task waits for memory
 *   full  ... and no runnable task does anything else, or the running one itself is at work to get memory:
 *         then nobody else could do anything useful either
 *
 * For I/O, full means that nobody is runnable meanwhile. For the CPU, some means that a runnable task waits for
 * another one to leave it.
 *
 * The machine's time in a state is the mean over its CPUs, each weighted by how long it had something to do since
 * it was last asked: an idle CPU loses nothing. Every two seconds the share of time goes into three averages with
 * exponentially decreasing weights.
 * Source: Linux, Documentation/accounting/psi.rst, and the rules of Linux 6.1 (whole percents go into the averages;
 * they are rounded up while they rise).
 */
#include <hal/time.h>
#include <mm/psi.h>

/* exp(-2 s / 10 s), / 60 s, / 300 s */
static const u32 decay[PSI_AVERAGES] = { 1677, 1981, 2034 };
#define ONE (1u << PSI_FRACTION)

/* ---- one CPU ---- */

static u32 states_of(const struct psi_cpu *c, u32 nr_running, bool is_idle, bool is_stalled)
{
	u32 s = 0;
	if (c->nr_io)
		s |= 1u << PSI_IO_SOME | (nr_running ? 0 : 1u << PSI_IO_FULL);
	if (c->nr_memory)
		s |= 1u << PSI_MEMORY_SOME | (nr_running == c->nr_memory_running || is_stalled ? 1u << PSI_MEMORY_FULL : 0);
	return s | (s && is_idle ? 1u << PSI_IDLE_STALLED : 0);
}

static void add_past(const struct psi_cpu *c, u64 now, u64 ns[PSI_NR_STATES])
{
	u64 passed = now > c->since_ns ? now - c->since_ns : 0;
	for (u32 left = c->states; left; left &= left - 1)
		ns[__builtin_ctz(left)] += passed;
}

void psi_cpu_update(struct psi_cpu *c, u32 nr_running, bool is_idle, bool is_stalled, u64 now)
{
	u32 states = states_of(c, nr_running, is_idle, is_stalled);
	c->is_watched = c->nr_io || c->nr_memory;
	if (states == c->states)
		return;
	add_past(c, now, c->ns);
	c->states = states;
	c->since_ns = now;
}

void psi_cpu_read(const struct psi_cpu *c, u64 now, u64 ns[PSI_NR_STATES])
{
	for (unsigned i = 0; i < PSI_NR_STATES; i++)
		ns[i] = c->ns[i];
	add_past(c, now, ns);
	if (c->cpu_since_ns && now > c->cpu_since_ns)
		ns[PSI_CPU_SOME] += now - c->cpu_since_ns;
}

/* ---- a group ---- */

/* x to the n, both x and the result with PSI_FRACTION bits. */
static u64 power(u64 x, u64 n)
{
	u64 result = ONE;
	for (; n && result; n >>= 1) {
		if (n & 1)
			result = (result * x + ONE / 2) >> PSI_FRACTION;
		x = (x * x + ONE / 2) >> PSI_FRACTION;
	}
	return result;
}

static u32 averaged(u64 average, u64 weight, u64 sample)
{
	return (u32)((average * weight + sample * (ONE - weight) + (sample >= average ? ONE - 1 : 0)) >> PSI_FRACTION);
}

/* Periods in which nobody came to look count as quiet ones; the last one has all that happened since. */
static void average(struct psi_group *g, u64 now)
{
	u64 missed = (now - g->next_average_ns) / PSI_PERIOD_NS;
	u64 period = now - (g->averaged_at_ns + missed * PSI_PERIOD_NS);
	g->next_average_ns += (1 + missed) * PSI_PERIOD_NS;
	g->averaged_at_ns = now;
	for (unsigned s = 0; s < PSI_NR_STALLS; s++) {
		u64 sample = min(g->total_ns[s] - g->averaged_ns[s], period);
		g->averaged_ns[s] += sample; /* what is more than that is left for the next one */
		for (unsigned a = 0; a < PSI_AVERAGES; a++) {
			u64 before = g->average[s][a];
			if (missed)
				before = averaged(before, power(decay[a], missed), 0);
			g->average[s][a] = averaged(before, decay[a], sample * 100 / period << PSI_FRACTION);
		}
	}
}

/* What CPUs report since the last time, weighted. */
static void collect(struct psi_group *g, u64 now)
{
	u64 sum[PSI_NR_STALLS] = { 0 }, weights = 0;
	unsigned shift = 0; /* so that nothing overflows */
	struct psi_report r;
	for (unsigned cpu = 0; cpu < hal_nr_cpus(); cpu++) {
		struct psi_report *seen = &g->seen[cpu];
		if (!g->read(g, cpu, now, &r))
			continue;
		u64 nonidle = r.nonidle_ns > seen->nonidle_ns ? r.nonidle_ns - seen->nonidle_ns : 0;
		for (; nonidle >> shift >> 20; shift++) {
			weights >>= 1;
			for (unsigned s = 0; s < PSI_NR_STALLS; s++)
				sum[s] >>= 1;
		}
		weights += nonidle >> shift;
		for (unsigned s = 0; s < PSI_NR_STALLS; s++)
			if (r.ns[s] > seen->ns[s])
				sum[s] += (r.ns[s] - seen->ns[s]) * (nonidle >> shift);
		*seen = r;
	}
	for (unsigned s = 0; s < PSI_NR_STALLS; s++)
		g->total_ns[s] += sum[s] / max(weights, 1ull);
}

void psi_group_init(struct psi_group *g, bool (*read)(struct psi_group *, unsigned, u64, struct psi_report *))
{
	*g = (struct psi_group){ .read = read, .averaged_at_ns = hal_clock_ns(), .next_look_ns = ~0ull };
	g->next_average_ns = g->averaged_at_ns + PSI_PERIOD_NS;
	spin_lock_init(&g->lock, RANK_PSI);
	list_init(&g->triggers);
}

static u64 update_locked(struct psi_group *g)
{
	u64 now = hal_clock_ns();
	collect(g, now);
	if (now >= g->next_average_ns)
		average(g, now);
	if (now >= g->next_look_ns)
		g->next_look_ns = psi_triggers_look(g, now);
	return min(g->next_average_ns, g->next_look_ns);
}

u64 psi_group_update(struct psi_group *g)
{
	unsigned long flags = spin_lock_irq(&g->lock);
	u64 next = update_locked(g);
	spin_unlock_irq(&g->lock, flags);
	return next;
}

void psi_group_read(struct psi_group *g, enum psi_time stall, struct psi_figures *out)
{
	unsigned long flags = spin_lock_irq(&g->lock);
	update_locked(g);
	for (unsigned a = 0; a < PSI_AVERAGES; a++)
		out->average[a] = g->average[stall][a];
	out->total_us = g->total_ns[stall] / 1000;
	spin_unlock_irq(&g->lock, flags);
}
