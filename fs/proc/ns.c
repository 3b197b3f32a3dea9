/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/ns: the name spaces of a process. There is one of each kind, which everybody is in, so all links of a kind
 * lead to the same inode. Its numbers are Linux's for the first ones.
 */
#include "proc.h"

static const struct pseudo_entry name_space = { .name = "ns", .mode = S_IFREG | 0444 };

struct kind {
	const char *name;
	u32 ino;
};
static const struct kind kinds[] = {
	{ "time", 4026531834u }, { "cgroup", 4026531835u }, { "pid", 4026531836u }, { "user", 4026531837u },
	{ "uts", 4026531838u },  { "ipc", 4026531839u },    { "net", 4026531840u }, { "mnt", 4026531841u },
};

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
		err = pseudo_inode_new(i->super, &name_space, NULL, 0, 0, &target);
	if (err)
		return err;
	target->ino = k->ino;
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
