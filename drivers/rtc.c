/* SPDX-License-Identifier: MIT */
/* The PC's real-time clock, read once at boot. Source: MC146818A datasheet; ACPI FADT's century byte. */
#include <hal/irq.h>
#include <machine/io.h>

static u8 cmos(u8 reg)
{
	hal_out8(0x70, reg);
	return hal_in8(0x71);
}

static unsigned from_bcd(u8 v, bool binary) { return binary ? v : (unsigned)(v >> 4) * 10 + (v & 15); }

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static s64 days_since_epoch(s64 y, unsigned m, unsigned d)
{
	y -= m <= 2;
	s64 era = y / 400;
	u64 year = (u64)(y - era * 400), day = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
	return era * 146097 + (s64)(year * 365 + year / 4 - year / 100 + day) - 719468;
}

s64 hal_boot_time_s(void)
{
	u8 v[6], again[6];
	static const u8 regs[6] = { 0, 2, 4, 7, 8, 9 };
	bool same;
	do { /* twice the same: no update came between */
		while (cmos(0x0a) & 0x80)
			;
		for (unsigned i = 0; i < 6; i++)
			v[i] = cmos(regs[i]);
		same = !(cmos(0x0a) & 0x80);
		for (unsigned i = 0; i < 6; i++)
			same &= (again[i] = cmos(regs[i])) == v[i];
	} while (!same);
	u8 status = cmos(0x0b);
	bool binary = status & 4, is_24h = status & 2;
	unsigned hour = from_bcd(v[2] & 0x7f, binary);
	if (!is_24h)
		hour = hour % 12 + (v[2] & 0x80 ? 12 : 0);
	s64 days = days_since_epoch(2000 + (s64)from_bcd(v[5], binary), from_bcd(v[4], binary), from_bcd(v[3], binary));
	return days * 86400 + hour * 3600 + from_bcd(v[1], binary) * 60 + from_bcd(v[0], binary);
}
