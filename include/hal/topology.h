/* SPDX-License-Identifier: MIT */
/* Where the CPUs sit, and the caches they have. All CPUs of the machine are taken to be alike. */
#ifndef HAL_TOPOLOGY_H
#define HAL_TOPOLOGY_H

#include <hal/types.h>

struct hal_cpu_place {
	u32 package, core; /* the core's number in its package */
};
struct hal_cpu_place hal_cpu_place(unsigned cpu);

enum hal_cache_kind { HAL_CACHE_DATA = 1, HAL_CACHE_INSTRUCTION, HAL_CACHE_UNIFIED };
struct hal_cache {
	enum hal_cache_kind kind;
	u32 level, line_bytes, partitions, nr_ways, nr_sets;
	u32 sharing, id_shift; /* low bits of a CPU's id at the controller: those who share it differ in, and its own id lacks */
};
/* One cache of a CPU, in the order of their levels; false: there are no more. */
bool hal_cpu_cache(unsigned index, struct hal_cache *out);
u32 hal_cache_id(unsigned cpu, const struct hal_cache *c); /* of this CPU's one */
/* Do the two CPUs share this cache? */
bool hal_cpus_share(unsigned a, unsigned b, const struct hal_cache *c);

#endif
