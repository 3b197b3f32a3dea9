/* SPDX-License-Identifier: MIT */
/*
 * The regions of a process: maps, smaps, smaps_rollup, numa_maps. They come in pieces of some dozen regions, the
 * cursor being the address to go on from, so a process with many regions neither holds its space's lock
 * for long nor needs a large buffer.
 */
#include "proc.h"
#include <mm/inspect.h>
#include <mm/region.h>
#include <mm/space.h>

#define PIECE_BYTES 16384u
#define NAME_COLUMN 73u /* where names begin, if the line is not longer */

/* Of one piece: room for a file's name, and the memory policy of the task. */
struct scratch {
	char policy[24], name[FS_PATH_MAX];
};

/* The name of a region without a file, or NULL. */
static const char *region_label(const struct region *r)
{
	const struct space *m = r->space;
	if (r->name)
		return r->name;
	if (r->start < m->brk && r->end > m->brk_start)
		return "[heap]";
	if (r->start <= m->stack_start && r->end >= m->stack_start)
		return "[stack]";
	return NULL;
}

void show_region(struct seq *s, const struct region *r, char name[FS_PATH_MAX])
{
	struct file *f = r->mapping ? r->file : NULL;
	size_t start = s->len;
	u64 dev = f ? f->inode->super->dev : 0;
	seq_printf(s, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", r->start, r->end, r->flags & REGION_READ ? 'r' : '-', r->flags & REGION_WRITE ? 'w' : '-',
	           r->flags & REGION_EXEC ? 'x' : '-', r->flags & REGION_SHARED ? 's' : 'p', f ? (unsigned long long)(r->pgoff << PAGE_SHIFT) : 0ull,
	           dev_major(dev), dev_minor(dev), f ? (unsigned long long)f->inode->ino : 0ull);
	const char *label = NULL;
	if (f) {
		file_name(f, name, FS_PATH_MAX);
		label = name;
	} else {
		label = region_label(r);
	}
	if (label && *label) {
		seq_pad(s, start + NAME_COLUMN);
		seq_escape(s, label, "\n");
	}
	seq_putc(s, '\n');
}

/* ---- smaps ---- */

/* The name fills 16 columns. */
#define show_kb(s, name, bytes) seq_number(s, name, (bytes) >> 10, 8, " kB\n")

#define NO_HUGE_PAGES                                                                                                            \
	"LazyFree:              0 kB\nAnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\nFilePmdMapped:         0 kB\n"        \
	"Shared_Hugetlb:        0 kB\nPrivate_Hugetlb:       0 kB\n"

static void show_usage(struct seq *s, const struct region_usage *u, bool with_parts, const u64 parts[3])
{
	show_kb(s, "Rss:            ", u->rss);
	show_kb(s, "Pss:            ", u->pss);
	show_kb(s, "Pss_Dirty:      ", u->pss_dirty);
	if (with_parts) {
		show_kb(s, "Pss_Anon:       ", parts[0]);
		show_kb(s, "Pss_File:       ", parts[1]);
		show_kb(s, "Pss_Shmem:      ", parts[2]);
	}
	show_kb(s, "Shared_Clean:   ", u->shared_clean);
	show_kb(s, "Shared_Dirty:   ", u->shared_dirty);
	show_kb(s, "Private_Clean:  ", u->private_clean);
	show_kb(s, "Private_Dirty:  ", u->private_dirty);
	show_kb(s, "Referenced:     ", u->referenced);
	show_kb(s, "Anonymous:      ", u->anonymous);
	seq_puts(s, NO_HUGE_PAGES);
	show_kb(s, "Swap:           ", u->swap);
	show_kb(s, "SwapPss:        ", u->swap_pss);
	show_kb(s, "Locked:         ", u->locked);
}

static void show_flags(struct seq *s, u32 flags)
{
	static const struct {
		u32 flag;
		char name[4];
	} names[] = {
		{ REGION_READ, "rd " }, { REGION_WRITE, "wr " }, { REGION_EXEC, "ex " }, { 0, "sh " }, { REGION_MAYREAD, "mr " },
		{ REGION_MAYWRITE, "mw " }, { REGION_MAYEXEC, "me " }, { REGION_SHARED, "ms " }, { REGION_GROWSDOWN, "gd " },
		{ REGION_SPECIAL, "pf " }, { REGION_LOCKED, "lo " }, { REGION_SPECIAL, "io " }, { REGION_SEQ_READ, "sr " },
		{ REGION_RAND_READ, "rr " }, { REGION_DONTFORK, "dc " }, { REGION_SPECIAL, "de " }, { REGION_LOCKONFAULT, "lf " },
		{ REGION_ACCOUNT, "ac " }, { REGION_NORESERVE, "nr " }, { REGION_WIPEONFORK, "wf " }, { REGION_DONTDUMP, "dd " },
		{ REGION_HUGEPAGE, "hg " }, { REGION_NOHUGEPAGE, "nh " },
	};
	seq_puts(s, "VmFlags: ");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		bool on = names[i].flag ? flags & names[i].flag : (flags & REGION_SHARED) && (flags & REGION_MAYWRITE);
		if (on)
			seq_write(s, names[i].name, 3);
	}
	seq_putc(s, '\n');
}

static void show_smap(struct seq *s, struct region *r, struct scratch *c)
{
	struct region_usage u;
	region_usage_locked(r, &u);
	show_region(s, r, c->name);
	show_kb(s, "Size:           ", r->end - r->start);
	show_kb(s, "KernelPageSize: ", PAGE_SIZE);
	show_kb(s, "MMUPageSize:    ", PAGE_SIZE);
	show_usage(s, &u, false, NULL);
	seq_puts(s, "THPeligible:    0\n");
	show_flags(s, r->flags);
}

static void show_map(struct seq *s, struct region *r, struct scratch *c) { show_region(s, r, c->name); }

/* ---- numa_maps ---- */

static void show_places(struct seq *s, const struct region_places *p)
{
	const struct {
		const char *name;
		u64 value;
		bool is_shown;
	} figures[] = {
		{ "anon", p->anon, p->anon },
		{ "dirty", p->dirty, p->dirty },
		{ "mapped", p->pages, p->pages != p->anon && p->pages != p->dirty },
		{ "mapmax", p->mapcount_max, p->mapcount_max > 1 },
		{ "swapcache", p->swapcache, p->swapcache },
		{ "active", p->active, p->active < p->pages },
		{ "writeback", p->writeback, p->writeback },
	};
	for (unsigned n = 0; n < ARRAY_SIZE(figures); n++)
		if (figures[n].is_shown)
			seq_printf(s, " %s=%llu", figures[n].name, (unsigned long long)figures[n].value);
	for (unsigned n = 0; n < REGION_NODES; n++)
		if (p->of_node[n])
			seq_printf(s, " N%u=%llu", n, (unsigned long long)p->of_node[n]);
	seq_printf(s, " kernelpagesize_kB=%lu", PAGE_SIZE >> 10);
}

/* Regions have no policies of their own (kernel/syscall/numa.c). */
static void show_numa(struct seq *s, struct region *r, struct scratch *c)
{
	struct region_places places;
	const char *label = region_label(r);
	region_places_locked(r, &places);
	seq_printf(s, "%08lx %s", r->start, c->policy);
	if (r->mapping && r->file) {
		file_name(r->file, c->name, sizeof(c->name));
		seq_puts(s, " file=");
		seq_escape(s, c->name, "\n\t= ");
	} else if (label && (!strcmp(label, "[heap]") || !strcmp(label, "[stack]"))) {
		seq_printf(s, " %.*s", (int)strlen(label) - 2, label + 1);
	}
	if (places.pages)
		show_places(s, &places);
	seq_putc(s, '\n');
}

/* ---- pieces ---- */

/* As Linux writes it: the mode, how its nodes are meant, which. */
static void name_policy(char *out, size_t size, struct pseudo_node *n)
{
	static const char *const modes[] = { "default", "prefer", "bind", "interleave", "local", "prefer (many)" };
	struct task *t = node_task(n);
	u32 policy = t ? t->mempolicy : 0, nodes = t ? t->mempolicy_nodes : 0;
	if (t)
		task_put(t);
	const char *how = policy & 1u << 15 ? "=static" : policy & 1u << 14 ? "=relative" : "";
	snprintf(out, size, "%s%s%s", modes[min(policy & 0xff, (u32)ARRAY_SIZE(modes) - 1)], how, nodes ? ":0" : "");
}

/* 1: more to come; the cursor is the address to go on from. */
static int pieces(struct seq *s, struct pseudo_node *n, u64 *cursor, void (*show)(struct seq *, struct region *, struct scratch *))
{
	struct space *m = node_space(n);
	int ret = 0;
	if (!m)
		return 0;
	struct scratch *c = kmalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c) {
		space_put(m);
		return -ENOMEM;
	}
	name_policy(c->policy, sizeof(c->policy), n);
	rwlock_read(&m->lock);
	struct region *r = region_lookup(m, *cursor);
	for (; r && !ret; r = region_next(r)) {
		if (r->start < *cursor)
			continue;
		show(s, r, c);
		*cursor = r->end;
		ret = s->len >= PIECE_BYTES;
	}
	rwlock_read_unlock(&m->lock);
	kfree(c);
	space_put(m);
	return ret;
}

int process_maps(struct seq *s, struct pseudo_node *n, u64 *cursor) { return pieces(s, n, cursor, show_map); }
int process_smaps(struct seq *s, struct pseudo_node *n, u64 *cursor) { return pieces(s, n, cursor, show_smap); }

int process_numa_maps(struct seq *s, struct pseudo_node *n, u64 *cursor) { return pieces(s, n, cursor, show_numa); }

int process_smaps_rollup(struct seq *s, struct pseudo_node *n)
{
	struct space *m = node_space(n);
	struct region_usage sum = { 0 };
	uaddr_t first = 0, last = 0;
	u64 parts[3] = { 0 };
	if (!m)
		return -ESRCH;
	rwlock_read(&m->lock);
	for (struct region *r = region_first(m); r; r = region_next(r)) {
		struct region_usage u;
		region_usage_locked(r, &u);
		u64 *to = (u64 *)&sum;
		const u64 *from = (const u64 *)&u;
		for (unsigned i = 0; i < sizeof(u) / sizeof(u64); i++)
			to[i] += from[i];
		/* Anonymous pages of a private file mapping count in full: shared ones are rare. */
		u64 anon = r->mapping ? min(u.anonymous, u.pss) : u.pss;
		parts[0] += anon;
		parts[r->mapping && (r->mapping->flags & MAPPING_SHMEM) ? 2 : 1] += u.pss - anon;
		if (!first)
			first = r->start;
		last = r->end;
	}
	rwlock_read_unlock(&m->lock);
	space_put(m);
	seq_printf(s, "%08lx-%08lx ---p 00000000 00:00 0 ", first, last);
	seq_pad(s, NAME_COLUMN);
	seq_puts(s, "[rollup]\n");
	show_usage(s, &sum, true, parts);
	return 0;
}

/* What to forget the use of; 5: VmHWM. */
enum { REFS_ALL = 1, REFS_ANONYMOUS, REFS_FILES, REFS_SOFT_DIRTY, REFS_HIWATER };

int store_clear_refs(struct pseudo_node *n, char *text, size_t len)
{
	s64 what;
	int err = pseudo_parse_int(text, &what);
	if (err)
		return err;
	if (what < REFS_ALL || what > REFS_HIWATER || what == REFS_SOFT_DIRTY)
		return -EINVAL;
	struct space *s = node_space(n);
	if (!s)
		return 0; /* a kernel thread's, or of one that is gone */
	if (what == REFS_HIWATER)
		space_reset_hiwater(s);
	else
		space_clear_refs(s, what != REFS_FILES, what != REFS_ANONYMOUS);
	space_put(s);
	return 0;
}
