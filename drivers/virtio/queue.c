/* SPDX-License-Identifier: MIT */
/*
 * Devices and split queues. A queue's three rings lie in one block of frames; free descriptors are
 * chained through their next field. Source: Virtio 1.1, 2.6 (split virtqueues), 4.1.4 (PCI layout).
 */
#include "virtio.h"
#include <asm/errno.h>
#include <lib/format.h>
#include <lib/string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <machine/io.h>
#include <mm/frame.h>
#include <mm/slab.h>

#define CAP_VENDOR 0x09
#define QUEUE_SIZE 64

static volatile char *map_capability(struct virtio_device *d, unsigned cap)
{
	u64 size;
	unsigned bar = pci_read(&d->pci, cap + 4, 1);
	paddr_t base = pci_bar(&d->pci, bar, &size);
	u32 offset = pci_read(&d->pci, cap + 8, 4), len = pci_read(&d->pci, cap + 12, 4);
	return base ? hal_mmio_map(base + offset, len) : NULL;
}

static int find_registers(struct virtio_device *d)
{
	for (unsigned cap = pci_find_capability(&d->pci, CAP_VENDOR, 0); cap; cap = pci_find_capability(&d->pci, CAP_VENDOR, cap)) {
		switch (pci_read(&d->pci, cap + 3, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			d->common = map_capability(d, cap);
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			d->notify = map_capability(d, cap);
			d->notify_multiplier = pci_read(&d->pci, cap + 16, 4);
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			d->isr = map_capability(d, cap);
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			d->config = map_capability(d, cap);
			break;
		}
	}
	return d->common && d->notify ? 0 : -ENODEV;
}

static void status_add(struct virtio_device *d, u8 bits)
{
	volatile char *status = d->common + VIRTIO_PCI_COMMON_STATUS;
	mmio_write8(status, mmio_read8(status) | bits);
}

static u64 read_features(struct virtio_device *d)
{
	u64 f = 0;
	for (unsigned half = 0; half < 2; half++) {
		mmio_write32(d->common + VIRTIO_PCI_COMMON_DFSELECT, half);
		f |= (u64)mmio_read32(d->common + VIRTIO_PCI_COMMON_DF) << 32 * half;
	}
	return f;
}

int virtio_start(struct virtio_device *d, const struct pci_device *pci, unsigned number, u64 wanted)
{
	memset(d, 0, sizeof(*d));
	d->pci = *pci;
	snprintf(d->config_name, sizeof(d->config_name), "virtio%u-config", number);
	snprintf(d->queues_name, sizeof(d->queues_name), "virtio%u-virtqueues", number);
	pci_enable(pci);
	int err = find_registers(d);
	if (err)
		return err;
	volatile char *status = d->common + VIRTIO_PCI_COMMON_STATUS;
	mmio_write8(status, 0);
	while (mmio_read8(status))
		hal_cpu_pause();
	status_add(d, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	d->features = read_features(d) & (wanted | 1ull << VIRTIO_F_VERSION_1);
	for (unsigned half = 0; half < 2; half++) {
		mmio_write32(d->common + VIRTIO_PCI_COMMON_GFSELECT, half);
		mmio_write32(d->common + VIRTIO_PCI_COMMON_GF, (u32)(d->features >> 32 * half));
	}
	status_add(d, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(mmio_read8(status) & VIRTIO_CONFIG_S_FEATURES_OK) || !(d->features >> VIRTIO_F_VERSION_1 & 1))
		return -ENODEV;
	return pci_msix_enable(&d->pci);
}

void virtio_ready(struct virtio_device *d) { status_add(d, VIRTIO_CONFIG_S_DRIVER_OK); }

int virtio_watch_config(struct virtio_device *d, void (*fn)(void *), void *arg)
{
	int err = pci_msix_request(&d->pci, 1, d->config_name, fn, arg);
	if (err >= 0)
		mmio_write16(d->common + VIRTIO_PCI_COMMON_MSIX, 1);
	return err < 0 ? err : 0;
}

/* One vector serves all queues of a device: devices offer fewer vectors than queues. */
static void device_interrupt(void *arg)
{
	struct virtio_device *d = arg;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		struct virtq *q = d->queues[i];
		if (q && q->last_used != __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE))
			q->done(q);
	}
}

/* Rings in one block: descriptors, available, used (4 bytes aligned). */
static int allocate_rings(struct virtq *q)
{
	size_t avail = 16u * q->size, used = (avail + 6 + 2u * q->size + 3) & ~3u, total = used + 6 + 8u * q->size;
	unsigned order = 0;
	while ((PAGE_SIZE << order) < total)
		order++;
	struct frame *f = frame_alloc(order, ALLOC_KERNEL | ALLOC_ZERO, FRAME_KERNEL);
	if (!f)
		return -ENOMEM;
	char *base = frame_ptr(f);
	q->desc = (struct vring_desc *)base;
	q->avail = (struct vring_avail *)(base + avail);
	q->used = (struct vring_used *)(base + used);
	for (u16 i = 0; i < q->size; i++)
		q->desc[i].next = (u16)(i + 1);
	q->nr_free = q->size;
	return 0;
}

static void write_address(volatile char *reg, const void *p)
{
	u64 a = hal_ptr_pfn(p) << PAGE_SHIFT | ((u64)p & ~PAGE_MASK);
	mmio_write32(reg, (u32)a);
	mmio_write32(reg + 4, (u32)(a >> 32));
}

int virtq_create(struct virtio_device *d, u16 index, void (*done)(struct virtq *), void *owner)
{
	volatile char *c = d->common;
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_SELECT, index);
	u16 size = mmio_read16(c + VIRTIO_PCI_COMMON_Q_SIZE);
	if (!size || index >= VIRTIO_MAX_QUEUES)
		return -ENOENT;
	struct virtq *q = kzalloc(sizeof(*q), ALLOC_KERNEL);
	if (!q)
		return -ENOMEM;
	q->device = d;
	q->index = index;
	q->size = min(size, (u16)QUEUE_SIZE);
	q->done = done;
	q->owner = owner;
	spin_lock_init(&q->lock, RANK_DEVICE);
	int err = allocate_rings(q);
	if (!err && d->nr_queues == 0)
		err = pci_msix_request(&d->pci, 0, d->queues_name, device_interrupt, d);
	if (err < 0) {
		kfree(q);
		return err;
	}
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_SIZE, q->size);
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_MSIX, 0);
	write_address(c + VIRTIO_PCI_COMMON_Q_DESCLO, q->desc);
	write_address(c + VIRTIO_PCI_COMMON_Q_AVAILLO, q->avail);
	write_address(c + VIRTIO_PCI_COMMON_Q_USEDLO, q->used);
	q->doorbell = (volatile u16 *)(d->notify + mmio_read16(c + VIRTIO_PCI_COMMON_Q_NOFF) * d->notify_multiplier);
	mmio_write16(c + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
	d->queues[index] = q;
	d->nr_queues++;
	return 0;
}

static int add(struct virtq *q, paddr_t buffer, u32 len, u16 desc_flags, void *cookie)
{
	unsigned long flags = spin_lock_irq(&q->lock);
	if (!q->nr_free) {
		spin_unlock_irq(&q->lock, flags);
		return -ENOSPC;
	}
	u16 i = q->free_head;
	q->free_head = q->desc[i].next;
	q->nr_free--;
	q->desc[i].addr = buffer;
	q->desc[i].len = len;
	q->desc[i].flags = desc_flags;
	q->cookies[i] = cookie;
	q->avail->ring[q->avail->idx % q->size] = i;
	__atomic_store_n(&q->avail->idx, (u16)(q->avail->idx + 1), __ATOMIC_RELEASE);
	spin_unlock_irq(&q->lock, flags);
	return 0;
}

int virtq_add(struct virtq *q, paddr_t buffer, u32 len, bool device_writes, void *cookie)
{
	return add(q, buffer, len, device_writes ? VRING_DESC_F_WRITE : 0, cookie);
}

int virtq_add_table(struct virtq *q, paddr_t table, u32 nr, void *cookie)
{
	return add(q, table, nr * (u32)sizeof(struct vring_desc), VRING_DESC_F_INDIRECT, cookie);
}

void virtq_kick(struct virtq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(READ_ONCE(q->used->flags) & VRING_USED_F_NO_NOTIFY))
		mmio_write16(q->doorbell, q->index);
}

void *virtq_take(struct virtq *q, u32 *len)
{
	void *cookie = NULL;
	unsigned long flags = spin_lock_irq(&q->lock);
	if (q->last_used != __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) {
		struct vring_used_elem *e = &q->used->ring[q->last_used % q->size];
		u16 i = (u16)e->id;
		*len = e->len;
		cookie = q->cookies[i];
		q->desc[i].next = q->free_head;
		q->free_head = i;
		q->nr_free++;
		q->last_used++;
	}
	spin_unlock_irq(&q->lock, flags);
	return cookie;
}
