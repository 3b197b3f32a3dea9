/* SPDX-License-Identifier: MIT */
/*
 * Ports that the host calls consoles: terminals /dev/hvcN.
 *
 * The terminal is made by the terminal thread, since the host's word comes in an interrupt. From then on
 * received bytes go to the terminal in order: one pusher at a time, so that an interrupt and the
 * terminal's call for more do not overtake each other; what the terminal refuses stays where it is.
 * The host takes what is written whether anybody looks or not, as a serial line does: QEMU throws away what its own
 * reader is too slow for. Who needs every byte uses a port (port.c), which the host can hold up.
 */
#include "console.h"
#include <lib/string.h>
#include <linux/major.h>
#include <mm/frame.h>

#define HVC_MAJOR 229

/* One buffer's bytes; false: the terminal is full. */
static bool push_one(struct port *p, struct tty *t, struct buffer *b)
{
	b->used += (u32)tty_receive(t, (char *)frame_ptr(b->frame) + b->used, b->len - b->used);
	if (b->used < b->len) {
		port_put_back(p, &p->received, b);
		return false;
	}
	port_give_rx(p, b);
	return true;
}

static bool begin_push(struct port *p)
{
	unsigned long flags = spin_lock_irq(&p->lock);
	bool mine = !p->is_pushing;
	p->is_pushing = true;
	p->push_again = !mine;
	spin_unlock_irq(&p->lock, flags);
	return mine;
}

/* False: somebody asked meanwhile. */
static bool end_push(struct port *p)
{
	unsigned long flags = spin_lock_irq(&p->lock);
	bool ends = !p->push_again;
	p->push_again = false;
	p->is_pushing = !ends;
	spin_unlock_irq(&p->lock, flags);
	return ends;
}

void hvc_received(struct port *p)
{
	struct tty *t = __atomic_load_n(&p->tty, __ATOMIC_ACQUIRE);
	struct buffer *b;
	if (!t || !begin_push(p))
		return;
	do {
		while ((b = port_take(p, &p->received)) != NULL && push_one(p, t, b))
			;
	} while (!end_push(p));
}

void hvc_sent(struct port *p)
{
	struct tty *t = __atomic_load_n(&p->tty, __ATOMIC_ACQUIRE);
	if (t)
		tty_wake_writers(t);
}

static size_t hvc_write(struct tty *t, const u8 *buf, size_t len)
{
	struct port *p = tty_priv(t);
	struct buffer *b;
	size_t done = 0;
	while (done < len && (b = port_take(p, &p->free_tx)) != NULL) {
		size_t n = min(len - done, PAGE_SIZE);
		memcpy(frame_ptr(b->frame), buf + done, n);
		port_send(p, b, (u32)n);
		done += n;
	}
	return done;
}

static size_t hvc_room(struct tty *t)
{
	struct port *p = tty_priv(t);
	return READ_ONCE(p->nr_free_tx) * PAGE_SIZE;
}

/* Buffers under way count as one byte each: how full they were is forgotten. */
static size_t hvc_pending(struct tty *t)
{
	struct port *p = tty_priv(t);
	return p->nr_buffers - READ_ONCE(p->nr_free_tx);
}

static void hvc_wants_more(struct tty *t) { hvc_received(tty_priv(t)); }

static const struct tty_driver hvc_driver = {
	.name = "hvc", .major = HVC_MAJOR, .write = hvc_write, .write_room = hvc_room, .pending = hvc_pending, .room = hvc_wants_more,
};

static void registered(void *priv, struct tty *t)
{
	struct port *p = priv;
	if (!t) {
		hal_log(LOG_WARNING, "virtio-console: port %u: no terminal", p->id);
		return;
	}
	__atomic_store_n(&p->tty, t, __ATOMIC_RELEASE);
	hvc_received(p);
}

void hvc_add(struct port *p)
{
	if (p->is_console)
		return;
	p->is_console = true;
	p->registration = (struct tty_registration){ .driver = &hvc_driver, .index = p->console->nr_terminals++, .priv = p, .done = registered };
	tty_register_later(&p->registration);
}
