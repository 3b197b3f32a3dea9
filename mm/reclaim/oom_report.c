/* SPDX-License-Identifier: MIT */
/*
 * What the kernel log says when memory has run out, in the words and the order of Linux 6.1, which programs and
 * people look for. One caller at a time: lines are put together in static storage.
 */
#include "oom.h"
#include <hal/log.h>
#include <lib/format.h>
#include <mm/frame.h>
#include <mm/group.h>
#include <mm/stat.h>
#include <mm/swap.h>

#define kb(pages) ((unsigned long long)(pages) << (PAGE_SHIFT - 10))

static char line[512];
static size_t len;

static void begin(void) { len = 0; }

static __attribute__((format(printf, 1, 2))) void add(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	len = min(len + (size_t)n, sizeof(line) - 1);
}

/* ---- who asked ---- */

/* Our allocations by the names that Linux gives such. */
static unsigned gfp_mask(unsigned alloc, const char **names)
{
	if (alloc & ALLOC_MOVABLE) {
		*names = alloc & ALLOC_ZERO ? "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO" : "GFP_HIGHUSER_MOVABLE";
		return alloc & ALLOC_ZERO ? 0x140dca : 0x100cca;
	}
	*names = alloc & ALLOC_ZERO ? "GFP_KERNEL|__GFP_ZERO" : "GFP_KERNEL";
	return alloc & ALLOC_ZERO ? 0xdc0 : 0xcc0;
}

struct asking {
	unsigned order, alloc;
};

static void show_asking(const struct host_process *p, void *arg)
{
	const struct asking *a = arg;
	const char *names;
	unsigned mask = gfp_mask(a->alloc, &names);
	hal_log(LOG_WARNING, "%s invoked oom-killer: gfp_mask=0x%x(%s), order=%u, oom_score_adj=%d", p->name, mask, names, a->order,
	        p->oom_score_adj);
	hal_log(LOG_WARNING, "CPU: %u PID: %u Comm: %s", hal_cpu_id(), p->pid, p->name);
}

/* ---- memory ---- */

static unsigned long long count(enum mm_counter c) { return stat_read(c); }

static void show_totals(void)
{
	u64 pcp = 0;
	for (unsigned i = 0; i < frame_nr_nodes(); i++) {
		struct frame_node_stat n;
		frame_node_stat(i, &n);
		pcp += n.free_pcp;
	}
	hal_log(LOG_WARNING, "Mem-Info:");
	hal_log(LOG_WARNING, "active_anon:%llu inactive_anon:%llu isolated_anon:0", count(STAT_NR_ACTIVE_ANON), count(STAT_NR_INACTIVE_ANON));
	hal_log(LOG_WARNING, " active_file:%llu inactive_file:%llu isolated_file:0", count(STAT_NR_ACTIVE_FILE), count(STAT_NR_INACTIVE_FILE));
	hal_log(LOG_WARNING, " unevictable:%llu dirty:%llu writeback:%llu", count(STAT_NR_MLOCK), count(STAT_NR_FILE_DIRTY), count(STAT_NR_WRITEBACK));
	hal_log(LOG_WARNING, " slab_reclaimable:%llu slab_unreclaimable:%llu", count(STAT_NR_SLAB_RECLAIMABLE), count(STAT_NR_SLAB_UNRECLAIMABLE));
	hal_log(LOG_WARNING, " mapped:%llu shmem:%llu pagetables:%llu companions:%llu", count(STAT_NR_MAPPED), count(STAT_NR_SHMEM),
	        count(STAT_NR_PAGE_TABLE), count(STAT_NR_COMPANION));
	hal_log(LOG_WARNING, " kernel_stack:%llukB kernel_misc:%llu", count(STAT_NR_KERNEL_STACK_KB), count(STAT_NR_KERNEL_MISC));
	hal_log(LOG_WARNING, " free:%llu free_pcp:%llu free_cma:0", (unsigned long long)(frame_nr_free() - pcp), (unsigned long long)pcp);
}

static void show_node(unsigned node)
{
	struct frame_node_stat n;
	frame_node_stat(node, &n);
	hal_log(LOG_WARNING, "Node %u Normal free:%llukB boost:0kB min:%llukB low:%llukB high:%llukB present:%llukB managed:%llukB free_pcp:%llukB",
	        node, kb(n.free), kb(n.wmark_min), kb(n.wmark_low), kb(n.wmark_high), kb(n.present), kb(n.managed), kb(n.free_pcp));
	begin();
	add("Node %u Normal: ", node);
	for (unsigned k = 0; k <= FRAME_MAX_ORDER; k++)
		add("%llu*%llukB ", (unsigned long long)n.nr_free_blocks[k], kb(1ul << k));
	add("= %llukB", kb(n.free));
	hal_log(LOG_WARNING, "%s", line);
}

static void show_memory(void)
{
	show_totals();
	for (unsigned i = 0; i < frame_nr_nodes(); i++)
		show_node(i);
	hal_log(LOG_WARNING, "%llu total pagecache pages", count(STAT_NR_FILE_PAGES));
	hal_log(LOG_WARNING, "%llu pages in swap cache", (unsigned long long)swap_nr_cached());
	hal_log(LOG_WARNING, "Free swap  = %llukB", kb(swap_nr_free()));
	hal_log(LOG_WARNING, "Total swap = %llukB", kb(swap_nr_total()));
	hal_log(LOG_WARNING, "%llu pages RAM", (unsigned long long)(hal_ram_total() >> PAGE_SHIFT));
	hal_log(LOG_WARNING, "%llu pages reserved", (unsigned long long)((hal_ram_total() >> PAGE_SHIFT) - frame_total()));
}

/* ---- a group ---- */

static const char *path_of(const struct mem_group *g) { return g->name ? g->name : "/"; }

static void show_counter(const char *name, const struct mem_group_counter *c)
{
	hal_log(LOG_INFO, "%s: usage %llukB, limit %llukB, failcnt %llu", name, kb(READ_ONCE(c->usage)), READ_ONCE(c->max) == MEM_GROUP_UNLIMITED ? 9007199254740988ull : kb(READ_ONCE(c->max)),
	        (unsigned long long)READ_ONCE(c->nr_failed));
}

static void show_group_line(const char *name, u64 value, void *arg) { hal_log(LOG_INFO, "%s %llu", name, (unsigned long long)value); }

static void show_group(struct mem_group *g)
{
	show_counter("memory", &g->memory);
	show_counter("swap", &g->swap);
	hal_log(LOG_INFO, "Memory cgroup stats for %s:", path_of(g));
	mem_group_show_stat(g, show_group_line, NULL);
}

/* ---- processes ---- */

static void look(const struct host_process *p, void *arg) { oom_look(p, arg); }

static void show_tasks(const struct mem_group *within)
{
	struct oom_figures f;
	hal_log(LOG_INFO, "Tasks state (memory values in pages):");
	hal_log(LOG_INFO, "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
	for (u32 pid = 0; (pid = host_visit_process(pid, look, &f)) != 0;) {
		if (f.p.is_exempt || !mem_group_contains(within, mem_group_at(f.p.group)))
			continue;
		hal_log(LOG_INFO, "[%7u] %5u %5u %8llu %8lld %8lld %8lld         %5d %s", f.p.pid, f.p.uid, f.p.pid, (unsigned long long)f.total_pages,
		        (long long)oom_rss(&f), (long long)(f.nr_tables << PAGE_SHIFT), (long long)f.rss[RSS_SWAP], f.p.oom_score_adj, f.p.name);
	}
}

static void show_choice(const struct mem_group *within, const struct oom_figures *v)
{
	bool is_global = within == &mem_root;
	begin();
	add("oom-kill:constraint=%s,nodemask=(null),cpuset=/,mems_allowed=0", is_global ? "CONSTRAINT_NONE" : "CONSTRAINT_MEMCG");
	if (frame_nr_nodes() > 1)
		add("-%u", frame_nr_nodes() - 1);
	if (is_global)
		add(",global_oom");
	else
		add(",oom_memcg=%s", path_of(within));
	add(",task_memcg=%s,task=%s,pid=%u,uid=%u", path_of(mem_group_at(v->p.group)), v->p.name, v->p.pid, v->p.uid);
	hal_log(LOG_INFO, "%s", line);
}

void oom_report(struct mem_group *within, unsigned order, unsigned alloc, const struct oom_figures *victim)
{
	struct asking a = { order, alloc };
	host_visit_self(show_asking, &a);
	if (within == &mem_root)
		show_memory();
	else
		show_group(within);
	if (mm_tunables.oom_dump_tasks)
		show_tasks(within);
	if (victim)
		show_choice(within, victim);
	else
		hal_log(LOG_WARNING, "Out of memory and no killable processes...");
}

void oom_report_kill(const char *why, const struct oom_figures *v)
{
	hal_log(LOG_ERR,
	        "%s: Killed process %u (%s) total-vm:%llukB, anon-rss:%llukB, file-rss:%llukB, shmem-rss:%llukB, UID:%u pgtables:%llukB "
	        "oom_score_adj:%d",
	        why, v->p.pid, v->p.name, kb(v->total_pages), kb(v->rss[RSS_ANON]), kb(v->rss[RSS_FILE]), kb(v->rss[RSS_SHMEM]), v->p.uid,
	        kb(v->nr_tables), v->p.oom_score_adj);
}
