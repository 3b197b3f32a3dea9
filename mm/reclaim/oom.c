/* SPDX-License-Identifier: MIT */
/*
 * The OOM killer: when an allocation that may wait finds nothing and reclaim gets nothing more, a process has
 * to end, so that all others go on.
 *
 * The victim is the process that weighs most: the pages that its end should free (resident and swapped pages,
 * page tables), moved by oom_score_adj thousandths of all memory. It goes with all its threads and with every
 * process that shares its space. Threads of the kernel's own, init and processes with an adjustment of -1000
 * are never chosen; one that is just ending a swap area goes before all others.
 *
 * The states of a space: none -> OOM_VICTIM, when it is chosen or found on its way out already -> OOM_DONE, when
 * it was torn down, or the reaper has taken what can be taken from outside. While one is between the two,
 * nobody else is chosen: all allocations wait for it. So at most one process dies for one page that is missing,
 * and the wait ends: the reaper needs no lock that is held for long.
 *
 * O1  Nobody waits here for a particular lock or process: a wait lasts a tenth of a second at most, then
 *     the allocation looks again. So it does not matter which locks the caller holds.
 * O2  A victim does not wait: it gets half of the reserve below the minimum watermark to end with, and its
 *     allocation fails when that is used up.
 * O3  Choosing, killing and reaping allocate nothing.
 * O4  A space is pinned from OOM_VICTIM until the reaper has let go of it.
 *
 * Where it differs from Linux: a process that is on its way out is waited for whatever it weighs (Linux: only the
 * heaviest). Memory that is free but in too small pieces kills nobody. When nobody is left to be killed the
 * allocation fails, where Linux panics. The reaper waits a moment, so that the victim can mark the robust
 * futexes that its threads hold: 50 ms instead of 2 s.
 * Source: the rules of Linux 6.1 as proc(5) and Documentation/admin-guide/sysctl/vm.rst describe them.
 */
#include "oom.h"
#include <hal/log.h>
#include <hal/time.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/group.h>
#include <mm/reclaim.h>
#include <mm/stat.h>
#include <mm/swap.h>
#include <mm/trace.h>

/* ---- how much a process weighs ---- */

u64 oom_total_pages(void) { return frame_total() + swap_nr_total(); }

static s64 weigh(const s64 rss[RSS_NR], s64 nr_tables, s16 adj, u64 total)
{
	s64 points = nr_tables + (s64)adj * (s64)(total / 1000);
	if (adj == OOM_SCORE_ADJ_MIN)
		return OOM_NEVER;
	for (unsigned k = 0; k < RSS_NR; k++)
		points += max(rss[k], (s64)0); /* a count may be a moment behind another */
	return points;
}

s64 oom_badness(const struct space *s, s16 adj, u64 total)
{
	s64 rss[RSS_NR];
	for (unsigned k = 0; k < RSS_NR; k++)
		rss[k] = READ_ONCE(s->rss[k]);
	return READ_ONCE(s->oom.state) & OOM_DONE ? OOM_NEVER : weigh(rss, READ_ONCE(s->nr_tables), adj, total);
}

u64 oom_score(s64 badness, u64 total)
{
	s64 points = badness == OOM_NEVER ? 0 : (1000 + badness * 1000 / (s64)total) * 2 / 3;
	return points > 0 ? (u64)points : 0;
}

void oom_look(const struct host_process *p, struct oom_figures *out)
{
	const struct space *s = p->space;
	out->p = *p;
	out->total_pages = s ? READ_ONCE(s->total_pages) : 0;
	for (unsigned k = 0; k < RSS_NR; k++)
		out->rss[k] = s ? max(READ_ONCE(s->rss[k]), (s64)0) : 0;
	out->nr_tables = s ? READ_ONCE(s->nr_tables) : 0;
}

/* ---- choosing ---- */

struct choice {
	u64 total;
	const struct mem_group *within; /* only a process of this group or below it */
	s64 points;            /* of `victim` */
	bool is_inhabited;     /* there are processes at all */
	bool has_victim, found_dying;
	struct oom_figures victim;
};

static __attribute__((noinline)) void trace_candidate(const struct host_process *p, s64 points)
{
	struct oom_figures f;
	oom_look(p, &f);
	trace_write(TRACE_CANDIDATE, p->pid, (u64)points, (u64)(oom_rss(&f) + f.rss[RSS_SWAP]), (u64)(s64)p->oom_score_adj);
}

static void consider(const struct host_process *p, void *arg)
{
	struct choice *c = arg;
	c->is_inhabited = true;
	if (p->is_exempt || p->is_borrower || !mem_group_contains(c->within, mem_group_at(p->group)))
		return;
	u32 state = READ_ONCE(p->space->oom.state);
	if (state & OOM_DONE)
		return;
	if (p->is_dying || state) {
		if (oom_mark(p))
			oom_reap_later(p->space, p->is_dying);
		c->found_dying = true;
		return;
	}
	s64 points = p->is_origin ? INT64_MAX : oom_badness(p->space, p->oom_score_adj, c->total);
	if (trace_is_on(TRACE_CANDIDATE))
		trace_candidate(p, points);
	if (points == OOM_NEVER || (c->has_victim && points < c->points))
		return;
	c->points = points;
	c->has_victim = true;
	oom_look(p, &c->victim);
}

/* RAM and swap that the group may use. */
static u64 total_of(const struct mem_group *g)
{
	u64 total = oom_total_pages(), swap = swap_nr_total();
	for (; g->parent; g = g->parent)
		total = min(total, (u64)READ_ONCE(g->memory.max) + min(swap, (u64)READ_ONCE(g->swap.max)));
	return max(total, (u64)1);
}

static void choose(struct choice *c, const struct mem_group *within)
{
	*c = (struct choice){ .total = total_of(within), .within = within };
	for (u32 pid = 0; (pid = host_visit_process(pid, consider, c)) != 0;)
		;
}

/* oom_kill_allocating_task: no choice, if it may be killed at all. */
static void choose_self(const struct host_process *p, void *arg)
{
	struct choice *c = arg;
	if (!p->space || p->is_exempt || p->oom_score_adj == OOM_SCORE_ADJ_MIN || READ_ONCE(p->space->oom.state))
		return;
	c->has_victim = true;
	oom_look(p, &c->victim);
}

/* ---- killing ---- */

struct marking {
	const struct oom_figures *victim;
	bool done;
};

/* A victim's own group, which it may leave at any time. */
static struct mem_group *group_of(const struct oom_figures *v) { return mem_group_at(v->p.group); }

/* Is it still the process that was chosen? */
static void mark_chosen(const struct host_process *p, void *arg)
{
	struct marking *m = arg;
	if (p->pid == m->victim->p.pid && p->space == m->victim->p.space)
		m->done = oom_mark(p);
}

static void kill_victim(const struct oom_figures *v, const char *why)
{
	struct marking m = { .victim = v };
	host_visit_process(v->p.pid - 1, mark_chosen, &m);
	if (!m.done)
		return; /* it ended by itself meanwhile */
	struct space *s = v->p.space; /* pinned now */
	stat_add(STAT_OOM_KILL, 1);
	mem_group_count(group_of(v), MEM_GROUP_EVENT_OOM_KILL);
	oom_report_kill(why, v);
	trace_point(TRACE_KILL, v->p.pid, (u64)(oom_rss(v) + v->rss[RSS_SWAP]), (u64)v->nr_tables, (u64)v->p.oom_score_adj);
	bool all_killed = host_kill_space(s);
	if (!all_killed)
		hal_log(LOG_INFO, "oom killer: the memory of %u (%s) is shared with init and stays", v->p.pid, v->p.name);
	oom_reap_later(s, all_killed);
	oom_wake_reaper();
}

/* At most ten long reports in five seconds, as Linux has it. One caller at a time. */
static bool may_report(void)
{
	static u64 since;
	static unsigned nr;
	u64 now = hal_clock_ns();
	if (!since || now - since > 5000000000ull) {
		since = now;
		nr = 0;
	}
	return nr++ < 10;
}

/* The highest group above the victim, up to `within`, that wants to end as a whole; NULL: none. */
static struct mem_group *group_to_kill(const struct oom_figures *v, const struct mem_group *within)
{
	struct mem_group *found = NULL;
	for (struct mem_group *g = group_of(v); g->parent; g = g->parent) {
		if (READ_ONCE(g->oom_kills_all))
			found = g;
		if (g == within)
			break;
	}
	return found;
}

struct next_in_group {
	const struct mem_group *group;
	bool is_in;
	struct oom_figures figures;
};

static void look_at_member(const struct host_process *p, void *arg)
{
	struct next_in_group *n = arg;
	n->is_in = mem_group_contains(n->group, mem_group_at(p->group)) && !p->is_exempt && p->oom_score_adj != OOM_SCORE_ADJ_MIN;
	if (n->is_in)
		oom_look(p, &n->figures);
}

static void kill_group(struct mem_group *g, const char *why)
{
	static struct next_in_group n; /* one caller at a time */
	hal_log(LOG_INFO, "Tasks in %s are going to be killed due to memory.oom.group set", g->name);
	mem_group_count(g, MEM_GROUP_EVENT_OOM_GROUP_KILL);
	n.group = g;
	for (u32 pid = 0; (pid = host_visit_process(pid, look_at_member, &n)) != 0;)
		if (n.is_in)
			kill_victim(&n.figures, why);
}

static bool choose_and_kill(struct mem_group *within, unsigned order, unsigned alloc)
{
	static struct choice c; /* large; one caller at a time */
	bool is_global = within == &mem_root;
	const char *why = is_global ? "Out of memory" : "Memory cgroup out of memory";
	choose(&c, within);
	if (c.found_dying) {
		oom_wake_reaper();
		return true;
	}
	if (!c.is_inhabited)
		return false; /* before init, or a host that has none */
	if (mm_tunables.panic_on_oom > !is_global) {
		oom_report(within, order, alloc, NULL);
		hal_panic("Out of memory: %s panic_on_oom is enabled", mm_tunables.panic_on_oom == 2 ? "compulsory" : "system-wide");
	}
	if (mm_tunables.oom_kill_allocating_task && is_global) {
		struct choice self = { .total = c.total };
		host_visit_self(choose_self, &self);
		if (self.has_victim) {
			c = self;
			why = "Out of memory (oom_kill_allocating_task)";
		}
	}
	if (may_report())
		oom_report(within, order, alloc, c.has_victim ? &c.victim : NULL);
	if (c.has_victim) {
		struct mem_group *all = group_to_kill(&c.victim, within);
		kill_victim(&c.victim, why);
		if (all)
			kill_group(all, why);
	}
	return c.has_victim;
}

/* ---- the way in ---- */

static u32 is_choosing; /* atomic */

/* Did somebody give back enough meanwhile? */
static bool is_enough_free(void)
{
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		if (n.free > n.wmark_high)
			return true;
	}
	return false;
}

/* Nothing is left to be had without a victim. */
static bool make_room(struct mem_group *within, unsigned order, unsigned alloc)
{
	bool go_on = true;
	if (oom_is_under_way()) {
		oom_wait();
	} else if (!(alloc & ALLOC_IO)) {
		go_on = false; /* reclaim has not done all it could */
	} else if (__atomic_exchange_n(&is_choosing, 1, __ATOMIC_ACQUIRE)) {
		oom_wait();
	} else {
		go_on = choose_and_kill(within, order, alloc);
		__atomic_store_n(&is_choosing, 0, __ATOMIC_RELEASE);
		if (go_on && !host_current()->is_being_killed)
			oom_wait();
	}
	return go_on;
}

bool oom_make_room(unsigned order, unsigned alloc)
{
	const struct host_context *me = host_current();
	if (order > OOM_MAX_ORDER || me->may_use_reserves)
		return false;
	if (me->is_being_killed) {
		host_use_reserves();
		return true;
	}
	if (is_enough_free())
		return order == 0; /* else it is in pieces: nobody's end makes a block of it */
	return make_room(&mem_root, order, alloc);
}

bool oom_make_room_in(struct mem_group *g, unsigned alloc)
{
	mem_group_count(g, MEM_GROUP_EVENT_OOM);
	return make_room(g, 0, alloc);
}

bool oom_fault(void)
{
	if (host_current()->is_being_killed)
		return true; /* it ends on its way back */
	return oom_make_room(0, ALLOC_USER);
}

void oom_init(void)
{
	is_choosing = 0;
	oom_reaper_init();
}
