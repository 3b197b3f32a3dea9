/* SPDX-License-Identifier: MIT */
/*
 * The cgroup2 file system: its directories, and the files cgroup.* in each of them. Files of the memory controller
 * are in memory.c; they are there in directories whose parent gives memory on (cgroup.subtree_control).
 */
#include "cgroup.h"
#include <fs/pseudo.h>
#include <kernel/errno.h>
#include <kernel/signal.h>
#include <linux/magic.h>
#include <mm/slab.h>

static struct super *cgroup_super;
static const struct pseudo_entry plain_dir, memory_dir;

struct cgroup *node_lock_cgroup(struct pseudo_node *n)
{
	cgroup_lock();
	struct cgroup *g = n->arg ? cgroup_find(n->arg) : &cgroup_root; /* the mount's own node is made before there are ids */
	if (!g)
		cgroup_unlock();
	return g;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

const char *cgroup_next_word(const char *text, size_t *len)
{
	while (is_blank(*text))
		text++;
	*len = 0;
	while (text[*len] && !is_blank(text[*len]))
		++*len;
	return text;
}

/* ---- directories ---- */

static int dir_inode(struct inode *dir, struct cgroup *g, struct inode **out)
{
	return pseudo_inode_new(dir->super, g->has_memory ? &memory_dir : &plain_dir, NULL, 0, g->id, out);
}

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct cgroup *g = node_lock_cgroup(pseudo_node_of(dir));
	if (!g)
		return -ENOENT;
	struct cgroup *child = cgroup_child(g, name, len);
	int err = child ? dir_inode(dir, child, out) : -ENOENT;
	cgroup_unlock();
	return err;
}

static int dir_list(struct file *f, struct dir_emit *e)
{
	struct cgroup *g = node_lock_cgroup(pseudo_node_of(f->inode)), *child;
	u64 after = f->pos - PSEUDO_DYNAMIC; /* the id of the last one; they come in the order of their ids */
	if (!g)
		return 0;
	list_for_each_entry(child, &g->children, sibling) {
		u64 next = child->id + PSEUDO_DYNAMIC;
		if (child->id <= after)
			continue;
		if (!e->emit(e, child->name, strlen(child->name), pseudo_ino(child->has_memory ? &memory_dir : &plain_dir, 0, child->id), 4, next))
			break;
		f->pos = next;
	}
	cgroup_unlock();
	return 0;
}

static int dir_make(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct cgroup *g = node_lock_cgroup(pseudo_node_of(dir)), *made;
	if (!g)
		return -ENODEV;
	int err = len > CGROUP_NAME_MAX ? -ENAMETOOLONG : cgroup_make(g, name, len, &made);
	if (!err) {
		err = dir_inode(dir, made, out);
		if (err)
			cgroup_remove(made);
	}
	cgroup_unlock();
	return err;
}

static int dir_remove(struct inode *victim)
{
	struct cgroup *g = node_lock_cgroup(pseudo_node_of(victim));
	if (!g)
		return -ENOENT;
	int err = cgroup_remove(g);
	cgroup_unlock();
	if (!err)
		victim->nlink = 0;
	return err;
}

/* ---- controllers ---- */

/* Those it has, or those it gives to its children. */
static int show_memory(struct seq *s, struct pseudo_node *n, bool gives)
{
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	seq_puts(s, (gives ? g->gives_memory : g->has_memory) ? "memory\n" : "\n");
	cgroup_unlock();
	return 0;
}

static int show_controllers(struct seq *s, struct pseudo_node *n) { return show_memory(s, n, false); }
static int show_subtree_control(struct seq *s, struct pseudo_node *n) { return show_memory(s, n, true); }

/* "+memory", "-memory", any number of them: the last one counts. */
static int store_subtree_control(struct pseudo_node *n, char *text, size_t len)
{
	int want = -1;
	size_t l;
	for (const char *w = cgroup_next_word(text, &l); l; w = cgroup_next_word(w + l, &l)) {
		if (l != 7 || (*w != '+' && *w != '-') || memcmp(w + 1, "memory", 6))
			return -EINVAL;
		want = *w == '+';
	}
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	int err = want < 0 ? 0 : cgroup_give_memory(g, want);
	cgroup_unlock();
	return err;
}

/* ---- members ---- */

static void put_number(struct seq *s, u32 nr)
{
	if (s->len + 11 <= s->size) /* a few more than reserved may have come */
		seq_printf(s, "%u\n", nr);
}

static int show_members(struct seq *s, struct pseudo_node *n, bool threads)
{
	struct process *p;
	struct task *t;
	struct cgroup *g = node_lock_cgroup(n);
	u32 nr = 64;
	if (!g)
		return -ENODEV;
	spin_lock(&tasklist_lock);
	list_for_each_entry(p, &g->members, cgroup_link)
		nr += threads ? p->nr_threads : 1;
	spin_unlock(&tasklist_lock);
	seq_reserve(s, (size_t)nr * 11); /* the lock allows no allocation */
	spin_lock(&tasklist_lock);
	list_for_each_entry(p, &g->members, cgroup_link) {
		if (!threads)
			put_number(s, p->pid);
		else
			list_for_each_entry(t, &p->threads, thread_link)
				put_number(s, t->tid);
	}
	spin_unlock(&tasklist_lock);
	cgroup_unlock();
	return 0;
}

static int show_procs(struct seq *s, struct pseudo_node *n) { return show_members(s, n, false); }
static int show_threads(struct seq *s, struct pseudo_node *n) { return show_members(s, n, true); }

/* One process's number; 0: the writer's own. */
static int store_procs(struct pseudo_node *n, char *text, size_t len)
{
	s64 pid;
	if (pseudo_parse_value(text, &pid) || pid < 0 || pid > INT32_MAX)
		return -EINVAL;
	struct process *p = current->process;
	if (pid)
		p = process_find((u32)pid);
	else
		process_get(p);
	if (!p)
		return -ESRCH;
	struct cgroup *g = node_lock_cgroup(n);
	int err = g ? cgroup_move(p, g) : -ENODEV;
	if (g)
		cgroup_unlock();
	process_put(p);
	return err;
}

static int show_events(struct seq *s, struct pseudo_node *n)
{
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	seq_printf(s, "populated %u\nfrozen 0\n", cgroup_is_populated(g));
	cgroup_unlock();
	return 0;
}

static int store_kill(struct pseudo_node *n, char *text, size_t len)
{
	s64 v;
	if (pseudo_parse_value(text, &v))
		return -EINVAL;
	if (v != 1)
		return -ERANGE;
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	cgroup_kill(g);
	cgroup_unlock();
	return 0;
}

/* ---- the tree ---- */

static int show_tree_stat(struct seq *s, struct pseudo_node *n)
{
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	seq_printf(s, "nr_descendants %u\nnr_dying_descendants 0\n", g->nr_descendants);
	cgroup_unlock();
	return 0;
}

static int show_limit(struct seq *s, struct pseudo_node *n, size_t offset)
{
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	u32 v = *(u32 *)((char *)g + offset);
	cgroup_unlock();
	if (v == ~0u)
		seq_puts(s, "max\n");
	else
		seq_printf(s, "%u\n", v);
	return 0;
}

static int store_limit(struct pseudo_node *n, const char *text, size_t offset)
{
	size_t len;
	s64 v;
	const char *w = cgroup_next_word(text, &len);
	bool is_max = len == 3 && !memcmp(w, "max", 3);
	if (!is_max && pseudo_parse_value(text, &v))
		return -EINVAL;
	if (!is_max && (v < 0 || v > INT32_MAX))
		return -ERANGE;
	struct cgroup *g = node_lock_cgroup(n);
	if (!g)
		return -ENODEV;
	*(u32 *)((char *)g + offset) = is_max ? ~0u : (u32)v;
	cgroup_unlock();
	return 0;
}

static int show_max_depth(struct seq *s, struct pseudo_node *n) { return show_limit(s, n, offsetof(struct cgroup, max_depth)); }
static int show_max_descendants(struct seq *s, struct pseudo_node *n) { return show_limit(s, n, offsetof(struct cgroup, max_descendants)); }
static int store_max_depth(struct pseudo_node *n, char *text, size_t len) { return store_limit(n, text, offsetof(struct cgroup, max_depth)); }
static int store_max_descendants(struct pseudo_node *n, char *text, size_t len)
{
	return store_limit(n, text, offsetof(struct cgroup, max_descendants));
}

#define CHANGED(n, fn, writer) { .name = (n), .mode = S_IFREG | 0644, .show = (fn), .store = (writer) }

/* In every directory; the root has only these. */
#define EVERYWHERE                                                                  \
	FILE_ENTRY("cgroup.controllers", show_controllers),                             \
	CHANGED("cgroup.max.depth", show_max_depth, store_max_depth),                   \
	CHANGED("cgroup.max.descendants", show_max_descendants, store_max_descendants), \
	CHANGED("cgroup.procs", show_procs, store_procs),                               \
	FILE_ENTRY("cgroup.stat", show_tree_stat),                                           \
	CHANGED("cgroup.subtree_control", show_subtree_control, store_subtree_control), \
	FILE_ENTRY("cgroup.threads", show_threads)

#define BELOW_THE_ROOT                                                              \
	FILE_ENTRY("cgroup.events", show_events),                                       \
	{ .name = "cgroup.kill", .mode = S_IFREG | 0200, .store = store_kill },          \
	TEXT_ENTRY("cgroup.type", "domain")

#define MEMORY                                                                      \
	FILE_ENTRY("memory.current", memory_show_current),                              \
	{ .name = "memory.events", .mode = S_IFREG | 0444, .show = memory_show_events, .changes = memory_events_change }, \
	{ .name = "memory.events.local", .mode = S_IFREG | 0444, .show = memory_show_local_events, .changes = memory_events_change }, \
	FILE_ENTRY("memory.evictions", memory_show_evictions),                          \
	CHANGED("memory.max", memory_show_max, memory_store_max),                       \
	CHANGED("memory.oom.group", memory_show_oom_group, memory_store_oom_group),     \
	FILE_ENTRY("memory.peak", memory_show_peak),                                    \
	{ .name = "memory.reclaim", .mode = S_IFREG | 0200, .store = memory_store_reclaim }, \
	FILE_ENTRY("memory.stat", memory_show_stat),                                    \
	FILE_ENTRY("memory.swap.current", memory_show_swap_current),                    \
	CHANGED("memory.swap.max", memory_show_swap_max, memory_store_swap_max)

static const struct pseudo_entry root_entries[] = { EVERYWHERE };
static const struct pseudo_entry plain_entries[] = { EVERYWHERE, BELOW_THE_ROOT };
static const struct pseudo_entry memory_entries[] = { EVERYWHERE, BELOW_THE_ROOT, MEMORY };

#define CGROUP_DIR(table)                                                                                             \
	{                                                                                                                 \
		.name = "cgroup", .mode = S_IFDIR | 0755, PSEUDO_CHILDREN(table), .lookup = dir_lookup, .list = dir_list,      \
		.mkdir = dir_make, .rmdir = dir_remove,                                                                       \
	}
static const struct pseudo_entry root_dir = CGROUP_DIR(root_entries);
static const struct pseudo_entry plain_dir = CGROUP_DIR(plain_entries);
static const struct pseudo_entry memory_dir = CGROUP_DIR(memory_entries);

static int cgroup_mount(const char *source, u32 flags, const char *data, struct super **out) { return pseudo_mount(cgroup_super, out); }
static struct fs_type cgroup_type = { .name = "cgroup2", .mount = cgroup_mount };

void cgroupfs_init(void)
{
	cgroup_super = pseudo_super_new("cgroup2", CGROUP2_SUPER_MAGIC, &root_dir);
	vfs_register(&cgroup_type);
}
