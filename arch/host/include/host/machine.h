/* SPDX-License-Identifier: MIT */
/* The host machine as its owner (tests, the lab) sees it: made, driven, taken apart. */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include <asm/resource.h>
#include <hal/types.h>
#include <mm/fault.h>
#include <mm/host.h>
#include <mm/space.h>

struct host_config {
	u64 ram_bytes;
	unsigned nr_cpus;  /* >= 1 */
	unsigned nr_nodes; /* RAM is split evenly */
	u64 seed;
	bool threads;      /* CPUs are threads of the caller's making; waiting really waits */
};

/* Builds the machine and boots mm/ on it. One machine at a time. */
void host_machine_create(const struct host_config *c);
void host_machine_destroy(void);

/* The virtual clock shows at least ns from now on. */
void host_clock_pass(u64 ns);

/* What host_count_io was told, by all CPUs since the program began. */
u64 host_io_bytes(enum host_io what);

/* Lets the calling thread act as CPU `cpu`. */
void host_be_cpu(unsigned cpu);

/* Starts CPU `cpu` as a thread that runs fn(arg); waits for its end. With config.threads it runs freely,
 * between host_turns_begin and host_turns_end in turns. */
void host_cpu_start(unsigned cpu, void (*fn)(void *), void *arg);
void host_cpu_join(unsigned cpu);

/* From here on CPUs run one at a time, in an order that follows from the seed alone (turns.c); the caller
 * is CPU 0. At the end all others have been joined. Not with config.threads. */
void host_turns_begin(u64 seed);
void host_turns_end(void);
/* A hash of every turn so far: equal runs have equal ones. */
u64 host_turns_trace(void);

/* Loads `next` on the calling CPU, as a context switch would (NULL: none). */
void host_switch(struct space *next);
struct space *host_loaded(void);

/* The loaded space's memory through the software MMU and TLB; faults go to fault_handle(). On a
 * verdict other than "mapped" the access stops: *verdict tells. Returns bytes done. */
size_t host_load(uaddr_t addr, void *buf, size_t len, struct fault_verdict *verdict);
size_t host_store(uaddr_t addr, const void *buf, size_t len, struct fault_verdict *verdict);
/* An instruction fetch of one byte: true when it may execute. */
bool host_fetch(uaddr_t addr, struct fault_verdict *verdict);

struct host_mmu_stat {
	u64 tlb_hits, tlb_misses, faults, flushes;
};
extern struct host_mmu_stat host_mmu_stat;

/* While no memory call runs: NULL, or which translation some CPU should have lost. */
const char *host_tlb_validate(void);

/* Printed by a panic: how to get there again. Empty: nothing. */
extern char host_panic_note[128];

/* The processes among which a victim is chosen when memory runs out: up to 64, by ascending pid. Killed ones are
 * dying from then on; the test ends them. A new machine has none, and fails allocations instead. */
void host_process_add(const struct host_process *p);
bool host_process_is_killed(u32 pid);
void host_processes_forget(void);
/* The one that runs: 0, of no process. */
extern u32 host_running_pid;

/* How often somebody lost time for lack of memory (host_stall_begin), and how much, since the program began. */
extern struct host_stalls {
	u64 nr, ns; /* atomic */
} host_stalls;

/* What host_current() and host_rlimits() answer; tests set it. */
extern struct host_context host_context;
extern struct rlimit_pair host_limits[];

#endif
