/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/map_files: a link for each region that shows a file, named by its addresses. It leads to the very file,
 * also when that has no name any more. Source: proc(5).
 */
#include "proc.h"
#include <linux/capability.h>
#include <lib/parse.h>
#include <mm/region.h>
#include <mm/space.h>

/* The file that [start, end) shows (end 0: whatever its end), with a reference, or NULL. */
static struct file *file_of_region(struct pseudo_node *n, uaddr_t start, uaddr_t end)
{
	struct space *m = node_space(n);
	struct file *f = NULL;
	if (!m)
		return NULL;
	rwlock_read(&m->lock);
	struct region *r = region_lookup(m, start);
	if (r && r->start == start && (!end || r->end == end) && r->mapping && r->file) {
		f = r->file;
		file_get(f);
	}
	rwlock_read_unlock(&m->lock);
	space_put(m);
	return f;
}

static int region_follow(struct inode *i, struct path *out)
{
	struct pseudo_node *n = pseudo_node_of(i);
	if (!capable(CAP_SYS_ADMIN) && !capable(CAP_CHECKPOINT_RESTORE))
		return -EPERM;
	struct file *f = file_of_region(n, n->arg, 0);
	return f ? file_to_path(f, out) : -ENOENT;
}

static long region_readlink(struct inode *i, char *buf, size_t size)
{
	struct pseudo_node *n = pseudo_node_of(i);
	return file_readlink(file_of_region(n, n->arg, 0), buf, size);
}

static const struct pseudo_entry region_link = { .name = "map", .mode = S_IFLNK | 0700, .readlink = region_readlink, .follow = region_follow };

/* Both addresses as the names have them: hexadecimal, without zeros before. */
static bool parse_range(const char *name, size_t len, u64 *start, u64 *end)
{
	char text[40], again[40];
	const char *at;
	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = 0;
	if (!parse_u64(text, 16, start, &at) || *at != '-' || !parse_u64(at + 1, 16, end, &at) || *at)
		return false;
	snprintf(again, sizeof(again), "%llx-%llx", (unsigned long long)*start, (unsigned long long)*end);
	return !strcmp(text, again);
}

static bool may_look(struct pseudo_node *n)
{
	struct task *t = node_task(n);
	bool ok = t && may_inspect(t);
	if (t)
		task_put(t);
	return ok;
}

int map_files_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir);
	u64 start, end;
	if (!may_look(n))
		return -EACCES;
	struct file *f = parse_range(name, len, &start, &end) ? file_of_region(n, start, end) : NULL;
	if (!f)
		return -ENOENT;
	int err = pseudo_inode_new(dir->super, &region_link, n->process, n->tid, start, out);
	if (!err) {
		(*out)->mode = S_IFLNK | (FMODE_CAN_READ(f) ? 0400 : 0) | (FMODE_CAN_WRITE(f) ? 0200 : 0);
		(*out)->size = PROC_LINK_SIZE;
	}
	file_put(f);
	return err;
}

/* The next region with a file at or behind `from`: its bounds. */
static bool next_region(struct pseudo_node *n, uaddr_t from, uaddr_t *start, uaddr_t *end)
{
	struct space *m = node_space(n);
	bool found = false;
	if (!m)
		return false;
	rwlock_read(&m->lock);
	for (struct region *r = region_lookup(m, from); r && !found; r = region_next(r)) {
		found = r->start >= from && r->mapping && r->file;
		*start = r->start;
		*end = r->end;
	}
	rwlock_read_unlock(&m->lock);
	space_put(m);
	return found;
}

int map_files_list(struct file *f, struct dir_emit *e)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	uaddr_t start, end;
	if (!may_look(n))
		return -EACCES;
	while (next_region(n, (f->pos - PSEUDO_DYNAMIC) << PAGE_SHIFT, &start, &end)) {
		char name[40];
		int len = snprintf(name, sizeof(name), "%lx-%lx", start, end);
		u64 next = (end >> PAGE_SHIFT) + PSEUDO_DYNAMIC;
		if (!e->emit(e, name, (size_t)len, pseudo_ino(&region_link, n->process->pid, start), 10, next))
			return 0;
		f->pos = next;
	}
	return 0;
}
