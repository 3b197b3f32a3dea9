/* SPDX-License-Identifier: MIT */
/*
 * /proc/pressure: cpu, io, memory. Each shows the shares of time lost, and takes one trigger for each open file,
 * which poll(2) then reports as POLLPRI.
 */
#include "proc.h"
#include <asm/poll.h>
#include <fs/poll.h>
#include <kernel/psi.h>
#include <linux/capability.h>

#define TEXT_MAX 256
#define TRIGGER_MAX 32 /* characters, with the one at the end that is not looked at */

struct pressure_file {
	enum psi_resource resource;
	bool is_privileged;          /* of who opened it */
	struct mutex lock;           /* RANK_INODE: one write at a time */
	struct psi_trigger *trigger; /* set once */
};

static int show_line(char *buf, size_t size, enum psi_resource r, bool full)
{
	struct psi_figures p;
	psi_group_read(&psi_machine, psi_stall(r, full), &p);
	int len = snprintf(buf, size, "%s", full ? "full" : "some");
	static const u32 periods[PSI_AVERAGES] = { 10, 60, 300 };
	for (unsigned a = 0; a < PSI_AVERAGES; a++)
		len += snprintf(buf + len, size - (size_t)len, " avg%u=%u.%02u", periods[a], p.average[a] >> PSI_FRACTION,
		                (p.average[a] & ((1u << PSI_FRACTION) - 1)) * 100 >> PSI_FRACTION);
	return len + snprintf(buf + len, size - (size_t)len, " total=%llu\n", (unsigned long long)p.total_us);
}

static long pressure_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct pressure_file *p = f->priv;
	char text[TEXT_MAX];
	size_t len = (size_t)show_line(text, sizeof(text), p->resource, false);
	len += (size_t)show_line(text + len, sizeof(text) - len, p->resource, true);
	if (*pos >= len)
		return 0;
	size_t want = min(len - *pos, (size_t)iov->left), moved = iov_copy_to(iov, text + *pos, want);
	*pos += moved;
	return moved || !want ? (long)moved : -EFAULT;
}

/* The last character is not looked at: a line end, or the end of a string. */
static long pressure_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct pressure_file *p = f->priv;
	char text[TRIGGER_MAX];
	size_t len = iov->left, used = min(len, sizeof(text));
	if (!len)
		return -EINVAL;
	if (iov_copy_from(iov, text, used) != used)
		return -EFAULT;
	text[used - 1] = 0;
	struct psi_trigger *t = kmalloc(sizeof(*t), ALLOC_KERNEL);
	if (!t)
		return -ENOMEM;
	mutex_lock(&p->lock);
	int err = p->trigger ? -EBUSY : psi_trigger_parse(t, p->resource, text);
	if (!err && !p->is_privileged && t->window_ns % PSI_PERIOD_NS)
		err = -EINVAL; /* others get no looks between those that averages need */
	if (!err) {
		psi_trigger_add(&psi_machine, t);
		psi_machine_look_soon();
		__atomic_store_n(&p->trigger, t, __ATOMIC_RELEASE);
	}
	mutex_unlock(&p->lock);
	if (err) {
		kfree(t);
		return err;
	}
	return (long)len;
}

static u32 pressure_poll(struct file *f, struct poll_table *pt)
{
	const u32 always = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
	struct pressure_file *p = f->priv;
	struct psi_trigger *t = __atomic_load_n(&p->trigger, __ATOMIC_ACQUIRE);
	if (!t)
		return always | POLLERR | POLLPRI;
	poll_add(pt, &t->queue);
	return always | (psi_trigger_take(t) ? POLLPRI : 0);
}

static s64 pressure_seek(struct file *f, s64 offset, int whence) { return file_seek_unbounded(f, offset, whence); }

static void pressure_release(struct file *f)
{
	struct pressure_file *p = f->priv;
	if (p->trigger)
		psi_trigger_remove(&psi_machine, p->trigger);
	kfree(p->trigger);
	kfree(p);
}

static const struct file_ops pressure_fops = {
	.read = pressure_read, .write = pressure_write, .poll = pressure_poll, .seek = pressure_seek, .release = pressure_release, .name = "pressure",
};

static int pressure_open(struct inode *i, struct file *f)
{
	struct pressure_file *p = kzalloc(sizeof(*p), ALLOC_KERNEL);
	if (!p)
		return -ENOMEM;
	p->resource = (enum psi_resource)(u64)pseudo_node_of(i)->entry->data;
	p->is_privileged = capable(CAP_SYS_RESOURCE);
	mutex_init(&p->lock, RANK_INODE);
	f->priv = p;
	f->ops = &pressure_fops;
	return 0;
}

#define PRESSURE(n, r) { .name = (n), .mode = S_IFREG | 0666, .open = pressure_open, .data = (void *)(r) }

static const struct pseudo_entry pressure_entries[] = { PRESSURE("io", PSI_IO), PRESSURE("memory", PSI_MEMORY), PRESSURE("cpu", PSI_CPU) };

const struct pseudo_entry proc_pressure_dir = DIR_ENTRY("pressure", pressure_entries);
