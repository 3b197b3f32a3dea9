/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/explain/ADDRESS: where a page is, how the CPU gets there, who else maps it, where reclaim has it. ADDRESS is
 * any hexadecimal address of the process, with or without 0x; a listing shows where its regions begin. Quire's own.
 *
 * What stands here is for people who ask about one page; each line is true for a moment, not all of them for the same.
 */
#include "proc.h"
#include <linux/capability.h>
#include <lib/parse.h>
#include <mm/explain.h>
#include <mm/frame.h>
#include <mm/group.h>
#include <mm/policy.h>
#include <mm/region.h>
#include <mm/slab.h>
#include <mm/space.h>
#include <mm/swap.h>

#define MAX_USERS 64u

struct page_state {
	struct explained what;
	struct explained_user users[MAX_USERS];
	char name[FS_PATH_MAX];
};

/* ---- the walk ---- */

static void show_bits(struct seq *s, const struct explained_step *step)
{
	static const struct {
		u64 bit;
		const char *name;
	} names[] = {
		{ PTE_PRESENT, " present" }, { PTE_WRITE, " writable" }, { PTE_USER, " user" }, { PTE_ACCESSED, " accessed" }, { PTE_DIRTY, " dirty" },
		{ PTE_NX, " no-execute" }, { PTE_LOCKED, " locked" },
	};
	u64 bits = step->entry.bits;
	bool is_leaf = step->level == 1;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (bits & names[i].bit && (is_leaf || names[i].bit != PTE_DIRTY))
			seq_puts(s, names[i].name);
	if (is_leaf && pte_is_migrating(step->entry))
		seq_puts(s, " (on its way to another frame)");
	else if (is_leaf && bits & PTE_NOACCESS)
		seq_puts(s, " (kept, no access granted)");
	if (!is_leaf && !pte_is_writable(step->entry))
		seq_puts(s, " (table shared by fork)");
}

static void show_step(struct seq *s, const struct explained_step *step)
{
	static const char *const names[] = { "", "PT", "PD", "PDPT", "PML4" };
	const char *name = step->level < ARRAY_SIZE(names) ? names[step->level] : "upper";
	seq_printf(s, "walk     %-4s frame %#-8lx entry %3u: ", name, (unsigned long)step->table, step->index);
	if (pte_is_none(step->entry)) {
		seq_puts(s, "empty\n");
		return;
	}
	seq_printf(s, "%#018llx ->", (unsigned long long)step->entry.bits);
	if (step->level == 1 && pte_is_swap(step->entry))
		seq_puts(s, " swap");
	else
		seq_printf(s, " frame %#lx", (unsigned long)pte_pfn(step->entry));
	if (!pte_is_swap(step->entry) || step->level > 1)
		show_bits(s, step);
	seq_putc(s, '\n');
}

static void show_walk(struct seq *s, struct space *m, uaddr_t addr, const struct explained *e)
{
	unsigned shift = PAGE_SHIFT + HAL_INDEX_BITS * HAL_LEVELS;
	seq_printf(s, "split    page number %#lx =", addr >> PAGE_SHIFT);
	while ((shift -= HAL_INDEX_BITS) >= PAGE_SHIFT)
		seq_printf(s, " %lu", (addr >> shift) & ((1ul << HAL_INDEX_BITS) - 1));
	seq_printf(s, ", offset %#lx\nroot     CR3 %#lx\n", addr & (PAGE_SIZE - 1), (unsigned long)m->root_pfn << PAGE_SHIFT);
	for (unsigned i = 0; i < e->nr_steps; i++)
		show_step(s, &e->steps[i]);
	const struct explained_step *last = &e->steps[e->nr_steps - 1];
	if (last->level == 1 && last->sharers > 1)
		seq_printf(s, "shared   the PT with %u more spaces, until one changes something below it\n", last->sharers - 1);
	if (last->level == 1 && pte_is_mapped(last->entry))
		seq_printf(s, "physical %#llx\n", (unsigned long long)((u64)pte_pfn(last->entry) << PAGE_SHIFT | (addr & (PAGE_SIZE - 1))));
}

/* ---- the page ---- */

static void show_frame_flags(struct seq *s, const struct frame *f)
{
	static const struct {
		u32 flag;
		const char *name;
	} names[] = {
		{ FRAME_UPTODATE, " up-to-date" }, { FRAME_DIRTY, " dirty" }, { FRAME_ACCESSED, " referenced" }, { FRAME_WRITEBACK, " being-written" },
		{ FRAME_BUSY, " busy" }, { FRAME_MLOCKED, " locked" }, { FRAME_SWAPCACHE, " in-swap-too" }, { FRAME_REFAULT, " came-back" },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (frame_flags(f) & names[i].flag)
			seq_puts(s, names[i].name);
}

static void show_frame(struct seq *s, const struct frame *f, const struct explained *e)
{
	seq_printf(s, "frame    %#lx %s", (unsigned long)frame_pfn(f),
	           f->kind == FRAME_ANON ? "anonymous" : frame_flags(f) & FRAME_SHMEM ? "shared memory" : "page of a file");
	if (f->kind == FRAME_CACHE)
		seq_printf(s, ", number %llu of it", (unsigned long long)f->index);
	seq_puts(s, e->is_mapped ? ";" : " (in memory, not mapped here);");
	show_frame_flags(s, f);
	seq_putc(s, '\n');
	struct mem_group *g = f->group ? mem_group_find(f->group) : NULL;
	if (g)
		seq_printf(s, "charged  to group %s\n", g->name ? g->name : "/");
}

/* ---- who maps it ---- */

struct asked {
	struct seq *s;
	const struct explained_user *user;
	bool found;
};

static void show_if_user(const struct host_process *p, void *arg)
{
	struct asked *a = arg;
	if (p->space != a->user->space)
		return;
	a->found = true;
	pte_t e = a->user->entry;
	seq_printf(a->s, "mapped   by %u (%s) at %#lx%s%s%s\n", p->pid, p->name, a->user->addr, pte_is_writable(e) ? ", writable" : "",
	           pte_is_accessed(e) ? ", accessed" : "", pte_is_dirty(e) ? ", dirty" : "");
}

static void show_users(struct seq *s, struct frame *f, struct explained_user users[MAX_USERS])
{
	u64 total = explain_users(f, users, MAX_USERS);
	u64 nr = min(total, (u64)MAX_USERS);
	seq_printf(s, "mapped   %llu time%s\n", (unsigned long long)total, total == 1 ? "" : "s");
	for (u64 i = 0; i < nr; i++) {
		struct asked a = { .s = s, .user = &users[i] };
		for (u32 pid = 0; seq_reserve(s, 256), (pid = host_visit_process(pid, show_if_user, &a)) != 0;)
			;
		if (!a.found)
			seq_printf(s, "mapped   by a process that is ending, at %#lx\n", users[i].addr);
		space_unpin(users[i].space);
	}
	if (total > nr)
		seq_printf(s, "mapped   and %llu times more\n", (unsigned long long)(total - nr));
}

/* ---- reclaim ---- */

static const char *list_name(const struct explained_place *p)
{
	switch (p->list) {
	case LRU_ISOLATED:
		return "isolated";
	case LRU_LEAVING:
		return "of the policy before";
	case LRU_UNEVICTABLE:
		return "unevictable";
	default:
		return p->is_active ? "active" : "inactive";
	}
}

static void show_place(struct seq *s, struct frame *f)
{
	struct explained_place p;
	if (!explain_place(f, &p)) {
		seq_puts(s, "list     none: reclaim cannot take it\n");
		return;
	}
	seq_printf(s, "list     %s, %s, %s (list %u, bits %#x); ", p.policy, p.is_anon ? "anon" : "file", list_name(&p), p.list, p.bits);
	seq_printf(s, "age: %s%llu of %llu pages go before it\n", p.is_beyond ? "more than " : "", (unsigned long long)p.before, (unsigned long long)p.length);
}

static void show_swap(struct seq *s, const struct explained *e)
{
	if (!e->swap_entry) {
		seq_puts(s, "swap     no slot\n");
		return;
	}
	seq_printf(s, "swap     area %u slot %llu", swap_entry_area(e->swap_entry), (unsigned long long)swap_entry_slot(e->swap_entry));
	if (e->swap_users)
		seq_printf(s, ", named by %llu entries", (unsigned long long)e->swap_users);
	seq_puts(s, e->frame ? ", in memory too\n" : "\n");
}

/* ---- the file ---- */

static void show_where(struct seq *s, struct space *m, uaddr_t addr, char name[FS_PATH_MAX])
{
	struct region *r = region_lookup(m, addr);
	if (!r || r->start > addr) {
		seq_puts(s, "region   none: a touch ends in SIGSEGV (SEGV_MAPERR)\n");
		return;
	}
	seq_puts(s, "region   ");
	show_region(s, r, name);
	seq_printf(s, "page     %llu of %llu\n", (unsigned long long)((addr - r->start) >> PAGE_SHIFT), (unsigned long long)region_pages(r));
}

static void show_page(struct seq *s, struct page_state *p)
{
	struct explained *e = &p->what;
	struct frame *f = e->frame;
	const struct explained_step *last = &e->steps[e->nr_steps - 1];
	if (!f && last->level == 1 && pte_is_special(last->entry) && !pte_is_swap(last->entry)) {
		seq_printf(s, "frame    %#lx %s\n", (unsigned long)pte_pfn(last->entry),
		           pfn_frame(pte_pfn(last->entry)) == space_zero_frame() ? "the zero page, which all share until they write" : "the kernel's own or a device's, shown to the process");
		return;
	}
	if (!f && !e->swap_entry) {
		seq_puts(s, "frame    none: the first touch brings one\n");
		return;
	}
	if (f) {
		show_frame(s, f, e);
		show_users(s, f, p->users);
		show_place(s, f);
		frame_put_user(f);
	}
	show_swap(s, e);
}

static int show_explain(struct seq *s, struct pseudo_node *n)
{
	struct space *m = node_space(n);
	if (!m)
		return -ESRCH;
	struct page_state *p = kmalloc(sizeof(*p), ALLOC_KERNEL);
	if (!p) {
		space_put(m);
		return -ENOMEM;
	}
	uaddr_t addr = n->arg;
	seq_printf(s, "address  %#lx of process %u\n", addr, n->process->pid);
	rwlock_read(&m->lock);
	show_where(s, m, addr, p->name);
	explain_locked(m, addr, &p->what);
	rwlock_read_unlock(&m->lock);
	show_walk(s, m, addr, &p->what);
	show_page(s, p);
	space_put(m);
	kfree(p);
	return 0;
}

static const struct pseudo_entry explain_file = { .name = "ADDRESS", .mode = S_IFREG | 0400, .show = show_explain, .flags = PSEUDO_INSPECT };

/* Frames are nobody's business but root's: see pagemap. */
static int may_explain(struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return -ENOENT;
	int err = capable(CAP_SYS_ADMIN) && may_inspect(t) ? 0 : -EACCES;
	task_put(t);
	return err;
}

int explain_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	char text[24];
	const char *at;
	u64 addr;
	int err = may_explain(n);
	if (err)
		return err;
	if (len >= sizeof(text))
		return -ENOENT;
	memcpy(text, name, len);
	text[len] = 0;
	bool has_prefix = !strncmp(text, "0x", 2);
	if (!parse_u64(text + (has_prefix ? 2 : 0), 16, &addr, &at) || *at || addr >= HAL_USER_END)
		return -ENOENT;
	return pseudo_inode_new(dir->super, &explain_file, n->process, n->tid, addr, out);
}

/* Where the first region at or above `from` begins. */
static bool next_start(struct pseudo_node *n, uaddr_t from, uaddr_t *start)
{
	struct space *m = node_space(n);
	if (!m)
		return false;
	rwlock_read(&m->lock);
	struct region *r = region_lookup(m, from);
	if (r && r->start < from)
		r = region_next(r);
	if (r)
		*start = r->start;
	rwlock_read_unlock(&m->lock);
	space_put(m);
	return r;
}

int explain_list(struct file *f, struct dir_emit *e)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	uaddr_t start;
	int err = may_explain(n);
	if (err)
		return err;
	while (next_start(n, (f->pos - PSEUDO_DYNAMIC) << PAGE_SHIFT, &start)) {
		char name[24];
		int len = snprintf(name, sizeof(name), "%lx", start);
		u64 next = (start >> PAGE_SHIFT) + 1 + PSEUDO_DYNAMIC;
		if (!e->emit(e, name, (size_t)len, pseudo_ino(&explain_file, n->process->pid, start), 8, next))
			return 0;
		f->pos = next;
	}
	return 0;
}
