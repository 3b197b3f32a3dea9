/* SPDX-License-Identifier: MIT */
/*
 * Virtio console: the device, its control queue, and the buffers of its ports.
 *
 * Each port owns a fixed set of page buffers for each direction, which travel between two lists and the
 * two queues. What a port is, the host says while the machine runs: a stream (port.c) or a terminal
 * (hvc.c). A device without the control queue has one port, which is a terminal.
 * Source: Virtio 1.1, 5.3.
 */
#include "console.h"
#include <asm/errno.h>
#include <lib/string.h>
#include <linux/virtio_console.h>
#include <machine/io.h>
#include <mm/frame.h>
#include <mm/slab.h>

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

struct port *console_port(u32 id)
{
	struct port *p = the_console ? port_of(the_console, id) : NULL;
	return p && p->exists ? p : NULL;
}

static void add_rx(struct port *p, struct buffer *b)
{
	virtq_add(p->rxq, frame_paddr(b->frame), PAGE_SIZE, true, b);
}

/* The port may receive; false: it has no queues. */
static bool port_begin(struct port *p)
{
	p->exists = p->rxq && p->txq;
	for (unsigned i = 0; p->exists && i < p->nr_buffers; i++)
		add_rx(p, &p->rx[i]);
	if (p->exists)
		virtq_kick(p->rxq);
	return p->exists;
}

static void control_event(struct console *c, const struct virtio_console_control *m)
{
	struct port *p = port_of(c, m->id);
	if (!p)
		return;
	switch (m->event) {
	case VIRTIO_CONSOLE_PORT_ADD:
		if (!p->exists)
			port_begin(p);
		control_send(c, m->id, VIRTIO_CONSOLE_PORT_READY, p->exists);
		if (p->exists)
			control_send(c, m->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
		break;
	case VIRTIO_CONSOLE_CONSOLE_PORT:
		if (p->exists)
			hvc_add(p);
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

struct buffer *port_take(struct port *p, struct list_head *list)
{
	struct buffer *b = NULL;
	unsigned long flags = spin_lock_irq(&p->lock);
	if (!list_is_empty(list)) {
		b = list_first_entry(list, struct buffer, link);
		list_del(&b->link);
		p->nr_free_tx -= list == &p->free_tx;
	}
	spin_unlock_irq(&p->lock, flags);
	return b;
}

void port_put_back(struct port *p, struct list_head *list, struct buffer *b)
{
	unsigned long flags = spin_lock_irq(&p->lock);
	list_add(&b->link, list);
	p->nr_free_tx += list == &p->free_tx;
	spin_unlock_irq(&p->lock, flags);
}

static void append(struct port *p, struct list_head *list, struct buffer *b)
{
	unsigned long flags = spin_lock_irq(&p->lock);
	list_add_tail(&b->link, list);
	p->nr_free_tx += list == &p->free_tx;
	spin_unlock_irq(&p->lock, flags);
}

void port_give_rx(struct port *p, struct buffer *b)
{
	add_rx(p, b);
	virtq_kick(p->rxq);
}

void port_send(struct port *p, struct buffer *b, u32 n)
{
	virtq_add(p->txq, frame_paddr(b->frame), n, false, b);
	virtq_kick(p->txq);
}

/* One interrupt at a time, so the order is kept. */
static void received(struct virtq *q)
{
	struct port *p = q->owner;
	struct buffer *b;
	u32 len;
	while ((b = virtq_take(q, &len)) != NULL) {
		b->len = len;
		b->used = 0;
		append(p, &p->received, b);
	}
	wake_all(&p->waitq);
	hvc_received(p);
}

static void sent(struct virtq *q)
{
	struct port *p = q->owner;
	struct buffer *b;
	u32 len;
	while ((b = virtq_take(q, &len)) != NULL)
		append(p, &p->free_tx, b);
	wake_all(&p->waitq);
	hvc_sent(p);
}

/* ---- set-up ---- */

static bool buffers_fill(struct buffer *b, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
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
	p->nr_buffers = id ? NR_BUFFERS : NR_TERMINAL_BUFFERS;
	spin_lock_init(&p->lock, RANK_DEVICE);
	host_waitq_init(&p->waitq);
	list_init(&p->received);
	list_init(&p->free_tx);
	if (!buffers_fill(p->rx, p->nr_buffers) || !buffers_fill(p->tx, p->nr_buffers))
		return false;
	for (unsigned i = 0; i < p->nr_buffers; i++)
		append(p, &p->free_tx, &p->tx[i]);
	int err = virtq_create(&c->device, base, received, p);
	if (!err)
		err = virtq_create(&c->device, (u16)(base + 1), sent, p);
	if (err) {
		hal_log(LOG_INFO, "virtio-console: port %u not used (error %d)", id, err);
		return false;
	}
	p->rxq = c->device.queues[base];
	p->txq = c->device.queues[base + 1];
	return port_register(p, id) == 0;
}

static void nothing(struct virtq *q) { (void)q; }

static bool control_setup(struct console *c)
{
	c->control_rx = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	c->control_tx = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	if (!c->control_rx || !c->control_tx || virtq_create(&c->device, 2, control_received, c) ||
	    virtq_create(&c->device, 3, nothing, c))
		return false;
	c->control_rxq = c->device.queues[2];
	c->control_txq = c->device.queues[3];
	return true;
}

/* The host answers with its ports, by and by. */
static void control_begin(struct console *c)
{
	for (unsigned at = 0; at < PAGE_SIZE; at += CONTROL_BYTES)
		control_give_rx(c, (char *)frame_ptr(c->control_rx) + at);
	virtq_kick(c->control_rxq);
	control_send(c, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
}

void virtio_console_probe(const struct pci_device *pci, unsigned number)
{
	if (the_console) {
		hal_log(LOG_INFO, "virtio-console: a further device is not used");
		return;
	}
	struct console *c = kzalloc(sizeof(*c), ALLOC_KERNEL);
	if (!c || virtio_start(&c->device, pci, number, 1ull << VIRTIO_CONSOLE_F_MULTIPORT)) {
		kfree(c);
		return;
	}
	bool many = c->device.features >> VIRTIO_CONSOLE_F_MULTIPORT & 1 && c->device.config;
	u32 nr = many ? min(mmio_read32(c->device.config + offsetof(struct virtio_console_config, max_nr_ports)), (u32)MAX_PORTS) : 1;
	the_console = c; /* from here on it stays: the device knows its memory */
	if (many && !control_setup(c))
		return;
	for (u32 id = 0; id < nr; id++)
		if (!port_setup(c, id))
			break;
	virtio_ready(&c->device);
	if (many)
		control_begin(c);
	else if (port_begin(&c->ports[0]))
		hvc_add(&c->ports[0]);
}
