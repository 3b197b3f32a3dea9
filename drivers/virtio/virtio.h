/* SPDX-License-Identifier: MIT */
/* Virtio over PCI, modern interface: devices and their queues. Source: Virtio 1.1, 2 and 4.1. */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <drivers/pci.h>
#include <hal/lock.h>
#include <hal/types.h>
#include <linux/virtio_ring.h>

#define VIRTIO_MAX_QUEUES 16

struct virtq;

struct virtio_device {
	struct pci_device pci;
	volatile char *common, *notify, *isr, *config;
	u32 notify_multiplier;
	u64 features; /* accepted */
	struct virtq *queues[VIRTIO_MAX_QUEUES];
	unsigned nr_queues;
	char config_name[20], queues_name[24]; /* of its interrupts */
};

/* A split queue. Buffers are single pieces of physical memory, or a table that lists pieces. */
struct virtq {
	struct virtio_device *device;
	u16 index, size;
	u16 free_head, nr_free, last_used;
	struct spinlock lock; /* RANK_DEVICE, irq */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	volatile u16 *doorbell;
	void *cookies[256];
	/* In interrupt context, lock not held: buffers have come back. */
	void (*done)(struct virtq *q);
	void *owner;
};

/* Resets the device, agrees on `wanted` features (those it offers; VERSION_1 always). number: of the device, as
 * its interrupts are named. 0 or -errno. */
int virtio_start(struct virtio_device *d, const struct pci_device *pci, unsigned number, u64 wanted);
/* Makes queue `index` ready. 0, -ENOENT, -ENOMEM. */
int virtq_create(struct virtio_device *d, u16 index, void (*done)(struct virtq *), void *owner);
/* All queues are made: the device may run. */
void virtio_ready(struct virtio_device *d);
/* fn is called in interrupt context when the device has changed its configuration. Before virtio_ready; 0 or
 * -errno. */
int virtio_watch_config(struct virtio_device *d, void (*fn)(void *arg), void *arg);

/* Gives the device a buffer; cookie comes back with it. 0 or -ENOSPC. */
int virtq_add(struct virtq *q, paddr_t buffer, u32 len, bool device_writes, void *cookie);
/* The same for several pieces, as a table of nr descriptors (chained by their next fields) at physical address
 * `table`, which stays until the buffer comes back. Needs VIRTIO_RING_F_INDIRECT_DESC. */
int virtq_add_table(struct virtq *q, paddr_t table, u32 nr, void *cookie);
void virtq_kick(struct virtq *q);
/* Has a buffer come back? */
static inline bool virtq_has_used(const struct virtq *q)
{
	return READ_ONCE(q->last_used) != __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
}
/* A buffer that came back: its cookie, *len = bytes the device wrote. NULL: none. */
void *virtq_take(struct virtq *q, u32 *len);

/* Drivers: called for a device of their kind. */
void virtio_console_probe(const struct pci_device *pci, unsigned number);
void virtio_rng_probe(const struct pci_device *pci, unsigned number);
/* number: of the virtio device, counted from 0 in the order of the bus. */
void virtio_blk_probe(const struct pci_device *pci, unsigned number);

#endif
