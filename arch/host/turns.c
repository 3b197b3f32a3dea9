/* SPDX-License-Identifier: MIT */
/*
 * CPUs as threads that run one at a time, in the order of a virtual clock.
 *
 * Each CPU has a clock. At a switch point (a lock, a page-table entry, a flush, a wait, a pause, a look at
 * the clock) the running CPU's clock advances by a step drawn from the seed, and the CPU whose clock is
 * behind all others goes on. A CPU in host_wait has no turn until somebody wakes it, at the waker's time,
 * or its deadline is the earliest time there is. What a run does follows from its seed alone: a failure
 * repeats with the seed.
 *
 * Most switch points take no time, some a little, few very much, as if the CPU had been interrupted there:
 * the others then get far while this one stands between two instructions. How often and how far is drawn
 * for each run. (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs",
 * ASPLOS 2010: few, well placed delays find most orders that fail.)
 *
 * T1  Exactly one thread runs between host_turns_begin and host_turns_end; it alone touches the state here.
 * T2  The running CPU's clock is the earliest of those that could run: so time never goes back.
 *
 * Events (a disk's answer) happen where a CPU waits: code that runs is not interrupted.
 */
#include <errno.h>
#include <hal/cpu.h>
#include <hal/log.h>
#include <hal/time.h>
#include <host/machine.h>
#include <lib/string.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include "internal.h"

enum state { CPU_ABSENT, CPU_READY, CPU_WAITING };

static struct turn_cpu {
	enum state state;
	u64 now;
	u64 deadline;          /* WAITING: 0 = none */
	const void *waits_for; /* a queue, or another CPU's end; NULL: woken */
	sem_t go;              /* posted when its turn comes */
	pthread_t thread;
	void (*fn)(void *);
	void *arg;
} cpus[HAL_MAX_CPUS];

bool host_turns;

static u64 first_seed, random_state, trace;
static unsigned delay_one_in, short_step, long_step;

static struct turn_cpu *me(void) { return &cpus[hal_cpu_id()]; }

/* ---- the clock ---- */

static u32 draw(u32 n)
{
	/* Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
	u64 z = random_state += 0x9e3779b97f4a7c15ull;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (u32)((z ^ (z >> 31)) >> 33) % n;
}

static u64 draw_step(void)
{
	if (draw(delay_one_in))
		return 0;
	return 1 + draw(draw(16) ? short_step : long_step);
}

/* When it could run next; ~0: not by itself. */
static u64 ready_time(const struct turn_cpu *c)
{
	if (c->state == CPU_READY)
		return c->now;
	return c->state == CPU_WAITING && c->deadline ? c->deadline : ~0ull;
}

/* The CPU whose turn it is: the earliest, the lowest of several. HAL_MAX_CPUS: none. */
static unsigned pick(void)
{
	unsigned best = HAL_MAX_CPUS;
	u64 earliest = ~0ull;
	for (unsigned i = 0; i < host_nr_cpus; i++)
		if (ready_time(&cpus[i]) < earliest)
			earliest = ready_time(&cpus[best = i]);
	return best;
}

static __attribute__((noreturn)) void deadlock(void)
{
	host_turns = false;
	for (unsigned i = 0; i < host_nr_cpus; i++)
		hal_log(LOG_ERR, "CPU %u: %s since %lu", i, cpus[i].state == CPU_WAITING ? "waits" : "absent", (unsigned long)cpus[i].now);
	hal_panic("deadlock: every CPU waits");
}

/* Every CPU waits: time passes to the next event, which runs here, on a CPU that has nothing else to do. */
static void run_event(void)
{
	struct turn_cpu *c = me();
	enum state was = c->state;
	c->state = CPU_READY; /* it may lose its turn and must get it back */
	if (!host_run_event(0))
		deadlock();
	if (was == CPU_ABSENT || c->waits_for)
		c->state = was;
}

/* Wakes the next CPU. False: the caller's turn goes on. */
static bool give_turn(void)
{
	unsigned next;
	while ((next = pick()) == HAL_MAX_CPUS)
		run_event();
	struct turn_cpu *c = &cpus[next];
	if (c->state == CPU_WAITING) {
		c->state = CPU_READY;
		c->now = max(c->now, c->deadline);
	}
	trace = (trace ^ (c->now << 6 | next)) * 1099511628211ull; /* FNV-1a */
	if (next == hal_cpu_id())
		return false;
	sem_post(&c->go);
	return true;
}

static void pass(void)
{
	struct turn_cpu *c = me();
	if (give_turn())
		while (sem_wait(&c->go))
			;
}

void host_turn_pass(void)
{
	u64 step = draw_step();
	if (!step)
		return;
	me()->now += step;
	pass();
}

/* A spinning CPU waits for another one: it goes well behind the next. */
void host_turn_pause(void)
{
	struct turn_cpu *c = me();
	u64 next = ~0ull;
	for (unsigned i = 0; i < host_nr_cpus; i++)
		if (&cpus[i] != c)
			next = min(next, ready_time(&cpus[i]));
	c->now = max(c->now, next == ~0ull ? 0 : next) + 1 + draw(4 * short_step);
	pass();
}

u64 host_turn_clock(void)
{
	me()->now++;
	pass();
	return me()->now;
}

void host_turn_clock_pass(u64 ns) { me()->now = max(me()->now, ns); }
u64 host_turns_trace(void) { return trace; }

void host_turns_report(void)
{
	fprintf(stderr, "turns: seed %lu, CPU %u at %lu\n", (unsigned long)first_seed, hal_cpu_id(), (unsigned long)me()->now);
}

/* ---- waiting ---- */

static void wake(const void *what)
{
	for (unsigned i = 0; i < host_nr_cpus; i++) {
		struct turn_cpu *c = &cpus[i];
		if (c->waits_for != what)
			continue;
		c->waits_for = NULL;
		if (c->state == CPU_WAITING) {
			c->state = CPU_READY;
			c->now = max(c->now, me()->now);
		}
	}
}

/* Until woken or the deadline. What it waits for was set before the caller looked: so no wake-up is lost. */
static void sleep_until(u64 deadline)
{
	struct turn_cpu *c = me();
	if (!c->waits_for)
		return;
	c->state = CPU_WAITING;
	c->deadline = deadline;
	pass();
}

int host_turn_wait(struct host_waitq *q, bool (*ready)(void *), void *arg, u64 deadline)
{
	struct turn_cpu *c = me();
	for (;;) {
		c->waits_for = q;
		bool yes = host_is_ready(q, ready, arg);
		if (yes || (deadline && c->now >= deadline)) {
			c->waits_for = NULL;
			return yes ? 0 : -ETIMEDOUT;
		}
		if (!host_run_event(c->now))
			sleep_until(deadline);
	}
}

void host_turn_wake(struct host_waitq *q)
{
	wake(q);
	host_turn_pass();
}

/* ---- CPUs come and go ---- */

void host_turns_begin(u64 seed)
{
	u64 now = hal_clock_ns();
	first_seed = random_state = seed;
	trace = 14695981039346656037ull;
	delay_one_in = 1u << (2 + draw(6));
	short_step = 1u << (1 + draw(5));
	long_step = 1u << (4 + draw(10));
	for (unsigned i = 0; i < host_nr_cpus; i++) {
		memset(&cpus[i], 0, sizeof(cpus[i]));
		cpus[i].now = now;
		sem_init(&cpus[i].go, 0, 0);
	}
	cpus[0].state = CPU_READY; /* the caller's thread */
	host_turns = true;
}

void host_turns_end(void)
{
	host_turns = false;
	host_clock_pass(cpus[0].now);
	for (unsigned i = 0; i < host_nr_cpus; i++) {
		ASSERT(i == 0 || cpus[i].state == CPU_ABSENT);
		sem_destroy(&cpus[i].go);
	}
}

static void *turn_thread(void *arg)
{
	struct turn_cpu *c = arg;
	host_be_cpu((unsigned)(c - cpus));
	while (sem_wait(&c->go))
		;
	c->fn(c->arg);
	c->state = CPU_ABSENT;
	wake(c);
	give_turn();
	return NULL;
}

static void *free_thread(void *arg)
{
	struct turn_cpu *c = arg;
	host_be_cpu((unsigned)(c - cpus));
	c->fn(c->arg);
	return NULL;
}

void host_cpu_start(unsigned cpu, void (*fn)(void *), void *arg)
{
	struct turn_cpu *c = &cpus[cpu];
	c->fn = fn;
	c->arg = arg;
	if (host_turns) {
		ASSERT(c->state == CPU_ABSENT);
		c->state = CPU_READY;
		c->now = me()->now;
	}
	ASSERT(pthread_create(&c->thread, NULL, host_turns ? turn_thread : free_thread, c) == 0);
}

void host_cpu_join(unsigned cpu)
{
	struct turn_cpu *c = &cpus[cpu];
	while (host_turns && c->state != CPU_ABSENT) {
		me()->waits_for = c;
		sleep_until(0);
	}
	pthread_join(c->thread, NULL);
}
