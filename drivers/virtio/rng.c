/* SPDX-License-Identifier: MIT */
/* Virtio entropy device: one request at boot, mixed into the generator. Source: Virtio 1.1, 5.4. */
#include "virtio.h"
#include <hal/time.h>
#include <mm/frame.h>

#define WANTED 64

static void done(struct virtq *q)
{
	u32 len;
	struct frame *f;
	while ((f = virtq_take(q, &len)) != NULL)
		hal_random_mix(frame_ptr(f), min(len, (u32)WANTED)); /* the page stays: an interrupt frees nothing */
}

void virtio_rng_probe(const struct pci_device *pci, unsigned number)
{
	static struct virtio_device device;
	if (virtio_start(&device, pci, number, 0) || virtq_create(&device, 0, done, NULL))
		return;
	virtio_ready(&device);
	struct frame *f = frame_alloc(0, ALLOC_KERNEL, FRAME_KERNEL);
	if (f && virtq_add(device.queues[0], frame_pfn(f) << PAGE_SHIFT, WANTED, true, f) == 0)
		virtq_kick(device.queues[0]);
}
