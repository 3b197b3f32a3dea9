/* SPDX-License-Identifier: MIT */
/* Finds devices and hands them to their drivers. */
#include "pmem.h"
#include "virtio/virtio.h"
#include <drivers/drivers.h>

#define VENDOR_VIRTIO 0x1af4

/* Transitional devices have 0x1000 + kind in the subsystem, modern ones 0x1040 + kind as device id. */
static unsigned virtio_kind(const struct pci_device *d)
{
	return d->device >= 0x1040 ? d->device - 0x1040u : d->subsystem;
}

static void probe(struct pci_device *d)
{
	static unsigned nr_virtio;
	if (d->vendor != VENDOR_VIRTIO)
		return;
	unsigned number = nr_virtio++;
	switch (virtio_kind(d)) {
	case 2:
		virtio_blk_probe(d, number);
		break;
	case 3:
		virtio_console_probe(d, number);
		break;
	case 4:
		virtio_rng_probe(d, number);
		break;
	}
}

void drivers_init(void)
{
	pci_for_each(probe);
	pmem_probe();
}
