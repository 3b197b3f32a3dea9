/* SPDX-License-Identifier: MIT */
/*
 * The files memory.*: limits, figures and events of one group. Amounts are bytes, whole pages.
 * Source: Linux 6.1, Documentation/admin-guide/cgroup-v2.rst.
 */
#include "cgroup.h"
#include <kernel/errno.h>
#include <lib/parse.h>

/* The node's memory group with a reference; NULL: the directory was removed, or the controller taken away. */
static struct mem_group *node_get_memory(struct pseudo_node *n)
{
	struct cgroup *g = node_lock_cgroup(n);
	struct mem_group *m = g && g->has_memory ? g->memory : NULL;
	if (m)
		mem_group_get(m);
	if (g)
		cgroup_unlock();
	return m;
}

/* A file that shows something of the memory group m. */
#define SHOW(id, ...)                                          \
	int memory_show_##id(struct seq *s, struct pseudo_node *n) \
	{                                                          \
		struct mem_group *m = node_get_memory(n);              \
		if (!m)                                                \
			return -ENODEV;                                    \
		__VA_ARGS__;                                           \
		mem_group_put(m);                                      \
		return 0;                                              \
	}

static void put_pages(struct seq *s, s64 pages) { seq_printf(s, "%llu\n", (unsigned long long)max(pages, (s64)0) << PAGE_SHIFT); }

static void put_limit(struct seq *s, s64 max)
{
	if (max == MEM_GROUP_UNLIMITED)
		seq_puts(s, "max\n");
	else
		put_pages(s, max);
}

SHOW(current, put_pages(s, READ_ONCE(m->memory.usage)))
SHOW(peak, put_pages(s, READ_ONCE(m->memory.peak)))
SHOW(max, put_limit(s, READ_ONCE(m->memory.max)))
SHOW(swap_current, put_pages(s, READ_ONCE(m->swap.usage)))
SHOW(swap_max, put_limit(s, READ_ONCE(m->swap.max)))
/* Quire's own: equal decisions of a policy have equal hashes. */
static void put_evictions(struct seq *s, const struct lru_group *g)
{
	static const char *const types[] = { "anon", "file" };
	for (unsigned t = 0; t < LRU_NR_TYPES; t++)
		seq_printf(s, "%s %llu %016llx\n", types[t], (unsigned long long)READ_ONCE(g->lru[t].nr_evicted),
		           (unsigned long long)READ_ONCE(g->lru[t].eviction_hash));
}

SHOW(evictions, put_evictions(s, &m->lru))
SHOW(oom_group, seq_printf(s, "%u\n", READ_ONCE(m->oom_kills_all)))

/* "max", or an amount with K, M, G behind it: whole pages, rounded down. */
static int parse_limit(const char *text, s64 *pages)
{
	size_t len;
	const char *word = cgroup_next_word(text, &len), *end;
	u64 v;
	if (cgroup_next_word(word + len, &(size_t){ 0 })[0])
		return -EINVAL;
	if (len == 3 && !memcmp(word, "max", 3)) {
		*pages = MEM_GROUP_UNLIMITED;
		return 0;
	}
	if (!parse_size(word, &v, &end) || end != word + len)
		return -EINVAL;
	*pages = (s64)(v >> PAGE_SHIFT);
	return 0;
}

/* Calls fn with the node's memory group and the number of pages that `text` names. */
static int store_pages(struct pseudo_node *n, const char *text, int (*fn)(struct mem_group *m, s64 pages))
{
	s64 pages;
	int err = parse_limit(text, &pages);
	if (err)
		return err;
	struct mem_group *m = node_get_memory(n);
	if (!m)
		return -ENODEV;
	err = fn(m, pages);
	mem_group_put(m);
	return err;
}

static int set_max(struct mem_group *m, s64 pages)
{
	mem_group_set_max(m, pages);
	return 0;
}

static int set_swap_max(struct mem_group *m, s64 pages)
{
	WRITE_ONCE(m->swap.max, pages);
	return 0;
}

/* -EAGAIN if it was not that much. */
static int take_back(struct mem_group *m, s64 pages)
{
	u64 left = (u64)pages;
	for (unsigned idle = 0; left && idle < 16 && !signal_is_pending();) {
		u64 freed = mem_group_reclaim(m, left);
		left -= min(left, freed);
		idle = freed ? 0 : idle + 1;
	}
	return !left ? 0 : signal_is_pending() ? -EINTR : -EAGAIN;
}

int memory_store_max(struct pseudo_node *n, char *text, size_t len) { return store_pages(n, text, set_max); }
int memory_store_swap_max(struct pseudo_node *n, char *text, size_t len) { return store_pages(n, text, set_swap_max); }
int memory_store_reclaim(struct pseudo_node *n, char *text, size_t len) { return store_pages(n, text, take_back); }

int memory_store_oom_group(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	if (pseudo_parse_value(text, &v) || v < 0 || v > 1)
		return -EINVAL;
	struct mem_group *m = node_get_memory(n);
	if (!m)
		return -ENODEV;
	WRITE_ONCE(m->oom_kills_all, v);
	mem_group_put(m);
	return 0;
}

static void put_events(struct seq *s, const u64 *n)
{
	seq_printf(s, "low 0\nhigh 0\nmax %llu\noom %llu\noom_kill %llu\noom_group_kill %llu\n", (unsigned long long)READ_ONCE(n[MEM_GROUP_EVENT_MAX]),
	           (unsigned long long)READ_ONCE(n[MEM_GROUP_EVENT_OOM]), (unsigned long long)READ_ONCE(n[MEM_GROUP_EVENT_OOM_KILL]),
	           (unsigned long long)READ_ONCE(n[MEM_GROUP_EVENT_OOM_GROUP_KILL]));
}
SHOW(events, put_events(s, m->events))
SHOW(local_events, put_events(s, m->local_events))

struct host_waitq *memory_events_change(struct pseudo_node *n, u64 *count)
{
	struct mem_group *m = node_get_memory(n);
	if (!m)
		return NULL;
	*count = 0;
	for (unsigned i = 0; i < MEM_GROUP_NR_EVENTS; i++)
		*count += READ_ONCE(m->events[i]);
	mem_group_put(m);
	return &m->event_queue; /* stays, whatever becomes of the group */
}

static void put_stat(const char *name, u64 value, void *arg) { seq_printf(arg, "%s %llu\n", name, (unsigned long long)value); }
SHOW(stat, mem_group_show_stat(m, put_stat, s))
