/* SPDX-License-Identifier: MIT */
/* /proc/locks, and what /proc/PID/fdinfo/N says of the locks of an open file. Source: proc(5), proc_locks(5). */
#include "proc.h"

#define ROOM_FOR_MORE 16u /* locks that come while memory is asked for */

static void add_lock(struct seq *s, const struct lock_view *l)
{
	static const char *const kinds[] = { [KIND_POSIX] = "POSIX  ADVISORY  ", [KIND_OFD] = "OFDLCK ADVISORY  ", [KIND_FLOCK] = "FLOCK  ADVISORY  " };
	seq_printf(s, "%u: %s%s%s %d %02x:%02x:%llu ", l->number, l->is_waiting ? "-> " : "", kinds[l->kind], l->is_write ? "WRITE" : "READ", l->pid,
	           dev_major(l->dev), dev_minor(l->dev), (unsigned long long)l->ino);
	if (l->end == ~0ull)
		seq_printf(s, "%llu EOF\n", (unsigned long long)l->start);
	else
		seq_printf(s, "%llu %llu\n", (unsigned long long)l->start, (unsigned long long)l->end);
}

/* As they lie in the file. */
static void sort_by_start(struct lock_view *all, u32 nr)
{
	for (u32 i = 1; i < nr; i++)
		for (u32 k = i; k && all[k].start < all[k - 1].start; k--) {
			struct lock_view first = all[k];
			all[k] = all[k - 1];
			all[k - 1] = first;
		}
	for (u32 i = 0; i < nr; i++)
		all[i].number = i + 1;
}

int add_locks(struct seq *s, const struct file *f, const struct files *table, const char *prefix)
{
	u32 max = locks_view(f, table, NULL, 0) + ROOM_FOR_MORE;
	struct lock_view *all = kmalloc(max * sizeof(*all), ALLOC_KERNEL);
	if (!all)
		return -ENOMEM;
	u32 nr = min(locks_view(f, table, all, max), max);
	if (f)
		sort_by_start(all, nr);
	for (u32 i = 0; i < nr; i++) {
		seq_puts(s, prefix);
		add_lock(s, &all[i]);
	}
	kfree(all);
	return 0;
}

int show_locks(struct seq *s, struct pseudo_node *n) { return add_locks(s, NULL, NULL, ""); }
