/* SPDX-License-Identifier: MIT */
/*
 * Topology and caches as CPUID tells them. Sources: Intel SDM vol. 2A, CPUID leaves 4 and 0BH; AMD64 APM vol. 3, E.4
 * (8000_0005h, 8000_0006h, 8000_0008h, 8000_001Dh).
 */
#include "internal.h"
#include <hal/topology.h>
#include <lib/string.h>

static bool has_leaf(u32 leaf)
{
	u32 r[4];
	cpuid(leaf & 0x80000000u, 0, r);
	return r[0] >= leaf;
}

static bool is_amd(void)
{
	u32 r[4];
	cpuid(0, 0, r);
	return r[1] == 0x68747541; /* "Auth" */
}

static u32 bits_for(u32 nr)
{
	u32 bits = 0;
	while (1u << bits < nr)
		bits++;
	return bits;
}

/* Low bits of an APIC id that tell threads of a core, and CPUs of a package, apart. */
static void id_bits(u32 *thread, u32 *package)
{
	u32 r[4];
	*thread = *package = 0;
	if (has_leaf(0xb)) {
		cpuid(0xb, 0, r);
		*thread = r[0] & 31;
		cpuid(0xb, 1, r);
		if (r[1] & 0xffff) {
			*package = r[0] & 31;
			return;
		}
		*thread = 0;
	}
	if (is_amd() && has_leaf(0x80000008)) {
		cpuid(0x80000008, 0, r);
		*package = r[2] >> 12 & 15 ? r[2] >> 12 & 15 : bits_for((r[2] & 0xff) + 1);
		return;
	}
	cpuid(1, 0, r);
	*package = r[3] >> 28 & 1 ? bits_for(r[1] >> 16 & 0xff) : 0;
}

struct hal_cpu_place hal_cpu_place(unsigned cpu)
{
	u32 thread, package, id = cpu_blocks[cpu].apic_id;
	id_bits(&thread, &package);
	return (struct hal_cpu_place){ id >> package, (id & ((1u << package) - 1)) >> thread };
}

/* Leaves 4 and 8000_001Dh have one format. */
static bool describe(u32 leaf, unsigned index, struct hal_cache *out)
{
	u32 r[4];
	cpuid(leaf, index, r);
	if (!(r[0] & 31))
		return false;
	*out = (struct hal_cache){
		.kind = (enum hal_cache_kind)(r[0] & 31), .level = r[0] >> 5 & 7, .line_bytes = (r[1] & 0xfff) + 1,
		.partitions = (r[1] >> 12 & 0x3ff) + 1, .nr_ways = (r[1] >> 22) + 1, .nr_sets = r[2] + 1,
		.sharing = bits_for((r[0] >> 14 & 0xfff) + 1),
	};
	out->id_shift = out->sharing;
	return true;
}

/* AMD's encoding of how many ways a cache of level 2 or 3 has; 0: it is off. */
static u32 decode_ways(u32 code)
{
	static const u8 ways[16] = { 0, 1, 2, 3, 4, 6, 8, 0, 16, 0, 32, 48, 64, 96, 128, 255 };
	return ways[code & 15];
}

/* Who shares it is not told: each counts as its CPU's own, as on Linux, which numbers the third level by package. */
static bool describe_old_amd(unsigned index, struct hal_cache *out)
{
	u32 one[4], two[4], thread, package, size_bytes = 0;
	if (!has_leaf(0x80000006) || index > 3)
		return false;
	cpuid(0x80000005, 0, one);
	cpuid(0x80000006, 0, two);
	*out = (struct hal_cache){ .kind = HAL_CACHE_UNIFIED, .partitions = 1 };
	if (index < 2) {
		u32 word = one[index ? 3 : 2];
		out->kind = index ? HAL_CACHE_INSTRUCTION : HAL_CACHE_DATA;
		out->level = 1;
		out->nr_ways = word >> 16 & 0xff;
		out->line_bytes = word & 0xff;
		size_bytes = (word >> 24) << 10;
	} else {
		u32 word = two[index];
		out->level = index;
		out->nr_ways = decode_ways(word >> 12);
		id_bits(&thread, &package);
		out->id_shift = index == 3 ? package : 0;
		out->line_bytes = word & 0xff;
		size_bytes = index == 2 ? (word >> 16) << 10 : (word >> 18) << 19;
	}
	if (!size_bytes || !out->nr_ways || !out->line_bytes)
		return false;
	out->nr_sets = size_bytes / out->nr_ways / out->line_bytes;
	return true;
}

bool hal_cpu_cache(unsigned index, struct hal_cache *out)
{
	u32 r[4] = { 0 };
	if (!is_amd())
		return has_leaf(4) && describe(4, index, out);
	cpuid(0x80000001, 0, r);
	if (r[2] >> 22 & 1) /* topology extensions */
		return describe(0x8000001d, index, out);
	return describe_old_amd(index, out);
}

u32 hal_cache_id(unsigned cpu, const struct hal_cache *c) { return cpu_blocks[cpu].apic_id >> c->id_shift; }

bool hal_cpus_share(unsigned a, unsigned b, const struct hal_cache *c)
{
	return cpu_blocks[a].apic_id >> c->sharing == cpu_blocks[b].apic_id >> c->sharing;
}
