/* SPDX-License-Identifier: MIT */
/*
 * Hashes for in-memory tables (no defence against chosen keys).
 * Sources: Knuth, TAOCP vol. 3, 6.4 (multiplicative hashing); FNV-1a, Fowler, Noll, Vo.
 */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <hal/types.h>

/* bits: 1..64; the result is below 2^bits. */
static inline u64 hash_u64(u64 key, unsigned bits)
{
	return key * 0x9e3779b97f4a7c15ull >> (64 - bits);
}

static inline u64 hash_bytes(const void *data, size_t len)
{
	const u8 *p = data;
	u64 h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

#endif
