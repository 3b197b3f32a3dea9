/* SPDX-License-Identifier: MIT */
/*
 * Ports as character devices /dev/vport0pN: byte streams to the host.
 *
 * Received pages wait in order until they are read and then go back to the device; a writer takes a
 * free page, fills it, gives it to the device, and sleeps when all are under way. A port whose host side
 * is closed reads as end of file once what came is used up, and takes no bytes (EPIPE).
 */
#include "console.h"
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <fs/file.h>
#include <fs/poll.h>
#include <lib/format.h>
#include <mm/frame.h>

#define PORT_MAJOR 242

static struct port *file_port(struct file *f) { return f->priv; }

static bool has_input(struct port *p) { return !list_is_empty(&p->received); }

static long port_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct port *p = file_port(f);
	long done = 0;
	(void)pos;
	while (iov->left) {
		struct buffer *b = port_take(p, &p->received);
		if (!b) {
			if (done || !READ_ONCE(p->host_open))
				return done;
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			int err = wait_event_interruptible(&p->waitq, has_input(p) || !READ_ONCE(p->host_open));
			if (err)
				return err;
			continue;
		}
		size_t want = min((u64)(b->len - b->used), iov->left);
		size_t n = iov_copy_to(iov, (char *)frame_ptr(b->frame) + b->used, want);
		b->used += (u32)n;
		done += (long)n;
		if (b->used < b->len) {
			port_put_back(p, &p->received, b);
			return n < want && !done ? -EFAULT : done;
		}
		port_give_rx(p, b);
	}
	return done;
}

static long port_write(struct file *f, struct iov *iov, u64 *pos)
{
	struct port *p = file_port(f);
	long done = 0;
	(void)pos;
	while (iov->left) {
		if (!READ_ONCE(p->host_open))
			return done ? done : -EPIPE;
		struct buffer *b = port_take(p, &p->free_tx);
		if (!b) {
			if (f->flags & O_NONBLOCK)
				return done ? done : -EAGAIN;
			int err = wait_event_interruptible(&p->waitq, !list_is_empty(&p->free_tx) || !READ_ONCE(p->host_open));
			if (err)
				return done ? done : err;
			continue;
		}
		size_t want = min(iov->left, PAGE_SIZE);
		size_t n = iov_copy_from(iov, frame_ptr(b->frame), want);
		if (n)
			port_send(p, b, (u32)n);
		else
			port_put_back(p, &p->free_tx, b);
		done += (long)n;
		if (n < want)
			return done ? done : -EFAULT;
	}
	return done;
}

static u32 port_poll(struct file *f, struct poll_table *pt)
{
	struct port *p = file_port(f);
	poll_add(pt, &p->waitq);
	u32 events = 0;
	if (has_input(p))
		events |= POLLIN | POLLRDNORM;
	if (!READ_ONCE(p->host_open))
		events |= POLLHUP;
	else if (!list_is_empty(&p->free_tx))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int port_open(struct inode *i, struct file *f)
{
	u32 id = dev_minor(i->rdev);
	struct port *p = console_port(id);
	if (!p || p->is_console)
		return -ENXIO;
	f->priv = p;
	return 0;
}

static const struct file_ops port_fops = { .read = port_read, .write = port_write, .poll = port_poll, .name = "virtio-port" };

int port_register(struct port *p, u32 id)
{
	snprintf(p->name, sizeof(p->name), "vport0p%u", id);
	p->chrdev = (struct chrdev){ .major = PORT_MAJOR, .minor = id, .nr_minors = 1, .name = p->name, .fops = &port_fops, .open = port_open };
	return chrdev_register(&p->chrdev);
}
