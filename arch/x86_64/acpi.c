/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables, as far as a kernel without an interpreter needs them: processors and interrupt
 * controllers (MADT), power and reset registers (FADT), the soft-off value (\_S5 in the DSDT).
 * Source: ACPI 6.4, 5.2.
 */
#include "internal.h"
#include <lib/string.h>

struct header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[26];
} __attribute__((packed));

struct acpi_info acpi = { .lapic_base = 0xfee00000 };

static const struct header *table_at(paddr_t p) { return phys_ptr(p); }

static void add_cpu(u32 id, u32 flags)
{
	if ((flags & 1) && acpi.nr_cpus < HAL_MAX_CPUS)
		acpi.lapic_ids[acpi.nr_cpus++] = id;
}

static void read_madt(const struct header *h)
{
	const u8 *p = (const u8 *)h, *end = p + h->length;
	acpi.lapic_base = *(const u32 *)(p + 36);
	for (p += 44; p + 2 <= end && p[1] >= 2; p += p[1]) {
		if (p[0] == 0) {
			add_cpu(p[3], *(const u32 *)(p + 4));
		} else if (p[0] == 1 && acpi.nr_ioapics < ARRAY_SIZE(acpi.ioapics)) {
			acpi.ioapics[acpi.nr_ioapics].base = *(const u32 *)(p + 4);
			acpi.ioapics[acpi.nr_ioapics++].gsi_base = *(const u32 *)(p + 8);
		} else if (p[0] == 2 && p[3] < 16) {
			acpi.isa[p[3]].gsi = *(const u32 *)(p + 4);
			acpi.isa[p[3]].flags = *(const u16 *)(p + 8);
			acpi.isa[p[3]].set = true;
		}
	}
}

/* \_S5 is a package of small integers: NameOp "_S5_" PackageOp length count value value. */
static void find_s5(const struct header *dsdt)
{
	const u8 *p = (const u8 *)dsdt + sizeof(*dsdt), *end = (const u8 *)dsdt + dsdt->length;
	for (; p + 12 < end; p++) {
		if (memcmp(p, "_S5_", 4) || p[4] != 0x12)
			continue;
		p += 5;
		p += (p[0] >> 6) + 1; /* package length */
		p++;                  /* number of elements */
		u16 value[2] = { 0, 0 };
		for (unsigned i = 0; i < 2; i++) {
			if (*p == 0x0a)
				p++; /* byte prefix; 0 and 1 stand alone */
			value[i] = *p++;
		}
		acpi.slp_typ_a = value[0];
		acpi.slp_typ_b = value[1];
		acpi.has_s5 = true;
		return;
	}
}

static void read_fadt(const struct header *h)
{
	const u8 *p = (const u8 *)h;
	acpi.pm1a_control = (u16) * (const u32 *)(p + 64);
	acpi.pm1b_control = (u16) * (const u32 *)(p + 68);
	acpi.pm_timer = (u16) * (const u32 *)(p + 76);
	if (h->length >= 129 && *(const u32 *)(p + 112) & (1u << 10) && p[116] == 1) {
		acpi.reset_address = *(const u64 *)(p + 120);
		acpi.reset_value = p[128];
		acpi.has_reset = true;
	}
	find_s5(table_at(*(const u32 *)(p + 40)));
}

static void read_table(const struct header *h)
{
	if (!memcmp(h->signature, "APIC", 4))
		read_madt(h);
	else if (!memcmp(h->signature, "FACP", 4))
		read_fadt(h);
}

/* Where firmware puts the RSDP when the loader does not say. */
static paddr_t search_rsdp(void)
{
	for (paddr_t p = 0xe0000; p < 0x100000; p += 16)
		if (!memcmp(phys_ptr(p), "RSD PTR ", 8))
			return p;
	return 0;
}

void acpi_init(void)
{
	paddr_t where = boot_rsdp() ? boot_rsdp() : search_rsdp();
	if (where) {
		const u8 *rsdp = phys_ptr(where);
		bool wide = rsdp[15] >= 2 && *(const u64 *)(rsdp + 24);
		const struct header *root = table_at(wide ? *(const u64 *)(rsdp + 24) : *(const u32 *)(rsdp + 16));
		const u8 *entry = (const u8 *)(root + 1);
		unsigned size = wide ? 8 : 4, n = (root->length - sizeof(*root)) / size;
		for (unsigned i = 0; i < n; i++, entry += size)
			read_table(table_at(wide ? *(const u64 *)entry : *(const u32 *)entry));
	}
	if (!acpi.nr_cpus)
		acpi.lapic_ids[acpi.nr_cpus++] = 0;
}
