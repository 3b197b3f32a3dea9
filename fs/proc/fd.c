/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/fd and fdinfo. A link in fd leads to the open file's own place; files without a name
 * (pipes, memfd) get one for the occasion, so that opening the link opens the same object again.
 */
#include "../path/path.h"
#include "proc.h"

static struct mount *nameless; /* the mount that nameless files are reached through */

static struct files *node_files(struct pseudo_node *n)
{
	struct task *t = node_task(n);
	if (!t)
		return NULL;
	struct files *fs = may_inspect(t) ? task_get_files(t) : NULL;
	task_put(t);
	return fs;
}

static struct file *node_file(struct pseudo_node *n, bool *close_on_exec)
{
	struct files *t = node_files(n);
	if (!t)
		return NULL;
	struct file *f = files_lookup(t, (int)n->arg);
	if (close_on_exec)
		*close_on_exec = f && files_is_close_on_exec(t, (int)n->arg);
	files_put(t);
	return f;
}

int nameless_path(struct inode *i, struct path *out)
{
	struct mount *m = __atomic_load_n(&nameless, __ATOMIC_ACQUIRE);
	if (!m) {
		struct mount *none = NULL;
		m = kzalloc(sizeof(*m), ALLOC_KERNEL);
		if (!m)
			return -ENOMEM;
		__atomic_fetch_add(&anon_super->refs, 1, __ATOMIC_RELAXED);
		m->super = anon_super;
		m->refs = 1;
		list_init(&m->link);
		if (!__atomic_compare_exchange_n(&nameless, &none, m, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			kfree(m);
			m = none;
		}
	}
	inode_get(i);
	out->node = node_new_root(i);
	if (!out->node)
		return -ENOMEM;
	mount_get(m);
	out->mount = m;
	return 0;
}

int file_to_path(struct file *f, struct path *out)
{
	int err = 0;
	if (f->node) {
		*out = (struct path){ f->node, f->mount };
		path_get(out);
	} else {
		err = nameless_path(f->inode, out);
	}
	file_put(f);
	return err;
}

static int fd_follow(struct inode *i, struct path *out)
{
	struct file *f = node_file(pseudo_node_of(i), NULL);
	return f ? file_to_path(f, out) : -ENOENT;
}

long file_readlink(struct file *f, char *buf, size_t size)
{
	if (!f)
		return -ENOENT;
	char *name = kmalloc(FS_PATH_MAX, ALLOC_KERNEL);
	long n = -ENOMEM;
	if (name) {
		n = (long)min(file_name(f, name, FS_PATH_MAX), size);
		memcpy(buf, name, (size_t)n);
	}
	kfree(name);
	file_put(f);
	return n;
}

static long fd_readlink(struct inode *i, char *buf, size_t size) { return file_readlink(node_file(pseudo_node_of(i), NULL), buf, size); }

static int show_fdinfo(struct seq *s, struct pseudo_node *n)
{
	bool cloexec;
	struct file *f = node_file(n, &cloexec);
	if (!f)
		return -ENOENT;
	struct files *table = node_files(n);
	seq_printf(s, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n", (long long)f->pos, (f->flags & ~(u32)O_CLOEXEC) | (cloexec ? O_CLOEXEC : 0),
	           f->mount ? f->mount->id : 0, (unsigned long long)f->inode->ino);
	if (f->ops->show_fdinfo)
		f->ops->show_fdinfo(f, s);
	int err = add_locks(s, f, table, "lock:\t");
	if (table)
		files_put(table);
	file_put(f);
	return err;
}

static const struct pseudo_entry fd_link = { .name = "fd", .mode = S_IFLNK | 0700, .readlink = fd_readlink, .follow = fd_follow };
static const struct pseudo_entry fd_info = { .name = "fdinfo", .mode = S_IFREG | 0444, .show = show_fdinfo };

static int lookup(struct inode *dir, const char *name, size_t len, const struct pseudo_entry *e, struct inode **out)
{
	struct pseudo_node *n = pseudo_node_of(dir), wanted = *n;
	u32 fd;
	if (!pseudo_parse_number(name, len, &fd))
		return -ENOENT;
	wanted.arg = fd;
	struct file *f = node_file(&wanted, NULL);
	if (!f)
		return -ENOENT;
	int err = pseudo_inode_new(dir->super, e, n->process, n->tid, fd, out);
	if (!err && S_ISLNK(e->mode)) { /* the link's rights tell how the file is open */
		(*out)->mode = S_IFLNK | (FMODE_CAN_READ(f) ? 0500 : 0) | (FMODE_CAN_WRITE(f) ? 0300 : 0);
		(*out)->size = PROC_LINK_SIZE;
	}
	file_put(f);
	return err;
}

int fd_dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out) { return lookup(dir, name, len, &fd_link, out); }
int fdinfo_lookup(struct inode *dir, const char *name, size_t len, struct inode **out) { return lookup(dir, name, len, &fd_info, out); }

int fd_dir_list(struct file *f, struct dir_emit *e)
{
	struct pseudo_node *n = pseudo_node_of(f->inode);
	struct files *t = node_files(n);
	if (!t)
		return 0;
	const struct pseudo_entry *what = n->entry->lookup == fd_dir_lookup ? &fd_link : &fd_info;
	for (int fd; (fd = files_next_fd(t, (int)(f->pos - PSEUDO_DYNAMIC))) >= 0;) {
		char name[12];
		int len = snprintf(name, sizeof(name), "%d", fd);
		u64 next = (u64)fd + 1 + PSEUDO_DYNAMIC;
		if (!e->emit(e, name, (size_t)len, pseudo_ino(what, n->process->pid, (u64)fd ^ n->tid), S_ISLNK(what->mode) ? 10 : 8, next))
			break;
		f->pos = next;
	}
	files_put(t);
	return 0;
}
