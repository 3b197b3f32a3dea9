/* SPDX-License-Identifier: MIT */
/* PCI: finding devices, their registers and interrupts. Source: PCI Local Bus 3.0, chapters 6 and 6.8. */
#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include <hal/irq.h>
#include <hal/types.h>

struct pci_device {
	u8 bus, slot, function;
	u16 vendor, device;
	u32 class_code; /* base << 16 | sub << 8 | interface */
	u16 subsystem;
	volatile void *msix_table; /* mapped by pci_msix_enable; NULL before */
	unsigned msix_entries;
};

u32 pci_read(const struct pci_device *d, unsigned offset, unsigned bytes); /* 1, 2 or 4 */
void pci_write(const struct pci_device *d, unsigned offset, unsigned bytes, u32 value);

/* Calls fn for each device found, in order of bus, slot, function. */
void pci_for_each(void (*fn)(struct pci_device *d));

/* Offset of the next capability of this kind after `after` (0: the first); 0: none. */
unsigned pci_find_capability(const struct pci_device *d, u8 id, unsigned after);

/* Physical address and size of a memory BAR; 0: none or an I/O BAR. */
paddr_t pci_bar(const struct pci_device *d, unsigned bar, u64 *size);

/* Memory decoding and bus mastering on. */
void pci_enable(const struct pci_device *d);

/* MSI-X on, all entries masked. 0 or -ENODEV. */
int pci_msix_enable(struct pci_device *d);
/* Routes one entry to fn; name stays. 0 or -errno. */
int pci_msix_request(struct pci_device *d, unsigned entry, const char *name, hal_irq_handler fn, void *arg);

#endif
