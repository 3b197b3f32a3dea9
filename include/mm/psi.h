/* SPDX-License-Identifier: MIT */
/*
 * Pressure: how much of the time tasks lose because something is short (Linux: pressure stall information).
 *
 * For each CPU of a group of tasks two states are told apart for a resource: `some` of its tasks that could
 * otherwise run wait for it, and `full`: none of them does anything useful meanwhile. The times spent in
 * each state are counted by CPU when tasks change (struct psi_cpu) and added up now and then, weighted by how long each
 * CPU had anything to do at all (struct psi_group). Whoever counts the tasks, a scheduler or a test, supplies
 * a group's times; this part has no clock and no tasks of its own but hal_clock_ns().
 */
#ifndef MM_PSI_H
#define MM_PSI_H

#include <hal/cpu.h>
#include <hal/lock.h>
#include <lib/list.h>
#include <mm/host.h>

enum psi_resource { PSI_IO, PSI_MEMORY, PSI_CPU, PSI_NR_RESOURCES };

/* Times, in ns. The first six are stalls: 2 * enum psi_resource + 1 for full. */
enum psi_time {
	PSI_IO_SOME,
	PSI_IO_FULL,
	PSI_MEMORY_SOME,
	PSI_MEMORY_FULL,
	PSI_CPU_SOME,
	PSI_CPU_FULL,     /* always 0: without limits on groups a CPU that somebody wants is busy */
	PSI_NR_STALLS,
	PSI_IDLE_STALLED = PSI_NR_STALLS, /* the CPU is idle although somebody waits for memory or I/O */
	PSI_NR_STATES,
};

static inline enum psi_time psi_stall(enum psi_resource r, bool full) { return (enum psi_time)(2 * r + full); }

/* One CPU's share, guarded by the lock of that CPU's queue. */
struct psi_cpu {
	bool is_watched;       /* a task is counted below, or was at the last update: changes of tasks matter */
	u32 nr_io;             /* tasks asleep until I/O is done */
	u32 nr_memory;         /* tasks that wait for memory, asleep or at work to get some */
	u32 nr_memory_running; /* of those, the runnable ones */
	u32 states;            /* bit n: enum psi_time n goes on, except the CPU's own */
	u64 since_ns;          /* ... since then */
	u64 cpu_since_ns;      /* a runnable task waits for the CPU since; 0: none does */
	u64 ns[PSI_NR_STATES]; /* in the past */
};

/* A task becomes runnable; afterwards somebody waits, unless it is let run. */
static inline void psi_cpu_wanted(struct psi_cpu *c, u64 now)
{
	if (!c->cpu_since_ns)
		c->cpu_since_ns = now;
}

/* nr_running tasks are runnable, the running one included, at now. */
static inline void psi_cpu_switched(struct psi_cpu *c, u32 nr_running, u64 now)
{
	if (nr_running <= 1 && c->cpu_since_ns) {
		c->ns[PSI_CPU_SOME] += now - c->cpu_since_ns;
		c->cpu_since_ns = 0;
	}
}

/* After a change of the counts, of nr_running, or of the running task: is_idle: there is none; is_stalled: it is at
 * work to get memory. */
void psi_cpu_update(struct psi_cpu *c, u32 nr_running, bool is_idle, bool is_stalled, u64 now);
/* The times up to now, those that go on included. */
void psi_cpu_read(const struct psi_cpu *c, u64 now, u64 ns[PSI_NR_STATES]);

#define PSI_PERIOD_NS 2000000000ull /* averages go on in steps of that */
#define PSI_AVERAGES  3u            /* over 10, 60 and 300 s */
#define PSI_FRACTION  11u           /* bits of fraction of an average */

/* What a CPU reports: its times so far, and how long it had something to do. They never go back. */
struct psi_report {
	u64 ns[PSI_NR_STALLS];
	u64 nonidle_ns;
};

struct psi_group {
	/* A CPU's report at now; false: it takes no part. Called with interrupts off. */
	bool (*read)(struct psi_group *g, unsigned cpu, u64 now, struct psi_report *out);
	struct spinlock lock; /* RANK_PSI, interrupts off */
	struct psi_report seen[HAL_MAX_CPUS];
	u64 total_ns[PSI_NR_STALLS];
	u64 averaged_ns[PSI_NR_STALLS];          /* of that, what the averages know of */
	u32 average[PSI_NR_STALLS][PSI_AVERAGES]; /* percent, with PSI_FRACTION bits of fraction */
	u64 averaged_at_ns, next_average_ns;
	struct list_head triggers;
	u64 next_look_ns;                        /* at the triggers; ~0: there are none */
};

void psi_group_init(struct psi_group *g, bool (*read)(struct psi_group *, unsigned, u64, struct psi_report *));

/* Adds up what the CPUs report; goes on with the averages and fires triggers when it is time. When to come again,
 * at the latest while somebody stalls. Any context. */
u64 psi_group_update(struct psi_group *g);

struct psi_figures {
	u32 average[PSI_AVERAGES];
	u64 total_us;
};
/* As of now. */
void psi_group_read(struct psi_group *g, enum psi_time stall, struct psi_figures *out);

/* ---- triggers ---- */

#define PSI_WINDOW_MIN_US 500000u
#define PSI_WINDOW_MAX_US 10000000u

/* Tells when a stall grows by a threshold within a window, at most once for each window. */
struct psi_trigger {
	struct list_head link;      /* (group's lock) */
	enum psi_time stall;
	u64 threshold_ns, window_ns;
	u64 start_ns, start_total_ns, previous_ns; /* the window: its begin, the total then, the growth in the one before */
	u64 fired_ns;               /* last time */
	bool is_due;                /* it grew enough, but fired too short a time ago */
	u32 has_fired;              /* atomic: not taken yet */
	struct host_waitq queue;    /* woken when it fires */
};

/* "some|full THRESHOLD WINDOW", both in us. 0 or -EINVAL. */
int psi_trigger_parse(struct psi_trigger *t, enum psi_resource r, const char *text);
void psi_trigger_add(struct psi_group *g, struct psi_trigger *t);
void psi_trigger_remove(struct psi_group *g, struct psi_trigger *t);
/* Has it fired since the last call? */
bool psi_trigger_take(struct psi_trigger *t);

/* For psi.c: looks at the group's triggers, with its lock held; when to look again. */
u64 psi_triggers_look(struct psi_group *g, u64 now);

#endif
