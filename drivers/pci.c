/* SPDX-License-Identifier: MIT */
/*
 * PCI by configuration mechanism #1 (ports 0xcf8, 0xcfc). All buses are tried: there are few, and an
 * absent device answers with all ones.
 */
#include <asm/errno.h>
#include <drivers/pci.h>
#include <hal/lock.h>
#include <machine/io.h>

#define CONFIG_COMMAND  0x04
#define CONFIG_BAR0     0x10
#define CONFIG_CAPS     0x34
#define CAP_MSIX        0x11

static struct spinlock config_lock = SPINLOCK_INIT(RANK_DEVICE);

static void select(const struct pci_device *d, unsigned offset)
{
	hal_out32(0xcf8, 1u << 31 | (u32)d->bus << 16 | (u32)d->slot << 11 | (u32)d->function << 8 | (offset & 0xfc));
}

u32 pci_read(const struct pci_device *d, unsigned offset, unsigned bytes)
{
	unsigned long flags = spin_lock_irq(&config_lock);
	select(d, offset);
	u32 v = hal_in32(0xcfc) >> (offset & 3) * 8;
	spin_unlock_irq(&config_lock, flags);
	return bytes == 4 ? v : v & ((1u << bytes * 8) - 1);
}

void pci_write(const struct pci_device *d, unsigned offset, unsigned bytes, u32 value)
{
	unsigned long flags = spin_lock_irq(&config_lock);
	select(d, offset);
	u16 port = (u16)(0xcfc + (offset & 3));
	if (bytes == 1)
		hal_out8(port, (u8)value);
	else if (bytes == 2)
		hal_out16(port, (u16)value);
	else
		hal_out32(port, value);
	spin_unlock_irq(&config_lock, flags);
}

static bool probe(struct pci_device *d)
{
	u32 id = pci_read(d, 0, 4);
	if ((id & 0xffff) == 0xffff)
		return false;
	d->vendor = (u16)id;
	d->device = (u16)(id >> 16);
	d->class_code = pci_read(d, 8, 4) >> 8;
	d->subsystem = (u16)pci_read(d, 0x2e, 2);
	d->msix_table = NULL;
	d->msix_entries = 0;
	return true;
}

void pci_for_each(void (*fn)(struct pci_device *))
{
	for (unsigned bus = 0; bus < 256; bus++) {
		bool any = false;
		for (unsigned slot = 0; slot < 32; slot++) {
			unsigned functions = 1;
			for (unsigned f = 0; f < functions; f++) {
				struct pci_device d = { .bus = (u8)bus, .slot = (u8)slot, .function = (u8)f };
				if (!probe(&d))
					continue;
				any = true;
				if (f == 0 && pci_read(&d, 0x0e, 1) & 0x80)
					functions = 8;
				fn(&d);
			}
		}
		if (!any && bus > 8)
			break; /* firmware numbers buses without large holes */
	}
}

unsigned pci_find_capability(const struct pci_device *d, u8 id, unsigned after)
{
	if (!(pci_read(d, 0x06, 2) & 0x10))
		return 0;
	unsigned at = after ? pci_read(d, after + 1, 1) : pci_read(d, CONFIG_CAPS, 1);
	for (unsigned n = 0; at >= 0x40 && n < 48; n++, at = pci_read(d, at + 1, 1))
		if (pci_read(d, at, 1) == id)
			return at & 0xfc;
	return 0;
}

paddr_t pci_bar(const struct pci_device *d, unsigned bar, u64 *size)
{
	unsigned at = CONFIG_BAR0 + 4 * bar;
	u32 lo = pci_read(d, at, 4);
	if (lo & 1)
		return 0;
	bool wide = (lo & 6) == 4;
	u32 command = pci_read(d, CONFIG_COMMAND, 2), hi = wide ? pci_read(d, at + 4, 4) : 0;
	/* While all ones are written the device must not decode. */
	pci_write(d, CONFIG_COMMAND, 2, command & ~3u);
	pci_write(d, at, 4, ~0u);
	u64 mask = pci_read(d, at, 4) & ~15u;
	pci_write(d, at, 4, lo);
	if (wide) {
		pci_write(d, at + 4, 4, ~0u);
		mask |= (u64)pci_read(d, at + 4, 4) << 32;
		pci_write(d, at + 4, 4, hi);
	} else {
		mask |= ~0ull << 32;
	}
	pci_write(d, CONFIG_COMMAND, 2, command);
	*size = ~mask + 1;
	return ((u64)hi << 32 | lo) & ~15ull;
}

void pci_enable(const struct pci_device *d)
{
	pci_write(d, CONFIG_COMMAND, 2, pci_read(d, CONFIG_COMMAND, 2) | 6);
}

int pci_msix_enable(struct pci_device *d)
{
	unsigned cap = pci_find_capability(d, CAP_MSIX, 0);
	u64 size;
	if (!cap)
		return -ENODEV;
	u32 control = pci_read(d, cap + 2, 2), table = pci_read(d, cap + 4, 4);
	paddr_t base = pci_bar(d, table & 7, &size);
	if (!base)
		return -ENODEV;
	d->msix_entries = (control & 0x7ff) + 1;
	d->msix_table = hal_mmio_map(base + (table & ~7u), d->msix_entries * 16);
	for (unsigned i = 0; i < d->msix_entries; i++)
		mmio_write32((volatile char *)d->msix_table + i * 16 + 12, 1); /* masked */
	pci_write(d, cap + 2, 2, control | 0x8000);
	return 0;
}

int pci_msix_request(struct pci_device *d, unsigned entry, const char *name, hal_irq_handler fn, void *arg)
{
	struct hal_msi msi;
	if (entry >= d->msix_entries)
		return -ENOSPC;
	u32 source = (u32)(d->bus << 8 | d->slot << 3 | d->function) << 11 | entry;
	int err = hal_irq_request_msi(source, name, fn, arg, &msi);
	if (err < 0)
		return err;
	volatile char *e = (volatile char *)d->msix_table + entry * 16;
	mmio_write32(e, (u32)msi.address);
	mmio_write32(e + 4, (u32)(msi.address >> 32));
	mmio_write32(e + 8, msi.data);
	mmio_write32(e + 12, 0);
	return 0;
}
