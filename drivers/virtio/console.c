/* SPDX-License-Identifier: MIT */
/*
 * Virtio console ports as character devices /dev/vport0pN: byte streams to the host.
 *
 * Each port owns a fixed set of page buffers for each direction. Received pages wait in order until
 * they are read and then go back to the device; a writer takes a free page, fills it, gives it to the
 * device, and sleeps when all are under way. A port whose host side is closed reads as end of file
 * once what came is used up, and takes no bytes (EPIPE). Source: Virtio 1.1, 5.3 (multiport).
 */
#include "virtio.h"
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <fs/file.h>
#include <fs/poll.h>
#include <fs/vfs.h>
#include <lib/format.h>
#include <lib/string.h>
#include <linux/virtio_console.h>
#include <linux/major.h>
#include <machine/io.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define MAX_PORTS  6
#define NR_BUFFERS 16
#define PORT_MAJOR 242

struct buffer {
	struct frame *frame;
	u32 len, used; /* received: bytes in it, bytes already read */
	struct list_head link;
};

struct port {
	struct console *console;
	u32 id;
	bool exists, host_open;
	struct spinlock lock; /* RANK_TTY, irq: the lists below */
	struct list_head received, free_tx;
	struct buffer rx[NR_BUFFERS], tx[NR_BUFFERS];
	struct virtq *rxq, *txq;
	struct host_waitq waitq;
	char name[16];
	struct chrdev chrdev;
};

struct console {
	struct virtio_device device;
	struct port ports[MAX_PORTS];
	struct frame *control_rx, *control_tx;
	struct virtq *control_rxq, *control_txq;
	u32 next_message; /* atomic */
};

static struct console *the_console;

static paddr_t frame_paddr(struct frame *f) { return frame_pfn(f) << PAGE_SHIFT; }

/* ---- control messages ---- */

/* Messages lie one behind the other in a page, as many as the queue is long; any context, also nested. */
static void control_send(struct console *c, u32 id, u16 event, u16 value)
{
	u32 len, slot = __atomic_fetch_add(&c->next_message, 1, __ATOMIC_RELAXED) % c->control_txq->size;
	struct virtio_console_control *m = (struct virtio_console_control *)frame_ptr(c->control_tx) + slot;
	while (virtq_take(c->control_txq, &len)) /* what the device has read */
		;
	*m = (struct virtio_console_control){ .id = id, .event = event, .value = value };
	if (virtq_add(c->control_txq, frame_paddr(c->control_tx) + slot * sizeof(*m), sizeof(*m), false, m))
		hal_log(LOG_WARNING, "virtio-console: control queue full, message %u for port %u lost", event, id);
	virtq_kick(c->control_txq);
}

static struct port *port_of(struct console *c, u32 id) { return id < MAX_PORTS ? &c->ports[id] : NULL; }

static void port_give_rx(struct port *p, struct buffer *b)
{
	virtq_add(p->rxq, frame_paddr(b->frame), PAGE_SIZE, true, b);
}

static void control_event(struct console *c, const struct virtio_console_control *m)
{
	struct port *p = port_of(c, m->id);
	if (!p)
		return;
	switch (m->event) {
	case VIRTIO_CONSOLE_PORT_ADD:
		p->exists = p->rxq && p->txq;
		if (p->exists) {
			for (unsigned i = 0; i < NR_BUFFERS; i++)
				port_give_rx(p, &p->rx[i]);
			virtq_kick(p->rxq);
		}
		control_send(c, m->id, VIRTIO_CONSOLE_PORT_READY, p->exists);
		if (p->exists)
			control_send(c, m->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		WRITE_ONCE(p->host_open, m->value != 0);
		wake_all(&p->waitq);
		break;
	}
}

/* The device drops a message for which no buffer waits, so there are as many as it may send in a row. */
#define CONTROL_BYTES 256u

static void control_give_rx(struct console *c, char *at)
{
	virtq_add(c->control_rxq, frame_paddr(c->control_rx) + (u64)(at - (char *)frame_ptr(c->control_rx)), CONTROL_BYTES, true, at);
}

static void control_received(struct virtq *q)
{
	struct console *c = q->owner;
	u32 len;
	char *at;
	while ((at = virtq_take(q, &len)) != NULL) {
		struct virtio_console_control m;
		memcpy(&m, at, sizeof(m));
		control_give_rx(c, at);
		virtq_kick(q);
		if (len >= sizeof(m))
			control_event(c, &m);
	}
}

/* ---- data ---- */

static void received(struct virtq *q)
{
	struct port *p = q->owner;
	struct buffer *b;
	u32 len;
	unsigned long flags = spin_lock_irq(&p->lock);
	while ((b = virtq_take(q, &len)) != NULL) {
		b->len = len;
		b->used = 0;
		list_add_tail(&b->link, &p->received);
	}
	spin_unlock_irq(&p->lock, flags);
	wake_all(&p->waitq);
}

static void sent(struct virtq *q)
{
	struct port *p = q->owner;
	struct buffer *b;
	u32 len;
	unsigned long flags = spin_lock_irq(&p->lock);
	while ((b = virtq_take(q, &len)) != NULL)
		list_add_tail(&b->link, &p->free_tx);
	spin_unlock_irq(&p->lock, flags);
	wake_all(&p->waitq);
}

static struct buffer *list_take(struct port *p, struct list_head *list)
{
	struct buffer *b = NULL;
	unsigned long flags = spin_lock_irq(&p->lock);
	if (!list_is_empty(list)) {
		b = list_first_entry(list, struct buffer, link);
		list_del(&b->link);
	}
	spin_unlock_irq(&p->lock, flags);
	return b;
}

static void list_put_back(struct port *p, struct list_head *list, struct buffer *b)
{
	unsigned long flags = spin_lock_irq(&p->lock);
	list_add(&b->link, list);
	spin_unlock_irq(&p->lock, flags);
}

static struct port *file_port(struct file *f) { return f->priv; }

static bool has_input(struct port *p) { return !list_is_empty(&p->received); }

static long port_read(struct file *f, struct iov *iov, u64 *pos)
{
	struct port *p = file_port(f);
	long done = 0;
	(void)pos;
	while (iov->left) {
		struct buffer *b = list_take(p, &p->received);
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
			list_put_back(p, &p->received, b);
			return n < want && !done ? -EFAULT : done;
		}
		port_give_rx(p, b);
		virtq_kick(p->rxq);
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
		struct buffer *b = list_take(p, &p->free_tx);
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
			virtq_add(p->txq, frame_paddr(b->frame), (u32)n, false, b);
		else
			list_put_back(p, &p->free_tx, b);
		done += (long)n;
		if (n < want)
			return done ? done : -EFAULT;
		virtq_kick(p->txq);
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
	struct port *p = the_console ? port_of(the_console, id) : NULL;
	if (!p || !p->exists)
		return -ENXIO;
	f->priv = p;
	return 0;
}

static const struct file_ops port_fops = { .read = port_read, .write = port_write, .poll = port_poll, .name = "virtio-port" };

/* ---- set-up ---- */

static bool buffers_fill(struct buffer *b)
{
	for (unsigned i = 0; i < NR_BUFFERS; i++) {
		b[i].frame = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
		if (!b[i].frame)
			return false;
	}
	return true;
}

/* Queues 0, 1: port 0; 2, 3: control; then two for each further port. */
static bool port_setup(struct console *c, u32 id)
{
	struct port *p = &c->ports[id];
	u16 base = (u16)(id ? 2 + 2 * id : 0);
	p->console = c;
	p->id = id;
	spin_lock_init(&p->lock, RANK_TTY);
	host_waitq_init(&p->waitq);
	list_init(&p->received);
	list_init(&p->free_tx);
	if (id == 0) /* the console port is not used: every queue before ours must exist, empty */
		return true;
	if (!buffers_fill(p->rx) || !buffers_fill(p->tx))
		return false;
	for (unsigned i = 0; i < NR_BUFFERS; i++)
		list_add_tail(&p->tx[i].link, &p->free_tx);
	int err = virtq_create(&c->device, base, received, p);
	if (!err)
		err = virtq_create(&c->device, (u16)(base + 1), sent, p);
	if (err) {
		hal_log(LOG_INFO, "virtio-console: port %u not used (error %d)", id, err);
		return false;
	}
	p->rxq = c->device.queues[base];
	p->txq = c->device.queues[base + 1];
	snprintf(p->name, sizeof(p->name), "vport0p%u", id);
	p->chrdev = (struct chrdev){ .major = PORT_MAJOR, .minor = id, .nr_minors = 1, .name = p->name, .fops = &port_fops, .open = port_open };
	return chrdev_register(&p->chrdev) == 0;
}

static void nothing(struct virtq *q) { (void)q; }

void virtio_console_probe(const struct pci_device *pci)
{
	struct console *c = kzalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c || the_console || virtio_start(&c->device, pci, 1ull << VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	if (!(c->device.features >> VIRTIO_CONSOLE_F_MULTIPORT & 1) || !c->device.config) {
		hal_log(LOG_WARNING, "virtio-console: without ports, not used");
		return;
	}
	c->control_rx = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	c->control_tx = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	if (!c->control_rx || !c->control_tx || virtq_create(&c->device, 2, control_received, c) ||
	    virtq_create(&c->device, 3, nothing, c))
		return;
	c->control_rxq = c->device.queues[2];
	c->control_txq = c->device.queues[3];
	u32 nr = min(mmio_read32(c->device.config + offsetof(struct virtio_console_config, max_nr_ports)), (u32)MAX_PORTS);
	the_console = c;
	for (u32 id = 0; id < nr; id++)
		if (!port_setup(c, id))
			break;
	virtio_ready(&c->device);
	for (unsigned at = 0; at < PAGE_SIZE; at += CONTROL_BYTES)
		control_give_rx(c, (char *)frame_ptr(c->control_rx) + at);
	virtq_kick(c->control_rxq);
	control_send(c, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
}
