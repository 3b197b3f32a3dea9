/* SPDX-License-Identifier: MIT */
/*
 * /proc/quire/leaks: the kernel's objects that are out, by the code that asked for them; with quire.leaks on the kernel
 * command line, or `quire run --debug`. Writing anything sets a mark: from then on only what is younger is shown. So what stays
 * of a piece of work that should leave nothing is found by mark, work, drain (see ../quire/drain), read.
 *
 *   OBJECTS BYTES OLDEST_MS TID CACHE CALLER+OFFSET     the most bytes first; TID of the youngest
 */
#include "proc.h"
#include <hal/backtrace.h>
#include <hal/time.h>
#include <kernel/sched.h>
#include <mm/slab.h>

#define MAX_SITES 1024u

struct site {
	const char *cache;
	u32 caller, tid;
	u64 objects, bytes, oldest_ns, youngest_ns;
};

struct sites {
	u64 since_ns, until_ns;
	u32 nr;
	u64 left_out; /* objects for whose site there was no room */
	struct site site[MAX_SITES];
};

static u64 mark_ns;

static void count(const char *cache, u32 size, const struct slab_note *n, void *arg)
{
	struct sites *all = arg;
	u32 i = 0;
	if (n->ns < all->since_ns || n->ns > all->until_ns)
		return;
	while (i < all->nr && (all->site[i].caller != n->caller || all->site[i].cache != cache))
		i++;
	if (i == MAX_SITES) {
		all->left_out++;
		return;
	}
	struct site *s = &all->site[i];
	if (i == all->nr)
		all->nr++;
	s->cache = cache;
	s->caller = n->caller;
	s->objects++;
	s->bytes += size;
	if (!s->oldest_ns || n->ns < s->oldest_ns)
		s->oldest_ns = n->ns;
	if (n->ns >= s->youngest_ns) {
		s->youngest_ns = n->ns;
		s->tid = n->tid;
	}
}

static struct site *most_bytes(struct sites *all)
{
	struct site *best = NULL;
	for (u32 i = 0; i < all->nr; i++)
		if (all->site[i].bytes && (!best || all->site[i].bytes > best->bytes))
			best = &all->site[i];
	return best;
}

int show_leaks(struct seq *s, struct pseudo_node *n)
{
	if (!slab_keeps_notes)
		return -ENODATA;
	struct sites *all = kzalloc(sizeof(*all), ALLOC_KERNEL);
	if (!all)
		return -ENOMEM;
	all->since_ns = READ_ONCE(mark_ns);
	all->until_ns = hal_clock_ns(); /* not what showing takes */
	slab_for_each_note(count, all);
	for (struct site *at; (at = most_bytes(all)) != NULL; at->bytes = 0) {
		u64 offset, size, caller = 0xffffffff00000000ull | at->caller;
		const char *name = hal_symbol(caller, &offset, &size);
		seq_printf(s, "%llu %llu %llu %u %s %s+%#llx\n", (unsigned long long)at->objects, (unsigned long long)at->bytes,
		           (unsigned long long)((all->until_ns - at->oldest_ns) / 1000000), at->tid, at->cache, name ? name : "?", (unsigned long long)(name ? offset : caller));
	}
	if (all->left_out)
		seq_printf(s, "# %llu more objects, of further callers\n", (unsigned long long)all->left_out);
	kfree(all);
	return 0;
}

int store_leaks(struct pseudo_node *n, char *text, size_t len)
{
	WRITE_ONCE(mark_ns, hal_clock_ns());
	return slab_keeps_notes ? 0 : -ENODATA;
}
