/* SPDX-License-Identifier: MIT */
/* Virtio console: a device, its ports, and the two things that a port can be: a stream or a terminal. */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include "virtio.h"
#include <fs/tty.h>
#include <fs/vfs.h>
#include <lib/list.h>
#include <mm/host.h>

#define MAX_PORTS  6
#define NR_BUFFERS 16
#define NR_TERMINAL_BUFFERS 8 /* for port 0, which is made for a terminal */

struct buffer {
	struct frame *frame;
	u32 len, used; /* received: bytes in it, bytes already read */
	struct list_head link;
};

struct port {
	struct console *console;
	u32 id;
	bool exists, host_open;
	bool is_console; /* a terminal (hvc.c), not a stream (port.c) */
	struct spinlock lock; /* RANK_DEVICE, irq: the lists and flags below */
	struct list_head received, free_tx;
	u32 nr_buffers; /* of each direction */
	u32 nr_free_tx;
	bool is_pushing, push_again;
	struct buffer rx[NR_BUFFERS], tx[NR_BUFFERS];
	struct virtq *rxq, *txq;
	struct host_waitq waitq;
	char name[16];
	struct chrdev chrdev;
	struct tty *tty; /* NULL: no terminal, or not yet */
	struct tty_registration registration;
};

struct console {
	struct virtio_device device;
	struct port ports[MAX_PORTS];
	struct frame *control_rx, *control_tx;
	struct virtq *control_rxq, *control_txq;
	u32 next_message; /* atomic */
	u32 nr_terminals;
};

/* The first buffer of one of the port's lists, taken out, or NULL. Any context. */
struct buffer *port_take(struct port *p, struct list_head *list);
/* Puts it back in front. Any context. */
void port_put_back(struct port *p, struct list_head *list, struct buffer *b);
/* Gives the device a buffer that has been read. Any context. */
void port_give_rx(struct port *p, struct buffer *b);
/* Sends the first n bytes of a free buffer. Any context. */
void port_send(struct port *p, struct buffer *b, u32 n);

/* port.c: makes the node of port `id`; 0 or -errno. */
int port_register(struct port *p, u32 id);
/* Port number id, when the device has it; NULL. */
struct port *console_port(u32 id);

/* hvc.c: the host calls this port a console. Interrupt context. */
void hvc_add(struct port *p);
/* Bytes have come, or sent buffers have come back. Interrupt context. */
void hvc_received(struct port *p);
void hvc_sent(struct port *p);

#endif
