/* SPDX-License-Identifier: MIT */
/* RAM, clock, randomness, log and panic of the host machine. */
#include <hal/log.h>
#include <hal/mem.h>
#include <hal/time.h>
#include <host/machine.h>
#include <mm/compact.h>
#include <mm/frame.h>
#include <mm/radix.h>
#include <mm/reclaim.h>
#include <mm/swap.h>
#include <mm/slab.h>
#include <mm/stat.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "internal.h"

#define RAM_START 0x100000ul /* as on a PC, the first MiB is not RAM */

__thread unsigned host_cpu_id;
__thread struct task *host_task;
unsigned host_nr_cpus = 1;
char *host_ram;
struct frame *host_frames;
bool host_threads;
char host_panic_note[128];

static struct hal_ram_range ranges[FRAME_MAX_NODES];
static unsigned nr_ranges;
static size_t ram_size, frames_size;
static u64 random_state, clock_now;

struct host_context host_context = {
	.has_ipc_lock = true,
};
struct rlimit_pair host_limits[RLIM_NLIMITS] = {
	[0 ... RLIMIT_DATA] = { ~0ul, ~0ul },
	[RLIMIT_STACK] = { 8ul << 20, ~0ul },
	[RLIMIT_STACK + 1 ... RLIM_NLIMITS - 1] = { ~0ul, ~0ul },
};

const struct host_context *host_current(void) { return &host_context; }
u32 host_tid(void) { return 1; }
const struct rlimit_pair *host_rlimits(void) { return host_limits; }

void hal_cpu_pause(void)
{
	if (host_turns)
		host_turn_pause();
	else
		sched_yield();
}

unsigned hal_ram_ranges(const struct hal_ram_range **out)
{
	*out = ranges;
	return nr_ranges;
}

u64 hal_ram_total(void) { return ram_size; }

void *hal_frame_array(u64 nr_pfns, size_t entry_bytes)
{
	frames_size = nr_pfns * entry_bytes;
	host_frames = mmap(NULL, frames_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host_frames == MAP_FAILED)
		hal_panic("no memory for %lu frame descriptors", (unsigned long)nr_pfns);
	return host_frames;
}

u64 hal_clock_ns(void)
{
	return host_turns ? host_turn_clock() : __atomic_add_fetch(&clock_now, 1, __ATOMIC_RELAXED);
}

void host_clock_pass(u64 ns)
{
	u64 now = __atomic_load_n(&clock_now, __ATOMIC_RELAXED);
	if (host_turns)
		host_turn_clock_pass(ns);
	while (now < ns && !__atomic_compare_exchange_n(&clock_now, &now, ns, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

u64 hal_random(void) { return hal_random_mix64(__atomic_add_fetch(&random_state, HAL_RANDOM_STEP, __ATOMIC_RELAXED)); }

void hal_log(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	if (level > LOG_WARNING)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void hal_panic(const char *fmt, ...)
{
	va_list ap;
	fputs("panic: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (host_turns)
		host_turns_report();
	if (host_panic_note[0])
		fprintf(stderr, "%s\n", host_panic_note);
	abort();
}

void host_machine_create(const struct host_config *c)
{
	u64 per_node = c->ram_bytes / c->nr_nodes & PAGE_MASK;
	host_nr_cpus = c->nr_cpus;
	host_threads = c->threads;
	random_state = c->seed;
	clock_now = 0;
	ram_size = RAM_START + c->ram_bytes;
	host_ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (host_ram == MAP_FAILED)
		hal_panic("no memory for %lu bytes of RAM", (unsigned long)ram_size);
	nr_ranges = c->nr_nodes;
	for (unsigned i = 0; i < nr_ranges; i++)
		ranges[i] = (struct hal_ram_range){ RAM_START + i * per_node, RAM_START + (i + 1) * per_node, (u16)i, 0 };
	host_processes_forget();
	memset(mm_stat_cpus, 0, sizeof(mm_stat_cpus));
	host_mmu_reset();
	frame_init();
	slab_init();
	radix_init_cache();
	reclaim_init();
	compact_init();
	swap_init();
	space_init();
}

void host_machine_destroy(void)
{
	munmap(host_ram, ram_size);
	munmap(host_frames, frames_size);
}
