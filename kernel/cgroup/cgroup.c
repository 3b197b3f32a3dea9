/* SPDX-License-Identifier: MIT */
/*
 * The tree of control groups: its groups, and which have memory groups of their own.
 *
 * What a process was charged for stays where it was charged when the process moves, as on Linux. A memory group that
 * is taken away from its control group lives on below its parent until its pages are gone.
 */
#include "internal.h"
#include <kernel/errno.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <mm/slab.h>

struct cgroup cgroup_root;

static struct mutex lock; /* RANK_CGROUP */
static struct rb_root by_id;
static u64 last_id;

void cgroup_lock(void) { mutex_lock(&lock); }
void cgroup_unlock(void) { mutex_unlock(&lock); }

/* ---- finding ---- */

struct cgroup *cgroup_find(u64 id)
{
	struct rb_node *n = by_id.node;
	while (n) {
		struct cgroup *g = container_of(n, struct cgroup, node);
		if (g->id == id)
			return g;
		n = id < g->id ? n->left : n->right;
	}
	return NULL;
}

/* Ids only grow: always at the right end. */
static void number(struct cgroup *g)
{
	struct rb_node *last = rb_last(&by_id);
	g->id = ++last_id;
	rb_insert(&by_id, &g->node, last, last ? &last->right : &by_id.node, NULL);
}

struct cgroup *cgroup_child(struct cgroup *parent, const char *name, size_t len)
{
	struct cgroup *g;
	list_for_each_entry(g, &parent->children, sibling)
		if (!memcmp(g->name, name, len) && !g->name[len])
			return g;
	return NULL;
}

struct cgroup *cgroup_next(const struct cgroup *top, struct cgroup *g, bool into)
{
	if (into && !list_is_empty(&g->children))
		return list_first_entry(&g->children, struct cgroup, sibling);
	for (; g != top; g = g->parent)
		if (g->sibling.next != &g->parent->children)
			return list_entry(g->sibling.next, struct cgroup, sibling);
	return NULL;
}

static const struct cgroup *path_part(const struct cgroup *g, unsigned depth)
{
	while (depth--)
		g = g->parent;
	return g;
}

static unsigned depth_of(const struct cgroup *g)
{
	unsigned depth = 0;
	for (; g->parent; g = g->parent)
		depth++;
	return depth;
}

long cgroup_path(const struct cgroup *g, char *buf, size_t size)
{
	size_t at = 0;
	unsigned depth = depth_of(g);
	if (!depth)
		return (long)strlcpy(buf, "/", size);
	while (depth-- > 0) {
		const struct cgroup *part = path_part(g, depth);
		if (at + strlen(part->name) + 2 > size)
			return -ENAMETOOLONG;
		buf[at++] = '/';
		at += strlcpy(buf + at, part->name, size - at);
	}
	return (long)at;
}

/* ---- making and removing ---- */

static void group_init(struct cgroup *g, struct cgroup *parent)
{
	list_init(&g->children);
	list_init(&g->members);
	g->parent = parent;
	g->max_depth = g->max_descendants = ~0u;
	number(g);
}

/* A memory group of its own, below that of its parent. */
static int begin_memory(struct cgroup *g)
{
	char *path = kmalloc(PAGE_SIZE, ALLOC_KERNEL), *name = NULL;
	long len = path ? cgroup_path(g, path, PAGE_SIZE) : -ENOMEM;
	if (len > 0)
		name = kmalloc((size_t)len + 1, ALLOC_KERNEL);
	if (name)
		memcpy(name, path, (size_t)len + 1);
	kfree(path);
	if (!name)
		return len < 0 ? (int)len : -ENOMEM;
	struct mem_group *m = mem_group_new(g->parent->memory, name);
	if (!m) {
		kfree(name);
		return -ENOMEM;
	}
	g->has_memory = true;
	g->memory = m;
	return 0;
}

static bool is_within_limits(const struct cgroup *parent)
{
	u32 depth = 1;
	for (const struct cgroup *g = parent; g; g = g->parent, depth++)
		if (depth > g->max_depth || g->nr_descendants >= g->max_descendants)
			return false;
	return true;
}

static void count_descendant(struct cgroup *parent, u32 by)
{
	for (struct cgroup *g = parent; g; g = g->parent)
		g->nr_descendants += by;
}

int cgroup_make(struct cgroup *parent, const char *name, size_t len, struct cgroup **out)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] == '\n')
			return -EINVAL;
	if (cgroup_child(parent, name, len))
		return -EEXIST;
	if (!is_within_limits(parent))
		return -EAGAIN;
	struct cgroup *g = kzalloc(sizeof(*g), ALLOC_KERNEL);
	char *copy = kmalloc(len + 1, ALLOC_KERNEL);
	int err = g && copy ? 0 : -ENOMEM;
	if (err)
		goto failed;
	memcpy(copy, name, len);
	copy[len] = 0;
	g->name = copy;
	g->parent = parent;
	g->memory = parent->memory;
	err = parent->gives_memory ? begin_memory(g) : 0;
	if (err)
		goto failed;
	group_init(g, parent);
	list_add_tail(&g->sibling, &parent->children);
	count_descendant(parent, 1);
	*out = g;
	return 0;
failed:
	kfree(copy);
	kfree(g);
	return err;
}

int cgroup_remove(struct cgroup *g)
{
	if (!g->parent || !list_is_empty(&g->children))
		return -EBUSY;
	spin_lock(&tasklist_lock);
	bool is_empty = list_is_empty(&g->members); /* nobody joins without our lock but by fork in it */
	spin_unlock(&tasklist_lock);
	if (!is_empty)
		return -EBUSY;
	list_del(&g->sibling);
	count_descendant(g->parent, ~0u);
	rb_erase(&by_id, &g->node, NULL);
	if (g->has_memory)
		mem_group_close(g->memory);
	kfree(g->name);
	kfree(g);
	return 0;
}

/* ---- the memory controller ---- */

/* For g and those below that have none of their own. */
static void use_memory(struct cgroup *top, struct mem_group *m)
{
	spin_lock(&tasklist_lock);
	for (struct cgroup *g = top; g;) {
		bool is_concerned = g == top || !g->has_memory;
		if (is_concerned) {
			g->memory = m;
			cgroup_recharge_locked(g);
		}
		g = cgroup_next(top, g, is_concerned);
	}
	spin_unlock(&tasklist_lock);
}

static void end_memory(struct cgroup *g)
{
	struct mem_group *own = g->memory;
	if (!g->has_memory)
		return;
	g->has_memory = false;
	use_memory(g, g->parent->memory);
	mem_group_close(own);
}

static int start_children(struct cgroup *g)
{
	struct cgroup *c;
	int err = 0;
	list_for_each_entry(c, &g->children, sibling) {
		err = begin_memory(c);
		if (err)
			break;
		use_memory(c, c->memory);
	}
	if (err)
		list_for_each_entry(c, &g->children, sibling)
			end_memory(c);
	return err;
}

static bool has_members(struct cgroup *g)
{
	spin_lock(&tasklist_lock);
	bool yes = !list_is_empty(&g->members);
	spin_unlock(&tasklist_lock);
	return yes;
}

int cgroup_give_memory(struct cgroup *g, bool on)
{
	struct cgroup *c;
	int err = 0;
	if (on == g->gives_memory)
		return 0;
	if (on && !g->has_memory)
		return -ENOENT;
	if (on && g->parent && has_members(g))
		return -EBUSY; /* processes only in the leaves */
	if (on) {
		err = start_children(g);
	} else {
		list_for_each_entry(c, &g->children, sibling)
			if (c->gives_memory)
				return -EBUSY;
		list_for_each_entry(c, &g->children, sibling)
			end_memory(c);
	}
	if (!err)
		g->gives_memory = on;
	return err;
}

void cgroup_init(void)
{
	mutex_init(&lock, RANK_CGROUP);
	group_init(&cgroup_root, NULL);
	cgroup_root.memory = &mem_root;
	cgroup_root.has_memory = true;
}
