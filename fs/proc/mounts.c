/* SPDX-License-Identifier: MIT */
/* The mounts as a process sees them (not those outside its root): mounts, mountinfo, mountstats. */
#include "proc.h"

#define ESCAPES " \t\n\\"

static void show_options(struct seq *s, const struct mount_info *m)
{
	u32 flags = m->flags;
	static const struct {
		u32 flag;
		const char *text;
	} options[] = {
		{ MS_NOSUID, ",nosuid" }, { MS_NODEV, ",nodev" }, { MS_NOEXEC, ",noexec" }, { MS_NOATIME, ",noatime" },
		{ MS_NODIRATIME, ",nodiratime" }, { MS_RELATIME, ",relatime" }, { MS_NOSYMFOLLOW, ",nosymfollow" },
	};
	seq_puts(s, flags & MS_RDONLY ? "ro" : "rw");
	if (m->super->flags & MS_SYNCHRONOUS)
		seq_puts(s, ",sync");
	if (m->super->flags & MS_DIRSYNC)
		seq_puts(s, ",dirsync");
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
		if (flags & options[i].flag)
			seq_puts(s, options[i].text);
}

static void super_options(struct seq *s, struct super *super)
{
	if (super->ops && super->ops->show_options)
		super->ops->show_options(super, s);
}

static bool add_mount(const struct mount_info *m, void *arg)
{
	struct seq *s = arg;
	if (!m->is_reachable)
		return true;
	seq_escape(s, m->source, ESCAPES);
	seq_putc(s, ' ');
	seq_escape(s, m->target, ESCAPES);
	seq_printf(s, " %s ", m->type);
	show_options(s, m);
	super_options(s, m->super);
	seq_puts(s, " 0 0\n");
	return true;
}

static bool add_mountinfo(const struct mount_info *m, void *arg)
{
	struct seq *s = arg;
	if (!m->is_reachable)
		return true;
	seq_printf(s, "%llu %llu %u:%u ", (unsigned long long)m->id, (unsigned long long)m->parent_id, dev_major(m->super->dev), dev_minor(m->super->dev));
	seq_escape(s, m->root, ESCAPES);
	seq_putc(s, ' ');
	seq_escape(s, m->target, ESCAPES);
	seq_putc(s, ' ');
	show_options(s, m);
	seq_printf(s, " - %s ", m->type);
	seq_escape(s, m->source, ESCAPES);
	seq_puts(s, m->super->flags & MS_RDONLY ? " ro" : " rw");
	super_options(s, m->super);
	seq_putc(s, '\n');
	return true;
}

static bool add_mountstats(const struct mount_info *m, void *arg)
{
	struct seq *s = arg;
	if (!m->is_reachable)
		return true;
	seq_puts(s, "device ");
	seq_escape(s, m->source, ESCAPES);
	seq_puts(s, " mounted on ");
	seq_escape(s, m->target, ESCAPES);
	seq_printf(s, " with fstype %s\n", m->type);
	return true;
}

int process_mounts(struct seq *s, struct pseudo_node *n)
{
	vfs_for_each_mount(add_mount, s);
	return 0;
}

int process_mountinfo(struct seq *s, struct pseudo_node *n)
{
	vfs_for_each_mount(add_mountinfo, s);
	return 0;
}

int process_mountstats(struct seq *s, struct pseudo_node *n)
{
	vfs_for_each_mount(add_mountstats, s);
	return 0;
}
