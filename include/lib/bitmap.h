/* SPDX-License-Identifier: MIT */
/* Sets of small numbers, one bit each, in 64-bit words. The caller locks. */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include <hal/types.h>

#define BITMAP_WORDS(nr_bits) (((nr_bits) + 63) / 64)

static inline bool bitmap_test(const u64 *map, u64 bit) { return map[bit / 64] >> (bit % 64) & 1; }
static inline void bitmap_set(u64 *map, u64 bit) { map[bit / 64] |= 1ull << (bit % 64); }
static inline void bitmap_clear(u64 *map, u64 bit) { map[bit / 64] &= ~(1ull << (bit % 64)); }

/* Sets (or clears) bits [from, from + nr). */
static inline void bitmap_fill(u64 *map, u64 from, u64 nr, bool set)
{
	for (u64 end = from + nr, next; from < end; from = next) {
		next = (from & ~63ull) + 64;
		u64 mask = ~0ull << (from % 64);
		if (next > end)
			mask &= ~0ull >> (next - end);
		u64 *word = &map[from / 64];
		*word = set ? *word | mask : *word & ~mask;
	}
}

/* The first bit >= from that is set (with `invert`: clear); nr_bits when there is none. */
static inline u64 bitmap_find(const u64 *map, u64 nr_bits, u64 from, bool invert)
{
	u64 flip = invert ? ~0ull : 0;
	while (from < nr_bits) {
		u64 word = (map[from / 64] ^ flip) & ~0ull << (from % 64);
		if (word) {
			u64 bit = (from & ~63ull) + (u64)__builtin_ctzll(word);
			return bit < nr_bits ? bit : nr_bits;
		}
		from = (from & ~63ull) + 64;
	}
	return nr_bits;
}

static inline u64 bitmap_next_set(const u64 *map, u64 nr_bits, u64 from) { return bitmap_find(map, nr_bits, from, false); }
static inline u64 bitmap_next_clear(const u64 *map, u64 nr_bits, u64 from) { return bitmap_find(map, nr_bits, from, true); }

static inline u64 bitmap_count(const u64 *map, u64 nr_bits)
{
	u64 n = 0;
	for (u64 b = bitmap_next_set(map, nr_bits, 0); b < nr_bits; b = bitmap_next_set(map, nr_bits, b + 1))
		n++;
	return n;
}

#endif
