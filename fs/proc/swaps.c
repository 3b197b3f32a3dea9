/* SPDX-License-Identifier: MIT */
/* /proc/swaps: a line for each area, in columns of tabs as Linux sets them. */
#include "proc.h"
#include <fs/swap.h>

#define NAME_WIDTH 40u
#define TWO_TABS_BELOW 10000000u /* kB: shorter numbers leave room for a second tab */

struct listing {
	struct seq *seq;
	char *name; /* room for a path */
};

static void add_kb(struct seq *s, u64 kb) { seq_printf(s, "%llu\t%s", (unsigned long long)kb, kb < TWO_TABS_BELOW ? "\t" : ""); }

static void add_place(const struct swap_place_info *p, void *arg)
{
	struct listing *l = arg;
	size_t before = l->seq->len;
	file_name(p->file, l->name, FS_PATH_MAX);
	seq_escape(l->seq, l->name, " \t\n\\");
	size_t len = l->seq->len - before;
	seq_printf(l->seq, "%*s%s", len < NAME_WIDTH ? (int)(NAME_WIDTH - len) : 1, " ", p->is_device ? "partition\t" : "file\t\t");
	add_kb(l->seq, p->nr_pages << (PAGE_SHIFT - 10));
	add_kb(l->seq, p->nr_used << (PAGE_SHIFT - 10));
	seq_printf(l->seq, "%d\n", p->priority);
}

int show_swaps(struct seq *s, struct pseudo_node *n)
{
	struct listing l = { s, kmalloc(FS_PATH_MAX, ALLOC_KERNEL) };
	if (!l.name)
		return -ENOMEM;
	seq_puts(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	swap_for_each_place(add_place, &l);
	kfree(l.name);
	return 0;
}
