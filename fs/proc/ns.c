/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/ns: the name spaces of a process. There is one of each kind, which everybody is in, so all links of a kind
 * lead to the same inode. Its numbers are Linux's for the first ones.
 */
#include "../path/path.h"
#include "proc.h"
#include <linux/nsfs.h>
#include <linux/sched.h>

struct kind {
	const char *name;
	u32 ino, clone_flag;
};
static const struct kind kinds[] = {
	{ "time", 4026531834u, CLONE_NEWTIME }, { "cgroup", 4026531835u, CLONE_NEWCGROUP }, { "pid", 4026531836u, CLONE_NEWPID },
	{ "user", 4026531837u, CLONE_NEWUSER }, { "uts", 4026531838u, CLONE_NEWUTS },       { "ipc", 4026531839u, CLONE_NEWIPC },
	{ "net", 4026531840u, CLONE_NEWNET },   { "mnt", 4026531841u, CLONE_NEWNS },
};
#define USER_KIND 3

static int inode_of_kind(struct super *super, const struct kind *k, struct inode **out);

/* A descriptor of the name space of users that owns all others. */
static long open_owner(struct super *super)
{
	struct inode *i;
	struct path p;
	int err = inode_of_kind(super, &kinds[USER_KIND], &i);
	if (err)
		return err;
	err = nameless_path(i, &p);
	inode_put(i);
	if (err)
		return err;
	struct file *f = open_path(&p, O_RDONLY, false);
	path_put(&p);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install(f, 0, true);
}

/* Source: ioctl_ns(2). The first ones have no parent that could be seen. */
static long ns_ioctl(struct file *f, u32 cmd, u64 arg)
{
	const struct kind *k = &kinds[pseudo_node_of(f->inode)->arg];
	bool is_user = k == &kinds[USER_KIND];
	switch (cmd) {
	case NS_GET_USERNS:
		return is_user ? -EPERM : open_owner(f->inode->super);
	case NS_GET_PARENT:
		return is_user || k->clone_flag == CLONE_NEWPID ? -EPERM : -EINVAL;
	case NS_GET_NSTYPE:
		return k->clone_flag;
	case NS_GET_OWNER_UID:
		return !is_user ? -EINVAL : put_user((u32)0, arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_ops name_space_fops = { .ioctl = ns_ioctl };
static const struct pseudo_entry name_space = { .name = "ns", .mode = S_IFREG | 0444, .fops = &name_space_fops };

static int inode_of_kind(struct super *super, const struct kind *k, struct inode **out)
{
	int err = pseudo_inode_new(super, &name_space, NULL, 0, (u32)(k - kinds), out);
	if (!err)
		(*out)->ino = k->ino;
	return err;
}

static int may_follow(struct inode *i)
{
	struct task *t = node_task(pseudo_node_of(i));
	if (!t)
		return -ESRCH;
	bool ok = may_inspect(t);
	task_put(t);
	return ok ? 0 : -EACCES;
}

static long ns_readlink(struct inode *i, char *buf, size_t size)
{
	const struct kind *k = pseudo_node_of(i)->entry->data;
	char text[32];
	int err = may_follow(i);
	if (err)
		return err;
	size_t len = min((size_t)snprintf(text, sizeof(text), "%s:[%u]", k->name, k->ino), size);
	memcpy(buf, text, len);
	return (long)len;
}

static int ns_follow(struct inode *i, struct path *out)
{
	const struct kind *k = pseudo_node_of(i)->entry->data;
	struct inode *target;
	int err = may_follow(i);
	if (!err)
		err = inode_of_kind(i->super, k, &target);
	if (err)
		return err;
	err = nameless_path(target, out);
	inode_put(target);
	return err;
}

#define NS_ENTRY(n, at) { .name = (n), .mode = S_IFLNK | 0777, .readlink = ns_readlink, .follow = ns_follow, .data = (void *)&kinds[at] }

const struct pseudo_entry process_ns_entries[10] = {
	NS_ENTRY("cgroup", 1), NS_ENTRY("ipc", 5), NS_ENTRY("mnt", 7),  NS_ENTRY("net", 6),
	NS_ENTRY("pid", 2),    NS_ENTRY("pid_for_children", 2),         NS_ENTRY("time", 0),
	NS_ENTRY("time_for_children", 0),                               NS_ENTRY("user", 3),     NS_ENTRY("uts", 4),
};
