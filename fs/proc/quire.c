/* SPDX-License-Identifier: MIT */
/*
 * /proc/quire: windows into Quire itself, for its tests.
 *
 *   drain     (write) what is kept for reuse goes back (empty slabs, per-CPU lists, kernel stacks), so that
 *             counts can be compared
 *   frames    how many frames there are of each kind, counted one by one
 *   counters  every counter with its help
 *   validate  "ok", or what is broken in the frame allocator, the slabs, the gauges, the groups, the caller's space
 *   fail_nth  (write) N: after N more successes the writing task's next allocation of memory in the kernel
 *             fails, once; -1: none does. Reading tells whether one has
 *   fail_random
 *             (write) "N SEED": from now on one in N allocations fails that the writing process, and what it forks, asks
 *             for in the kernel; N 0: none
 *   take_block, take_block_atomic
 *             (write) an order: a block of so many frames is allocated, the second way without waiting for one, and given
 *             back; ENOMEM: there is none
 *   leaks     the kernel's objects by who asked for them: leaks.c
 *   trace     the record of decisions: trace.c
 */
#include "proc.h"
#include <kernel/sched.h>
#include <lib/parse.h>
#include <mm/frame.h>
#include <mm/group.h>
#include <mm/host.h>
#include <mm/inject.h>
#include <mm/slab.h>
#include <mm/space.h>
#include <mm/stat.h>

static void drain_cpu(void)
{
	slab_drain();
	frame_drain_pcp();
}

/* Twice: what one CPU gives back may fill another one's lists. */
static int store_drain(struct pseudo_node *n, char *text, size_t len)
{
	hal_stack_drain(~0ull);
	host_visit_cpus(drain_cpu);
	host_visit_cpus(drain_cpu);
	return 0;
}

static int show_frames(struct seq *s, struct pseudo_node *n)
{
	static const char *const names[FRAME_NR_KINDS] = {
		[FRAME_RESERVED] = "reserved", [FRAME_FREE] = "free_blocks", [FRAME_FREE_TAIL] = "free_tails", [FRAME_PCP] = "free_percpu",
		[FRAME_KERNEL] = "kernel", [FRAME_STACK] = "stack", [FRAME_SLAB] = "slab", [FRAME_SLAB_TAIL] = "slab_tails", [FRAME_TABLE] = "table",
		[FRAME_COMPANION] = "companion", [FRAME_ANON] = "anon", [FRAME_CACHE] = "cache", [FRAME_SPECIAL] = "special",
	};
	for (unsigned k = 0; k < FRAME_NR_KINDS; k++)
		seq_printf(s, "%s %llu\n", names[k], (unsigned long long)frame_nr_of_kind(k));
	seq_printf(s, "total %llu\nfree %llu\n", (unsigned long long)frame_total(), (unsigned long long)frame_nr_free());
	return 0;
}

static int show_counters(struct seq *s, struct pseudo_node *n)
{
	for (unsigned c = 0; c < STAT_NR; c++)
		seq_printf(s, "%-24s %12llu  %s\n", stat_name(c), (unsigned long long)stat_read(c), stat_help(c));
	return 0;
}

/* The same countdown for everything: "struck" tells whether it has failed an allocation since it was set. */
static int show_fail_nth(struct seq *s, struct pseudo_node *n)
{
	seq_puts(s, inject_struck() ? "struck\n" : "no\n");
	return 0;
}

static int store_fail_nth(struct pseudo_node *n, char *text, size_t len)
{
	s64 nth;
	if (pseudo_parse_value(text, &nth))
		return -EINVAL;
	if (nth < 0)
		inject_stop();
	else
		inject_failure(INJECT_FRAMES | INJECT_SLABS, nth, host_current());
	return 0;
}

static int store_fail_random(struct pseudo_node *n, char *text, size_t len)
{
	u64 one_in, seed;
	const char *end;
	if (!parse_u64(text, 10, &one_in, &end) || *end != ' ' || !parse_u64(end + 1, 10, &seed, &end) || one_in > 1u << 30)
		return -EINVAL;
	current->host.may_fail = one_in != 0;
	inject_random((unsigned)one_in, seed);
	return 0;
}

static int take_block(char *text, unsigned alloc)
{
	s64 order;
	if (pseudo_parse_value(text, &order) || order < 0 || order > FRAME_MAX_ORDER)
		return -EINVAL;
	struct frame *f = frame_alloc((unsigned)order, alloc, FRAME_KERNEL);
	if (f)
		frame_free(f, (unsigned)order);
	return f ? 0 : -ENOMEM;
}

static int store_take_block(struct pseudo_node *n, char *text, size_t len) { return take_block(text, ALLOC_KERNEL); }
static int store_take_atomic(struct pseudo_node *n, char *text, size_t len) { return take_block(text, 0); }

static int show_validate(struct seq *s, struct pseudo_node *n)
{
	seq_reserve(s, 1024); /* nothing may be allocated while the lists are walked */
	const char *frames = frame_validate(), *slabs = slab_validate(), *figures = stat_validate(), *groups = mem_group_validate();
	const char *space = current->space ? space_validate(current->space) : NULL;
	if (!frames && !slabs && !space && !figures && !groups)
		seq_puts(s, "ok\n");
	if (frames)
		seq_printf(s, "frame: %s\n", frames);
	if (slabs)
		seq_printf(s, "slab: %s\n", slabs);
	if (figures)
		seq_printf(s, "%s\n", figures);
	if (groups)
		seq_printf(s, "%s\n", groups);
	if (space)
		seq_printf(s, "space: %s\n", space);
	return 0;
}

static const struct pseudo_entry quire_entries[] = {
	{ .name = "fail_random", .mode = S_IFREG | 0200, .store = store_fail_random },
	{ .name = "drain", .mode = S_IFREG | 0200, .store = store_drain },
	FILE_ENTRY("frames", show_frames),
	FILE_ENTRY("counters", show_counters),
	FILE_ENTRY("validate", show_validate),
	{ .name = "fail_nth", .mode = S_IFREG | 0600, .show = show_fail_nth, .store = store_fail_nth },
	{ .name = "take_block", .mode = S_IFREG | 0200, .store = store_take_block },
	{ .name = "take_block_atomic", .mode = S_IFREG | 0200, .store = store_take_atomic },
	{ .name = "leaks", .mode = S_IFREG | 0600, .show = show_leaks, .store = store_leaks },
	DIR_ENTRY("trace", proc_trace_entries),
};

const struct pseudo_entry proc_quire_dir = DIR_ENTRY("quire", quire_entries);
